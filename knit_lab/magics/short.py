"""The short forms: `%knit lineage`, `%knit graph` and `%knit watch`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from knit_cli import frame, hosting
from knit_server.domain.errors import NotFound

if TYPE_CHECKING:
    from knit_server.client.api import KnitClient
    from knit_server.wire import shapes

LINEAGE, GRAPH, WATCH = "knit lineage", "knit graph", "knit watch"


@frame.command(
    "lineage",
    help="Explore what made a Data, and what was made from it.\n"
    "WHAT is a Data, by the beginning of its id or by tags, of which the newest one is taken; without it, it is the\n"
    "newest Data of all. The answer is a widget; --static gives the picture alone, which has .dot and .save().",
)
@frame.switch("--static", help="A picture to keep, in place of the widget.")
@frame.argument("what", "KNIT_ID|KEY:VALUE", "The Data.", many=True, optional=True)
def lineage(what: tuple[str, ...], static: bool) -> None:
    """Hand the root and the wish to the host, which holds the session."""
    hosting.given(what, static=static)


@frame.command(
    "graph",
    help="Explore which Plans feed a Plan, and which it feeds.\n"
    "Without PLAN_ID it is the newest Plan. The answer is a widget; --static gives the picture alone.",
)
@frame.switch("--static", help="A picture to keep, in place of the widget.")
@frame.argument("plan_id", "PLAN_ID", "The Plan.", optional=True)
def graph(plan_id: str | None, static: bool) -> None:
    """Hand the root and the wish to the host."""
    hosting.given(plan_id, static=static)


@frame.command(
    "watch",
    help="See Runs go, live.\nAll that have not ended, or those of one Plan; stop following by the Stop button.",
)
@frame.argument("plan_id", "PLAN_ID", "The Plan.", optional=True)
def watch(plan_id: str | None) -> None:
    """Hand the wish to the host."""
    hosting.given(plan_id)


def newest_plan(client: KnitClient) -> shapes.Candidate:
    """Return the newest Plan. Raises `NotFound`."""
    found = client.resolve("", ("plan",), limit=1)
    if not found:
        raise NotFound(
            "there is no Plan yet", advice="Apply one: %%knit plan NAME ... --apply, or %knit plan apply FILE"
        )
    return found[0]
