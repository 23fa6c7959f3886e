"""What of a graph is on the screen, and how a click changes that. Pure: a state and a click make the next state."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from knit_lab.graph.model import Graph, Node

BUDGET = 48
"""Cards that are shown at first; with their arrows about a hundred, which can be read and drawn at once."""
MOST = 120
"""Cards that are shown at all; more are slow to draw and cannot be read. Hide some to see others."""
STEP = 12
"""Neighbours that one click unfolds, and members that one click takes out of a group."""


@dataclass(frozen=True)
class Explored:
    """The cards of `graph` that are `shown`; the root always is."""

    graph: Graph
    shown: frozenset[str]

    @classmethod
    def start(cls, graph: Graph, budget: int = BUDGET) -> Explored:
        """Show what is nearest to the root, at most `budget` cards."""
        shown = {graph.root} & graph.by_id.keys()
        edge = set(shown)
        while edge and len(shown) < budget:
            around = {each for node in edge for each in (*graph.up.get(node, ()), *graph.down.get(node, ()))} - shown
            ordered = [node.id for node in graph.nodes if node.id in around]
            edge = set(ordered[: budget - len(shown)])
            shown |= edge
        return cls(graph, frozenset(shown))

    @property
    def view(self) -> Graph:
        """What is on the screen."""
        return self.graph.part(self.shown)

    def up(self, node_id: str) -> Explored:
        """Show some more of what `node_id` comes from directly."""
        return self._with(self._some(self.graph.up.get(node_id, ())))

    def down(self, node_id: str) -> Explored:
        """Show some more of what comes from `node_id` directly."""
        return self._with(self._some(self.graph.down.get(node_id, ())))

    def without_up(self, node_id: str) -> Explored:
        """Hide all that `node_id` comes from, and what hangs on that alone; never the root."""
        return self._without(self.graph.reached([node_id], self.graph.up), node_id)

    def without_down(self, node_id: str) -> Explored:
        """Hide all that comes from `node_id`, and what hangs on that alone; never the root."""
        return self._without(self.graph.reached([node_id], self.graph.down), node_id)

    def everything(self) -> Explored:
        """Show what is nearest to the root, as much as can be shown at all."""
        return Explored.start(self.graph, MOST)

    def of(self, graph: Graph) -> Explored:
        """Show another state of the graph: what is shown stays, as far as it is there, and the root."""
        return Explored(graph, frozenset(self.shown & graph.by_id.keys()) | ({graph.root} & graph.by_id.keys()))

    def joined(self, fresh: Iterable[str]) -> Explored:
        """Show those of `fresh` that lie beside what is shown, as long as there is room."""
        links = (self.graph.up, self.graph.down)
        beside = [each for each in fresh if any(self.shown & {*link.get(each, ())} for link in links)]
        return self._with(beside[: max(0, MOST - len(self.shown))])

    def found(self, words: str) -> list[str]:
        """Return the cards, shown or not, that hold all of `words`, in any case: ids, tags, images, statuses."""
        wanted = words.lower().split()
        if not wanted:
            return []
        texts = ((node.id, [node.title, *node.lines, *node.members, *node.statuses]) for node in self.graph.nodes)
        held = ((node_id, " ".join(text).lower()) for node_id, text in texts)
        return [node_id for node_id, text in held if all(word in text for word in wanted)]

    def reveal(self, node_id: str) -> Explored:
        """Show `node_id` with the shortest way to what is shown already."""
        if node_id in self.shown or node_id not in self.graph:
            return self
        before: dict[str, str] = {node_id: node_id}
        queue = [node_id]
        for node in queue:
            if node in self.shown:
                way = [node]
                while before[way[-1]] != way[-1]:
                    way.append(before[way[-1]])
                return self._with(way)
            for other in (*self.graph.up.get(node, ()), *self.graph.down.get(node, ())):
                if other not in before:
                    before[other] = node
                    queue.append(other)
        return self._with([node_id])

    def _some(self, neighbours: Iterable[str]) -> list[str]:
        """Return the first of `neighbours` that are not shown; those that need attention come first."""
        hidden = [each for each in neighbours if each not in self.shown]
        hidden.sort(key=lambda each: not self.graph.by_id[each].is_urgent)
        return hidden[: max(0, min(STEP, MOST - len(self.shown)))]

    def _with(self, more: Iterable[str]) -> Explored:
        return replace(self, shown=self.shown | frozenset(more))

    def _without(self, hidden: set[str], kept: str) -> Explored:
        left = self.shown - (hidden - {self.graph.root, kept})
        part = self.graph.part(left)
        connected = {self.graph.root}
        edge = {self.graph.root}
        while edge:
            edge = {each for node in edge for each in (*part.up.get(node, ()), *part.down.get(node, ()))} - connected
            connected |= edge
        return replace(self, shown=frozenset(connected & left) | ({kept} & self.shown))


def taken_out(group: Node, graph: Graph) -> list[str]:
    """Return the members of a group that one click shows alone: those that need attention first."""
    members = sorted(group.members, key=lambda each: not graph.by_id[each].is_urgent)  # else in their own order
    return members[:STEP]
