"""`knit plan`: find, show and switch Plans, and show their graph; `plan_apply` and `plan_edit` have the others."""

from __future__ import annotations

import click

from knit_cli import frame, graphs, output, session, tables

_ACTIVE = {"both": None, "yes": True, "true": True, "no": False, "false": False}

plan = frame.Group(
    "plan",
    help="Apply, find and show Plans, switch and change them, and show their graph.",
    table={
        "active": frame.Lazy("knit_cli.commands.plan:active", "Switch a Plan on or off."),
        "annotate": frame.Lazy("knit_cli.commands.plan_edit:annotate", "Change the annotations of a Plan."),
        "apply": frame.Lazy("knit_cli.commands.plan_apply:apply", "Register Plans from files."),
        "archive": frame.Lazy("knit_cli.commands.plan_edit:archive", "Put a Plan into the archive, or take it out."),
        "find": frame.Lazy("knit_cli.commands.plan:find", "List Plans by activity, image and tags."),
        "graph": frame.Lazy("knit_cli.commands.plan:graph", "Show which Plans feed a Plan, and which it feeds."),
        "resource": frame.Lazy("knit_cli.commands.plan_edit:resource", "Change what the Runs of a Plan ask for."),
        "retry": frame.Lazy("knit_cli.commands.plan_trying:retry", "Set how often the Runs of a Plan are tried."),
        "serviceaccount": frame.Lazy("knit_cli.commands.plan_edit:serviceaccount", "Set a Plan's service account."),
        "show": frame.Lazy("knit_cli.commands.plan:show", "Show a Plan."),
        "template": frame.Lazy("knit_cli.commands.template:template", "Write a plan file to start from."),
        "timeout": frame.Lazy("knit_cli.commands.plan_trying:timeout", "Set how long an attempt may take."),
    },
)


@click.command("show", cls=frame.Command, add_help_option=False, help="Show a Plan.")
@frame.argument("plan_id", "PLAN_ID", "The Plan.")
@frame.switch("--details", help="What Knitfab does not know of: how often its Runs are tried, and how long, and more.")
def show(plan_id: str, details: bool) -> None:
    """Print a Plan as JSON."""
    with session.connected() as knit, session.refused(f"planId:{plan_id} is not found"):
        output.print_json(knit.plan_details(plan_id) if details else knit.show_plan(plan_id))


@click.command(
    "find", cls=frame.Command, add_help_option=False,
    help="List Plans by activity, image and tags.\n"
    "One input must ask for all tags of --in-tag, one output or the log must give all tags of --out-tag.",
)  # fmt: skip
@frame.value("--active", metavar="both|yes|no", default="both", help="Only Plans that are (not) active.")
@frame.value("--image", metavar="NAME[:TAG]", help="Only Plans of this image; without a tag, of any tag.")
@frame.values("--in-tag", "-i", metavar="KEY:VALUE", help="A tag that an input asks for.")
@frame.values("--out-tag", "-o", metavar="KEY:VALUE", help="A tag that an output gives.")
@frame.switch("--archived", help="Also Plans that are in the archive.")
@frame.value("--limit", metavar="N", help="At most N Plans, the first of those that fit.")
@tables.option
def find(
    active: str,
    image: str | None,
    in_tag: tuple[str, ...],
    out_tag: tuple[str, ...],
    archived: bool,
    limit: str | None,
    form: str,
) -> None:
    """Print the Plans, as a JSON array by default."""
    form = tables.checked(form)
    if active not in _ACTIVE:
        raise frame.usage(f"--active is one of {', '.join(_ACTIVE)}, not {active!r}")
    asked, given = session.tag_texts("--in-tag", in_tag), session.tag_texts("--out-tag", out_tag)
    most = session.limit(limit)
    with session.connected() as knit, session.refused(session.INCOMPATIBLE):
        found = knit.find_plans(
            active=_ACTIVE[active], image=image, in_tags=asked, out_tags=given, archived=archived, limit=most
        )
    tables.show(found, form, tables.plans)


@click.command(
    "active", cls=frame.Command, add_help_option=False,
    help="Switch a Plan on or off.\nWhile it is off its Runs are still made, but wait as deactivated.",
)  # fmt: skip
@frame.argument("mode", "yes|no", "On or off.")
@frame.argument("plan_id", "PLAN_ID", "The Plan.")
def active(mode: str, plan_id: str) -> None:
    """Switch; the Plan goes to stdout as JSON."""
    if mode not in ("yes", "no", "true", "false"):
        raise frame.usage(f"the first word is yes or no, not {mode!r}")
    with session.connected() as knit, session.refused(f"planId:{plan_id} cannot be updated"):
        output.print_json(knit.set_active(plan_id, mode in ("yes", "true")))


@click.command(
    "graph", cls=frame.Command, add_help_option=False,
    help="Show which Plans feed a Plan, and which it feeds.\n"
    "The graph follows from the tags alone. With neither --upstream nor --downstream, both directions are shown.",
)  # fmt: skip
@graphs.options("Plans")
@frame.argument("plan_id", "PLAN_ID", "The Plan to start from.")
def graph(
    plan_id: str, upstream: bool | None, downstream: bool | None, numbers: str, form: str, target: str | None
) -> None:
    """Print the graph."""
    form = graphs.checked(form, target)
    up, down = session.directions(upstream, downstream, numbers)
    with session.connected() as knit, session.refused(f"planId:{plan_id} is not found"):
        found = knit.plan_graph(plan_id, upstream=up, downstream=down)
    if graphs.given(found, form, target, up, down):
        return
    from knit_server.wire import dot, text

    graphs.show(lambda: dot.plan_graph(found), lambda: text.plan_graph(found), form, target)
