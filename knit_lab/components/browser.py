"""The browser of Data: filters, the newest Data that fit, live; and beside them what is known of the chosen one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import ipywidgets as widgets

from knit_lab.components import browsing, grid, parts
from knit_lab.components.beside import Once, Worker
from knit_lab.components.browsing import Filter, Found
from knit_lab.components.data_panel import DataPanel
from knit_lab.components.tag_input import TagInput, wanted
from knit_lab.graph.views import LineageView
from knit_lab.objects.data import Data
from knit_lab.session import Session
from knit_server.client.streams import Event
from knit_server.domain.errors import KnitError
from knit_server.wire import shapes

REFRESH = 1.0
"""Seconds between two looks at the list, however much changes."""
_TYPING = 0.5  # seconds of not typing after which times and durations are taken
_USABLE = {"any state": None, "usable": False, "not usable": True}


class DataBrowser(widgets.VBox):  # type: ignore[misc]
    """Lists Data, newest first, and shows the chosen one. `close` ends its following of changes."""

    def __init__(
        self, session: Session, tags: Iterable[str] = (), *, since: str = "", duration: str = "",
        transient: bool | None = None, height: str = "620px",
    ) -> None:  # fmt: skip
        """Begin with these filters, which can be changed."""
        self._session = session
        self._worker = Worker()
        self._busy = False
        self._again = False
        self.found = Found()
        self._said = parts.Said()
        self._count = widgets.HTML()
        self.tags = TagInput(session, tags, read=wanted, changed=self.ask, placeholder="filter by key:value")
        self.since = _field(since, "since: 2026-01-31 09:30", "190px")
        self.duration = _field(duration, "for: 2h45m", "90px")
        self.state = widgets.Dropdown(
            options=list(_USABLE), value=next(name for name, value in _USABLE.items() if value is transient),
            layout=widgets.Layout(width="auto", margin="2px"),
        )  # fmt: skip
        self._clear = parts.button("Clear", self.clear, "Remove all filters")
        self._more = parts.button("Show more", self.more, "List older Data, too")
        self.table = grid.Grid(["id", "tags", "time", "state", "made by"], "Data, newest first", "")
        self.panel = DataPanel(session, changed=self.refresh, explore=self._explore)
        self._lineage = widgets.VBox()
        self._soon = Once(self.refresh, REFRESH)
        self._typed = Once(self.ask, _TYPING, settle=True)
        self.table.observe(lambda change: self.choose(str(change["new"])), "chosen")
        self.since.observe(lambda _: self._typed.ask(), "value")
        self.duration.observe(lambda _: self._typed.ask(), "value")
        self.state.observe(lambda _: self.ask(), "value")
        super().__init__([self._filters(), self._body(height), self._said, self._lineage])
        self.add_class("knit-data-browser")
        self._leave = session.changes.listen(self.changed)
        self.ask()

    # --- what people do -----------------------------------------------------------------------------------------------

    def ask(self) -> None:
        """Ask for what the filters say; what is wrong with them is said."""
        self.duration.disabled = not str(self.since.value).strip()
        asked = Filter(
            tags=self.tags.value, since=str(self.since.value),
            duration="" if self.duration.disabled else str(self.duration.value),
            transient=_USABLE[str(self.state.value)],
        )  # fmt: skip
        try:
            asked.query()
        except KnitError as err:
            self._said.bad(err)
            return
        self.found = Found(asked=asked)
        self.refresh()

    def clear(self) -> None:
        """Remove all filters."""
        self.since.value = self.duration.value = ""
        self.state.value = "any state"
        self.tags.value = ()
        self._typed.drop()
        self.ask()

    def more(self) -> None:
        """List older Data, too."""
        self.found = self.found.more()
        self.refresh()

    def choose(self, knit_id: str) -> None:
        """Show a Data of the list."""
        detail = next((each for each in self.found.rows if each["knitId"] == knit_id), None)
        if detail is not None:
            self._close_lineage()
            self.panel.show(detail)

    @property
    def data(self) -> Data | None:
        """The Data that is chosen."""
        return None if self.panel.detail is None else Data(self._session, self.panel.detail)

    # --- what happens -------------------------------------------------------------------------------------------------

    def changed(self, events: Sequence[Event]) -> None:
        """Take changes: the list is fetched again, soon, and once for many."""
        if any(event.kind == "lost" for event in events):
            self._said.note("The server is away; what is shown may be old. It is tried again.")
        if browsing.concerns(events) or any(event.kind == "open" for event in events):
            self._soon.ask()

    def refresh(self) -> None:
        """Fetch the list again, beside the loop."""
        if self._busy:
            self._again = True
            return
        self._busy = True
        if not self.found.rows:
            self._count.value = f'<span style="color:{parts.FAINT}">… Asking the server …</span>'
        found, client = self.found, self._session.client
        self._worker.do(lambda: found.fetched(client), self._fetched, self._failed)

    def close(self) -> None:
        """Follow changes no more, and take the widget from the page."""
        self._leave()
        self._soon.drop()
        self._typed.drop()
        self._worker.close()
        self._close_lineage()
        self.panel.close()
        super().close()

    async def idle(self) -> None:
        """Wait until nothing is asked any more."""
        await self._worker.idle()
        await self.panel.idle()

    @property
    def said(self) -> str:
        """What is said below the list, as HTML."""
        return str(self._said.value)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """Return the widget, with the list for pages that have no kernel."""
        shown = self._session.data.listed(Data(self._session, each) for each in self.found.rows)
        return parts.with_fallback(super()._repr_mimebundle_(**kwargs), html=shown.as_html(), plain=shown.as_text())

    # --- the rest -----------------------------------------------------------------------------------------------------

    def _fetched(self, found: Found) -> None:
        if (found.asked, found.wanted) == (self.found.asked, self.found.wanted):
            self.found = found
            self._said.clear()
            self._draw()
        self._next()

    def _failed(self, err: KnitError) -> None:
        self._said.bad(err)
        self._count.value = ""
        self._next()

    def _next(self) -> None:
        self._busy = False
        if self._again:
            self._again = False
            self.refresh()

    def _draw(self) -> None:
        words = self.found.words if self.found.rows else ""  # of none the table itself says it
        self._count.value = f'<span role="status" style="color:{parts.FAINT}">{words}</span>'
        self.table.empty = self.found.words
        self.table.show([_row(each) for each in self.found.rows])
        parts.show(self._more, self.found.can_have_more)
        shown = self.panel.detail
        fresh = next((each for each in self.found.rows if shown and each["knitId"] == shown["knitId"]), None)
        if fresh is not None and fresh != shown:
            self.panel.show(fresh)

    def _explore(self, detail: shapes.DataDetail) -> None:
        def drawn(view: LineageView) -> None:
            self._close_lineage()
            self._said.clear()
            explorer = view.explore()
            close = parts.button("Close the lineage", self._close_lineage)
            self._lineage.children = (parts.row(close), explorer)

        self._said.busy("Following its lineage …")
        self._worker.do(lambda: Data(self._session, detail).lineage(), drawn, self._said.bad)

    def _close_lineage(self) -> None:
        before, self._lineage.children = self._lineage.children, ()
        for each in before:
            each.close()

    def _filters(self) -> Any:
        return parts.row(
            self.tags, self.since, self.duration, self.state, self._clear,
            parts.button("Refresh", self.refresh, "Ask the server now; changes come by themselves"),
        )  # fmt: skip

    def _body(self, height: str) -> Any:
        for part in (self.table, self.panel):  # they scroll as a whole; nothing in them is squeezed
            part.layout.flex = "0 0 auto"
        left = widgets.VBox(
            [parts.row(self._count, self._more), self.table],
            layout=widgets.Layout(flex="1 1 58%", min_width="0", height=height, overflow="auto", padding="4px"),
        )
        right = widgets.VBox(
            [self.panel],
            layout=widgets.Layout(
                flex="0 1 42%", min_width="0", height=height, overflow="auto", border_left=parts.BORDER
            ),
        )
        return widgets.HBox([left, right], layout=widgets.Layout(width="100%", border=parts.BORDER))


def _row(detail: shapes.DataDetail) -> grid.Row:
    tags = browsing.tags_of(detail)
    return {
        "id": detail["knitId"],
        "cells": [
            grid.identifier(detail["knitId"]),
            {"text": parts.one_line("   ".join(tags)) or "(no tags)", "chips": [parts.one_line(tag) for tag in tags]},
            {"text": browsing.time_of(detail)},
            grid.status(browsing.state_of(detail)),
            {"text": parts.one_line(browsing.maker_of(detail))},
        ],
    }


def _field(value: str, placeholder: str, width: str) -> widgets.Text:
    return widgets.Text(value=value, placeholder=placeholder, layout=widgets.Layout(width=width, margin="2px"))
