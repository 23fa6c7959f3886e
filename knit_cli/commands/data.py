"""`knit data`: find and tag Data, and show their lineage; `push` and `pull` are in `transfer`."""

from __future__ import annotations

from itertools import islice

import click

from knit_cli import frame, graphs, hosting, output, session, tables
from knit_server.domain import tags
from knit_server.wire.shapes import DataDetail

_TRANSIENT = {"both": None, "yes": True, "true": True, "no": False, "false": False}

data = frame.Group(
    "data",
    help="Push, find, pull and tag Data, and show where it comes from.",
    table={
        "find": frame.Lazy("knit_cli.commands.data:find", "List Data by tags and time."),
        "lineage": frame.Lazy("knit_cli.commands.data:lineage", "Show what made a Data, and what was made from it."),
        "ls": frame.Lazy("knit_cli.commands.transfer:ls", "List the files in a Data."),
        "pull": frame.Lazy("knit_cli.commands.transfer:pull", "Download a Data."),
        "push": frame.Lazy("knit_cli.commands.transfer:push", "Upload directories or files, each as a new Data."),
        "tag": frame.Lazy("knit_cli.commands.data:tag", "Change the tags of a Data."),
    },
)


@click.command(
    "find", cls=frame.Command, add_help_option=False,
    help="List Data by tags and time.\nOnly Data with all the tags are listed; the latest comes last.",
)  # fmt: skip
@frame.values("--tag", "-t", metavar="KEY:VALUE", help="A tag the Data has; knit#id, knit#timestamp and such too.")
@frame.value(
    "--transient", metavar="both|yes|no", default="both",
    help="Only Data (yes) or no Data (no) of unfinished and failed Runs; both by default.",
)  # fmt: skip
@frame.value("--since", metavar="TIME", help="Data made at TIME or later, like 2026-01-31 or 2026-01-31T09:30+09:00.")
@frame.value("--duration", metavar="DURATION", help="Data made before --since plus this long, like 300ms or 1h30m.")
@frame.value("--limit", metavar="N", help="At most N Data, the oldest of those that fit.")
@tables.option
def find(
    tag: tuple[str, ...], transient: str, since: str | None, duration: str | None, limit: str | None, form: str
) -> None:
    """Print the Data, as a JSON array by default."""
    form = tables.checked(form)
    if transient not in _TRANSIENT:
        raise frame.usage(f"--transient is one of {', '.join(_TRANSIENT)}, not {transient!r}")
    start, length = session.window(since, duration)
    asked, most = session.tag_texts("--tag", tag), session.limit(limit)
    wanted = _TRANSIENT[transient]
    with session.connected() as knit, session.refused(session.INCOMPATIBLE):
        search = knit.find_data if most is None else knit.each_data  # page after page, until there are enough
        candidates = search(asked, since=start, duration=length)
        fitting = (each for each in candidates if wanted is None or _is_transient(each) is wanted)
        found = list(islice(fitting, most))
    tables.show(found, form, tables.data)


@click.command(
    "tag", cls=frame.Command, add_help_option=False,
    help="Change the tags of a Data.\n"
    "Removals come first, then additions; what changes nothing is no error. A tag added can make Plans run.",
)  # fmt: skip
@frame.values("--add", metavar="KEY:VALUE", help="A tag to add.")
@frame.values("--remove", metavar="KEY:VALUE", help="A tag to remove.")
@frame.values("--remove-key", metavar="KEY", help="A key to remove with all its values.")
@frame.argument("knit_id", "KNIT_ID", "The Data.")
def tag(knit_id: str, add: tuple[str, ...], remove: tuple[str, ...], remove_key: tuple[str, ...]) -> None:
    """Change the tags; all output goes to stderr."""
    added, removed = session.tag_texts("--add", add), session.tag_texts("--remove", remove)
    for text in (*added, *removed):
        key = tags.parse(text).key
        if key.startswith(tags.SYSTEM_PREFIX):
            raise frame.usage(f"tag key {key} is reserved for system tags")
    if output.idle(added, removed, remove_key):
        return
    with session.connected() as knit:
        output.log(f"tagging to knit#id:{knit_id}")
        with session.refused("tagging data is rejected by server (status code = {code})"):
            changed = knit.tag_data(knit_id, add=added, remove=removed, remove_keys=remove_key)
    output.log(f"[OK] Tags are updated for data knit#id:{knit_id}")
    if not hosting.given(changed):
        output.log(output.as_json(changed))


@click.command(
    "lineage", cls=frame.Command, add_help_option=False,
    help="Show what made a Data, and what was made from it.\n"
    "With neither --upstream nor --downstream, both directions are shown.",
)  # fmt: skip
@graphs.options("Runs")
@frame.argument("knit_id", "KNIT_ID", "The Data to start from.")
def lineage(
    knit_id: str, upstream: bool | None, downstream: bool | None, numbers: str, form: str, target: str | None
) -> None:
    """Print the graph."""
    form = graphs.checked(form, target)
    up, down = session.directions(upstream, downstream, numbers)
    with session.connected() as knit, session.refused(f"data not found: {knit_id}"):
        found = knit.data_lineage(knit_id, upstream=up, downstream=down)
    if graphs.given(found, form, target, up, down):
        return
    from knit_server.wire import dot, text

    graphs.show(lambda: dot.lineage(found), lambda: text.lineage(found), form, target)
    output.log("success to output dot format" if form == "dot" else f"success to output {form} format")


def _is_transient(detail: DataDetail) -> bool:
    return any(text.startswith(f"{tags.TRANSIENT}:") for text in detail["tags"])
