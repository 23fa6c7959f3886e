"""The API's graphs as cards and arrows: words, statuses and edges as in the DOT of the same graphs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import cast

from knit_lab.display.html import plan_name, short
from knit_lab.graph.model import Edge, Graph, Kind, Node
from knit_server.domain import tags
from knit_server.domain.runs import Status
from knit_server.wire import shapes

USABLE = "usable"


def of_lineage(outline: shapes.LineageOutline) -> Graph:
    """Return the cards of Data and Runs, and the paths between them."""
    root, images = outline["root"], [plan_name(each) for each in outline["plans"]]
    nodes = [data_card(each, is_root=each["knitId"] == root) for each in outline["data"]]
    nodes += [run_card(each, images[each["plan"]]) for each in outline["runs"]]
    known = {node.id for node in nodes}
    edges = [
        Edge(source=each["from"], target=each["to"], label=each["label"])
        for each in outline["edges"]
        if each["from"] is not None and each["from"] in known and each["to"] in known
    ]
    return Graph(root, tuple(nodes), _each_once(edges))


def in_full(outline: shapes.LineageOutline) -> shapes.Lineage:
    """Return an outline in the shape of a lineage, with all that DOT and trees of text tell of it."""
    plans = outline["plans"]
    data = [
        {
            "knitId": each["knitId"],
            "tags": [
                *each["tags"],
                *([f"{tags.TIMESTAMP}:{each['timestamp']}"] if each["timestamp"] else []),
                *([f"{tags.TRANSIENT}:{each['transient']}"] if each["transient"] else []),
            ],
        }
        for each in outline["data"]
    ]
    runs = [{**each, "plan": plans[each["plan"]]} for each in outline["runs"]]
    told = {"root": outline["root"], "data": data, "runs": runs, "edges": outline["edges"]}
    return cast("shapes.Lineage", told)


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


def data_card(data: shapes.OutlineData, *, is_root: bool = False) -> Node:
    """Return the card of a Data."""
    return Node(
        id=data["knitId"], kind=Kind.DATA, title=f"Data {short(data['knitId'])}", lines=tuple(data["tags"]),
        moment=data["timestamp"] or "", statuses={data["transient"] or USABLE: 1}, members=(data["knitId"],),
        is_root=is_root,
    )  # fmt: skip


def run_card(run: shapes.OutlineRun, image: str) -> Node:
    """Return the card of a Run."""
    return Node(
        id=run["runId"], kind=Kind.RUN, title=f"Run {short(run['runId'])}", lines=(image,), moment=run["updatedAt"],
        statuses={run["status"]: 1}, members=(run["runId"],),
    )  # fmt: skip


def state_of(status: str) -> str:
    """Return the state of the Data that a Run in `status` makes."""
    if status == Status.DONE.value:
        return USABLE
    return tags.FAILED if status in (Status.FAILED.value, Status.INVALIDATED.value) else tags.PROCESSING


def plan_card(plan: shapes.PlanDetail, *, is_root: bool = False) -> Node:
    """Return the card of a Plan."""
    status = "active" if plan["active"] else "inactive"
    asked = [f"in {each['path']}  {' '.join(each['tags'])}" for each in plan["inputs"]]
    given = [f"out {each['path']}  {' '.join(each['tags'])}" for each in plan["outputs"]]
    log = [f"log  {' '.join(plan['log']['tags'])}"] if "log" in plan else []
    return Node(
        id=plan["planId"], kind=Kind.PLAN, title=f"Plan {short(plan['planId'])}",
        lines=(plan_name(plan), *asked, *given, *log), statuses={status: 1}, members=(plan["planId"],), is_root=is_root,
    )  # fmt: skip


def condensed(graph: Graph, outline: shapes.LineageOutline, apart: Iterable[str] = ()) -> Graph:
    """Draw together the Runs of each Plan, and the Data that they made at each path; those `apart` stay alone.

    The root stays alone, and what would be a group of one.
    """
    alone = {graph.root, *apart}
    plans = [each["planId"] for each in outline["plans"]]
    groups: dict[str, list[str]] = {}
    for run in outline["runs"]:
        groups.setdefault(f"runs:{plans[run['plan']]}", []).append(run["runId"])
    for data in outline["data"]:
        path = "(log)" if data["path"] is None else data["path"]
        groups.setdefault(f"data:{plans[data['plan']]}:{path}", []).append(data["knitId"])
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
    counted: Counter[str] = Counter()
    common = list(nodes[0].lines)
    for node in nodes:
        counted.update(node.statuses)
        if common:
            common = [line for line in common if line in node.lines]
    is_runs = nodes[0].kind is Kind.RUN
    return Node(
        id=name, kind=Kind.RUN_GROUP if is_runs else Kind.DATA_GROUP,
        title=f"{len(nodes)} {'Runs' if is_runs else 'Data'}", lines=tuple(common), statuses=dict(counted),
        members=tuple(node.id for node in nodes),
    )  # fmt: skip


def _each_once(edges: Iterable[Edge]) -> tuple[Edge, ...]:
    return tuple({edge.id: edge for edge in edges}.values())
