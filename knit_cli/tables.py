"""Listings for people: the forms that `--output` offers beside JSON, and how they are printed.

Tables are made of what the API answers and of the present time alone, so that they can be tested as texts. On a
terminal they are drawn by rich, in colours unless NO_COLOR is set; elsewhere columns are aligned by blanks.
"""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, TypeVar

from knit_cli import frame, output
from knit_cli.progress import size
from knit_server.domain import times
from knit_server.domain.errors import InvalidInput

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

FORMS = ("json", "table", "wide", "name")
SHORT = 8
"""Characters of an id in a table; the command line takes them for the whole."""

Rows = Sequence[Mapping[str, Any]]
_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Table:
    """Texts in columns; `names` is what `--output name` prints."""

    heads: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    names: list[str] = field(default_factory=list)


Maker = Callable[[Rows, int, bool], Table]
"""Makes a table of what the API answered, the present time in milliseconds, and whether it shall be wide."""


# --- the flag ---------------------------------------------------------------------------------------------------------


def option(function: _F) -> _F:
    """Declare `--output`, the parameter `form` of a listing."""
    told = "The form: json (the default), a table, a wide one with whole ids, or names alone, one a line."
    return frame.value("--output", "form", metavar="|".join(FORMS), default="json", help=told)(function)


def checked(form: str) -> str:
    """Return `form` if it is one. Raises `UsageError`."""
    if form not in FORMS:
        raise frame.usage(f"--output is one of {', '.join(FORMS)}, not {form!r}")
    return form


def show(found: Rows, form: str, make: Maker) -> None:
    """Print a listing in one of `FORMS`."""
    if form == "json":
        output.print_json(found)
        return
    table = make(found, time.time_ns() // 1_000_000, form == "wide")
    if form == "name":
        output.emit("".join(f"{output.one_line(each)}\n" for each in table.names))
    elif output.binary_stdout().isatty():
        output.emit(drawn(table))
    else:
        output.emit(plain(table))


# --- what is in them --------------------------------------------------------------------------------------------------


def data(found: Rows, now: int, wide: bool) -> Table:
    """List Data."""
    names = [str(each["knitId"]) for each in found]
    if wide:
        heads = ("KNIT ID", "TIMESTAMP", "STATUS", "TAGS", "RUN ID", "FROM", "TAKEN BY", "FITS")
        return Table(heads, [(*_data(each), _runs_of(each), _fits(each)) for each in found], names)
    rows = [_data(each) for each in found]
    short = [(row[0][:SHORT], ago(row[1], now), row[2], row[3], row[5]) for row in rows]
    return Table(("ID", "MADE", "STATUS", "TAGS", "FROM"), short, names)


def _data(each: Mapping[str, Any]) -> tuple[str, ...]:
    run = each["upstream"]["run"]
    texts = [str(text) for text in each["tags"]]
    made = next((text.partition(":")[2] for text in texts if text.startswith("knit#timestamp:")), "")
    tags = ", ".join(text for text in texts if not text.startswith("knit#"))
    return each["knitId"], made, run["status"], tags, run["runId"], _image(run["plan"])


def _runs_of(each: Mapping[str, Any]) -> str:
    return str(len({downstream["run"]["runId"] for downstream in each["downstreams"]}))


def _fits(each: Mapping[str, Any]) -> str:
    return str(len({nomination["plan"]["planId"] for nomination in each["nomination"]}))


def plans(found: Rows, now: int, wide: bool) -> Table:
    """List Plans."""
    names = [str(each["planId"]) for each in found]
    heads: tuple[str, ...] = ("PLAN ID" if wide else "ID", "ACTIVE", "IMAGE", "INPUTS", "OUTPUTS")
    rows: list[tuple[str, ...]] = []
    for each in found:
        outputs = _mounts(each["outputs"], wide)
        if (log := each.get("log")) is not None:
            outputs.append("log" + (f" {_joined(log['tags'])}" if wide else ""))
        row = (
            each["planId"] if wide else each["planId"][:SHORT], _activity(each), _image(each),
            " + ".join(_mounts(each["inputs"], wide)), " + ".join(outputs),
        )  # fmt: skip
        resources = ", ".join(f"{key}={value}" for key, value in (each.get("resources") or {}).items())
        rows.append((*row, resources, _joined(each.get("annotations") or ())) if wide else row)
    return Table((*heads, "RESOURCES", "ANNOTATIONS") if wide else heads, rows, names)


def _activity(plan: Mapping[str, Any]) -> str:
    if plan.get("archived"):
        return "archived"
    return "yes" if plan["active"] else "no"


def _mounts(mounts: Iterable[Mapping[str, Any]], wide: bool) -> list[str]:
    texts = ((each["path"], _joined(each["tags"])) for each in mounts)
    return [f"{path} {tags}".rstrip() if wide else tags or path for path, tags in texts]


def runs(found: Rows, now: int, wide: bool) -> Table:
    """List Runs."""
    names = [str(each["runId"]) for each in found]
    if not wide:
        short = [
            (
                each["runId"][:SHORT], each["status"], ago(each["updatedAt"], now), *_ended(each),
                each["plan"]["planId"][:SHORT], _image(each["plan"]),
            )
            for each in found
        ]  # fmt: skip
        return Table(("ID", "STATUS", "UPDATED", "EXIT", "MESSAGE", "PLAN", "IMAGE"), short, names)
    heads = ("RUN ID", "STATUS", "UPDATED", "EXIT", "MESSAGE", "PLAN ID", "IMAGE", "INPUTS", "OUTPUTS", "LOG")
    rows = [
        (
            each["runId"], each["status"], each["updatedAt"], *_ended(each), each["plan"]["planId"],
            _image(each["plan"]), _joined(mount["knitId"] for mount in each["inputs"]),
            _joined(mount["knitId"] for mount in each["outputs"]), (each["log"] or {"knitId": ""})["knitId"],
        )
        for each in found
    ]  # fmt: skip
    return Table(heads, rows, names)


def _ended(each: Mapping[str, Any]) -> tuple[str, str]:
    ended = each.get("exit")
    if ended is None:
        return "", ""
    return str(ended["code"]), output.first_line(ended["message"])


def images(found: Rows, now: int, wide: bool) -> Table:
    """List images; each of their names is a name."""
    names = [str(name) for each in found for name in each["names"] or (each["digest"],)]
    if not wide:
        short = [
            (
                _joined(each["names"]),
                _hex(each["digest"]),
                ago(each["created"], now),
                size(each["size"]),
                each["python"],
            )
            for each in found
        ]
        return Table(("NAMES", "DIGEST", "MADE", "SIZE", "PYTHON"), short, names)
    heads = ("NAMES", "DIGEST", "CREATED", "SIZE", "PYTHON", "WORKDIR", "PROGRAM", "WARNINGS")
    rows = [
        (
            _joined(each["names"]), each["digest"], each["created"], size(each["size"]), each["python"],
            each["workdir"], " ".join([*each["entrypoint"], *each["cmd"]]), str(len(each["warnings"])),
        )
        for each in found
    ]  # fmt: skip
    return Table(heads, rows, names)


def files(found: Rows, now: int, wide: bool) -> Table:
    """List the names in a Data; `--output name` gives the files alone."""
    names = [str(each["path"]) for each in found if each["kind"] == "file"]
    rows = []
    for each in found:
        path = (
            f"{each['path']} -> {each['target']}" if "target" in each else each["path"] + "/" * (each["kind"] == "dir")
        )
        length = "" if each["kind"] != "file" else str(each["size"]) if wide else size(each["size"])
        rows.append((each["mode"], length, each["mtime"] if wide else ago(each["mtime"], now), path))
    return Table(("MODE", "SIZE", "CHANGED", "PATH"), rows, names)


def profiles(found: Rows, now: int, wide: bool) -> Table:
    """List profiles; the one in use is marked."""
    names = [str(each["name"]) for each in found]
    rows = [
        ("*" if each["inUse"] else "", each["name"], each.get("apiRoot") or each.get("problem") or "") for each in found
    ]
    return Table(("", "NAME", "SERVER"), rows, names)


def _hex(digest: str) -> str:
    return digest.rpartition(":")[2][:12]


def _image(plan: Mapping[str, Any]) -> str:
    return str(plan.get("image") or plan.get("name") or "")


def _joined(texts: Iterable[Any]) -> str:
    return ", ".join(map(str, texts))


_STEPS = ((60_000, 1000, "s"), (3_600_000, 60_000, "m"), (86_400_000, 3_600_000, "h"), (2_592_000_000, 86_400_000, "d"))


def ago(timestamp: str, now: int) -> str:
    """Say how long ago a timestamp was, seen from `now` (milliseconds); after 30 days, its date."""
    try:
        past = now - times.parse_instant(timestamp)
    except InvalidInput:
        return timestamp
    if past < 5_000:  # clocks of two machines differ, too
        return "now"
    for end, unit, name in _STEPS:
        if past < end:
            return f"{past // unit}{name} ago"
    return timestamp[:10]


# --- how they look ----------------------------------------------------------------------------------------------------


def plain(table: Table) -> str:
    """Write a table as lines with aligned columns, two blanks apart; no cell is cut."""
    rows = [tuple(map(output.one_line, row)) for row in (table.heads, *table.rows)]
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = (cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True))
        lines.append("  ".join(cells).rstrip())
    return "".join(f"{line}\n" for line in lines)


def drawn(table: Table, width: int | None = None) -> str:
    """Draw a table for a terminal of `width` columns (this one's by default), as the environment says in colours."""
    import io

    console = terminal(io.StringIO(), width)
    with console.capture() as captured:
        console.print(grid(table))
    return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())


def terminal(file: IO[str] | None = None, width: int | None = None) -> Console:
    """Return what draws on the terminal (or, for it, into `file`), without colours where NO_COLOR says so."""
    import shutil

    from rich.console import Console

    place = shutil.get_terminal_size()
    return Console(
        file=file, force_terminal=True, width=width or place.columns, height=place.lines, highlight=False
    )  # fmt: skip


def grid(table: Table, caption: Text | None = None) -> RichTable:
    """Return the table as rich draws it, with a line below it."""
    from rich.table import Table as RichTable
    from rich.text import Text

    made = RichTable(
        box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", caption=caption, caption_justify="left"
    )
    for head in table.heads:
        made.add_column(head, overflow="fold", no_wrap=head in _WHOLE)
    for row in table.rows:
        made.add_row(*(Text(output.one_line(cell), style=_STYLES.get(cell, "")) for cell in row))
    return made


_WHOLE = ("ID", "MADE", "STATUS", "UPDATED", "EXIT", "ACTIVE", "PLAN", "DIGEST", "SIZE")
"""Columns that are not broken over lines: they are short."""

_STYLES = {
    "done": "green", "failed": "red", "running": "cyan", "starting": "cyan", "completing": "cyan", "aborting": "yellow",
    "waiting": "yellow", "ready": "yellow", "deactivated": "dim", "no": "dim",
    "archived": "dim",
}  # fmt: skip


def _width(text: str) -> int:
    """Return how many columns of a terminal `text` takes."""
    return sum(0 if unicodedata.combining(each) else 1 + (unicodedata.east_asian_width(each) in "WF") for each in text)
