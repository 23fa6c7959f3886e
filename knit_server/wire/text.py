"""Graphs as trees of text for terminals: lineage and plan graph, from the JSON of the API.

A graph is not a tree: a node that was shown already is only named again, with an arrow to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo
from typing import NamedTuple

from knit_server.wire import shapes
from knit_server.wire.graphs import data_tags, image_of, local_time


class Link(NamedTuple):
    """A neighbour of a node, and what the way to it is labelled with."""

    node: str
    label: str


Links = dict[str, list[Link]]


def lineage(graph: shapes.Lineage, zone: tzinfo | None = None) -> str:
    """Draw the Data `root` with what it was made from above, and what was made from it below."""
    up: Links = {}
    down: Links = {}
    nodes = {each["knitId"]: _data_line(each, zone) for each in graph["data"]}
    nodes |= {each["runId"]: _run_line(each, zone) for each in graph["runs"]}
    for edge in graph["edges"]:
        source = edge["from"]
        if source is not None and source in nodes and edge["to"] in nodes:
            down.setdefault(source, []).append(Link(edge["to"], edge["label"]))
            up.setdefault(edge["to"], []).append(Link(source, edge["label"]))
    return _two_trees(graph["root"], nodes, up, down, ("made by", "taken by"))


def plan_graph(graph: shapes.PlanGraph) -> str:
    """Draw the Plan `root` with the Plans that can feed it above, and those it can feed below."""
    up: Links = {}
    down: Links = {}
    nodes = {each["planId"]: _plan_line(each) for each in graph["plans"]}
    for edge in graph["edges"]:
        source, target = edge["from"]["planId"], edge["to"]["planId"]
        label = f"{edge['from']['path'] or '(log)'} → {edge['to']['path']}"
        if source in nodes and target in nodes:
            down.setdefault(source, []).append(Link(target, label))
            up.setdefault(target, []).append(Link(source, label))
    return _two_trees(graph["root"], nodes, up, down, ("fed by", "feeds"))


# --- lines ------------------------------------------------------------------------------------------------------------


def _data_line(data: shapes.DataDetail, zone: tzinfo | None) -> str:
    found = data_tags(data["tags"], zone)
    parts = [f"Data {data['knitId']}", " ".join(f"{key}:{value}" for key, value in found.others)]
    parts += [f"({text})" for text in (found.timestamp, found.transient) if text]
    return _line(parts)


def _run_line(run: shapes.RunDetail, zone: tzinfo | None) -> str:
    image = image_of(run["plan"]).removeprefix("image = ")
    return _line([f"Run {run['runId']}", run["status"], image, f"({local_time(run['updatedAt'], zone)})"])


def _plan_line(plan: shapes.PlanDetail) -> str:
    image = image_of(plan).removeprefix("image = ")
    return _line([f"Plan {plan['planId']}", image, "" if plan["active"] else "inactive"])


def _line(parts: list[str]) -> str:
    """Join what is there; a tag can hold anything, so what a terminal would act on is replaced."""
    text = "  ".join(part for part in parts if part)
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


# --- trees ------------------------------------------------------------------------------------------------------------


def _two_trees(root: str, nodes: dict[str, str], up: Links, down: Links, titles: tuple[str, str]) -> str:
    lines = [nodes.get(root, root)]
    for title, links in zip(titles, (up, down), strict=True):
        if links.get(root):
            lines += ["", f"{title}:", *_tree(root, nodes, links)]
    return "\n".join(lines)


def _tree(root: str, nodes: dict[str, str], links: Links) -> Iterator[str]:
    """Walk depth first, without recursion: a chain of Runs can be thousands long."""
    shown = {root}
    stack = [("", link, last) for link, last in _reversed(links[root])]
    while stack:
        indent, link, last = stack.pop()
        again = link.node in shown
        shown.add(link.node)
        told = f"↑ {nodes[link.node].split('  ')[0]} (above)" if again else nodes[link.node]
        yield f"{indent}{'└─' if last else '├─'} {link.label + ': ' if link.label else ''}{told}"
        if not again:
            deeper = indent + ("   " if last else "│  ")
            stack += [(deeper, each, is_last) for each, is_last in _reversed(links.get(link.node, []))]


def _reversed(links: list[Link]) -> list[tuple[Link, bool]]:
    return [(link, at == len(links) - 1) for at, link in enumerate(links)][::-1]
