"""The API's graphs as cards and arrows: words, statuses and edges as in the DOT of the same graphs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import tzinfo

from knit_lab.display.html import short
from knit_lab.graph.model import Edge, Graph, Kind, Node
from knit_server.wire import shapes
from knit_server.wire.graphs import data_tags, image_of, local_time

USABLE = "usable"


def of_lineage(graph: shapes.Lineage, zone: tzinfo | None = None) -> Graph:
    """Return the cards of Data and Runs, and the paths between them; times in `zone`, None for the viewer's own."""
    root = graph["root"]
    nodes = [data_card(each, zone, is_root=each["knitId"] == root) for each in graph["data"]]
    nodes += [run_card(each, zone, is_root=each["runId"] == root) for each in graph["runs"]]
    known = {node.id for node in nodes}
    edges = [
        Edge(source=each["from"], target=each["to"], label=each["label"])
        for each in graph["edges"]
        if each["from"] is not None and each["from"] in known and each["to"] in known
    ]
    return Graph(root, tuple(nodes), _each_once(edges))


def of_plan_graph(graph: shapes.PlanGraph) -> Graph:
    """Return the cards of Plans with an arrow for each output (or log) that can feed an input."""
    root = graph["root"]
    nodes = [plan_card(each, is_root=each["planId"] == root) for each in graph["plans"]]
    known = {node.id for node in nodes}
    edges = [
        Edge(
            source=each["from"]["planId"],
            target=each["to"]["planId"],
            label=f"{each['from']['path'] or '(log)'} → {each['to']['path']}",
        )
        for each in graph["edges"]
        if each["from"]["planId"] in known and each["to"]["planId"] in known
    ]
    return Graph(root, tuple(nodes), _each_once(edges))


def data_card(data: shapes.DataDetail, zone: tzinfo | None = None, *, is_root: bool = False) -> Node:
    """Return the card of a Data."""
    found = data_tags(data["tags"], zone)
    state = USABLE if found.transient is None else found.transient.partition(":")[2]
    lines = [f"{key}:{value}" for key, value in found.others]
    return Node(
        id=data["knitId"], kind=Kind.DATA, title=f"Data {short(data['knitId'])}",
        lines=(*lines, *([found.timestamp] if found.timestamp else [])), statuses={state: 1},
        members=(data["knitId"],), is_root=is_root,
    )  # fmt: skip


def run_card(run: shapes.RunDetail | shapes.RunSummary, zone: tzinfo | None = None, *, is_root: bool = False) -> Node:
    """Return the card of a Run."""
    return Node(
        id=run["runId"], kind=Kind.RUN, title=f"Run {short(run['runId'])}",
        lines=(_image(run["plan"]), local_time(run["updatedAt"], zone)), statuses={run["status"]: 1},
        members=(run["runId"],), is_root=is_root,
    )  # fmt: skip


def plan_card(plan: shapes.PlanDetail, *, is_root: bool = False) -> Node:
    """Return the card of a Plan."""
    status = "active" if plan["active"] else "inactive"
    asked = [f"in {each['path']}  {' '.join(each['tags'])}" for each in plan["inputs"]]
    given = [f"out {each['path']}  {' '.join(each['tags'])}" for each in plan["outputs"]]
    log = [f"log  {' '.join(plan['log']['tags'])}"] if "log" in plan else []
    return Node(
        id=plan["planId"], kind=Kind.PLAN, title=f"Plan {short(plan['planId'])}",
        lines=(_image(plan), *asked, *given, *log), statuses={status: 1}, members=(plan["planId"],), is_root=is_root,
    )  # fmt: skip


def condensed(graph: Graph, lineage: shapes.Lineage, apart: Iterable[str] = ()) -> Graph:
    """Draw together the Runs of each Plan, and the Data that they made at each path; those `apart` stay alone.

    The root stays alone, and what would be a group of one.
    """
    alone = {graph.root, *apart}
    plan_of = {each["runId"]: each["plan"] for each in lineage["runs"]}
    groups: dict[str, list[str]] = {}
    for run_id, plan in plan_of.items():
        groups.setdefault(f"runs:{plan['planId']}", []).append(run_id)
    for data in lineage["data"]:
        made = data["upstream"]
        path = made["mountpoint"]["path"] if "mountpoint" in made else "(log)"
        groups.setdefault(f"data:{made['run']['plan']['planId']}:{path}", []).append(data["knitId"])
    home = {
        member: name
        for name, members in groups.items()
        if len(within := [each for each in members if each in graph.by_id and each not in alone]) > 1
        for member in within
    }
    nodes: dict[str, list[Node]] = {}
    for node in graph.nodes:
        nodes.setdefault(home.get(node.id, node.id), []).append(node)
    cards = [each[0] if name == each[0].id else _group(name, each) for name, each in nodes.items()]
    edges = Counter(
        (home.get(edge.source, edge.source), home.get(edge.target, edge.target), edge.label) for edge in graph.edges
    )
    return Graph(
        graph.root,
        tuple(cards),
        tuple(Edge(source=a, target=b, label=label, count=n) for (a, b, label), n in edges.items()),
    )


def _group(name: str, nodes: Sequence[Node]) -> Node:
    statuses: Counter[str] = Counter()
    for node in nodes:
        statuses.update(node.statuses)
    is_runs = nodes[0].kind is Kind.RUN
    common = [line for line in nodes[0].lines if all(line in node.lines for node in nodes)]
    return Node(
        id=name, kind=Kind.RUN_GROUP if is_runs else Kind.DATA_GROUP,
        title=f"{len(nodes)} {'Runs' if is_runs else 'Data'}", lines=tuple(common), statuses=dict(statuses),
        members=tuple(node.id for node in nodes),
    )  # fmt: skip


def _image(plan: shapes.PlanSummary) -> str:
    return image_of(plan).removeprefix("image = ")


def _each_once(edges: Iterable[Edge]) -> tuple[Edge, ...]:
    return tuple({edge.id: edge for edge in edges}.values())
