"""All Data, all Plans and all Runs of a server: by id, by tags, as lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from knit_lab.display import html as markup
from knit_lab.display.tables import Kind
from knit_lab.objects import asking
from knit_lab.objects.data import Data
from knit_lab.objects.listing import Column, Listing
from knit_lab.objects.plans import Plan
from knit_lab.objects.runs import Run
from knit_server.domain import ids
from knit_server.domain.errors import Conflict, NotFound
from knit_server.wire import shapes

if TYPE_CHECKING:
    from knit_lab.session import Session

When = str | datetime | None
Span = str | timedelta | float | None
_RECENT = 20  # ids that completion offers


class DataCollection:
    """All Data of a server."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __getitem__(self, key: str | tuple[str, ...]) -> Data:
        """Return the Data whose id begins with `key`, or the newest usable one with these tags.

        Raises `NotFound`, `Conflict` if several ids begin so, and `InvalidInput` for what is neither.
        """
        words = key if isinstance(key, tuple) else (key,)
        asking.refuse_others(words, 'knit.data["4f2a"] or knit.data["type:raw", "project:demo"]')
        if len(words) > 1 or asking.is_tag(words[0]):
            return self.newest(*words)
        client = self._session.client
        return Data(self._session, client.show_data(client.full_id("data", words[0])))

    def __iter__(self) -> Iterator[Data]:
        return (Data(self._session, each) for each in self._session.client.each_data())

    def find(
        self, *tags: str, since: When = None, duration: Span = None, transient: bool | None = None,
        limit: int | None = None,
    ) -> Listing[Data]:  # fmt: skip
        """Find Data with all of `tags`, made in [since, since + duration), oldest first; at most `limit`, the oldest.

        `transient`: only those of Runs that have not ended well (True), or only usable ones (False).
        """
        found = self._session.client.find_data(
            asking.texts(tags), since=asking.instant(since), duration=asking.span(duration), transient=transient,
            limit=asking.count(limit),
        )  # fmt: skip
        return self.listed(Data(self._session, each) for each in found)

    def newest(self, *tags: str, since: When = None, duration: Span = None) -> Data:
        """Return the newest usable Data with all of `tags`, made in [since, since + duration). Raises `NotFound`."""
        words = asking.texts(tags)
        for each in self._session.client.each_data(
            words, since=asking.instant(since), duration=asking.span(duration), transient=False, newest_first=True,
            limit=1,
        ):  # fmt: skip
            return Data(self._session, each)
        asked = f" with {' '.join(words)}" if words else ""
        raise NotFound(f"there is no usable Data{asked}", advice="See the tags in use: knit.data.tags()")

    def tags(self, prefix: str = "") -> dict[str, int]:
        """Return the tags in use that begin with `prefix`, with how many Data carry each."""
        return {each["tag"]: each["count"] for each in self._session.client.tags_in_use(prefix)}

    def listed(self, items: Iterable[Data]) -> Listing[Data]:
        """Make a list of `items`."""
        return Listing(items, _DATA_COLUMNS, "Data")

    def _ipython_key_completions_(self) -> list[str]:
        return [*self.tags(), *_recent(self._session, "data")]


class PlanCollection:
    """All Plans of a server."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __getitem__(self, key: str) -> Plan:
        """Return the Plan with the name `key` (of `%%knit plan`), the image `key` (`name:tag`), or whose id begins so.

        Of several Plans of a name the active one. Raises `NotFound`, and `Conflict` if there are several.
        """
        asking.refuse_others((key,), 'knit.plans["4f2a"], knit.plans["clean"] or knit.plans["clean:1.0"]')
        client = self._session.client
        if ":" in key:
            return Plan(self._session, _only(client.find_plans(image=key), "image", key))
        if len(key) != ids.LENGTH or ids.span(key) is None:
            named = [each for each in client.find_plans() if markup.given_name(each) == key]
            if named:
                return Plan(self._session, _only([each for each in named if each["active"]] or named, "name", key))
        try:
            return Plan(self._session, client.show_plan(client.full_id("plan", key)))
        except NotFound as err:
            raise NotFound(
                f"no Plan has the name {key}, or an id that begins so", advice="See all: knit.plans.find()"
            ) from err

    def __iter__(self) -> Iterator[Plan]:
        return iter(self.find())

    def find(
        self, *, image: str | None = None, active: bool | None = None, in_tags: Iterable[str] | str = (),
        out_tags: Iterable[str] | str = (), archived: bool = False,
    ) -> Listing[Plan]:  # fmt: skip
        """Find Plans by image (`name[:tag]`), activity, tags that one input asks for and that one output gives."""
        found = self._session.client.find_plans(
            active=active, image=image, in_tags=asking.texts(in_tags), out_tags=asking.texts(out_tags),
            archived=archived,
        )  # fmt: skip
        return self.listed(Plan(self._session, each) for each in found)

    def listed(self, items: Iterable[Plan]) -> Listing[Plan]:
        """Make a list of `items`."""
        return Listing(items, _PLAN_COLUMNS, "Plans")

    def _ipython_key_completions_(self) -> list[str]:
        found = self._session.client.find_plans()
        names = [markup.given_name(each) for each in found] + [
            each.get("image") or each.get("name", "") for each in found
        ]
        return [*dict.fromkeys(filter(None, names)), *_recent(self._session, "plan")]


class RunCollection:
    """All Runs of a server."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __getitem__(self, key: str) -> Run:
        """Return the Run whose id begins with `key`. Raises `NotFound`, or `Conflict` if several do."""
        asking.refuse_others((key,), 'knit.runs["4f2a"] or knit.runs.latest')
        client = self._session.client
        return Run(self._session, client.show_run(client.full_id("run", key)))

    def __iter__(self) -> Iterator[Run]:
        return (Run(self._session, each) for each in self._session.client.each_run())

    @property
    def latest(self) -> Run:
        """The Run that changed last. Raises `NotFound`."""
        for each in self._session.client.each_run(newest_first=True, limit=1):
            return Run(self._session, each)
        raise NotFound("there are no Runs", advice="Apply a Plan, and push Data that it asks for.")

    def find(
        self, *, plan: str | Plan | None = None, input: str | Data | None = None, output: str | Data | None = None,  # noqa: A002
        status: Iterable[str] | str = (), since: When = None, duration: Span = None, limit: int | None = None,
    ) -> Listing[Run]:  # fmt: skip
        """Find Runs of a Plan, with an input, an output, in any of some statuses; the one that changed last is last.

        A Plan or Data may be named as in `plans[...]` and `data[...]`. Raises what those raise.
        """
        found = self._session.client.find_runs(
            plans=self._plan(plan), inputs=self._data(input), outputs=self._data(output),
            statuses=[status] if isinstance(status, str) else status, since=asking.instant(since),
            duration=asking.span(duration), limit=asking.count(limit),
        )  # fmt: skip
        return self.listed(Run(self._session, each) for each in found)

    def listed(self, items: Iterable[Run]) -> Listing[Run]:
        """Make a list of `items`."""
        return Listing(items, _RUN_COLUMNS, "Runs")

    def _plan(self, what: str | Plan | None) -> list[str]:
        if what is None:
            return []
        return [what.id if isinstance(what, Plan) else self._session.plans[what].id]

    def _data(self, what: str | Data | None) -> list[str]:
        if what is None:
            return []
        return [what.id if isinstance(what, Data) else self._session.data[what].id]

    def _ipython_key_completions_(self) -> list[str]:
        return _recent(self._session, "run")


def _only(found: Sequence[shapes.PlanDetail], what: str, key: str) -> shapes.PlanDetail:
    if not found:
        raise NotFound(f"there is no Plan with the {what} {key}", advice="See all: knit.plans.find()")
    if len(found) > 1:
        told = ", ".join(each["planId"] for each in found)
        raise Conflict(f"several Plans have the {what} {key}: {told}", advice="Choose one of them by its id.")
    return found[0]


def _recent(session: Session, kind: str) -> list[str]:
    return [each["id"] for each in session.client.resolve("", (kind,), limit=_RECENT)]


_DATA_COLUMNS = (
    Column("id", lambda each: each.id, Kind.ID),
    Column("tags", lambda each: each.tags, Kind.TAGS),
    Column("time", lambda each: each.timestamp, Kind.TIME),
    Column("state", lambda each: each.transient or "usable", Kind.STATUS),
)
_PLAN_COLUMNS = (
    Column("id", lambda each: each.id, Kind.ID),
    Column("image", lambda each: each.image, shown=lambda each: markup.plan_name(each.detail)),
    Column("inputs", lambda each: tuple(each.inputs)),
    Column("outputs", lambda each: tuple(each.outputs)),
    Column("active", lambda each: each.active, Kind.STATUS),
)
_RUN_COLUMNS = (
    Column("id", lambda each: each.id, Kind.ID),
    Column("status", lambda each: each.status, Kind.STATUS),
    Column("image", lambda each: each.image, shown=lambda each: markup.plan_name(each.detail["plan"])),
    Column("updated", lambda each: each.updated, Kind.TIME),
    Column("exit", lambda each: each.exit_code),
)
