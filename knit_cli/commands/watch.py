"""`knit run watch`: Runs as they go, told by the server's change stream. Nothing is asked again and again."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from knit_cli import frame, output, session
from knit_cli.watching import Watched
from knit_server.domain.errors import KnitError, Unavailable
from knit_server.domain.runs import Status

if TYPE_CHECKING:
    from knit_cli.watching import Change
    from knit_server.client.api import KnitClient

PATIENCE = (0.2, 1.0, 2.0, 5.0, 10.0, 20.0)
"""Seconds before each try to come back to a server that went away."""
BEFORE_BEGIN = (Status.DEACTIVATED.value, Status.WAITING.value, Status.READY.value)
MOST_HELD = 20
"""Looks at what holds up Runs; behind so many that wait, more would tell little and cost a request each."""


@click.command(
    "watch", cls=frame.Command, add_help_option=False,
    help="See Runs go, live, until they have ended.\n"
    "Without RUN_ID these are all Runs (of the Plan, with --planid) that have not ended, and those that begin\n"
    "meanwhile. Runs of inactive Plans are not waited for, unless they are named. The exit code is 1 if one failed.",
)  # fmt: skip
@frame.value("--planid", "-p", metavar="PLAN_ID", help="Runs of this Plan.")
@frame.argument("run_ids", "RUN_ID", "The Runs; all that have not ended by default.", many=True, optional=True)
def watch(run_ids: tuple[str, ...], planid: str | None) -> int:
    """Print each change: as a line, or on a terminal in a table that stays."""
    if run_ids and planid is not None:
        raise frame.usage("--planid and RUN_ID exclude each other")
    watched = Watched(named=run_ids, plan=planid)
    with session.connected() as knit, session.refused("the Runs cannot be watched (status code = {code})"):
        if output.binary_stdout().isatty():
            _live(knit, watched)
        else:
            told: set[tuple[str, str]] = set()
            for change in _changes(knit, watched):
                output.emit(output.one_line(str(change)) + "\n")
                _tell_hold(knit, str(change.run["runId"]), str(change.run["status"]), told)
    if watched.is_empty:
        output.log("there is no Run that goes on; those that have ended: knit run find")
    return int(watched.failed)


def _changes(knit: KnitClient, watched: Watched) -> Iterator[Change]:
    """Give changes until there is nothing to wait for; a server that comes back in time is found again."""
    tries = iter(PATIENCE)
    while True:
        try:
            for event in knit.events(greet=True):
                tries = iter(PATIENCE)
                if event.kind in ("open", "reset"):
                    yield from watched.begin(_present(knit, watched), knit.show_run)
                elif event.kind == "run":
                    yield from watched.take(event.data, knit.show_run)
                if watched.over:
                    return
        except Unavailable as err:
            _wait(tries, err)
        else:
            _wait(tries, Unavailable("the server ended the stream", advice="Is it running? Watch again."))


def _present(knit: KnitClient, watched: Watched) -> list[dict[str, object]]:
    """Fetch how the Runs stand."""
    if watched.named:
        return [dict(knit.show_run(each)) for each in watched.named]
    plans = (watched.plan,) if watched.plan else ()
    return [dict(each) for each in knit.find_runs(plans=plans, statuses=watched.asked)]


def _wait(tries: Iterator[float], err: KnitError) -> None:
    pause = next(tries, None)
    if pause is None:
        raise err
    output.log(f"{err.reason}; trying again")
    time.sleep(pause)


def _tell_hold(knit: KnitClient, run_id: str, status: str, told: set[tuple[str, str]]) -> None:
    """Tell on stderr what holds up a Run that has not begun, once for each status: no change may ever follow."""
    if status not in BEFORE_BEGIN or (run_id, status) in told or len(told) >= MOST_HELD:
        return
    told.add((run_id, status))
    note: object = None
    with contextlib.suppress(KnitError):  # a server that is not Knit's has no remarks
        note = knit.run_details(run_id).get("note")
    if not note and status == Status.DEACTIVATED.value:
        note = "its Plan is switched off"
    if note:
        output.log(f"note: {run_id}: {output.one_line(str(note))}; see: knit why {run_id}")


def _live(knit: KnitClient, watched: Watched) -> None:
    """Keep a table on the terminal up to date."""
    from rich.live import Live
    from rich.text import Text

    from knit_cli import tables

    with Live(console=tables.terminal(), auto_refresh=False) as live:
        for _ in _changes(knit, watched):
            shown, more = watched.shown(live.console.height - 3)
            table = tables.runs(shown, time.time_ns() // 1_000_000, False)
            live.update(tables.grid(table, caption=Text(f"and {more} more") if more else None), refresh=True)
