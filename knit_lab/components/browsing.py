"""What a browser of Data knows: what is asked for, and the newest Data that fit. No widgets here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from knit_lab.display.html import plan_name
from knit_lab.display.tables import Kind, plain
from knit_lab.objects import asking
from knit_server.client.api import KnitClient
from knit_server.client.streams import Event
from knit_server.domain import tags as domain_tags
from knit_server.domain.errors import InvalidInput
from knit_server.wire import shapes

PAGE = 50
"""Data that are listed at first; each "more" doubles them."""
MOST = 2000
"""Data that are listed at most: who wants to see more is better served by a filter."""


@dataclass(frozen=True, kw_only=True)
class Filter:
    """What is asked for, as people write it. Empty texts ask nothing."""

    tags: tuple[str, ...] = ()
    since: str = ""
    duration: str = ""
    transient: bool | None = None
    """Only those of Runs that have not ended well (True), or only usable ones (False)."""

    @property
    def is_open(self) -> bool:
        """Whether nothing is asked."""
        return self == Filter()

    def query(self) -> dict[str, Any]:
        """Return what the client is asked. Raises `InvalidInput` for a time or a duration that is none."""
        since = asking.instant(self.since.strip() or None)
        duration = asking.span(self.duration.strip() or None)
        if duration is not None and since is None:
            raise InvalidInput("a duration without a beginning", advice="Write since when, too.")
        return {"tags": self.tags, "since": since, "duration": duration, "transient": self.transient}


@dataclass(frozen=True, kw_only=True)
class Found:
    """The newest Data that fit a filter, newest first, as many as are wanted."""

    asked: Filter = Filter()
    wanted: int = PAGE
    rows: tuple[shapes.DataDetail, ...] = ()
    has_more: bool = False

    def fetched(self, client: KnitClient) -> Found:
        """Return the same, as it is now. Asks for no more rows than are shown. Raises `KnitError`."""
        found = client.find_data(**self.asked.query(), newest_first=True, limit=self.wanted + 1)
        return Found(
            asked=self.asked, wanted=self.wanted, rows=tuple(found[: self.wanted]), has_more=len(found) > self.wanted
        )

    def more(self) -> Found:
        """Return the same with more rows wanted, `MOST` at most."""
        return Found(asked=self.asked, wanted=min(MOST, self.wanted * 2), rows=self.rows, has_more=self.has_more)

    @property
    def can_have_more(self) -> bool:
        """Whether there are more, and they may be listed."""
        return self.has_more and self.wanted < MOST

    @property
    def words(self) -> str:
        """How many there are, in words."""
        if not self.rows:
            return "nothing fits these filters" if not self.asked.is_open else "no Data yet: push some"
        if not self.has_more:
            return f"{len(self.rows)} Data"
        if self.can_have_more:
            return f"the newest {len(self.rows)} Data; there are more"
        return f"the newest {len(self.rows)} Data; filter by tags or time to see others"


def concerns(events: Iterable[Event]) -> bool:
    """Whether changes may change a list of Data: Data that came, went or got tags, Runs that ended, anything missed."""
    return any(event.kind in ("data", "run", "reset") for event in events)


def tags_of(detail: shapes.DataDetail) -> tuple[str, ...]:
    """Return the user's tags."""
    return tuple(tag for tag in detail["tags"] if not tag.startswith(domain_tags.SYSTEM_PREFIX))


def state_of(detail: shapes.DataDetail) -> str:
    """Return `usable`, or why it is not: processing or failed."""
    return _system(detail, domain_tags.TRANSIENT) or "usable"


def time_of(detail: shapes.DataDetail) -> str:
    """Return when it was made, in this machine's zone; "" while it is being made."""
    found = _system(detail, domain_tags.TIMESTAMP)
    return plain(asking.moment(found), Kind.TIME) if found else ""


def maker_of(detail: shapes.DataDetail) -> str:
    """Return what made it: the image of a Plan, or that it was pushed."""
    upstream = detail["upstream"]
    plan = upstream["run"]["plan"]
    name = plan_name(plan).removeprefix(domain_tags.SYSTEM_PREFIX)
    return f"{name} (log)" if "log" in upstream else name


def _system(detail: shapes.DataDetail, key: str) -> str:
    start = f"{key}:"
    return next((tag.removeprefix(start) for tag in detail["tags"] if tag.startswith(start)), "")
