"""`knit run retry` and `knit run rm`: trying Runs again and deleting them, alone or with what was made from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from knit_cli import frame, output, session

if TYPE_CHECKING:
    from knit_server.client.api import KnitClient

_downstream = frame.switch("--downstream", help="Delete all that was made from the Run first: list it, and stop there.")
_yes = frame.switch("--yes", help="With --downstream: do it.")
_run_id = frame.argument("run_id", "RUN_ID", "The Run.")


@click.command(
    "retry", cls=frame.Command, add_help_option=False,
    help="Try a Run again that is done or failed.\n"
    "What it had made is gone: its outputs get new ids and the tags of its Plan. What was made from it is in the way; "
    "with --downstream --yes that is deleted, and follows anew.",
)  # fmt: skip
@_downstream
@_yes
@_run_id
def retry(run_id: str, downstream: bool, yes: bool) -> None:
    """Try a Run again; what would go is listed on stdout, all else goes to stderr."""
    with session.connected() as knit, session.refused(f"cannot retry runId:{run_id}"):
        if _only_listed(knit, run_id, "retry", downstream=downstream, yes=yes):
            return
        gone = _downstream_of(knit, run_id, wanted=downstream)
        knit.retry_run(run_id, downstream=downstream)
    _tell_deleted(gone)
    output.log(f"requested to retry Run: {run_id}")


@click.command(
    "rm", cls=frame.Command, add_help_option=False,
    help="Delete a Run that waits or has ended, and what it made.\n"
    "The same combination of Data does not run again. An upload is deleted together with its Data. What was made from "
    "it is in the way; with --downstream --yes that is deleted, too.",
)  # fmt: skip
@_downstream
@_yes
@_run_id
def rm(run_id: str, downstream: bool, yes: bool) -> None:
    """Delete a Run; what would go is listed on stdout, all else goes to stderr."""
    with session.connected() as knit, session.refused(f"runId:{run_id} cannot be deleted"):
        if _only_listed(knit, run_id, "rm", downstream=downstream, yes=yes):
            return
        gone = _downstream_of(knit, run_id, wanted=downstream)
        knit.delete_run(run_id, downstream=downstream)
    _tell_deleted([*gone, run_id])


def _only_listed(knit: KnitClient, run_id: str, verb: str, *, downstream: bool, yes: bool) -> bool:
    """List what `--downstream` would delete, unless `--yes` says to do it; whether that was all that was asked for."""
    if yes and not downstream:
        raise frame.usage("--yes goes with --downstream")
    if yes or not downstream:
        return False
    subject = knit.show_run(run_id)
    for each in [*knit.run_downstream(run_id), *([subject] if verb == "rm" else [])]:
        plan = each["plan"]
        output.emit(f"{each['runId']}  {each['status']:11}  {plan.get('image') or plan.get('name', '')}\n")
    then = f", and {run_id} ({subject['status']}) would be tried again" if verb == "retry" else ""
    output.log(f"the Runs listed above would be deleted, with their Data{then}; nothing is changed yet")
    output.log(f"to do it: knit run {verb} --downstream --yes {run_id}")
    return True


def _downstream_of(knit: KnitClient, run_id: str, *, wanted: bool) -> list[str]:
    return [each["runId"] for each in knit.run_downstream(run_id)] if wanted else []


def _tell_deleted(run_ids: list[str]) -> None:
    for each in run_ids:
        output.log(f"deleted Run Id:{each}")
