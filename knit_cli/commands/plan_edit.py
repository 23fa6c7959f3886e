"""`knit plan resource`, `annotate`, `serviceaccount` and `archive`: what may be changed about a registered Plan."""

from __future__ import annotations

from collections.abc import Iterable

import click

from knit_cli import frame, hosting, output, session
from knit_server.domain import plans
from knit_server.domain.errors import InvalidInput


@click.command(
    "resource", cls=frame.Command, add_help_option=False,
    help="Change what the Runs of a Plan ask for.\n"
    "Amounts are set first, then unset; what is unset has no limit. Runs that started already keep what they have.",
)  # fmt: skip
@frame.argument("plan_id", "PLAN_ID", "The Plan.")
@frame.values("--set", "-s", metavar="TYPE=QUANTITY", help="An amount, like cpu=500m or memory=2Gi.")
@frame.values("--unset", "-u", metavar="TYPE", help="A resource that shall have no limit.")
def resource(plan_id: str, set: tuple[str, ...], unset: tuple[str, ...]) -> None:  # noqa: A002 - the flag's name
    """Change them; the Plan goes to stdout as JSON, indented by 2 and without a newline, as scripts know it."""
    amounts = dict(_amount(word) for word in set)
    if output.idle(amounts, unset):
        return
    with session.connected() as knit, session.refused(f"planId:{plan_id} cannot be updated"):
        plan = knit.edit_resources(plan_id, set=amounts, unset=[name.strip() for name in unset])
    output.log(f"Plan:{plan_id} is updated.")
    if not hosting.given(plan):
        output.emit(output.as_json(plan, indent=2))


@click.command(
    "annotate", cls=frame.Command, add_help_option=False,
    help="Change the annotations of a Plan.\nRemovals come first, then additions. One key may have several values.",
)  # fmt: skip
@frame.argument("plan_id", "PLAN_ID", "The Plan.")
@frame.values("--add", metavar="KEY=VALUE", help="An annotation to add.")
@frame.values("--remove", metavar="KEY=VALUE", help="An annotation to remove.")
@frame.values("--remove-key", metavar="KEY", help="A key to remove with all its values.")
def annotate(plan_id: str, add: tuple[str, ...], remove: tuple[str, ...], remove_key: tuple[str, ...]) -> None:
    """Change them; the Plan goes to stdout as JSON."""
    added, removed = _annotations("--add", add), _annotations("--remove", remove)
    if output.idle(added, removed, remove_key):
        return
    with session.connected() as knit, session.refused(f"planId:{plan_id} cannot be updated"):
        plan = knit.edit_annotations(
            plan_id, add=added, remove=removed, remove_keys=[key.strip() for key in remove_key]
        )
    output.log(f"Plan:{plan_id} is updated.")
    output.print_json(plan)


@click.command(
    "serviceaccount", cls=frame.Command, add_help_option=False,
    help="Set the service account of a Plan, or take it away.",
)  # fmt: skip
@frame.argument("plan_id", "PLAN_ID", "The Plan.")
@frame.value("--set", metavar="NAME", help="The service account of its Runs from now on.")
@frame.switch("--unset", help="Its Runs have no service account from now on.")
def serviceaccount(plan_id: str, set: str | None, unset: bool) -> None:  # noqa: A002 - the flag's name
    """Change it; the Plan goes to stdout as JSON."""
    if (set is None) is not unset:
        raise frame.usage("give either --set or --unset")
    with session.connected() as knit, session.refused(f"planId:{plan_id} cannot be updated"):
        plan = knit.set_service_account(plan_id, set)
    output.log(f"Plan:{plan_id} is updated.")
    output.print_json(plan)


@click.command(
    "archive", cls=frame.Command, add_help_option=False,
    help="Put a Plan into the archive, or take it out.\n"
    "There it is hidden from `plan find`, matches nothing, and its waiting Runs are deactivated. What it made stays, "
    "with its lineage.",
)  # fmt: skip
@frame.argument("plan_id", "PLAN_ID", "The Plan.")
@frame.switch("--undo", help="Take it out of the archive: it is matched with all Data there are, none of them twice.")
def archive(plan_id: str, undo: bool) -> None:
    """Archive; the Plan goes to stdout as JSON."""
    with session.connected() as knit, session.refused(f"planId:{plan_id} cannot be updated"):
        output.print_json(knit.archive_plan(plan_id, undo=undo))


def _amount(word: str) -> tuple[str, str]:
    name, equals, quantity = word.partition("=")
    if not equals or "=" in quantity:
        raise frame.usage(f"--set takes TYPE=QUANTITY, not {word!r}")
    return name.strip(), quantity.strip()


def _annotations(flag: str, words: Iterable[str]) -> list[str]:
    try:
        return [str(plans.parse_annotation(word)) for word in words]
    except InvalidInput as err:
        raise frame.usage(f"{err.reason}: {flag} (write KEY=VALUE)") from err
