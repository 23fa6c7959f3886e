"""`knit plan retry`, `timeout` and `show --details`."""

from __future__ import annotations

import json
from typing import Any

import pytest

SHOWN: dict[str, Any] = {"planId": "p1", "retry": {"tries": 3, "wait": "30s", "on": ["lost"]}, "timeout": "10m"}
DETAILS = {**SHOWN, "identity": "x", "decisions": []}


@pytest.mark.parametrize(
    ("flags", "sent"),
    [
        (["--tries", "3"], {"tries": 3, "wait": "0s", "on": ["lost", "stuck"]}),
        (
            ["--tries=2", "--wait", "90s", "--on", "timeout", "--on=exit:137"],
            {"tries": 2, "wait": "1m30s", "on": ["exit:137", "timeout"]},
        ),
    ],
)
def test_retry(ready, server, flags, sent) -> None:
    """The whole policy is sent, in normal form; what the Plan follows from now on is printed."""
    server.on("PUT /plans/p1/retry", DETAILS)
    result = ready("plan", "retry", "p1", *flags)
    assert (result.code, json.loads(result.out)) == (0, SHOWN)
    assert result.err.endswith(" Plan:p1 is updated.\n")
    assert server.last.json == sent


def test_timeout(ready, server) -> None:
    """It is sent as it was written."""
    server.on("PUT /plans/p1/timeout", DETAILS)
    result = ready("plan", "timeout", "p1", "--set", "1.5h")
    assert (result.code, json.loads(result.out)) == (0, SHOWN)
    assert server.last.json == {"timeout": "1.5h"}


@pytest.mark.parametrize("what", ["retry", "timeout"])
def test_unset(ready, server, what) -> None:
    """Both can be taken away."""
    server.on(f"DELETE /plans/p1/{what}", {**DETAILS, what: None})
    result = ready("plan", what, "p1", "--unset")
    assert (result.code, json.loads(result.out)) == (0, {**SHOWN, what: None})


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["retry", "p1"], "give --tries or --unset"),
        (["retry", "p1", "--wait", "1s"], "give --tries or --unset"),
        (["retry", "p1", "--tries", "2", "--unset"], "give --unset alone"),
        (["retry", "p1", "--tries", "many"], "--tries takes a number, not 'many'"),
        (["retry", "p1", "--tries", "0"], "--tries is 0"),
        (["retry", "p1", "--tries", "2", "--wait", "5"], "--wait: not a duration: '5'"),
        (["retry", "p1", "--tries", "2", "--wait", "720h"], "--wait is out of range"),
        (["retry", "p1", "--tries", "2", "--wait", "soon"], "--wait: not a duration: 'soon'"),
        (["retry", "p1", "--tries", "2", "--on", "oom"], "--on: unknown word 'oom'"),
        (["timeout", "p1"], "give either --set or --unset"),
        (["timeout", "p1", "--set", "1h", "--unset"], "give either --set or --unset"),
        (["timeout", "p1", "--set", "soon"], "--set: not a duration"),
        (["timeout", "p1", "--set", "1ms"], "--set: timeout is too short"),
    ],
)
def test_usage(ready, server, words, told) -> None:
    """Slips are told before anything is sent."""
    result = ready("plan", *words)
    assert result.code == 2
    assert result.err.startswith("usage error: ")
    assert told in result.err
    assert server.asked == []


@pytest.mark.parametrize(
    ("words", "route"),
    [
        (["retry", "p1", "--tries", "2"], "PUT /plans/p1/retry"),
        (["timeout", "p1", "--unset"], "DELETE /plans/p1/timeout"),
    ],
)
def test_refusals(ready, server, words, route) -> None:
    """What the server refuses is told below which Plan cannot be updated."""
    server.on(route, {"message": "there is no Plan p1"}, status=404)
    result = ready("plan", *words)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("planId:p1 cannot be updated\nthere is no Plan p1")


def test_details(ready, server) -> None:
    """What Knitfab's shape of a Plan has no place for is shown on demand."""
    server.on("GET /plans/p1/details", DETAILS)
    result = ready("plan", "show", "--details", "p1")
    assert (result.code, json.loads(result.out), result.err) == (0, DETAILS, "")
