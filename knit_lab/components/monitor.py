"""The Run monitor: Runs as they go, kept true by the change stream; filters, counts by status, and the chosen Run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import ipywidgets as widgets

from knit_lab.components import grid, monitoring, parts
from knit_lab.components.beside import Once, Worker
from knit_lab.components.monitoring import PUBLIC, Query, Watch
from knit_lab.components.run_panel import RunPanel, plan_of
from knit_lab.display import tables
from knit_lab.display.html import COLOURS, MARKS, escape
from knit_lab.objects import asking
from knit_lab.session import Session
from knit_server.client.streams import Event
from knit_server.domain.errors import InvalidInput, KnitError, Unavailable
from knit_server.wire import shapes

PAGE = 20
"""Runs on a page of the table."""
REDRAW, CATCH_UP = 0.25, 0.5
"""Seconds between two drawings, and between two questions to the server, however much changes."""

_COLUMNS = ("Status", "Run", "Plan", "Inputs", "Changed", "Exit")
_FIELDS = {
    "plan": ("Plans", "ids, names or images"),
    "input": ("Inputs", "ids or tags of Data"),
    "output": ("Outputs", "ids or tags of Data"),
    "since": ("Since", "2026-11-22 09:00"),
    "duration": ("Duration", "90m, 2h (from since)"),
}


class Monitor(widgets.VBox):  # type: ignore[misc]
    """Runs as they go. `close` ends its following of changes."""

    _is_open = False

    def __init__(self, session: Session, *, statuses: Iterable[str] = (), **filters: str) -> None:
        """Show Runs with any of `statuses`; `filters` (plan, input, output, since, duration) as people write them.

        Raises `KnitError` for a filter that cannot be understood, or a server that does not answer.
        """
        self._session = session
        self._worker, self.watch = Worker(), Watch()
        self._statuses = _checked(statuses)
        self.is_away: bool | None = None
        """Whether the server is known to be away; None: it is not known yet whether its changes can be followed."""
        self._page, self._is_setting = 0, False
        self._asks: list[list[Event]] = []
        self._sent: list[str] = []
        """The statuses that the server is asked for; none, unless there are more Runs than are kept."""
        self._said = parts.Said()
        self._fields = {name: _field(name, filters.get(name, "")) for name in _FIELDS}
        self._chips = {status: self._chip(status) for status in PUBLIC}
        self._chip_row, self._bar, self._place = parts.row(), widgets.HTML(), widgets.HTML()
        self._grid = grid.Grid(_COLUMNS, "Runs, the one that changed last first", "")
        self._panel = RunPanel(session, self._acted)
        self._redraw, self._catch_up = Once(self.draw, REDRAW), Once(self._ask_news, CATCH_UP)
        super().__init__(self._layout())
        self.add_class("knit-monitor")
        self._begin()
        self._grid.observe(lambda change: self.choose(str(change["new"])), "chosen")
        self._leave = session.changes.listen(self.changed)
        self._is_open = True

    # --- what people do -----------------------------------------------------------------------------------------------

    def choose(self, run_id: str) -> None:
        """Show a Run beside the table; "" for none."""
        if self._grid.chosen != run_id:
            self._grid.chosen = run_id  # comes back here
            return
        self._panel.show(self.watch.get(run_id))

    def filter(self, **words: str) -> None:
        """Set filters (plan, input, output, since, duration) and ask the server."""
        self._is_setting = True
        for name, value in words.items():
            self._fields[name].value = value
        self._is_setting = False
        self.apply_filters()

    def only(self, statuses: Iterable[str]) -> None:
        """Show only Runs with any of `statuses`; none of them: all. Raises `InvalidInput`."""
        self._statuses = _checked(statuses)
        self._page = 0
        if self.watch.is_cut or self._sent:  # those that are not kept may have them, too
            self.load()
        self.draw()

    def apply_filters(self) -> None:
        """Ask the server for what the filters say."""
        if self._is_setting:
            return
        words = self._words()
        self._said.busy("Asking the server …")
        self._worker.do(lambda: monitoring.asked(self._session, *words), self._ask_anew, self._said.bad)

    def clear_filters(self) -> None:
        """Show all Runs."""
        self._statuses = frozenset()
        self.filter(**dict.fromkeys(_FIELDS, ""))

    def turn(self, pages: int) -> None:
        """Turn to older Runs, or with a negative number to newer ones."""
        self._page += pages
        self.draw()

    # --- what happens -------------------------------------------------------------------------------------------------

    def changed(self, events: Sequence[Event]) -> None:
        """Take changes: statuses at once, what they do not tell is asked for soon."""
        kinds = {event.kind for event in events}
        for gathered in self._asks:
            gathered.extend(events)
        standing = [event.kind for event in events if event.kind in ("open", "lost")]
        if standing:
            self.is_away = standing[-1] == "lost"
        if self.is_away and standing:
            self._said.bad(Unavailable("the server is away", advice="It is tried again until it is back."))
        if "open" in kinds or "reset" in kinds:
            self.load()
        elif self.watch.take(events):
            self._catch_up.ask()
        if "run" in kinds:
            self._redraw.ask()
        shown = self._panel.run
        if shown is not None and any(map(monitoring.is_deletion(shown["runId"]), events)):
            self._panel.gone()

    def load(self) -> None:
        """Fetch all that is shown anew, beside the loop."""
        self._sent = sorted(self._statuses) if self.watch.is_cut or self._sent else []
        query, statuses = self.watch.query, self._sent
        self._ask(
            lambda: monitoring.everything(self._session, query, statuses),
            lambda found: self._take_all(query, *found),
        )  # fmt: skip

    def draw(self) -> None:
        """Show what is known."""
        found = self.watch.shown(self._statuses)
        last = max(0, (len(found) - 1) // PAGE)
        self._page = min(max(0, self._page), last)
        start = self._page * PAGE
        self._grid.empty = self._empty_words()
        self._grid.show([_row(run) for run in found[start : start + PAGE]])
        more = "+" if self.watch.is_cut else ""
        shown = f"{start + 1}–{min(len(found), start + PAGE)} of {len(found):,}{more}" if found else "no Runs"
        self._place.value = escape(shown)
        self._newer.disabled, self._older.disabled = self._page == 0, self._page == last
        self._draw_counts()
        self._draw_chosen()

    async def idle(self) -> None:
        """Wait until nothing is under way any more, but for what the change stream will tell."""
        await self._worker.idle()
        await self._panel.idle()

    def close(self) -> None:
        """Follow changes no more, and take the widget from the page."""
        if self._is_open:  # ipywidgets closes what was never made, too
            self._is_open = False
            self._leave()
            self._redraw.drop()
            self._catch_up.drop()
            self._worker.close()
            self._panel.close()
        super().close()

    def _words(self) -> list[str]:
        return [str(field.value) for field in self._fields.values()]

    def _begin(self) -> None:
        """Show the first page at once; the change stream, when it stands, has all of it fetched."""
        self.watch = Watch(monitoring.asked(self._session, *self._words()))
        query = self.watch.query
        self.watch.merge(
            self._session.client.find_runs(
                plans=query.plans, inputs=query.inputs, outputs=query.outputs, statuses=sorted(self._statuses),
                since=query.since, duration=query.duration, newest_first=True, limit=PAGE,
            )
        )  # fmt: skip
        self.draw()

    def _ask_anew(self, query: Query) -> None:
        self.watch, self._page, self._sent = Watch(query), 0, []
        self.load()

    def _ask_news(self) -> None:
        watch, statuses = self.watch, self._sent
        self._ask(lambda: monitoring.news(self._session, watch, statuses), lambda found: self._take_news(watch, found))

    def _ask(self, call: Any, then: Any) -> None:
        """Ask the server; changes that come meanwhile are taken once more after the answer, which may be older."""
        gathered: list[Event] = []
        self._asks.append(gathered)

        def told(found: Any) -> None:
            self._asks.remove(gathered)
            then(found)
            if self.watch.take(gathered):
                self._catch_up.ask()
            self.draw()

        def failed(err: KnitError) -> None:
            self._asks.remove(gathered)
            if not self.is_away:  # which is said already
                self._said.bad(err)

        self._worker.do(call, told, failed)

    def _take_all(self, query: Query, found: Sequence[shapes.RunDetail], is_cut: bool) -> None:
        if query is self.watch.query:
            self.watch.replace(found, is_cut=is_cut)
            self._said.clear()

    def _take_news(self, watch: Watch, found: Sequence[shapes.RunDetail]) -> None:
        if watch is self.watch:
            watch.merge(found)

    def _acted(self, run_id: str) -> None:
        """Something was done about a Run: look at it again."""
        self._catch_up.ask()

    # --- how it looks -------------------------------------------------------------------------------------------------

    def _layout(self) -> list[widgets.Widget]:
        self._toggle = widgets.ToggleButton(
            value=False, description="Filters", tooltip="Show or hide the filters", layout=widgets.Layout(width="auto")
        )
        self._toggle.observe(lambda _: self._fold(), "value")
        self._newer = parts.button("‹ newer", partial(self.turn, -1), "Runs that changed later")
        self._older = parts.button("older ›", partial(self.turn, 1), "Runs that changed earlier")
        clear = parts.button("Clear", self.clear_filters, "Take all filters away")
        self._filters = parts.row(*self._fields.values(), clear, display="none")
        for field in self._fields.values():
            field.observe(lambda _: self.apply_filters(), "value")
        left = widgets.VBox(
            [self._grid, parts.row(self._newer, self._place, self._older)],
            layout=widgets.Layout(flex="3 1 460px", min_width="0"),
        )
        self._panel.layout.flex = "2 1 340px"
        body = widgets.HBox([left, self._panel], layout=widgets.Layout(width="100%", flex_flow="row wrap"))
        return [parts.row(self._toggle, self._chip_row), self._filters, self._bar, self._said, body]

    def _fold(self) -> None:
        self._filters.layout.display = "" if self._toggle.value else "none"

    def _chip(self, status: str) -> widgets.ToggleButton:
        chip = widgets.ToggleButton(
            value=status in self._statuses, tooltip=f"Show only Runs that are {status}, and others that are chosen",
            layout=widgets.Layout(width="auto"),
        )  # fmt: skip
        chip.observe(lambda change: self._chosen_status(status, bool(change["new"])), "value")
        return chip

    def _chosen_status(self, status: str, is_chosen: bool) -> None:
        if is_chosen != (status in self._statuses):
            self.only(self._statuses | {status} if is_chosen else self._statuses - {status})

    def _draw_counts(self) -> None:
        counts = self.watch.counts
        for status, chip in self._chips.items():
            chip.description = f"{MARKS[status]} {status} {counts.get(status, 0):,}"
            chip.value = status in self._statuses
        wanted = tuple(self._chips[each] for each in PUBLIC if counts.get(each) or each in self._statuses)
        if self._chip_row.children != wanted:
            self._chip_row.children = wanted
        self._bar.value = bar(counts)
        is_set = not self.watch.query.is_open
        self._toggle.description = "Filters ●" if is_set else "Filters"

    def _draw_chosen(self) -> None:
        run_id = str(self._grid.chosen)
        if not run_id:
            return
        run = self.watch.get(run_id)
        if run is not None:
            self._panel.show(run)

    def _empty_words(self) -> str:
        if not len(self.watch) and self.watch.query.is_open:
            return "There are no Runs yet. Apply a Plan, and push Data that it asks for."
        return "No Run fits these filters."

    def as_html(self) -> str:
        """Return the table as it is, for pages that have no kernel."""
        found = self.watch.shown(self._statuses)
        heads = [tables.Head("id", tables.Kind.ID), tables.Head("status", tables.Kind.STATUS), tables.Head("plan"),
                 tables.Head("changed", tables.Kind.TIME)]  # fmt: skip
        rows = [[run["runId"], run["status"], plan_of(run), asking.moment(run["updatedAt"])] for run in found[:PAGE]]
        return bar(self.watch.counts) + tables.html(heads, rows, "Runs")

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """Return the widget, with the table for pages that have no kernel."""
        bundle = super()._repr_mimebundle_(**kwargs)
        forms = bundle[0] if isinstance(bundle, tuple) else bundle
        return {**forms, "text/html": self.as_html(), "text/plain": f"Monitor of {len(self.watch)} Runs"}


def bar(counts: dict[str, int]) -> str:
    """Draw how many Runs have each status as one bar; its words are in the tooltip and for who does not see it."""
    told = ", ".join(f"{count} {status}" for status, count in counts.items()) or "no Runs"
    pieces = "".join(
        f'<span title="{count} {escape(status)}" style="flex:{count} 1 3px;background:{COLOURS[status]}"></span>'
        for status, count in counts.items()
    )
    style = f"display:flex;gap:2px;height:8px;width:100%;border-radius:4px;overflow:hidden;background:{parts.FAINT}22"
    return f'<div role="img" aria-label="{escape(told)}" title="{escape(told)}" style="{style}">{pieces}</div>'


def _field(name: str, value: str) -> widgets.Text:
    title, hint = _FIELDS[name]
    return widgets.Text(
        value=value, description=title, placeholder=hint, continuous_update=False,
        layout=widgets.Layout(width="290px"), style={"description_width": "64px"},
    )  # fmt: skip


def _row(run: shapes.RunDetail) -> grid.Row:
    ended = run.get("exit")
    inputs = "  ".join(f"{each['path']} {each['knitId'][:8]}" for each in run["inputs"])
    exit_words = "" if ended is None else " ".join(filter(None, [str(ended["code"]), ended["message"]]))
    return {
        "id": run["runId"],
        "cells": [
            grid.status(run["status"]), grid.identifier(run["runId"]), {"text": plan_of(run)}, {"text": inputs},
            {"text": f"{asking.moment(run['updatedAt']):%m-%d %H:%M:%S}", "title": run["updatedAt"]},
            {"text": exit_words},
        ],
    }  # fmt: skip


def _checked(statuses: Iterable[str]) -> frozenset[str]:
    words = frozenset([statuses] if isinstance(statuses, str) else statuses)
    if unknown := sorted(words - set(PUBLIC)):
        raise InvalidInput(f"no such status: {', '.join(unknown)}", advice=f"There are {', '.join(PUBLIC)}.")
    return words
