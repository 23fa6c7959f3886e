"""`knit plan resource`, `annotate`, `serviceaccount` and `archive`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from knit_cli import output

PLAN: dict[str, Any] = {"planId": "p1", "image": "lab/x:1", "inputs": [], "outputs": [], "active": True}


def test_resource(ready, server) -> None:
    """The last --set of a type wins; the Plan is printed as scripts know it, indented by 2, without a newline."""
    server.on("PUT /plans/p1/resources", PLAN)
    result = ready(
        "plan", "resource", "p1", "--set", "cpu=1", "-s", "memory = 2Gi", "-s=cpu=500m", "--unset", "gpu", "-u=x"
    )
    assert (result.code, result.out) == (0, json.dumps(PLAN, indent=2))
    assert result.err.endswith(" Plan:p1 is updated.\n")
    assert server.last.json == {"set": {"cpu": "500m", "memory": "2Gi"}, "unset": ["gpu", "x"]}


@pytest.mark.parametrize("command", ["resource", "annotate"])
def test_nothing_to_do(ready, server, command) -> None:
    """Without flags nothing is asked of the server, and that is no error."""
    result = ready("plan", command, "p1")
    assert (result.code, result.out) == (0, "")
    assert result.err.endswith(" Nothing to do.\n")
    assert server.asked == []


@pytest.mark.parametrize("word", ["cpu", "cpu=1=2"])
def test_resource_needs_one_equals_sign(ready, server, word) -> None:
    """Anything else is a usage error, before anything is sent."""
    result = ready("plan", "resource", "p1", "--set", word)
    assert result.code == 2
    assert result.err.startswith("usage error: --set takes TYPE=QUANTITY")
    assert server.asked == []


def test_annotate(ready, server) -> None:
    """Texts are cut at the first `=` and trimmed."""
    server.on("PUT /plans/p1/annotations", PLAN)
    result = ready("plan", "annotate", "p1", "--add", " k = a=b", "--add=k=c", "--remove", "l=", "--remove-key", "m")
    assert (result.code, result.out) == (0, output.as_json(PLAN) + "\n")
    assert result.err.endswith(" Plan:p1 is updated.\n")
    assert server.last.json == {"add": ["k=a=b", "k=c"], "remove": ["l="], "remove_key": ["m"]}


@pytest.mark.parametrize("flag", ["--add", "--remove"])
def test_annotate_without_equals_sign(ready, server, flag) -> None:
    """It is a usage error, before anything is sent."""
    result = ready("plan", "annotate", "p1", flag, "k")
    assert result.code == 2
    assert result.err.startswith(f"usage error: not an annotation: 'k': {flag}")
    assert server.asked == []


@pytest.mark.parametrize(
    ("flags", "method", "sent"),
    [(["--set", "robot"], "PUT", b'{"service_account":"robot"}'), (["--unset"], "DELETE", b"")],
)
def test_serviceaccount(ready, server, flags, method, sent) -> None:
    """One flag sets it, the other takes it away."""
    server.on(f"{method} /plans/p1/serviceaccount", PLAN)
    result = ready("plan", "serviceaccount", "p1", *flags)
    assert (result.code, result.out) == (0, output.as_json(PLAN) + "\n")
    assert result.err.endswith(" Plan:p1 is updated.\n")
    assert server.last.body.replace(b" ", b"") == sent


@pytest.mark.parametrize("flags", [[], ["--set", "robot", "--unset"]])
def test_serviceaccount_takes_one_flag(ready, server, flags) -> None:
    """Both or neither is a usage error."""
    assert ready("plan", "serviceaccount", "p1", *flags).code == 2
    assert server.asked == []


@pytest.mark.parametrize(("flags", "method"), [([], "PUT"), (["--undo"], "DELETE")])
def test_archive(ready, server, flags, method) -> None:
    """It is put in and taken out."""
    server.on(f"{method} /plans/p1/archive", PLAN)
    result = ready("plan", "archive", "p1", *flags)
    assert (result.code, json.loads(result.out), result.err) == (0, PLAN, "")


@pytest.mark.parametrize(
    ("words", "route"),
    [
        (["resource", "p1", "-s", "cpu=1"], "PUT /plans/p1/resources"),
        (["annotate", "p1", "--add", "k=v"], "PUT /plans/p1/annotations"),
        (["serviceaccount", "p1", "--unset"], "DELETE /plans/p1/serviceaccount"),
        (["archive", "p1"], "PUT /plans/p1/archive"),
    ],
)
def test_refusals(ready, server, words, route) -> None:
    """What the server refuses is told below which Plan cannot be updated."""
    server.on(route, {"message": "there is no Plan p1"}, status=404)
    result = ready("plan", *words)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("planId:p1 cannot be updated\nthere is no Plan p1")


def test_find_archived(ready, server) -> None:
    """The archive is looked into only when asked for."""
    server.on("GET /plans", [PLAN])
    ready("plan", "find")
    assert "archived" not in dict(server.last.query)
    ready("plan", "find", "--archived")
    assert ("archived", "true") in server.last.query
