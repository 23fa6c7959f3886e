"""`knit run retry` and `knit run rm`."""

from __future__ import annotations

import pytest

RUN = {"runId": "r1", "status": "done", "updatedAt": "2026-01-01T00:00:00+00:00", "plan": {"planId": "p1"}}
USERS = [
    {**RUN, "runId": "r3", "status": "deactivated", "plan": {"planId": "p3", "image": "lab/c:1"}},
    {**RUN, "runId": "r2", "plan": {"planId": "p2", "name": "knit#uploaded"}},
]


def told(result) -> list[str]:
    """The log lines without their stamps."""
    return [line.partition("] ")[2][20:] for line in result.err.splitlines()]


def test_retry(ready, server) -> None:
    """One PUT; stdout stays empty."""
    server.on("PUT /runs/r1/retry", RUN)
    result = ready("run", "retry", "r1")
    assert (result.code, result.out, told(result)) == (0, "", ["requested to retry Run: r1"])
    assert (len(server.asked), server.last.query) == (1, [])


def test_rm(ready, server) -> None:
    """One DELETE; stdout stays empty."""
    server.on("DELETE /runs/r1", status=204)
    result = ready("run", "rm", "r1")
    assert (result.code, result.out, told(result)) == (0, "", ["deleted Run Id:r1"])
    assert (len(server.asked), server.last.query) == (1, [])


@pytest.mark.parametrize(
    ("verb", "route", "summary"),
    [
        ("retry", "PUT /runs/r1/retry", "cannot retry runId:r1"),
        ("rm", "DELETE /runs/r1", "runId:r1 cannot be deleted"),
    ],
)
@pytest.mark.parametrize("status", [404, 409])
def test_refused(ready, server, verb, route, summary, status) -> None:
    """The summary says what was wanted, the server why not and what to do."""
    server.on(route, {"reason": "it is used", "advice": "Do this."}, status=status)
    result = ready("run", verb, "r1")
    assert (result.code, result.out, result.err) == (1, "", f"{summary}\nit is used\nDo this.\n")


@pytest.mark.parametrize(("verb", "listed"), [("retry", ["r3", "r2"]), ("rm", ["r3", "r2", "r1"])])
def test_downstream_only_lists(ready, server, verb, listed) -> None:
    """Without --yes nothing is changed: stdout lists what would be deleted, stderr says how to do it."""
    server.on("GET /runs/r1", RUN)
    server.on("GET /runs/r1/downstream", USERS)
    result = ready("run", verb, "r1", "--downstream")
    assert result.code == 0
    assert [line.split()[0] for line in result.out.splitlines()] == listed
    assert result.out.splitlines()[:2] == ["r3  deactivated  lab/c:1", "r2  done         knit#uploaded"]
    assert f"to do it: knit run {verb} --downstream --yes r1" in told(result)
    assert {each.method for each in server.asked} == {"GET"}


@pytest.mark.parametrize(
    ("verb", "route", "last"),
    [("retry", "PUT /runs/r1/retry", "requested to retry Run: r1"), ("rm", "DELETE /runs/r1", "deleted Run Id:r1")],
)
def test_downstream_yes(ready, server, verb, route, last) -> None:
    """With --yes it is done, in one request, and told Run by Run."""
    server.on("GET /runs/r1/downstream", USERS)
    server.on(route, RUN)
    result = ready("run", verb, "--yes", "--downstream", "r1")
    assert (result.code, result.out) == (0, "")
    assert told(result) == ["deleted Run Id:r3", "deleted Run Id:r2", last]
    assert server.last.query == [("downstream", "true")]


@pytest.mark.parametrize("verb", ["retry", "rm"])
def test_yes_alone(ready, server, verb) -> None:
    """--yes without --downstream is a usage error, and nothing is asked."""
    assert ready("run", verb, "r1", "--yes").code == 2
    assert server.asked == []
