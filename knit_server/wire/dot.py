"""Graphs as DOT, the language of Graphviz: lineage and plan graph, from the JSON of the API.

Cards are nodes with an HTML label. Colours, rows and ids are Knitfab's; ids and edge labels are escaped, and clusters
are named so that every Graphviz draws them (docs/cli.md, "Graphs").
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import tzinfo
from html import escape

from knit_server.wire import shapes
from knit_server.wire.graphs import data_tags, image_of, local_time

GREEN, PALE_GREEN = "#1c9930", "#d4ecc6"
ORANGE = "#FFA500"
GOLD, PALE_GOLD = "#DAA520", "#EDD9B4"
_WHITE = "#FFFFFF"
_GOOD = "#007700"

_STATUS = {
    "deactivated": '<FONT COLOR="gray"><B>{}</B></FONT>',
    "completing": f'<FONT COLOR="{_GOOD}"><B>{{}}</B></FONT>',
    "done": f'<FONT COLOR="{_GOOD}"><B>{{}}</B></FONT>',
    "aborting": '<FONT COLOR="red"><B>{}</B></FONT>',
    "failed": '<FONT COLOR="red"><B>{}</B></FONT>',
}
_THIN = ("weight=10", "penwidth=0.3")


def lineage(graph: shapes.Lineage, zone: tzinfo | None = None) -> str:
    """Write a lineage graph; times are in `zone`, None for the viewer's own. The Data `root` is marked."""
    ids = {each["knitId"]: f"d{each['knitId']}" for each in graph["data"]}
    ids |= {each["runId"]: f"r{each['runId']}" for each in graph["runs"]}
    nodes = [_data_card(each, each["knitId"] == graph["root"], zone) for each in graph["data"]]
    nodes += [_run_card(each, zone) for each in graph["runs"]]
    edges, roots = [], 0
    for edge in graph["edges"]:
        source, target = edge["from"], ids.get(edge["to"])
        if target is None:
            continue
        if source is None:
            root = f"root#{roots}"
            roots += 1
            nodes.append(f"{_quoted(root)} [shape=Mdiamond];")
            edges.append(_edge(root, target))
        elif source in ids:
            edges.append(_edge(ids[source], target, edge["label"]))
    return _document(nodes, edges)


def plan_graph(graph: shapes.PlanGraph) -> str:
    """Write a plan graph: a cluster for each Plan, with a point for each input, output and log. `root` is marked."""
    known = {each["planId"] for each in graph["plans"]}
    clusters = [_cluster(each, each["planId"] == graph["root"]) for each in graph["plans"]]
    edges = [
        _edge(_port(edge["from"]["planId"], edge["from"]["path"]), _port(edge["to"]["planId"], edge["to"]["path"]))
        for edge in graph["edges"]
        if edge["from"]["planId"] in known and edge["to"]["planId"] in known
    ]
    return _document(clusters, edges)


# --- cards ------------------------------------------------------------------------------------------------------------


def _data_card(data: shapes.DataDetail, is_root: bool, zone: tzinfo | None) -> str:
    found = data_tags(data["tags"], zone)
    rows = [_row(_badge("Data", GREEN), _cell(_html(f"knit#id: {data['knitId']}"), PALE_GREEN if is_root else _WHITE))]
    system = [text for text in (found.timestamp, found.transient) if text is not None]
    if system:
        rows.append(_row(_spanning(2, _small(_html(" | ".join(system))))))
    rows.append(_row(_spanning(2, "<BR/>".join(f"<B>{_html(key)}</B>:{_html(value)}" for key, value in found.others))))
    return _card(f"d{data['knitId']}", GREEN, rows)


def _run_card(run: shapes.RunDetail, zone: tzinfo | None) -> str:
    status = _STATUS.get(run["status"], "{}").format(_html(run["status"]))
    rows = [
        _row(_badge("Run", ORANGE), _cell(status), _cell(_html(f"id: {run['runId']}"), _WHITE)),
        _row(_spanning(3, _small(_html(f"last updated: {local_time(run['updatedAt'], zone)}")))),
        _row(_spanning(3, _html(image_of(run["plan"])))),
    ]
    return _card(f"r{run['runId']}", ORANGE, rows)


def _plan_card(plan: shapes.PlanDetail, is_root: bool) -> str:
    activity = f'<FONT COLOR="{_GOOD}">active</FONT>' if plan["active"] else '<FONT COLOR="gray">inactive</FONT>'
    annotations = (each.partition("=") for each in plan.get("annotations", ()))
    rows = [
        _row(
            _badge("Plan", GOLD), _cell(activity),
            _cell(_html(f"id: {plan['planId']}"), PALE_GOLD if is_root else _WHITE),
        ),
        _row(_spanning(3, _html(image_of(plan)))),
        _row(_spanning(3, "<BR/>".join(f"<B>{_html(key)}</B>={_html(value)}" for key, _, value in annotations))),
    ]  # fmt: skip
    return _card(f"p{plan['planId']}", GOLD, rows)


def _cluster(plan: shapes.PlanDetail, is_root: bool) -> str:
    plan_id = plan["planId"]
    card = f"p{plan_id}"
    lines = [
        "cluster=true;", 'style="solid";', "penwidth=0.3;", f'color="{GOLD}";', 'margin="0,0";',
    ]  # fmt: skip
    for each in plan["inputs"]:
        port = _port(plan_id, each["path"])
        lines += [_point(port), _edge(port, card, each["path"], *_THIN)]
    lines.append(_plan_card(plan, is_root))
    for output in plan["outputs"]:
        port = _port(plan_id, output["path"])
        lines += [_point(port), _edge(card, port, output["path"], *_THIN)]
    if "log" in plan:
        port = _port(plan_id, None)
        lines += [_point(port), _edge(card, port, "(log)", *_THIN)]
    return f"subgraph {_quoted(f'cluster_{plan_id}')} {{\n" + "\n".join(f"\t\t{line}" for line in lines) + "\n\t}"


# --- statements -------------------------------------------------------------------------------------------------------


def _document(nodes: Sequence[str], edges: Sequence[str]) -> str:
    lines = ["digraph G {", "\tnode [shape=record fontsize=10];", "\tedge [fontsize=10];", ""]
    lines += [*(f"\t{each}" for each in nodes), "", *(f"\t{each}" for each in edges), "", "}"]
    return "\n".join(lines)


def _card(node: str, colour: str, rows: Iterable[str]) -> str:
    table = f'<TABLE CELLSPACING="0">{"".join(rows)}</TABLE>'
    return f'{_quoted(node)} [shape=none color="{colour}" label=<{table}>];'


def _point(node: str) -> str:
    return f'{_quoted(node)} [shape=point color="{GREEN}"];'


def _edge(source: str, target: str, label: str = "", *attributes: str) -> str:
    written = [f"label={_quoted(label)}"] if label else []
    listed = " ".join([*written, *attributes])
    return f"{_quoted(source)} -> {_quoted(target)}{f' [{listed}]' if listed else ''};"


def _port(plan_id: str, path: str | None) -> str:
    return f"p{plan_id}@{'log' if path is None else path}"


def _html(text: str) -> str:
    """Escape text for an HTML label; characters that XML cannot hold are replaced."""
    clean = "".join(char if char >= " " or char in "\t\r\n" else "\N{REPLACEMENT CHARACTER}" for char in text)
    return escape(clean)


def _quoted(text: str) -> str:
    """Quote an identifier or label; line breaks become blanks, so that a statement stays on its line."""
    clean = "".join(" " if char in "\r\n" else char for char in text if char != "\0")
    return '"' + clean.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _row(*cells: str) -> str:
    return f"<TR>{''.join(cells)}</TR>"


def _cell(content: str, background: str | None = None) -> str:
    return f'<TD BGCOLOR="{background}">{content}</TD>' if background else f"<TD>{content}</TD>"


def _badge(word: str, colour: str) -> str:
    return f'<TD BGCOLOR="{colour}"><FONT COLOR="white"><B>{word}</B></FONT></TD>'


def _spanning(columns: int, content: str) -> str:
    return f'<TD COLSPAN="{columns}">{content}</TD>'


def _small(content: str) -> str:
    return f'<FONT POINT-SIZE="8">{content}</FONT>'
