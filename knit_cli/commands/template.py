"""`knit plan template`: a plan file to start from."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

import click

from knit_cli import frame, output, session
from knit_server.domain import images
from knit_server.domain.errors import InvalidInput, KnitError, NotFound

if TYPE_CHECKING:
    import io

    from knit_server.content.archives import Candidate
    from knit_server.wire.template import Program, Template


@click.command(
    "template", cls=frame.Command, add_help_option=False,
    help="Write a plan file to start from, on stdout.\n"
    "Where the image is looked at: in the archive of --input, or in one that is piped in (as docker save and OCI\n"
    "tools write them, compressed or not); otherwise, IMAGE is one of the server's images. With --scratch, nowhere.\n"
    "Of an archive with several images, IMAGE says which. Tags and resources of your knitenv are filled in.\n"
    "Only an image of the server needs a profile.",
)  # fmt: skip
@frame.switch("--scratch", help="Look at no image.")
@frame.value("--input", "-i", metavar="FILE", help="The archive of the image; - is stdin.")
@frame.argument("image", "IMAGE[:TAG]", "The image that the Plan shall run.", optional=True)
def template(image: str | None, scratch: bool, input: str | None) -> None:  # noqa: A002 - the flag's name
    """Write the template; all else goes to stderr."""
    if scratch and (image or input is not None):
        raise frame.usage("--scratch looks at no image: leave IMAGE and --input out")
    try:
        made = _make(image or "", scratch, input)
    except KnitError as err:
        raise type(err)(f"failed to generate Plan file: {err.reason}", advice=err.advice, see=err.see) from err
    from knit_server.wire import template as templates

    output.emit(templates.write(made))
    for path, source in templates.feeding_itself(made):
        feeder = f"the output {source}" if source else "the log"
        output.log(f"[WARN] the input {path} asks only for tags that {feeder} gives; change the tags before you apply")
    output.log("# Plan file is generated. modify it as you like.")


def _make(image: str, scratch: bool, input: str | None) -> Template:  # noqa: A002 - as above
    from knit_server.wire import template as templates

    env = session.knitenv()
    if scratch:
        return templates.scratch(env.tags, env.resources)
    with ExitStack() as opened:
        source = _archive(input, image, opened)
        name, program = _server_image(image) if source is None else _archived(image, *source)
    return templates.of_image(name, program, env.tags, env.resources)


def _archive(input: str | None, image: str, opened: ExitStack) -> tuple[IO[bytes], str] | None:  # noqa: A002
    """The archive to look into and its name; None for an image of the server. A usage error if there is neither."""
    from knit_server.content.door import translated

    if input is not None and input != "-":
        with translated(f"reading '{input}'"):
            return opened.enter_context(Path(input).open("rb")), input
    if input == "-" or _is_piped():
        return sys.stdin.buffer, "STDIN"
    if not image:
        raise frame.usage("which image? Pipe an archive in, or give --input FILE, IMAGE or --scratch")
    return None


def _is_piped() -> bool:
    """Whether stdin is a pipe or a file with something in it: a terminal and /dev/null have no archive to give."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError, AttributeError):  # stdin is closed, or no file at all
        return False
    may = stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)
    return may and bool(cast("io.BufferedReader", sys.stdin.buffer).peek(1))


def _archived(image: str, source: IO[bytes], name: str) -> tuple[str, Program]:
    """Look into an archive: the image's name, and what it runs. Raises `InvalidInput`, `NotFound`."""
    from knit_server.content import archives
    from knit_server.wire.template import Program

    output.log(f'...analyzing image from "{name}"')
    found = _chosen(archives.survey(source), image)
    config = found.config
    program = Program(entrypoint=config.entrypoint, cmd=config.cmd, volumes=config.volumes, workdir=config.workdir)
    return image or next(iter(found.names), ""), program


def _chosen(found: list[Candidate], image: str) -> Candidate:
    if image:
        for each in found:
            if image in each.names or _full(image) in map(_full, each.names):
                return each
        names = ", ".join(name for each in found for name in each.names) or "no name"
        raise NotFound(f"specified image tag '{image}' is not found", advice=f"In the archive there is {names}.")
    if not found:
        raise NotFound("no image found", advice="Is it the archive of an image? docker save NAME -o FILE")
    if len(found) > 1:
        names = ", ".join(name for each in found for name in each.names)
        raise InvalidInput("multiple images found, specify the image tag", advice=f"The archive has {names}.")
    return found[0]


def _server_image(image: str) -> tuple[str, Program]:
    """Ask the server for one of its images: the name, and what it runs. Raises `NotFound`."""
    from knit_server.wire.template import Program

    output.log(f"...looking at the server's image {image}")
    wanted = str(images.parse(image))
    with session.connected() as knit, session.refused(session.INCOMPATIBLE):
        found = next((each for each in knit.find_images() if wanted in each["names"]), None)
    if found is None:
        raise NotFound(
            f"specified image tag '{image}' is not found",
            advice="List the server's images (knit image ls), or give the archive of the image: --input FILE",
        )
    program = Program(
        entrypoint=found["entrypoint"], cmd=found["cmd"], volumes=found.get("volumes", []), workdir=found["workdir"]
    )
    return wanted, program


def _full(name: str) -> str:
    """The name with its tag; what is no name stays as it is."""
    try:
        return str(images.parse(name))
    except InvalidInput:
        return name
