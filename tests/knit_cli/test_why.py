"""`knit why`."""

from __future__ import annotations

import json
from typing import Any

FOUND: dict[str, Any] = {
    "kind": "run",
    "id": "r1",
    "standing": "failed",
    "now": [{"code": "exit", "text": "its program failed: exit code 3, (container main) Error"}],
    "then": [],
    "log": ["a line", "\x1b[31mred"],
    "next": ["knit run show --log r1"],
    "omitted": 0,
}


def test_text(ready, server) -> None:
    """Text by default, which a terminal does not act on."""
    server.on("GET /why", FOUND)
    result = ready("why", "r1")
    assert (result.code, result.err) == (0, "")
    assert result.out == (
        "Run r1: failed\n"
        "  exit              its program failed: exit code 3, (container main) Error\n"
        "the end of its log:\n"
        "  | a line\n"
        "  | \\x1b[31mred\n"
        "next:\n"
        "  knit run show --log r1\n"
    )
    assert server.last.query == [("id", "r1")]


def test_json_and_a_plan(ready, server) -> None:
    """JSON where asked for; a Plan goes along."""
    server.on("GET /why", FOUND)
    result = ready("why", "--output", "json", "d1", "p1")
    assert json.loads(result.out) == FOUND
    assert server.last.query == [("id", "d1"), ("plan", "p1")]


def test_a_short_id(ready, server) -> None:
    """The beginning of an id of any kind is enough, if it is the only one."""
    server.on("GET /resolve", [{"kind": "run", "id": "5f0cabcd", "about": "failed x:1"}])
    server.on("GET /why", FOUND)
    assert ready("why", "5f0c").code == 0
    assert server.last.query == [("id", "5f0cabcd")]
    server.on("GET /resolve", [{"kind": kind, "id": f"5f0c{kind}", "about": ""} for kind in ("run", "plan")])
    result = ready("why", "5f0c")
    assert (result.code, result.out) == (1, "")
    assert "several ids of Data, Plans and Runs begin with 5f0c" in result.err


def test_refusals(ready, server) -> None:
    """What is unknown is said in the server's words; a wrong form is a usage error."""
    server.on("GET /why", {"reason": "there is no Data, Plan or Run x", "advice": "List them."}, status=404)
    result = ready("why", "x")
    assert (result.code, result.out) == (1, "")
    assert result.err.splitlines() == ["x cannot be explained", "there is no Data, Plan or Run x", "List them."]
    assert ready("why", "--output", "xml", "x").code == 2
