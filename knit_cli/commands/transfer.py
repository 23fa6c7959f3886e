"""`knit data push` and `knit data pull`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from knit_cli import frame, hosting, output, session, tables
from knit_cli.progress import Meter
from knit_server.domain import tags
from knit_server.domain.errors import InvalidInput
from knit_server.domain.tags import Tag

if TYPE_CHECKING:
    from knit_server.client.api import KnitClient
    from knit_server.wire.shapes import DataDetail


@click.command(
    "push", cls=frame.Command, add_help_option=False,
    help="Upload directories or files, each as a new Data.\n"
    "A Data gets the tags of --tag and of the knitenv in the same moment in which it becomes usable. Symlinks are\n"
    "kept as they are; a source that is a symlink itself is followed. A source that is not there is skipped.",
)  # fmt: skip
@frame.values("--tag", "-t", metavar="KEY:VALUE", help="A tag for each Data.")
@frame.switch("--name", "-n", help="Add the tag name:BASENAME of the source.")
@frame.switch("--dereference", "-L", help="Follow symlinks and send what they point to.")
@frame.argument("sources", "SOURCE", "A directory, or a single file.", many=True)
def push(sources: tuple[str, ...], tag: tuple[str, ...], name: bool, dereference: bool) -> None:
    """Upload one source after the other; each Data goes to stdout as JSON."""
    given = [tags.parse(text) for text in session.tag_texts("--tag", tag)]
    if any(each.is_system for each in given):
        raise frame.usage("Tag starting knit# is reserved")
    common = [*given, *(each for each in session.knitenv().tags if not each.is_system)]
    pushed = 0
    with session.connected() as knit:
        for number, source in enumerate(sources, start=1):
            try:
                os.stat(source)
            except (OSError, ValueError) as err:
                why = err.strerror if isinstance(err, OSError) else str(err)
                output.log(f"{why}: {source} -- skipped")
                continue
            wanted = tags.normal([*common, _name_of(source)] if name else common)
            detail = _push_one(knit, f"[[{number}/{len(sources)}]]", source, wanted, dereference)
            if not hosting.given(detail):
                output.emit(("\n" if pushed else "") + output.as_json(detail))
                output.end_line()
            pushed += 1
    if not pushed:
        raise InvalidInput("nothing was pushed", advice="Check the paths of the sources.")


def _push_one(knit: KnitClient, number: str, source: str, wanted: tags.Tags, dereference: bool) -> DataDetail:
    from knit_server.content.walk import total_size

    output.log(f"{number} sending... {source}")
    total = total_size(os.path.realpath(source), dereference=dereference) if os.path.isdir(source) else None
    size = os.stat(source).st_size if total is None else total
    with session.refused("sending data is rejected by server (status code = {code})"), Meter(size) as meter:
        detail = knit.push(
            source, map(str, wanted), dereference=dereference, progress=meter.step, sent=meter.sent, warn=_warn
        )
    place = f"{source} -> knit#id:{detail['knitId']}"
    output.log(f"registered: {place}")
    output.log(f"{number} [OK] done: {place}")
    return detail


def _name_of(source: str) -> Tag:
    """Return the tag of `--name`: the last part of the path, with `.` and `..` resolved first."""
    base = os.path.basename(os.path.abspath(source))
    if not base:
        raise InvalidInput(f"{source} has no name: --name", advice="Leave out --name, and give a tag by -t name:NAME.")
    return session.of_flag("--name", lambda text: tags.check(Tag("name", text)), base)


@click.command(
    "pull", cls=frame.Command, add_help_option=False,
    help="Download a Data.\n"
    "Without --extract it becomes DEST/KNIT_ID.tar.gz, replacing such a file. With --extract it becomes the new\n"
    "directory DEST/KNIT_ID, which appears when everything is there and verified; an existing one is left alone.\n"
    "With --file only that file comes: into DEST if that is a directory, else as DEST.",
)  # fmt: skip
@frame.value("--file", metavar="PATH", help="Only this file of the Data; knit data ls lists them.")
@frame.switch("--extract", "-x", help="Unpack into the directory DEST/KNIT_ID.")
@frame.argument("knit_id", "KNIT_ID", "The Data.")
@frame.argument("dest", "DEST", "Where to; the current directory by default, - is stdout.", default=".")
def pull(knit_id: str, dest: str, extract: bool, file: str | None) -> None:
    """Download; stdout stays empty unless it is the destination."""
    name = session.file_id(knit_id)
    if dest == "-" and extract:
        raise frame.usage("--extract needs a directory, not -")
    if file is not None and extract:
        raise frame.usage("--file and --extract exclude each other: a single file is never packed")
    if dest == "-" and file is None:
        output.refuse_terminal("an archive", "Send it on: knit data pull KNIT_ID - | tar -tz, or leave out the -.")
    folder = _folder(dest)
    summary = "downloading data is rejected by server (status code = {code})"
    with session.connected() as knit, session.refused(summary):
        if file is not None:
            _one_file(knit, name, file, dest)
            return
        if extract:
            _extract(knit, name, folder)
            return
        output.log(f"Downloading to {'stdout' if dest == '-' else folder / f'{name}.tar.gz'}:")
        with Meter() as meter:
            target = output.binary_stdout() if dest == "-" else folder / f"{name}.tar.gz"
            knit.pull_archive(name, target, progress=meter.step, warn=_warn)


def _folder(dest: str) -> Path:
    return Path(os.path.expanduser(dest)) if dest.startswith("~/") else Path(dest)


def _one_file(knit: KnitClient, name: str, file: str, dest: str) -> None:
    """Download one file to `dest`, or into it if it is a directory; `-` is stdout."""
    path = file.removeprefix("./")
    base = path.rpartition("/")[2]
    if not base or base in (".", ".."):
        raise frame.usage(f"--file is the path of a file in the Data, not {file!r}")
    target = None if dest == "-" else _folder(dest)
    if target is not None and (target.is_dir() or dest.endswith("/")):
        target /= base
    output.log(f"Downloading {path} to {'stdout' if target is None else target}:")
    with Meter() as meter:
        knit.pull_file(name, path, output.binary_stdout() if target is None else target, progress=meter.step)


@click.command(
    "ls", cls=frame.Command, add_help_option=False,
    help="List the files in a Data.\nNothing is downloaded; knit data pull --file PATH gets one of them.",
)  # fmt: skip
@tables.option
@frame.argument("knit_id", "KNIT_ID", "The Data.")
def ls(knit_id: str, form: str) -> None:
    """Print the names in the Data, as a JSON array by default."""
    form = tables.checked(form)
    with session.connected() as knit, session.refused(f"cannot list the files of knit#id:{knit_id}"):
        found = knit.data_files(knit_id)
    tables.show(found, form, tables.files)


def _extract(knit: KnitClient, name: str, folder: Path) -> None:
    from knit_server.content.restore import refuse_existing

    place = folder / name
    refuse_existing(place)
    output.log(f"extracting: {name} into {place}:")
    with Meter() as meter:
        knit.pull(name, place, progress=meter.step, warn=_warn)
    output.log("done.:")


def _warn(message: str) -> None:
    output.log(f"[WARN] {message}")
