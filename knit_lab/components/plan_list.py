"""The list of Plans: found by activity, image and tags; switched, archived, watched, drawn, taken as a start."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import ipywidgets as widgets

from knit_lab.components import grid, parts, tag_input
from knit_lab.components.beside import Once, Worker
from knit_lab.components.tag_input import TagInput
from knit_lab.display import cards, reasons
from knit_lab.display.html import escape, plan_name
from knit_lab.objects import asking
from knit_lab.objects.plans import Plan
from knit_lab.session import Session
from knit_server.client.streams import Event
from knit_server.domain.errors import KnitError
from knit_server.wire import shapes

PAGE = 15
"""Plans on a page."""
PAUSE = 0.5
"""Seconds between two questions to the server, however often Plans change."""

_COLUMNS = ("State", "Plan", "Image", "Inputs", "Outputs")
_ACTIVITY: dict[str, bool | None] = {"any": None, "active": True, "inactive": False}


class PlanList(widgets.VBox):  # type: ignore[misc]
    """Plans by image, kept true by the change stream. `close` ends that."""

    _is_open = False

    def __init__(
        self, session: Session, *, image: str = "", active: bool | None = None, in_tags: Iterable[str] | str = (),
        out_tags: Iterable[str] | str = (), archived: bool = False,
    ) -> None:  # fmt: skip
        """Begin with these filters. Raises `KnitError`."""
        self._session, self._worker, self._page = session, Worker(), 0
        self.plans: list[shapes.PlanDetail] = []
        """What was found, by image."""
        self._activity = widgets.Dropdown(
            options=list(_ACTIVITY),
            value=next(word for word, is_it in _ACTIVITY.items() if is_it is active),
            layout=widgets.Layout(width="100px"),
        )
        self._activity.tooltip = "Active or inactive"
        self._image = widgets.Text(
            value=image, placeholder="image[:tag]", continuous_update=False, layout=widgets.Layout(width="170px")
        )
        self._archived = widgets.Checkbox(
            value=archived, description="With the archive", indent=False, layout=widgets.Layout(width="140px")
        )
        self._in = TagInput(
            session, asking.texts(in_tags), read=tag_input.wanted, changed=self._again, placeholder="tags of an input"
        )
        self._out = TagInput(session, asking.texts(out_tags), changed=self._again, placeholder="tags of an output")
        self._grid = grid.Grid(_COLUMNS, "Plans by image", "")
        self._place, self._said = widgets.HTML(), parts.Said()
        self._card, self._buttons, self._more = widgets.HTML(), parts.row(), widgets.VBox()
        self._look, self._is_lost = Once(self.load, PAUSE), False
        super().__init__(self._layout())
        self.add_class("knit-plan-list")
        for each in (self._activity, self._image, self._archived):
            each.observe(lambda _: self._again(), "value")
        self._grid.observe(lambda _: self._choose(), "chosen")
        self._take(self._found())
        self._leave = session.changes.listen(self.changed)
        self._is_open = True

    # --- what people do -----------------------------------------------------------------------------------------------

    def load(self) -> None:
        """Ask the server for what the filters say, beside the loop."""
        found = self._asked()
        self._worker.do(found, self._take, self._not_found)

    def choose(self, plan_id: str) -> None:
        """Show a Plan below the table; "" for none."""
        self._grid.chosen = plan_id

    @property
    def chosen(self) -> Plan | None:
        """The Plan that is shown below the table."""
        found = next((each for each in self.plans if each["planId"] == self._grid.chosen), None)
        return None if found is None else Plan(self._session, found)

    def turn(self, pages: int) -> None:
        """Turn to later pages, or with a negative number to earlier ones."""
        self._page += pages
        self.draw()

    def switch(self, active: bool) -> None:
        """Activate or deactivate the chosen Plan."""
        self._change(lambda plan: plan.activate() if active else plan.deactivate())

    def archive(self, *, undo: bool = False) -> None:
        """Put the chosen Plan into the archive, or take it out."""
        self._change(lambda plan: plan.archive(undo=undo))

    def open_below(self, opened: Callable[[Plan], widgets.Widget]) -> None:
        """Show a widget of the chosen Plan below it: its Runs, its graph, an editor with a copy."""
        plan = self.chosen
        if plan is not None:
            self._clear_more()
            with self._said.doing("Opening …"):
                self._more.children = (opened(plan),)

    # --- what happens -------------------------------------------------------------------------------------------------

    def changed(self, events: Sequence[Event]) -> None:
        """Take changes: when Plans change, look again."""
        if any(event.kind in ("plan", "open", "reset") for event in events):
            self._look.ask()

    async def idle(self) -> None:
        """Wait until nothing is under way any more."""
        await self._worker.idle()

    def close(self) -> None:
        """Follow changes no more, and take the widget from the page."""
        if self._is_open:  # ipywidgets closes what was never made, too
            self._is_open = False
            self._leave()
            self._look.drop()
            self._worker.close()
            self._clear_more()
        super().close()

    def draw(self) -> None:
        """Show what is known."""
        last = max(0, (len(self.plans) - 1) // PAGE)
        self._page = min(max(0, self._page), last)
        start = self._page * PAGE
        self._grid.empty = "No Plan fits these filters." if self._is_asking else "There are no Plans yet."
        self._grid.show([_row(each) for each in self.plans[start : start + PAGE]])
        shown = f"{start + 1}–{min(len(self.plans), start + PAGE)} of {len(self.plans):,}" if self.plans else "no Plans"
        self._place.value = escape(shown)
        self._before.disabled, self._next.disabled = self._page == 0, self._page == last
        self._draw_chosen()

    @property
    def _is_asking(self) -> bool:
        return bool(self._image.value or self._in.value or self._out.value or self._activity.value != "any")

    def _again(self) -> None:
        self._page = 0
        self._look.ask()

    def _asked(self) -> Callable[[], list[shapes.PlanDetail]]:
        image, active, archived = (
            str(self._image.value).strip(),
            _ACTIVITY[self._activity.value],
            bool(self._archived.value),
        )
        in_tags, out_tags, client = self._in.value, self._out.value, self._session.client

        def ask() -> list[shapes.PlanDetail]:
            found = client.find_plans(
                active=active, image=image or None, in_tags=in_tags, out_tags=out_tags, archived=archived
            )
            users = [each for each in found if "image" in each]  # built-in ones cannot be changed
            return sorted(users, key=lambda each: (each.get("image", ""), each["planId"]))

        return ask

    def _found(self) -> list[shapes.PlanDetail]:
        return self._asked()()

    def _take(self, found: list[shapes.PlanDetail]) -> None:
        self.plans = found
        if self._is_lost:
            self._is_lost = False
            self._said.clear()
        self.draw()

    def _choose(self) -> None:
        self._clear_more()
        self._draw_chosen()

    def _draw_chosen(self) -> None:
        plan = self.chosen
        if plan is None:
            self._card.value = ""
            self._buttons.children = ()
            return
        shown = cards.plan(plan.detail)
        if shown != self._card.value or not self._buttons.children:
            self._card.value = shown
            self._buttons.children = self._actions(plan)

    def _actions(self, plan: Plan) -> tuple[widgets.Widget, ...]:
        is_archived = bool(plan.detail.get("archived"))
        switch = (
            parts.button("‖ Deactivate", partial(self.switch, False), "Its Runs are made, but wait")
            if plan.active
            else parts.button("▶ Activate", partial(self.switch, True), "Its waiting Runs are executed")
        )
        archive = (
            parts.button("Out of the archive", partial(self.archive, undo=True), "It matches again")
            if is_archived
            else parts.button("Archive", self.archive, "Hide it; it matches nothing any more")
        )
        return (
            switch, archive,
            parts.button("Watch its Runs", partial(self.open_below, Plan.monitor), "Open the Run monitor"),
            parts.button(
                "⎇ Plan graph", partial(self.open_below, _drawn), "Plans that feed it, or that it feeds"
            ),
            parts.button("Edit a copy", partial(self.open_below, Plan.edit), "Open the Plan editor"),
            parts.button("? Why", partial(self.open_below, _explained), "What its inputs took, and what they wait for"),
        )  # fmt: skip

    def _change(self, act: Callable[[Plan], Plan]) -> None:
        plan = self.chosen
        if plan is not None:
            self._said.busy("Changing …")
            self._worker.do(lambda: act(plan), self._changed_plan, self._said.bad)

    def _changed_plan(self, plan: Plan) -> None:
        self._said.clear()
        self.plans = [plan.detail if each["planId"] == plan.id else each for each in self.plans]
        self.draw()
        self._look.ask()

    def _not_found(self, err: KnitError) -> None:
        self._is_lost = True
        self._said.bad(err)

    def _clear_more(self) -> None:
        for each in self._more.children:
            each.close()
        self._more.children = ()

    def _layout(self) -> list[widgets.Widget]:
        self._before = parts.button("‹ before", partial(self.turn, -1), "The page before")
        self._next = parts.button("next ›", partial(self.turn, 1), "The next page")
        filters = parts.row(self._activity, self._image, self._archived, self._in, self._out)
        pages = parts.row(self._before, self._place, self._next)
        return [filters, self._said, self._grid, pages, self._card, self._buttons, self._more]


def _drawn(plan: Plan) -> Any:
    return plan.graph().explore()


def _explained(plan: Plan) -> widgets.Widget:
    return widgets.HTML(reasons.html(plan.why().answer))


def _row(plan: shapes.PlanDetail) -> grid.Row:
    state: grid.Cell = {"text": "▶ active", "tone": "good"} if plan["active"] else {"text": "‖ inactive", "tone": "off"}
    if plan.get("archived"):
        state = {"text": "▣ archived", "tone": "off"}
    return {
        "id": plan["planId"],
        "cells": [
            state, grid.identifier(plan["planId"]), {"text": plan_name(plan)},
            {"text": _mounts(plan["inputs"])}, {"text": _mounts(plan["outputs"])},
        ],
    }  # fmt: skip


def _mounts(mounts: Sequence[Any]) -> str:
    return "  ".join(f"{each['path']} {' '.join(each['tags'])}" for each in mounts)
