"""`knit image`: the local images of the server."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from knit_cli import frame, output, progress, session, tables
from knit_server.domain.errors import InvalidInput

image = frame.Group(
    "image",
    help="Build, load, list, name and remove the server's local images.",
    table={
        "build": frame.Lazy("knit_cli.commands.image:build", "Build an image from a directory with a Dockerfile."),
        "load": frame.Lazy("knit_cli.commands.image:load", "Load images from a docker-save or OCI archive."),
        "ls": frame.Lazy("knit_cli.commands.image:ls", "List the images."),
        "rm": frame.Lazy("knit_cli.commands.image:rm", "Take a name from an image."),
        "tag": frame.Lazy("knit_cli.commands.image:tag", "Give an image a further name."),
    },
)


@click.command(
    "build", cls=frame.Command, add_help_option=False,
    help="Build an image from a directory with a Dockerfile.\n"
    "The directory is sent to the server, which builds it without a container engine: FROM python, RUN pip install,\n"
    "COPY, WORKDIR, ENV, ARG, ENTRYPOINT and CMD are understood.",
)  # fmt: skip
@frame.value("--tag", "-t", metavar="NAME[:TAG]", help="The name of the image (required).")
@frame.value("--file", "-f", metavar="FILE", help="The Dockerfile, inside DIR; DIR/Dockerfile by default.")
@frame.values("--build-arg", metavar="KEY=VALUE", help="The value of an ARG.")
@frame.argument("directory", "DIR", "The directory to build.")
def build(directory: str, tag: str | None, file: str | None, build_arg: tuple[str, ...]) -> None:
    """Build, telling each line of the build on stderr; the image goes to stdout as JSON."""
    if not tag:
        raise frame.usage("--tag is required")
    arguments = dict(_pair(word) for word in build_arg)
    context = Path(directory)
    dockerfile = "Dockerfile" if file is None else _inside(context, Path(file))
    with session.connected() as knit, session.refused("the image cannot be built (status code = {code})"):
        lines = _Lines()
        built = knit.build_image(context, tag, dockerfile=dockerfile, build_args=arguments, progress=lines.show)
    for warning in built["warnings"]:
        lines.warn(warning)
    output.log(f"[OK] built: {', '.join(built['names'])}")
    output.print_json(built)


@click.command(
    "load", cls=frame.Command, add_help_option=False,
    help="Load images from a docker-save or OCI archive.\n"
    "The archive, compressed or not, is sent to the server, which unpacks it into a root file system of its own and\n"
    "runs it without a container engine. Its images keep their names, unless --tag gives others.",
)  # fmt: skip
@frame.values("--tag", "-t", metavar="NAME[:TAG]", help="The name of the image, in place of those in the archive.")
@frame.argument("file", "FILE|-", "The archive; - is stdin.")
def load(file: str, tag: tuple[str, ...]) -> None:
    """Load, telling each line of the work on stderr; the images go to stdout as a JSON array."""
    source = sys.stdin.buffer if file == "-" else Path(file)
    total = source.stat().st_size if isinstance(source, Path) and source.is_file() else None
    refused = session.refused("the image cannot be loaded (status code = {code})")
    with session.connected() as knit, refused, progress.Meter(total) as meter:
        loaded = knit.load_images(source, tag, sent=meter.step, progress=output.say)
    for each in loaded:
        for warning in each["warnings"]:
            output.log(f"[WARN] {each['names'][0]}: {warning}")
        output.log(f"[OK] loaded: {', '.join(each['names'])}")
    output.print_json(loaded)


@click.command("ls", cls=frame.Command, add_help_option=False, help="List the images.")
@tables.option
def ls(form: str) -> None:
    """Print the images, as a JSON array by default."""
    form = tables.checked(form)
    with session.connected() as knit, session.refused(session.INCOMPATIBLE):
        found = knit.find_images()
    tables.show(found, form, tables.images)


@click.command(
    "rm", cls=frame.Command, add_help_option=False,
    help="Take a name from an image.\nAn image without names is deleted.",
)  # fmt: skip
@frame.argument("name", "NAME[:TAG]", "The name to take away.")
def rm(name: str) -> None:
    """Take the name away; all output goes to stderr."""
    with session.connected() as knit, session.refused(f"image {name} cannot be removed"):
        knit.remove_image(name)
    output.log(f"removed image name: {name}")


@click.command(
    "tag", cls=frame.Command, add_help_option=False,
    help="Give an image a further name.\n"
    "So an image built here can stand in for one that a Plan names after a registry.",
)  # fmt: skip
@frame.argument("name", "NAME[:TAG]", "A name the image has.")
@frame.argument("new", "NEW_NAME[:TAG]", "The name it gets as well.")
def tag(name: str, new: str) -> None:
    """Give the name; the image goes to stdout as JSON."""
    with session.connected() as knit, session.refused(f"image {name} cannot be named {new}"):
        output.print_json(knit.tag_image(name, new))


class _Lines:
    """Shows the lines of a build; a warning comes once, though it is among them and with the image."""

    def __init__(self) -> None:
        self._warned: set[str] = set()

    def show(self, line: str) -> None:
        """Show a line of the build."""
        told, colon, warning = line.partition(": ")
        if colon and told == "warning":
            self.warn(warning)
        else:
            output.say(line)

    def warn(self, warning: str) -> None:
        """Show a warning that was not shown yet."""
        if warning not in self._warned:
            self._warned.add(warning)
            output.log(f"[WARN] {warning}")


def _pair(word: str) -> tuple[str, str]:
    key, equals, text = word.partition("=")
    if not equals or not key:
        raise frame.usage(f"--build-arg is KEY=VALUE, not {word!r}")
    return key, text


def _inside(context: Path, file: Path) -> str:
    """Return where in the context `file` is: as typed from here, as docker has it, or from the context."""
    for candidate in (file, context / file):
        if candidate.is_file() and candidate.resolve().is_relative_to(context.resolve()):
            return candidate.resolve().relative_to(context.resolve()).as_posix()
    raise InvalidInput(f"there is no {file} in {context}", advice="Give a Dockerfile that lies inside the directory.")
