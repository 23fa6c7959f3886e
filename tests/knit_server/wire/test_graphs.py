"""DOT and text of graphs: golden for small ones, counts for the tutorial's, and nothing a tag holds breaks them."""

from __future__ import annotations

import shutil
import subprocess
import time
from datetime import timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knit_server.domain import graphs as domain_graphs
from knit_server.domain.ids import PlanId
from knit_server.domain.images import parse as image
from knit_server.domain.plans import Input, Output, Plan, PlanSpec, check
from knit_server.domain.tags import Tag
from knit_server.domain.views import PlanView
from knit_server.wire import codecs, dot, graphs, text

TOKYO = timezone(timedelta(hours=9))
UPLOAD = {"planId": "p0", "name": "knit#uploaded"}
USER = {"planId": "p1", "image": "lab/x:1"}


def data(knit_id: str, *tags: str) -> Any:
    return {"knitId": knit_id, "tags": [*tags, f"knit#id:{knit_id}"]}


def run(run_id: str, plan: Any = USER, status: str = "done") -> Any:
    return {"runId": run_id, "status": status, "updatedAt": "2026-01-01T00:00:00.5+00:00", "plan": plan}


LINEAGE: Any = {
    "root": "b",
    "data": [
        data("a", "type:raw", "note:<b>&", "knit#timestamp:2026-01-01T00:00:00.38+00:00"),
        data("b", "knit#timestamp:2026-01-01T00:00:00+00:00", "knit#transient:failed"),
        data("l"),
    ],
    "runs": [run("u", UPLOAD), run("r", status="failed")],
    "edges": [
        {"from": None, "to": "u", "label": ""},
        {"from": "u", "to": "a", "label": "/upload"},
        {"from": "a", "to": "r", "label": '/in/"x"\\'},
        {"from": "r", "to": "b", "label": "/out"},
        {"from": "r", "to": "l", "label": "(log)"},
        {"from": "elsewhere", "to": "r", "label": "/in"},
        {"from": "r", "to": "elsewhere", "label": "/out"},
    ],
}


def card(node: str, colour: str, *rows: str) -> str:
    table = "".join(f"<TR>{row}</TR>" for row in rows)
    return f'\t"{node}" [shape=none color="{colour}" label=<<TABLE CELLSPACING="0">{table}</TABLE>>];'


def badge(word: str, colour: str) -> str:
    return f'<TD BGCOLOR="{colour}"><FONT COLOR="white"><B>{word}</B></FONT></TD>'


def small(columns: int, told: str) -> str:
    return f'<TD COLSPAN="{columns}"><FONT POINT-SIZE="8">{told}</FONT></TD>'


def test_lineage_as_dot() -> None:
    """Data, Runs, roots, then edges whose ends are both known; the root Data is marked; texts are escaped."""
    green, orange = "#1c9930", "#FFA500"
    status = '<TD><FONT COLOR="{}"><B>{}</B></FONT></TD>'
    updated = small(3, "last updated: 2026-01-01T09:00:00.5+09:00")
    assert dot.lineage(LINEAGE, TOKYO).split("\n") == [
        "digraph G {",
        "\tnode [shape=record fontsize=10];",
        "\tedge [fontsize=10];",
        "",
        card(
            "da", green, badge("Data", green) + '<TD BGCOLOR="#FFFFFF">knit#id: a</TD>',
            small(2, "2026-01-01T09:00:00.38+09:00"),
            '<TD COLSPAN="2"><B>type</B>:raw<BR/><B>note</B>:&lt;b&gt;&amp;</TD>',
        ),
        card(
            "db", green, badge("Data", green) + '<TD BGCOLOR="#d4ecc6">knit#id: b</TD>',
            small(2, "2026-01-01T09:00:00+09:00 | knit#transient:failed"),
            '<TD COLSPAN="2"></TD>',
        ),
        card("dl", green, badge("Data", green) + '<TD BGCOLOR="#FFFFFF">knit#id: l</TD>', '<TD COLSPAN="2"></TD>'),
        card(
            "ru", orange, badge("Run", orange) + status.format("#007700", "done")
            + '<TD BGCOLOR="#FFFFFF">id: u</TD>', updated, '<TD COLSPAN="3">knit#uploaded</TD>',
        ),
        card(
            "rr", orange, badge("Run", orange) + status.format("red", "failed")
            + '<TD BGCOLOR="#FFFFFF">id: r</TD>', updated, '<TD COLSPAN="3">image = lab/x:1</TD>',
        ),
        '\t"root#0" [shape=Mdiamond];',
        "",
        '\t"root#0" -> "ru";',
        '\t"ru" -> "da" [label="/upload"];',
        '\t"da" -> "rr" [label="/in/\\"x\\"\\\\"];',
        '\t"rr" -> "db" [label="/out"];',
        '\t"rr" -> "dl" [label="(log)"];',
        "",
        "}",
    ]  # fmt: skip


PLAN: Any = {
    **USER,
    "annotations": ["based-on=https://x/#y"],
    "inputs": [{"path": "/in", "tags": ["a:b"], "upstreams": []}],
    "outputs": [{"path": "/out", "tags": [], "downstreams": []}],
    "log": {"tags": [], "downstreams": []},
    "active": True,
}


def test_plan_graph_as_dot() -> None:
    """A cluster for each Plan: inputs, card, outputs, log; edges between Plans have no label."""
    other = {**PLAN, "planId": "p2", "active": False, "annotations": []}
    del other["log"]
    graph: Any = {
        "root": "p1",
        "plans": [PLAN, other],
        "edges": [
            {"from": {"planId": "p1", "path": None}, "to": {"planId": "p2", "path": "/in"}},
            {"from": {"planId": "p1", "path": "/out"}, "to": {"planId": "elsewhere", "path": "/in"}},
        ],
    }
    gold = "#DAA520"
    head = ["\t\tcluster=true;", '\t\tstyle="solid";', "\t\tpenwidth=0.3;", f'\t\tcolor="{gold}";', '\t\tmargin="0,0";']
    point = '\t\t"{}" [shape=point color="#1c9930"];'
    thin = '\t\t"{}" -> "{}" [label="{}" weight=10 penwidth=0.3];'
    assert dot.plan_graph(graph).split("\n") == [
        "digraph G {",
        "\tnode [shape=record fontsize=10];",
        "\tedge [fontsize=10];",
        "",
        '\tsubgraph "cluster_p1" {',
        *head,
        point.format("pp1@/in"),
        thin.format("pp1@/in", "pp1", "/in"),
        "\t" + card(
            "pp1", gold, badge("Plan", gold) + '<TD><FONT COLOR="#007700">active</FONT></TD>'
            '<TD BGCOLOR="#EDD9B4">id: p1</TD>', '<TD COLSPAN="3">image = lab/x:1</TD>',
            '<TD COLSPAN="3"><B>based-on</B>=https://x/#y</TD>',
        ),
        point.format("pp1@/out"),
        thin.format("pp1", "pp1@/out", "/out"),
        point.format("pp1@log"),
        thin.format("pp1", "pp1@log", "(log)"),
        "\t}",
        '\tsubgraph "cluster_p2" {',
        *head,
        point.format("pp2@/in"),
        thin.format("pp2@/in", "pp2", "/in"),
        "\t" + card(
            "pp2", gold, badge("Plan", gold) + '<TD><FONT COLOR="gray">inactive</FONT></TD>'
            '<TD BGCOLOR="#FFFFFF">id: p2</TD>', '<TD COLSPAN="3">image = lab/x:1</TD>', '<TD COLSPAN="3"></TD>',
        ),
        point.format("pp2@/out"),
        thin.format("pp2", "pp2@/out", "/out"),
        "\t}",
        "",
        '\t"pp1@log" -> "pp2@/in";',
        "",
        "}",
    ]  # fmt: skip


# --- the tutorial -----------------------------------------------------------------------------------------------------

RAW = "type:raw-dataset name:raw"
TUTORIAL = [  # plan, its inputs and its output; every tag list has project:p as well
    ("p1", {"/pfs/raw": RAW}, "/pfs/out", "type:dataset content:movies format:mp4 name:mp4"),
    ("p2", {"/pfs/mp4": "type:dataset content:movies format:mp4 name:mp4"}, "/pfs/out", "type:dataset name:flat"),
    ("p3", {"/in/mix": "format:mixed type:raw-dataset"}, "/out/images", "type:images name:extract"),
    ("p4", {"/pfs/raw": "type:images name:extract", "/pfs/flat": "name:flat"}, "/pfs/out", "name:trace"),
    ("p5", {"/pfs/flat": "name:flat", "/pfs/trace": "name:trace"}, "/pfs/out", "name:gif"),
    ("p6", {"/pfs/gif": "name:gif", "/pfs/raw": "name:extract", "/pfs/trace": "name:trace"}, "/pfs/out", "name:mix"),
    ("p7", {"/pfs/mix": "name:mix"}, "/pfs/out", "name:collage"),
]


def tagged(words: str) -> tuple[Tag, ...]:
    return (*(Tag(*word.split(":")) for word in words.split()), Tag("project", "p"))


def tutorial(root: str, depth: int | None) -> Any:
    plans = [
        Plan(
            plan_id=PlanId(name),
            spec=check(
                PlanSpec(
                    image=image(f"lab/{name}"),
                    inputs=tuple(Input(path=path, tags=tagged(words)) for path, words in inputs.items()),
                    outputs=(Output(path=output, tags=tagged(given)),),
                    log=Output(path=None, tags=tagged("type:log")),
                )
            ),
        )
        for name, inputs, output, given in TUTORIAL
    ]
    found = domain_graphs.plan_graph(PlanId(root), domain_graphs.Neighbours(plans), upstream=depth, downstream=depth)
    views = [PlanView(plan=each, upstreams=((),) * len(each.inputs), downstreams=((), ())) for each in found.plans]
    return codecs.plan_graph(found, views)


@pytest.mark.parametrize(("depth", "clusters", "between"), [(1, 2, 1), (2, 5, 6), (3, 6, 8), (4, 7, 9), (None, 7, 9)])
def test_the_tutorial_graph(depth: int | None, clusters: int, between: int) -> None:
    """From the last Plan of the tutorial, so many Plans and so many edges between them are drawn at each depth."""
    source = dot.plan_graph(tutorial("p7", depth))
    assert source.count("subgraph") == clusters
    edges = [line for line in source.splitlines() if " -> " in line]
    assert len([line for line in edges if "label=" not in line]) == between
    assert source.count("#EDD9B4") == 1
    if depth is None:
        assert source.count("shape=point") == 25
        assert len(edges) - between == 25


# --- text -------------------------------------------------------------------------------------------------------------


def test_lineage_as_text() -> None:
    """Above the root is what it was made from; each line tells the path and the node."""
    assert text.lineage(LINEAGE, TOKYO).split("\n") == [
        "Data b  (2026-01-01T09:00:00+09:00)  (knit#transient:failed)",
        "",
        "made by:",
        "└─ /out: Run r  failed  lab/x:1  (2026-01-01T09:00:00.5+09:00)",
        '   └─ /in/"x"\\: Data a  type:raw note:<b>&  (2026-01-01T09:00:00.38+09:00)',
        "      └─ /upload: Run u  done  knit#uploaded  (2026-01-01T09:00:00.5+09:00)",
    ]


def test_plan_graph_as_text() -> None:
    """A Plan that was shown already is named again, not drawn again."""
    lines = text.plan_graph(tutorial("p7", None)).split("\n")
    assert lines[:4] == ["Plan p7  lab/p7:latest", "", "fed by:", "└─ /pfs/out → /pfs/mix: Plan p6  lab/p6:latest"]
    assert sum("(above)" in line for line in lines) == 3
    assert {word for line in lines for word in line.split() if word.startswith("lab/")} == {
        f"lab/p{number}:latest" for number in range(1, 8)
    }


def test_a_long_chain_is_no_problem() -> None:
    """Thousands of generations need no recursion."""
    plans = [{**PLAN, "planId": f"p{number}"} for number in range(5000)]
    edges = [
        {"from": {"planId": f"p{number}", "path": "/out"}, "to": {"planId": f"p{number + 1}", "path": "/in"}}
        for number in range(4999)
    ]
    graph: Any = {"root": "p0", "plans": plans, "edges": edges}
    assert len(text.plan_graph(graph).split("\n")) == 5002


@given(st.text(), st.text())
def test_text_cannot_steer_the_terminal(key: str, value: str) -> None:
    """Whatever a tag holds, its node stays on one line of printable characters."""
    graph: Any = {"root": "a", "data": [data("a", f"{key}:{value}")], "runs": [], "edges": []}
    assert text.lineage(graph, TOKYO).isprintable()


# --- robustness -------------------------------------------------------------------------------------------------------

NASTY = "\"\\<>&'|{}\n\r\t\x00\x01\x1b]]>--><!--é\U0001f9f6 label=<x> ; } \\"


@pytest.mark.graphviz
@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_graphviz_reads_whatever_is_written() -> None:
    """No tag, path, annotation or id can break the drawing."""
    lineage: Any = {
        "root": NASTY,
        "data": [data(NASTY, f"{NASTY}:{NASTY}", NASTY)],
        "runs": [run(NASTY, {"planId": "p", "image": NASTY})],
        "edges": [{"from": NASTY, "to": NASTY, "label": NASTY}, {"from": None, "to": NASTY, "label": ""}],
    }
    plan = {**PLAN, "annotations": [NASTY], "image": NASTY, "inputs": [{"path": NASTY, "tags": []}]}
    for source in (dot.lineage(lineage), dot.plan_graph({"root": "p1", "plans": [plan], "edges": []})):
        done = subprocess.run(["dot", "-Tsvg"], input=source.encode(), capture_output=True, check=True)
        assert done.stderr == b""


def test_times_are_the_viewers_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a zone, each time is in the viewer's zone as it was then, summer time included."""
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    try:
        assert graphs.local_time("2026-01-01T00:00:00+00:00", None) == "2026-01-01T01:00:00+01:00"
        assert graphs.local_time("2026-07-01T00:00:00+00:00", None) == "2026-07-01T02:00:00+02:00"
        assert graphs.local_time("no time", None) == "no time"
    finally:
        monkeypatch.undo()
        time.tzset()
