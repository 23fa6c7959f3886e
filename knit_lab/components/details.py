"""The panel beside a graph: what is known of the chosen card, and what can be done with it.

A Data and a Run have the panels that they have elsewhere: files with previews and tags; log, stop and retry.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from knit_lab.components import parts
from knit_lab.components.beside import Worker
from knit_lab.components.data_panel import DataPanel
from knit_lab.components.run_panel import RunPanel
from knit_lab.display import cards, reasons
from knit_lab.display.html import escape, identifier, status
from knit_lab.graph.model import Kind, Node
from knit_lab.session import Session
from knit_server.domain.errors import NotFound
from knit_server.wire import shapes

_MOST_MEMBERS = 60
_STYLE = (
    "<style>.knit-details .knit span,.knit-details .knit code,.knit-details .knit td{white-space:normal!important;"
    "overflow-wrap:anywhere}.knit-details .knit th{width:25%;overflow-wrap:anywhere;padding:2px 8px 2px 0}"
    ".knit-details .knit td{padding:2px 0}.knit-details .knit table{width:100%;table-layout:fixed}"
    ".knit-canvas .custom-widget{background:var(--jp-layout-color0,#fff)!important;border:0!important;outline:0}"
    "</style>"
)
"""The panel is narrow: chips of tags and ids break instead of being cut off. The canvas has the colour of the page."""


class Details(widgets.VBox):  # type: ignore[misc]
    """Shows one card after another; what is shown is asked of the server beside the kernel's loop."""

    _is_open = False

    def __init__(
        self, session: Session, height: int, *, around: Callable[[str], None] = lambda knit_id: None,
        take_out: Callable[[str], None] = lambda name: None, put_back: Callable[[str], None] = lambda name: None,
    ) -> None:  # fmt: skip
        """`around` is asked to draw the lineage of a Data; the others, to show members of a group alone, or not."""
        self._session = session
        self._around, self._take_out, self._put_back = around, take_out, put_back
        self._worker = Worker()
        self.node: Node | None = None
        self._said = parts.Said()
        self._card, self._more = widgets.HTML(), widgets.HTML()
        self._data: DataPanel | None = None
        self._run: RunPanel | None = None
        self._place = widgets.VBox(layout=widgets.Layout(min_width="0", padding="4px 8px"))
        super().__init__(
            [widgets.HTML(_STYLE, layout=widgets.Layout(display="none")), self._said, self._place],
            layout=widgets.Layout(height=f"{height}px", overflow="auto", min_width="0", border_left=parts.BORDER),
        )
        self.add_class("knit-details")
        self._is_open = True
        self.show(None)

    def show(self, node: Node | None) -> None:
        """Show what is known of `node`; None: nothing is chosen."""
        is_same = node is not None and self.node is not None and node.id == self.node.id
        self.node = node
        if node is None:
            self._contain(widgets.HTML(f'<i style="color:{parts.FAINT}">Click a card to see what it is.</i>'))
            return
        if not is_same:
            self._more.value = ""
            if self._run is not None:
                self._run.show(None)
        if node.is_group:
            self._show_group(node)
            return
        self._said.busy("Asking the server …")
        client, node_id = self._session.client, node.id
        if node.kind is Kind.DATA:
            self._ask(node_id, lambda: client.show_data(node_id), self._show_data)
        elif node.kind is Kind.RUN:
            self._ask(node_id, lambda: client.show_run(node_id), self._show_run)
        else:
            self._ask(node_id, lambda: client.show_plan(node_id), self._show_plan)

    def close(self) -> None:
        """Follow no log any more, and take the panel from the page."""
        if self._is_open:  # ipywidgets closes what was never made, too
            self._is_open = False
            self._worker.close()
            for panel in (self._data, self._run):
                if panel is not None:
                    panel.close()
        super().close()

    async def idle(self) -> None:
        """Wait until nothing is under way any more."""
        await self._worker.idle()

    def why(self) -> None:
        """Explain the Plan that is shown."""
        if self.node is not None:
            node_id = self.node.id
            self._said.busy("Asking why …")
            self._ask(node_id, lambda: self._session.client.why(node_id), self._explained)

    def _ask(self, node_id: str, call: Callable[[], Any], then: Callable[[Any], None]) -> None:
        def told(found: Any) -> None:
            if self.node is not None and self.node.id == node_id:  # else another card was chosen meanwhile
                self._said.clear()
                then(found)

        self._worker.do(call, told, self._said.bad)

    def _contain(self, *children: widgets.Widget) -> None:
        if self._place.children != children:
            self._place.children = children

    def _show_data(self, detail: shapes.DataDetail) -> None:
        if self._data is None:
            self._data = DataPanel(self._session, explore=lambda shown: self._around(shown["knitId"]))
        self._data.show(detail)
        self._contain(self._data)

    def _show_run(self, run: shapes.RunDetail) -> None:
        if self._run is None:
            self._run = _RunBeside(self._session, self._around)
        self._run.show(run)
        self._contain(self._run)

    def _show_plan(self, plan: shapes.PlanDetail) -> None:
        self._card.value = cards.plan(plan)
        self._contain(self._card, parts.row(parts.button("Why", self.why, "What it took, and what it did not")),
                      self._more)  # fmt: skip

    def _show_group(self, node: Node) -> None:
        self._said.clear()
        counted = "".join(f"<div>{status(word)} {count}</div>" for word, count in node.statuses.items())
        ids = " ".join(map(identifier, node.members[:_MOST_MEMBERS]))
        more = f" … {len(node.members) - _MOST_MEMBERS} more" if len(node.members) > _MOST_MEMBERS else ""
        lines = "".join(f"<div>{escape(line)}</div>" for line in node.lines)
        self._card.value = f'<div class="knit"><b>{escape(node.title)}</b>{lines}{counted}<p>{ids}{more}</p></div>'
        name = node.id
        self._contain(
            parts.row(
                parts.button(
                    "Take some out", lambda: self._take_out(name), "Show some of them alone; failed ones first"
                ),
                parts.button("Put all back", lambda: self._put_back(name), "Draw all of them together again"),
            ),
            self._card,
        )

    def _explained(self, answer: shapes.Why) -> None:
        self._more.value = reasons.html(answer)


class _RunBeside(RunPanel):
    """A Run's panel that has its lineage drawn in the graph beside it."""

    def __init__(self, session: Session, around: Callable[[str], None]) -> None:
        self._around = around
        super().__init__(session)

    def lineage(self) -> None:
        """Have the lineage of what it made drawn; if it makes nothing, that of what it took."""
        if self.run is None:
            return
        log = [self.run["log"]["knitId"]] if self.run["log"] is not None else []
        made = [
            *(each["knitId"] for each in self.run["outputs"]),
            *log,
            *(each["knitId"] for each in self.run["inputs"]),
        ]
        known = [each for each in made if each]
        if known:
            self._around(known[0])
        else:
            gone = NotFound(f"Run {self.run['runId']} has no Data", advice="It was deleted, or took and made nothing.")
            self._said.bad(gone)
