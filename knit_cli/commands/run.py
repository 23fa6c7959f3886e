"""`knit run`: find, show and stop Runs, read their logs. Retrying and deleting: `again`."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import click

from knit_cli import frame, output, session, tables
from knit_server.domain.errors import KnitError
from knit_server.domain.runs import Status

if TYPE_CHECKING:
    from knit_server.client.api import KnitClient

POLL = 0.5
"""Seconds between two looks at a Run that has not started."""

_BEFORE_LOG = ("deactivated", "waiting", "ready")
_STATUSES = [each.value for each in Status if each is not Status.INVALIDATED]

run = frame.Group(
    "run",
    help="Find, show, stop, retry and delete Runs, and read their logs.",
    table={
        "find": frame.Lazy("knit_cli.commands.run:find", "List Runs by Plan, Data, status and time."),
        "retry": frame.Lazy("knit_cli.commands.again:retry", "Try a Run again."),
        "rm": frame.Lazy("knit_cli.commands.again:rm", "Delete a Run and what it made."),
        "show": frame.Lazy("knit_cli.commands.run:show", "Show a Run, or its log."),
        "stop": frame.Lazy("knit_cli.commands.run:stop", "Stop a Run."),
        "watch": frame.Lazy("knit_cli.commands.watch:watch", "See Runs go, live, until they have ended."),
    },
)


@click.command(
    "find", cls=frame.Command, add_help_option=False,
    help="List Runs by Plan, Data, status and time.\n"
    "Values of one flag are alternatives; different flags narrow each other. The latest Run comes last.",
)  # fmt: skip
@frame.values("--planid", "-p", metavar="PLAN_ID", help="Runs of this Plan.")
@frame.values("--in-knitid", "-i", metavar="KNIT_ID", help="Runs that take this Data.")
@frame.values("--out-knitid", "-o", metavar="KNIT_ID", help="Runs that make this Data, as output or log.")
@frame.values("--status", "-s", metavar="STATUS", help=f"Runs in this status: {', '.join(_STATUSES)}.")
@frame.value("--since", metavar="TIME", help="Runs updated at TIME or later, like 2026-01-31T09:30.")
@frame.value("--duration", metavar="DURATION", help="Runs updated before --since plus this long, like 1h30m.")
@frame.value("--limit", metavar="N", help="At most N Runs, those of the earliest change.")
@tables.option
def find(
    planid: tuple[str, ...], in_knitid: tuple[str, ...], out_knitid: tuple[str, ...], status: tuple[str, ...],
    since: str | None, duration: str | None, limit: str | None, form: str,
) -> None:  # fmt: skip
    """Print the Runs, as a JSON array by default."""
    form = tables.checked(form)
    for each in status:
        if each not in _STATUSES:
            raise frame.usage(f"--status is one of {', '.join(_STATUSES)}, not {each!r}")
    (start, length), most = session.window(since, duration), session.limit(limit)
    with session.connected() as knit, session.refused(session.INCOMPATIBLE):
        found = knit.find_runs(
            plans=planid, inputs=in_knitid, outputs=out_knitid, statuses=status, since=start, duration=length,
            limit=most,
        )  # fmt: skip
    tables.show(found, form, tables.runs)


@click.command("show", cls=frame.Command, add_help_option=False, help="Show a Run, or its log.")
@frame.switch("--log", help="Show what its program printed instead.")
@frame.switch("--follow", "-f", help="With --log: go on until the Run ends.")
@frame.argument("run_id", "RUN_ID", "The Run.")
def show(run_id: str, log: bool, follow: bool) -> None:
    """Print a Run as JSON, or copy its log to stdout; why it does not move, or what it lost, is told on stderr."""
    with session.connected() as knit:
        if not log:
            with session.refused(f"runId:{run_id} is not found"):
                output.print_json(knit.show_run(run_id))
            _tell_note(knit, run_id)
            return
        stdout = output.binary_stdout()
        with session.refused(f"cannot get log of runId:{run_id}"):
            if follow:
                _await_start(knit, run_id)
            for block in knit.run_log(run_id, follow=follow):
                stdout.write(block)
                stdout.flush()


def _await_start(knit: KnitClient, run_id: str) -> None:
    """Wait while a Run that keeps a log has not started: there is none to follow yet. Say once what holds it up."""
    told: set[str] = set()
    while (run := knit.show_run(run_id))["log"] is not None and (status := run["status"]) in _BEFORE_LOG:
        if status not in told:
            told.add(status)
            output.log(f"the Run is {status}; waiting for it to start...")
            _tell_note(knit, run_id)
        time.sleep(POLL)


def _tell_note(knit: KnitClient, run_id: str) -> None:
    """Tell on stderr why a Run does not move, or what it lost."""
    with contextlib.suppress(KnitError):  # a server that is not Knit's has no remarks
        if note := knit.run_details(run_id).get("note"):
            output.log(f"note: {note}")


@click.command(
    "stop", cls=frame.Command, add_help_option=False,
    help="Stop a Run.\nWhat it has made so far becomes usable Data, as if it had ended well; with --fail it fails.",
)  # fmt: skip
@frame.switch("--fail", "-x", help="Let the Run fail.")
@frame.argument("run_id", "RUN_ID", "The Run.")
def stop(run_id: str, fail: bool) -> None:
    """Stop a Run; all output goes to stderr."""
    done = "aborted" if fail else "teared off"
    with session.connected() as knit, session.refused(f"runId:{run_id} cannot be {done}"):
        knit.stop_run(run_id, fail=fail)
    output.log(f"Run Id: {run_id} is {'aborting' if fail else 'stopping'}.")
