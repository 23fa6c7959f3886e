"""The panel beside a graph: what is known of the chosen card, its files, its log, and why."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import ipywidgets as widgets

from knit_lab.components import parts
from knit_lab.display import cards, reasons
from knit_lab.display.html import escape, identifier, status
from knit_lab.graph.model import Kind, Node
from knit_lab.session import Session

_LOG_TAIL = 16 << 10  # characters of a log that are shown
_MOST_MEMBERS = 50


class Details(widgets.VBox):  # type: ignore[misc]
    """Shows one card after another. Files, log and reasons are fetched only when asked for."""

    def __init__(self, session: Session, height: str) -> None:
        self._session = session
        self._node: Node | None = None
        self._card = widgets.HTML()
        self._more = widgets.HTML()
        self._said = parts.Said()
        self._buttons = parts.row()
        super().__init__(
            [self._card, self._buttons, self._said, self._more],
            layout=widgets.Layout(height=height, overflow="auto", padding="6px 10px", border_left=parts.BORDER),
        )
        self.add_class("knit-details")

    def show(self, node: Node | None) -> None:
        """Show what is known of `node`; None: nothing is chosen."""
        is_same = node is not None and self._node is not None and node.id == self._node.id
        self._node = node
        if not is_same:
            self._more.value = ""
        if node is None:
            self._card.value = f'<i style="color:{parts.FAINT}">Click a card to see what it is.</i>'
            self._buttons.children = ()
            return
        with self._said.doing("Asking the server …"):
            self._card.value = self._words(node)
            self._buttons.children = self._actions(node)

    def _words(self, node: Node) -> str:
        client = self._session.client
        if node.kind is Kind.DATA:
            return cards.data(client.show_data(node.id))
        if node.kind is Kind.RUN:
            return cards.run(client.show_run(node.id))
        if node.kind is Kind.PLAN:
            return cards.plan(client.show_plan(node.id))
        counted = " ".join(f"{status(word)} {count}" for word, count in node.statuses.items())
        ids = " ".join(map(identifier, node.members[:_MOST_MEMBERS]))
        return f"<b>{escape(node.title)}</b> {counted}<p>{ids}</p>"

    def _actions(self, node: Node) -> tuple[widgets.Widget, ...]:
        if node.kind is Kind.DATA:
            return self._row({"Files": self._files, "Why": self._why})
        if node.kind is Kind.RUN:
            return self._row({"Log": self._log, "Why": self._why})
        return self._row({"Why": self._why}) if node.kind is Kind.PLAN else ()

    def _row(self, named: dict[str, Callable[[Node], str]]) -> tuple[widgets.Widget, ...]:
        return tuple(parts.button(name, partial(self._fetch, shown)) for name, shown in named.items())

    def _fetch(self, shown: Callable[[Node], str]) -> None:
        node = self._node
        if node is None:
            return
        self._more.value = ""
        with self._said.doing("Asking the server …"):
            self._more.value = shown(node)

    def _files(self, node: Node) -> str:
        return self._session.data[node.id].files.as_html()

    def _why(self, node: Node) -> str:
        return reasons.html(self._session.client.why(node.id))

    def _log(self, node: Node) -> str:
        log = self._session.runs[node.id].logs()
        return f'<pre style="max-height:260px;overflow:auto">{escape(log[-_LOG_TAIL:]) or "(it printed nothing)"}</pre>'
