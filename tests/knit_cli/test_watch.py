"""`knit run watch`: what is known of Runs, and how it is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from double import Answer, Asked

from knit_cli.watching import Watched
from knit_server.domain.errors import NotFound

PLAN = {"planId": "p1", "image": "lab/gif:1"}


def run(run_id: str, status: str, second: int = 0, **more: Any) -> dict[str, Any]:
    return {"runId": run_id, "status": status, "updatedAt": f"2026-01-01T00:00:{second:02}+00:00", "plan": PLAN, **more}


def event(run_id: str, status: str, second: int, plan: str = "p1") -> dict[str, Any]:
    return {"runId": run_id, "status": status, "planId": plan, "at": f"2026-01-01T00:00:{second:02}+00:00"}


def nothing(run_id: str) -> Any:
    raise AssertionError(f"{run_id} was fetched")


class TestWatched:
    def test_all(self) -> None:
        """Runs that go on, and those that begin; over when none goes on. Only failures are looked at again."""
        watched = Watched()
        assert not watched.over
        assert [str(each) for each in watched.begin([run("a", "running")], nothing)] == [
            "2026-01-01T00:00:00+00:00 a running     lab/gif:1"
        ]
        assert not watched.over
        assert len(list(watched.take(event("b", "waiting", 1), lambda _: run("b", "waiting", 1)))) == 1
        assert len(list(watched.take(event("a", "done", 2), nothing))) == 1
        assert not watched.over
        ended = run("b", "failed", 3, exit={"code": 3, "message": "no frames"})
        (change,) = watched.take(event("b", "failed", 3), lambda _: ended)
        assert str(change) == "2026-01-01T00:00:03+00:00 b failed      lab/gif:1 (exit 3: no frames)"
        assert watched.over
        assert watched.failed

    def test_nothing_to_wait_for(self) -> None:
        """Without Runs that go on, it is over at once; so with Runs of inactive Plans alone."""
        watched = Watched()
        assert list(watched.begin([], nothing)) == []
        assert watched.over
        assert "deactivated" not in watched.asked
        list(watched.take(event("a", "deactivated", 1), lambda _: run("a", "deactivated", 1)))
        assert watched.over

    def test_named(self) -> None:
        """Runs that are named are waited for in every status; others are no matter; one that failed before counts."""
        watched = Watched(named=("a",))
        list(watched.begin([run("a", "deactivated")], nothing))
        assert not watched.over
        assert list(watched.take(event("b", "failed", 1), nothing)) == []
        assert not watched.failed
        old = Watched(named=("a",))
        list(old.begin([run("a", "failed")], nothing))
        assert (old.over, old.failed) == (True, True)

    def test_plan(self) -> None:
        """With a Plan, only its Runs are watched."""
        watched = Watched(plan="p1")
        list(watched.begin([run("a", "running")], nothing))
        assert list(watched.take(event("b", "failed", 1, "p2"), nothing)) == []
        assert len(list(watched.take(event("a", "done", 1), nothing))) == 1
        assert watched.over

    def test_events_of_the_past(self) -> None:
        """What was on its way while the Runs were fetched, and what says nothing new, is not told."""
        watched = Watched()
        list(watched.begin([run("a", "running", 5)], nothing))
        assert list(watched.take(event("a", "starting", 4), nothing)) == []
        assert list(watched.take(event("a", "running", 5), nothing)) == []

    def test_after_a_gap(self) -> None:
        """Runs that ended while nobody listened are fetched, and those that were deleted are told so."""
        watched = Watched()
        list(watched.begin([run("a", "running"), run("b", "running"), run("c", "running")], nothing))

        def show(run_id: str) -> Any:
            if run_id == "c":
                raise NotFound("gone")
            return run(run_id, "failed", 9)

        told = [str(each) for each in watched.begin([run("b", "completing", 8)], show)]
        assert [line.split()[1:3] for line in told] == [["c", "deleted"], ["b", "completing"], ["a", "failed"]]
        assert watched.failed

    def test_deleted(self) -> None:
        """A Run that is deleted is not waited for."""
        watched = Watched()
        list(watched.begin([run("a", "waiting")], nothing))
        (change,) = watched.take(event("a", "invalidated", 1), nothing)
        assert "deleted" in str(change)
        assert watched.over

    def test_shown(self) -> None:
        """Runs that go on stand above, then the latest; no more than there is room."""
        watched = Watched(named=("a", "b", "c"))
        list(watched.begin([run("a", "done", 1), run("b", "done", 2), run("c", "waiting", 0)], nothing))
        shown, more = watched.shown(2)
        assert ([each["runId"] for each in shown], more) == (["c", "b"], 1)


def stream(*events: dict[str, Any]) -> Answer:
    texts = [f"event: run\nid: {at}\ndata: {json.dumps(each)}\n\n" for at, each in enumerate(events, start=1)]
    return Answer(chunks=[b"id: 0\n: welcome\n\n", *(text.encode() for text in texts)])


def test_lines(ready, server) -> None:
    """Each change is a line on stdout; it ends when all have ended; nothing is asked again and again."""
    server.on("GET /runs", [run("aa", "running")])
    server.on("GET /events", lambda asked: stream(event("aa", "completing", 1), event("aa", "done", 2)))
    result = ready("run", "watch")
    assert (result.code, result.err) == (0, "")
    assert [line.split()[2] for line in result.out.splitlines()] == ["running", "completing", "done"]
    assert [each.path for each in server.asked] == ["/events", "/runs"]
    assert dict(server.last.query)["status"] == "waiting,ready,starting,running,completing,aborting"


def test_failed(ready, server) -> None:
    """A Run that failed is the exit code 1, and how it ended is told."""
    server.on("GET /runs/aa", run("aa", "failed", 1, exit={"code": 137, "message": "out of\nmemory"}))
    server.on("GET /events", lambda asked: stream())
    result = ready("run", "watch", "aa")
    assert result.code == 1
    assert result.out == "2026-01-01T00:00:01+00:00 aa failed      lab/gif:1 (exit 137: out of…)\n"


def test_a_server_that_comes_back(ready, server, monkeypatch) -> None:
    """When the stream ends early, the Runs are fetched anew and watched on."""
    monkeypatch.setattr("knit_cli.commands.watch.PATIENCE", (0.0,))
    states: Iterator[Answer] = iter([Answer([run("aa", "running")]), Answer([])])
    server.on("GET /runs", lambda asked: next(states))
    server.on("GET /runs/aa", run("aa", "done", 5))
    server.on("GET /events", lambda asked: stream())
    result = ready("run", "watch", "-p", "p1")
    assert result.code == 0
    assert [line.split()[2] for line in result.out.splitlines()] == ["running", "done"]
    assert "the server ended the stream; trying again" in result.err


def test_a_server_that_does_not_come_back(ready, server, monkeypatch) -> None:
    """It is given up in the end."""
    monkeypatch.setattr("knit_cli.commands.watch.PATIENCE", (0.0, 0.0))
    server.on("GET /events", {"reason": "stopping"}, status=503)
    result = ready("run", "watch")
    assert result.code == 1
    assert len(server.asked) == 3


def test_usage(ready, server) -> None:
    """Either Runs or a Plan."""
    assert ready("run", "watch", "aa", "-p", "p1").code == 2


def test_unknown(ready, server) -> None:
    """A Run that is not there is told."""
    server.on("GET /events", lambda asked: stream())
    result = ready("run", "watch", "aa")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("the Runs cannot be watched (status code = 404)\n")


def test_asked_is_used(ready, server) -> None:
    """With a Plan only its Runs are fetched."""
    seen: list[Asked] = []
    server.on("GET /runs", lambda asked: seen.append(asked) or Answer([]))
    server.on("GET /events", lambda asked: stream())
    assert ready("run", "watch", "--planid=p1").code == 0
    assert dict(seen[0].query)["plan"] == "p1"


def test_on_a_terminal(server, monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    """On a terminal it is a table, which shows each Run once, as it stands at the end."""
    import io

    from rich.console import Console

    from knit_cli import tables
    from knit_cli.commands.watch import _live
    from knit_server.client.api import KnitClient

    screen = Console(file=io.StringIO(), force_terminal=True, width=100, height=20)
    monkeypatch.setattr(tables, "terminal", lambda: screen)
    server.on("GET /runs", [run("aa", "running")])
    server.on("GET /events", lambda asked: stream(event("aa", "done", 1)))
    with KnitClient(server.url) as knit:
        _live(knit, Watched())
    drawn = screen.file.getvalue()  # type: ignore[attr-defined]
    assert "aa" in drawn
    assert "done" in drawn[drawn.rindex("STATUS") :]


def test_what_holds_a_run_up(ready, server) -> None:
    """Of a Run that has not begun, why is told on stderr, once for each status: perhaps no change ever follows."""
    notes = {"aa": "asks for 8 cores, there are 2", "bb": None, "cc": None}
    for run_id, note in notes.items():
        server.on(f"GET /runs/{run_id}/details", {"note": note})
    server.on("GET /runs/aa", run("aa", "ready"))
    server.on("GET /runs/bb", run("bb", "waiting"))
    server.on("GET /runs/cc", run("cc", "deactivated"))
    ended = [event("aa", "ready", 1), *(event(each, "done", 2) for each in ("aa", "bb", "cc"))]
    server.on("GET /events", lambda asked: stream(*ended))
    result = ready("run", "watch", "aa", "bb", "cc")
    assert result.code == 0
    assert len(result.out.splitlines()) == 6
    assert [line.partition(" note: ")[2] for line in result.err.splitlines()] == [
        "aa: asks for 8 cores, there are 2; see: knit why aa",
        "cc: its Plan is switched off; see: knit why cc",
    ]


def test_few_looks_at_many_that_wait(ready, server) -> None:
    """Many Runs that wait cost few requests; a server without remarks is no trouble."""
    many = [f"r{at}" for at in range(30)]
    server.on("GET /runs", [run(each, "waiting") for each in many])
    server.on("GET /events", lambda asked: stream(*(event(each, "done", 1) for each in many)))
    result = ready("run", "watch")
    assert (result.code, result.err) == (0, "")
    assert len([each for each in server.asked if each.path.endswith("/details")]) == 20
