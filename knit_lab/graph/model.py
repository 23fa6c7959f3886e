"""A graph to be shown: cards and arrows, whatever they stand for. Immutable; every view of it is a new one."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property


class Kind(enum.Enum):
    """What a card stands for."""

    DATA = "data"
    RUN = "run"
    PLAN = "plan"
    DATA_GROUP = "data-group"
    RUN_GROUP = "run-group"
    PORT = "port"  # an input, output or log of a Plan in the plan graph


@dataclass(frozen=True, kw_only=True)
class Node:
    """A card. `statuses` counts those of what it stands for; `more_up` and `more_down` are neighbours not shown."""

    id: str
    kind: Kind
    title: str
    lines: tuple[str, ...] = ()
    moment: str = ""
    """When it changed last (RFC 3339); written in the viewer's own zone when it is drawn, for that takes its time."""
    statuses: Mapping[str, int] = field(default_factory=dict)
    members: tuple[str, ...] = ()
    """The ids that it stands for; one, unless it is a group."""
    is_root: bool = False
    more_up: int = 0
    more_down: int = 0

    @property
    def status(self) -> str:
        """The one status it has, or the one that needs attention most, or ""."""
        return next((each for each in _URGENCY if self.statuses.get(each)), next(iter(self.statuses), ""))

    @property
    def is_urgent(self) -> bool:
        """Whether something failed or goes on."""
        return any(self.statuses.get(each) for each in _URGENCY[:5])

    @property
    def is_group(self) -> bool:
        """Whether it stands for several."""
        return self.kind in (Kind.DATA_GROUP, Kind.RUN_GROUP)


_URGENCY = ("failed", "aborting", "running", "starting", "completing", "ready", "waiting", "processing", "deactivated")


@dataclass(frozen=True, kw_only=True)
class Edge:
    """An arrow between two cards. `count` is how many it stands for."""

    source: str
    target: str
    label: str = ""
    count: int = 1

    @property
    def id(self) -> str:
        """A name that no other arrow of the graph has."""
        return f"{self.source}>{self.target}>{self.label}"


@dataclass(frozen=True)
class Graph:
    """Cards and arrows. Every arrow is between two cards of the graph."""

    root: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    def __len__(self) -> int:
        return len(self.nodes)

    def __contains__(self, node_id: str) -> bool:
        return node_id in self.by_id

    @cached_property
    def by_id(self) -> Mapping[str, Node]:
        """The cards by id."""
        return {each.id: each for each in self.nodes}

    @cached_property
    def up(self) -> Mapping[str, tuple[str, ...]]:
        """What each card's arrows come from, in order, each once."""
        return _neighbours((edge.target, edge.source) for edge in self.edges)

    @cached_property
    def down(self) -> Mapping[str, tuple[str, ...]]:
        """What each card's arrows go to, in order, each once."""
        return _neighbours((edge.source, edge.target) for edge in self.edges)

    def reached(self, start: Iterable[str], links: Mapping[str, tuple[str, ...]], steps: int | None = None) -> set[str]:
        """Return what is reached from `start` over `links` (`up` or `down`) in at most so many steps, without it."""
        found: set[str] = set()
        edge = set(start)
        while edge and steps != 0:
            edge = {each for node in edge for each in links.get(node, ())} - found
            found |= edge
            steps = None if steps is None else steps - 1
        return found

    @cached_property
    def home(self) -> Mapping[str, str]:
        """The card that stands for each Data, Run or Plan."""
        return {member: node.id for node in self.nodes for member in node.members}

    def with_statuses(self, changed: Mapping[str, str], before: Mapping[str, str]) -> Graph:
        """Return the same cards and arrows after statuses have `changed`, by id of what has them; groups count anew.

        `before` are the statuses that these had.
        """
        counted: dict[str, Counter[str]] = {}
        for each, status in changed.items():
            if each in self.home:
                card = self.home[each]
                counts = counted.setdefault(card, Counter(self.by_id[card].statuses))
                counts[before[each]] -= 1
                counts[status] += 1
        nodes = [replace(each, statuses=dict(+counted[each.id])) if each.id in counted else each for each in self.nodes]
        same = Graph(self.root, tuple(nodes), self.edges)
        kept = ("up", "down", "home")  # what does not depend on statuses need not be found again
        same.__dict__.update({name: self.__dict__[name] for name in kept if name in self.__dict__})
        return same

    def part(self, shown: Collection[str]) -> Graph:
        """Return the graph of the cards in `shown`, which say how many of their neighbours are missing."""
        kept = [
            replace(
                node,
                more_up=sum(each not in shown for each in self.up.get(node.id, ())),
                more_down=sum(each not in shown for each in self.down.get(node.id, ())),
            )
            for node in self.nodes
            if node.id in shown
        ]
        edges = tuple(edge for edge in self.edges if edge.source in shown and edge.target in shown)
        return Graph(self.root, tuple(kept), edges)


def _neighbours(pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for node, other in pairs:
        found.setdefault(node, {})[other] = None
    return {node: tuple(others) for node, others in found.items()}
