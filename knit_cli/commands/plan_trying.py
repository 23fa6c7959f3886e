"""`knit plan retry` and `timeout`: how often the Runs of a Plan are tried, and how long each attempt may take."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from knit_cli import frame, output, session
from knit_server.domain import retries, times
from knit_server.domain.errors import InvalidInput
from knit_server.domain.retries import DEFAULT_ON, RetryPolicy

if TYPE_CHECKING:
    from knit_server.wire.shapes import Json

_FIELD = re.compile(r"^retry\.(tries|wait|on)\b")
"""What a plan file calls the flags of `knit plan retry`."""


@click.command(
    "retry", cls=frame.Command, add_help_option=False,
    help="Set how often the Runs of a Plan are tried.\n"
    "The policy is set as a whole, in place of the one before. Attempts that end from now on follow it.",
)  # fmt: skip
@frame.argument("plan_id", "PLAN_ID", "The Plan.")
@frame.value("--tries", metavar="N", help="Attempts in all, the first one included.")
@frame.value("--wait", metavar="DURATION", help="The pause before each further attempt, like 30s; none if left out.")
@frame.values(
    "--on", metavar="exit|lost|stuck|timeout",
    help="After which end there is another attempt: exit (any code but 0), exit:CODE, lost, stuck or timeout. "
    "Without it, lost and stuck.",
)  # fmt: skip
@frame.switch("--unset", help="Its Runs are tried once.")
def retry(plan_id: str, tries: str | None, wait: str | None, on: tuple[str, ...], unset: bool) -> None:
    """Set it; the Plan's details go to stdout as JSON."""
    if unset and (tries, wait, on) != (None, None, ()):
        raise frame.usage("give --unset alone")
    policy = None if unset else _policy(tries, wait, on)
    with session.connected() as knit, session.refused(f"planId:{plan_id} cannot be updated"):
        if policy is None:
            details = knit.set_retry(plan_id, tries=None)
        else:
            pause = times.format_duration(policy.wait)
            details = knit.set_retry(plan_id, tries=policy.tries, wait=pause, on=policy.on)
    output.log(f"Plan:{plan_id} is updated.")
    output.print_json(_shown(details))


@click.command(
    "timeout", cls=frame.Command, add_help_option=False,
    help="Set how long each attempt of a Plan's Runs may take.\n"
    "A program that runs longer is killed, and its Run fails with exit code 252. It holds for attempts that start from "
    "now on.",
)  # fmt: skip
@frame.argument("plan_id", "PLAN_ID", "The Plan.")
@frame.value("--set", metavar="DURATION", help="The longest time, like 90s, 10m or 2h.")
@frame.switch("--unset", help="Its Runs take as long as they like.")
def timeout(plan_id: str, set: str | None, unset: bool) -> None:  # noqa: A002 - the flag's name
    """Set it; the Plan's details go to stdout as JSON."""
    if (set is None) is not unset:
        raise frame.usage("give either --set or --unset")
    if set is not None:
        try:
            retries.check_timeout(times.parse_duration(set))
        except InvalidInput as err:
            raise frame.usage(f"--set: {err}") from err
    with session.connected() as knit, session.refused(f"planId:{plan_id} cannot be updated"):
        details = knit.set_timeout(plan_id, set)
    output.log(f"Plan:{plan_id} is updated.")
    output.print_json(_shown(details))


def _policy(tries: str | None, wait: str | None, on: tuple[str, ...]) -> RetryPolicy:
    if tries is None:
        raise frame.usage("give --tries or --unset")
    if not (tries.isascii() and tries.isdecimal() and len(tries) < 10):
        raise frame.usage(f"--tries takes a number, not {tries!r}")
    try:
        pause = 0 if wait is None else times.parse_duration(wait)
    except InvalidInput as err:
        raise frame.usage(f"--wait: {err}") from err
    try:
        return retries.check_policy(RetryPolicy(tries=int(tries), wait=pause, on=on or DEFAULT_ON))
    except InvalidInput as err:
        raise frame.usage(_FIELD.sub(r"--\1", str(err))) from err


def _shown(details: Json) -> Json:
    """Return what these commands change of a Plan's details."""
    return {name: details.get(name) for name in ("planId", "retry", "timeout")}
