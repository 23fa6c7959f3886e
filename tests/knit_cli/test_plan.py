"""`knit plan`."""

from __future__ import annotations

import json
import os
import shutil
from typing import Any

import pytest


def plan(plan_id: str = "p1", **more: Any) -> dict[str, Any]:
    return {
        "planId": plan_id,
        "image": "lab/x:1",
        "inputs": [{"path": "/in", "tags": ["type:raw"], "upstreams": []}],
        "outputs": [{"path": "/out", "tags": [], "downstreams": []}],
        "active": True,
        "resources": {"cpu": "1", "memory": "1Gi"},
        **more,
    }


def test_apply_sends_the_file(ready, server, home) -> None:
    """The YAML goes as JSON; the Plan comes back on stdout; misspelt keys are told with file and line."""
    (home / "x.yaml").write_text(
        'image: "lab/x:1"\nargs: [1.10]\ninputs:\n  - path: /in/\n    tags: ["type:raw"]\nresouces:\n  cpu: 1\n'
    )
    server.on("POST /plans", plan())
    result = ready("plan", "apply", "x.yaml")
    assert (result.code, json.loads(result.out)) == (0, plan())
    assert "[WARN] x.yaml:6: unknown key 'resouces' is ignored; did you mean resources?" in result.err
    assert server.last.json == {
        "image": "lab/x:1",
        "args": ["1.10"],
        "inputs": [{"path": "/in/", "tags": ["type:raw"]}],
    }
    assert server.last.headers["Content-Type"] == "application/json"


def test_apply_again_names_the_plan(ready, server, home) -> None:
    """A conflict exits 1 and shows the server's reason with the id."""
    (home / "x.yaml").write_text("image: x\n")
    server.on("POST /plans", {"reason": "there is an equivalent Plan already: p7"}, status=409)
    result = ready("plan", "apply", "x.yaml")
    assert (result.code, result.out) == (1, "")
    assert result.err.splitlines() == [
        "failed to apply Plan: invalid request (status code = 409)",
        "there is an equivalent Plan already: p7",
    ]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "fail to read Plan file: x.yaml: No such file or directory"),
        (b"\xff\xfe", "fail to read Plan file: x.yaml: it is not UTF-8 text"),
        (b"image: [", "fail to parse Plan file: x.yaml:1:"),
        (b"image: a\nimage: b", "fail to parse Plan file: x.yaml:2:1: key 'image' already defined at line 1"),
    ],
)
def test_apply_a_broken_file(ready, server, home, content, told) -> None:
    """What cannot be read or parsed exits 1 with file, line and column, and sends nothing."""
    if content is not None:
        (home / "x.yaml").write_bytes(content)
    result = ready("plan", "apply", "x.yaml")
    assert result.code == 1
    assert told in result.err
    assert server.asked == []


def test_find(ready, server) -> None:
    """The filters go into the query."""
    server.on("GET /plans", [plan()])
    result = ready("plan", "find", "--active=yes", "--image", "lab/x", "-i", "a:b", "-i=c:d", "-o", "e:f")
    assert json.loads(result.out) == [plan()]
    assert server.last.query == [
        ("in_tag", "a:b"), ("in_tag", "c:d"), ("out_tag", "e:f"), ("active", "true"), ("image", "lab/x"),
    ]  # fmt: skip


def test_find_bad_mode(ready) -> None:
    """--active takes one of its words only."""
    result = ready("plan", "find", "--active", "perhaps")
    assert result.code == 2
    assert result.err.startswith("usage error: --active is one of")


def test_show_an_unknown_plan(ready) -> None:
    """The summary names the id."""
    result = ready("plan", "show", "p9")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("planId:p9 is not found\n")


@pytest.mark.parametrize(("mode", "method"), [("yes", "PUT"), ("no", "DELETE")])
def test_active(ready, server, mode, method) -> None:
    """The mode comes first and chooses the method."""
    server.on(f"{method} /plans/p1/active", plan())
    assert json.loads(ready("plan", "active", mode, "p1").out) == plan()


def test_active_bad_mode(ready) -> None:
    """Another mode is a usage error."""
    assert ready("plan", "active", "p1", "yes").code == 2


GRAPH = {
    "root": "p1",
    "plans": [plan(), plan("p2")],
    "edges": [{"from": {"planId": "p1", "path": "/out"}, "to": {"planId": "p2", "path": "/in"}}],
}


def test_graph_as_dot(ready, server) -> None:
    """DOT goes to stdout without a newline at its end; nothing is said on stderr."""
    server.on("GET /plans/p1/graph", GRAPH)
    result = ready("plan", "graph", "-n", "all", "p1")
    assert server.last.query == [("upstream", "all"), ("downstream", "all")]
    assert result.out.startswith("digraph G {")
    assert result.out.endswith("}")
    assert result.err == ""


def test_graph_switched_off(ready, server) -> None:
    """`--downstream=false` alone means neither direction."""
    server.on("GET /plans/p1/graph", GRAPH)
    ready("plan", "graph", "p1", "--downstream=false")
    assert server.last.query == [("upstream", "0"), ("downstream", "0")]


def test_graph_as_text(ready, server) -> None:
    """`--format text` is a tree for the terminal."""
    server.on("GET /plans/p1/graph", GRAPH)
    assert ready("plan", "graph", "p1", "--format", "text").out.splitlines() == [
        "Plan p1  lab/x:1",
        "",
        "feeds:",
        "└─ /out → /in: Plan p2  lab/x:1",
    ]


@pytest.mark.graphviz
@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
@pytest.mark.parametrize(("form", "begin"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_graph_as_picture(ready, server, home, form, begin) -> None:
    """Pictures are drawn by Graphviz, into a file if asked for."""
    server.on("GET /plans/p1/graph", GRAPH)
    result = ready("plan", "graph", "p1", "--format", form, "-o", "graph.out")
    assert (result.code, result.out) == (0, "")
    assert (home / "graph.out").read_bytes().startswith(begin)


def test_graph_without_graphviz(ready, server, monkeypatch, tmp_path) -> None:
    """Without Graphviz it is said what to install, or what to use instead."""
    server.on("GET /plans/p1/graph", GRAPH)
    monkeypatch.setenv("PATH", str(tmp_path))
    result = ready("plan", "graph", "p1", "--format", "svg")
    assert (result.code, result.out) == (1, "")
    assert "Install graphviz" in result.err
    assert "--format text" in result.err


def test_graph_that_graphviz_cannot_draw(ready, server, monkeypatch, tmp_path) -> None:
    """What Graphviz says is handed on."""
    (tmp_path / "dot").write_text("#!/bin/sh\ncat > /dev/null; echo no fonts >&2; exit 3\n")
    (tmp_path / "dot").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    server.on("GET /plans/p1/graph", GRAPH)
    result = ready("plan", "graph", "p1", "--format", "svg")
    told = "Graphviz failed: no fonts\nUse --format text or --format dot.\n"
    assert (result.code, result.out, result.err) == (1, "", told)
