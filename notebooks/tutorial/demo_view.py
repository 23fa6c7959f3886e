"""What the demo prints: shortened command output and the table of Runs. Pure text, except `Live`, which writes it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

#: How the table groups the statuses of Runs.
COLUMNS = ("waiting", "running", "done", "failed")
GROUP = {
    "deactivated": "waiting",
    "waiting": "waiting",
    "ready": "waiting",
    "starting": "running",
    "running": "running",
    "completing": "running",
    "aborting": "running",
    "done": "done",
    "failed": "failed",
    "invalidated": "failed",
}

#: A Run as `knit run find` prints it.
Run = dict[str, Any]


def shorten(text: str, *, lines: int = 12, width: int = 118) -> str:
    """The first lines of a command's output, each cut to the width, and how many more there are."""
    every = text.rstrip().splitlines()
    kept = [line if len(line) <= width else line[: width - 1] + "…" for line in every[:lines]]
    if len(every) > lines:
        kept.append(f"… ({len(every) - lines} more lines)")
    return "\n".join(kept)


def indent(text: str, by: str = "    ") -> str:
    """The text with each line moved to the right."""
    return "\n".join(by + line for line in text.splitlines())


def plan_name(plan: dict[str, Any]) -> str:
    """A short name of a Plan: its pseudo name, or its image without registry and version."""
    image = plan.get("image")
    if not image:
        return str(plan.get("name", plan["planId"]))
    return str(image).rsplit("/", 1)[-1].split(":", 1)[0]


@dataclass(frozen=True)
class Row:
    """How many Runs of a Plan are waiting, running, done and failed."""

    name: str
    counts: tuple[int, ...]


def tally(runs: Iterable[Run], names: Sequence[str]) -> list[Row]:
    """A row for each of the names, in that order, and then one for each other Plan that has a Run."""
    counts = {name: dict.fromkeys(COLUMNS, 0) for name in names}
    for run in runs:
        of_plan = counts.setdefault(plan_name(run["plan"]), dict.fromkeys(COLUMNS, 0))
        of_plan[GROUP.get(run["status"], "waiting")] += 1
    return [Row(name, tuple(of_plan[column] for column in COLUMNS)) for name, of_plan in counts.items()]


def table(rows: Sequence[Row]) -> list[str]:
    """The rows as lines of text under a heading; a dot stands for none."""
    wide = max([len(row.name) for row in rows] + [len("Plan")])
    heading = f"{'Plan':<{wide}}" + "".join(f"{column:>9}" for column in COLUMNS)
    body = [f"{row.name:<{wide}}" + "".join(f"{count or '·':>9}" for count in row.counts) for row in rows]
    return [heading, *body]


def changes(before: Sequence[Row], after: Sequence[Row]) -> list[str]:
    """One line for each Plan whose counts changed: `image_tracer: 1 running`."""
    known = {row.name: row.counts for row in before}
    return [
        f"{row.name}: "
        + (", ".join(f"{n} {column}" for n, column in zip(row.counts, COLUMNS, strict=True) if n) or "no Run")
        for row in after
        if row.counts != known.get(row.name, (0,) * len(COLUMNS))
    ]


class Live:
    """The table of Runs, redrawn in place on a terminal; elsewhere one line for each change."""

    def __init__(self, out: TextIO) -> None:
        self.out = out
        self.rows: list[Row] = []
        self.drawn = 0

    def show(self, rows: list[Row]) -> bool:
        """Show the rows if they differ from the last ones; whether they do."""
        if rows == self.rows:
            return False
        if self.out.isatty():
            lines = table(rows)
            up = f"\x1b[{self.drawn}A" if self.drawn else ""
            self.out.write(up + "".join(f"\x1b[2K    {line}\n" for line in lines))
            self.drawn = len(lines)
        else:
            self.out.writelines(f"    {line}\n" for line in changes(self.rows, rows))
        self.out.flush()
        self.rows = rows
        return True
