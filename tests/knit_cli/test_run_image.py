"""`knit run` and `knit image`."""

from __future__ import annotations

import io
import json
import tarfile
from typing import Any

import pytest
from double import Answer

RUN = {"runId": "r1", "status": "done", "updatedAt": "2026-01-01T00:00:00+00:00", "plan": {"planId": "p1"}, "log": {}}
IMAGE: dict[str, Any] = {"digest": "d", "names": ["x:1"], "warnings": ["base differs"]}


def test_find(ready, server) -> None:
    """Values of a flag are joined by commas."""
    server.on("GET /runs", [RUN])
    words = ["-p", "a", "-p=b", "--in-knitid", "c", "-o", "d", "-s", "done", "--status=failed"]
    assert json.loads(ready("run", "find", *words).out) == [RUN]
    assert server.last.query == [
        ("plan", "a,b"), ("knitIdInput", "c"), ("knitIdOutput", "d"), ("status", "done,failed"),
    ]  # fmt: skip


@pytest.mark.parametrize("words", [["-s", "invalidated"], ["--status", "fine"], ["--duration", "1h"]])
def test_find_usage(ready, words) -> None:
    """Unknown statuses and a lone duration are usage errors."""
    assert ready("run", "find", *words).code == 2


def test_show(ready, server) -> None:
    """A Run is printed as JSON; an unknown one is named."""
    server.on("GET /runs/r1", RUN)
    assert json.loads(ready("run", "show", "r1").out) == RUN
    assert ready("run", "show", "r2").err.startswith("runId:r2 is not found\n")


@pytest.mark.parametrize(("words", "query"), [([], []), (["--follow"], [("follow", "")]), (["-f"], [("follow", "")])])
def test_log(ready, server, words, query) -> None:
    """The log is copied byte by byte; --follow is passed on."""
    server.on("GET /runs/r1", RUN)
    server.on("GET /runs/r1/log", chunks=[b"one\n", "é".encode()])
    result = ready("run", "show", "r1", "--log", *words)
    assert (result.code, result.out) == (0, "one\né")
    assert server.last.query == query


def test_following_waits_for_the_start(ready, server, monkeypatch) -> None:
    """With --follow, a Run that has not started is waited for; each status is said once, and what holds it up."""
    monkeypatch.setattr("knit_cli.commands.run.POLL", 0)
    statuses = iter(["waiting", "waiting", "ready", "ready", "running"])
    notes = iter([None, "asks for too much"])
    server.on("GET /runs/r1/details", lambda asked: Answer({"note": next(notes)}))
    server.on("GET /runs/r1", lambda asked: Answer({**RUN, "status": next(statuses)}))
    server.on("GET /runs/r1/log", chunks=[b"one\n"])
    result = ready("run", "show", "--log", "--follow", "r1")
    assert result.out == "one\n"
    told = [line.partition(" the Run is ")[2] or line.partition(" note: ")[2] for line in result.err.splitlines()]
    assert told == ["waiting; waiting for it to start...", "ready; waiting for it to start...", "asks for too much"]


def test_following_does_not_wait_for_a_log_that_will_not_be(ready, server) -> None:
    """A Run whose Plan keeps no log is not waited for, since nothing would ever come: the server says so at once."""
    server.on("GET /runs/r1", {**RUN, "status": "waiting", "log": None})
    server.on("GET /runs/r1/log", lambda asked: Answer({"message": "Run r1 has no log"}, status=404))
    result = ready("run", "show", "--log", "--follow", "r1")
    assert (result.code, result.err) == (1, "cannot get log of runId:r1\nRun r1 has no log\n")


def test_log_cut_off(ready, server) -> None:
    """A log that breaks off exits 1."""
    server.on("GET /runs/r1/log", chunks=[b"one\n"], cut=True)
    result = ready("run", "show", "--log", "r1")
    assert (result.code, result.out) == (1, "one\n")


def test_log_of_a_run_without(ready, server) -> None:
    """A Run without a log gives an error."""
    server.on("GET /runs/r1/log", {"reason": "keeps no log"}, status=404)
    assert ready("run", "show", "--log", "r1").err == "cannot get log of runId:r1\nkeeps no log\n"


@pytest.mark.parametrize(
    ("words", "route", "told"),
    [([], "tearoff", "Run Id: r1 is stopping."), (["--fail"], "abort", "is aborting."), (["-x"], "abort", "aborting")],
)
def test_stop(ready, server, words, route, told) -> None:
    """Stopping keeps what is there, with --fail it fails; stdout stays empty."""
    server.on(f"PUT /runs/r1/{route}", RUN)
    result = ready("run", "stop", *words, "r1")
    assert (result.code, result.out) == (0, "")
    assert told in result.err


def test_stop_refused(ready, server) -> None:
    """The summary says what was wanted."""
    server.on("PUT /runs/r1/tearoff", {"reason": "it is done"}, status=409)
    assert ready("run", "stop", "r1").err == "runId:r1 cannot be teared off\nit is done\n"


def lines(*values: object) -> Answer:
    return Answer(chunks=[json.dumps(value).encode() + b"\n" for value in values])


def test_build(ready, server, home) -> None:
    """The directory goes as tar.gz; progress and warnings, each once, go to stderr, the image to stdout."""
    (home / "ctx").mkdir()
    (home / "ctx" / "Dockerfile.x").write_text("FROM python:3.11\n")
    progress = [{"progress": "step 1"}, {"progress": "warning: base differs"}]
    server.on("POST /images", lambda asked: lines(*progress, {"image": IMAGE}))
    words = ["-t", "x:1", "ctx", "--build-arg", "A=b=c", "-f", "ctx/Dockerfile.x"]
    result = ready("image", "build", *words)
    assert (result.code, json.loads(result.out)) == (0, IMAGE)
    assert result.err.splitlines()[0] == "step 1"
    assert "[WARN] base differs" in result.err
    assert result.err.count("base differs") == 1
    assert server.last.query == [("name", "x:1"), ("dockerfile", "Dockerfile.x"), ("arg", "A=b=c")]
    with tarfile.open(fileobj=io.BytesIO(server.last.body)) as tar:
        assert tar.getnames() == ["Dockerfile.x"]


def test_build_fails(ready, server, home) -> None:
    """An error in the stream exits 1 with its reason and advice."""
    (home / "ctx").mkdir()
    error = {"message": "m", "reason": "line 3: USER is not offered", "advice": "Remove it."}
    server.on("POST /images", lambda asked: lines({"progress": "step 1"}, {"error": error}))
    result = ready("image", "build", "-t", "x:1", "ctx")
    assert (result.code, result.out) == (1, "")
    assert result.err == "step 1\nline 3: USER is not offered\nRemove it.\n"


def test_build_cut_off(ready, server, home) -> None:
    """An answer without an end exits 1."""
    (home / "ctx").mkdir()
    server.on("POST /images", lambda asked: lines({"progress": "step 1"}))
    assert "stopped in the middle" in ready("image", "build", "-t", "x:1", "ctx").err


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["ctx"], 2, "usage error: --tag is required"),
        (["-t", "x", "nowhere"], 1, "'nowhere' is not a directory"),
        (["-t", "x", "--build-arg", "A", "ctx"], 2, "usage error: --build-arg is KEY=VALUE"),
        (["-t", "x", "-f", "../Dockerfile", "ctx"], 1, "there is no ../Dockerfile in ctx"),
    ],
)
def test_build_words(ready, server, home, words, code, told) -> None:
    """What cannot be built is refused before anything is sent."""
    (home / "ctx").mkdir()
    (home.parent / "Dockerfile").write_text("FROM python")
    result = ready("image", "build", *words)
    assert result.code == code
    assert result.err.startswith(told)
    assert server.asked == []


def test_image_names(ready, server) -> None:
    """ls, tag and rm use the names in the query."""
    server.on("GET /images", [IMAGE])
    server.on("PUT /images", IMAGE)
    server.on("DELETE /images", status=204)
    assert json.loads(ready("image", "ls").out) == [IMAGE]
    assert json.loads(ready("image", "tag", "x:1", "host:5000/y:2").out) == IMAGE
    assert (server.last.query, server.last.json) == ([("name", "x:1")], {"name": "host:5000/y:2"})
    result = ready("image", "rm", "x:1")
    assert (result.code, result.out) == (0, "")
    assert server.last.query == [("name", "x:1")]
