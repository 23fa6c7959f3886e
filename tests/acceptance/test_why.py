"""`knit why` as a newcomer needs it: each answer ends with the step that helps, and the step helps."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from server import Server, plan, refused


def why(server: Server, *words: str) -> str:
    """What `knit why` says."""
    done = server.knit("why", *words)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def codes(server: Server, *words: str) -> list[str]:
    """The codes of what holds now."""
    return [each["code"] for each in server.ask("why", "--output", "json", *words)["now"]]


def next_steps(told: str) -> list[list[str]]:
    """The commands at the end of an answer."""
    _, _, steps = told.rpartition("next:\n")
    return [shlex.split(each) for each in steps.splitlines()]


def test_a_wrong_tag_is_mended(server: Server, case: str, source: Path) -> None:
    """A misspelt tag: why names the missing one, its command is given as it stands, and the Run is made."""
    made = server.apply(plan("act:1", ["copy", "/in", "/out"], asks=case, gives=f"{case}-out"))
    pushed = server.push(source, case[:-1])
    told = why(server, pushed["knitId"])
    assert f'does not fit "/in" of Plan {made["planId"]} (act:1): it lacks {case}; it has {case[:-1]}' in told
    step = next_steps(told)[0]
    assert step == ["knit", "data", "tag", "--add", case, pushed["knitId"]]
    assert server.knit(*step[1:]).returncode == 0
    run = server.run_of(made["planId"])
    assert codes(server, pushed["knitId"], made["planId"]) == ["matched"]
    assert codes(server, run["runId"]) == ["done", "caused", "made-by"]
    assert codes(server, run["outputs"][0]["knitId"])
    assert codes(server, made["planId"]) == ["fits", "matched"]


def test_a_failing_program(server: Server, case: str, source: Path) -> None:
    """The exit code and the last lines of the log."""
    made = server.apply(plan("act:1", ["leave", "/out", "3"], asks=case, gives=f"{case}-out", log=f"{case}-log"))
    pushed = server.push(source, case)
    run = server.run_of(made["planId"])
    told = why(server, run["runId"])
    assert "its program failed: exit code 3, (container main) Error" in told
    assert "the end of its log:\n  | I leave now\n" in told
    assert next_steps(told) == [["knit", "run", "show", "--log", run["runId"]], ["knit", "run", "retry", run["runId"]]]
    assert next_steps(why(server, pushed["knitId"]))[0] == ["knit", "why", run["runId"]]
    assert next_steps(why(server, run["outputs"][0]["knitId"]))[0] == ["knit", "why", run["runId"]]


def test_an_unknown_image(server: Server, case: str, source: Path) -> None:
    """The image is missing before the Run fails, and afterwards, and the step builds it."""
    made = server.apply(plan("no.such/thing:7", ["x"], asks=case))
    build = ["knit", "image", "build", "-t", "no.such/thing:7", "DIR"]
    assert codes(server, made["planId"]) == ["image-missing", "no-data"]
    server.push(source, case)
    run: Any = server.run_of(made["planId"])
    told = why(server, run["runId"])
    assert [each["code"] for each in server.ask("why", "--output=json", run["runId"])["now"]][:2] == [
        "image-missing", "stuck",
    ]  # fmt: skip
    assert next_steps(told) == [build, ["knit", "run", "retry", run["runId"]]]


def test_a_run_that_is_too_large(server: Server, case: str, source: Path) -> None:
    """A Run that no machine here can hold says so, and how to ask for less."""
    made = server.apply(plan("act:1", ["copy", "/in", "/out"], asks=case, extra="resources: {cpu: 9999}"))
    server.push(source, case)
    run = server.run_of(made["planId"], "ready")
    told = why(server, run["runId"])
    assert codes(server, run["runId"])[:2] == ["too-large", "waiting-for-room"]
    assert "asks for 9999 cores" in told
    step = next_steps(told)[0]
    assert (step[:4], step[-1]) == (["knit", "plan", "resource", "--set"], made["planId"])
    assert step[4].startswith("cpu=")
    assert server.knit("run", "stop", "--fail", run["runId"]).returncode == 0
    ended = server.run_of(made["planId"], "failed")
    assert codes(server, ended["runId"])[0] == "aborted"


def test_an_inactive_plan(server: Server, case: str, source: Path) -> None:
    """A Plan that is switched off: the step of the waiting Run switches it on."""
    made = server.apply(plan("act:1", ["copy", "/in", "/out"], asks=case, gives=f"{case}-out", extra="active: false"))
    pushed = server.push(source, case)
    run = server.run_of(made["planId"], "deactivated")
    for each in (pushed["knitId"], made["planId"], run["runId"]):
        step = next_steps(why(server, each))[0]
        assert step == ["knit", "plan", "active", "yes", made["planId"]]
    assert server.knit(*step[1:]).returncode == 0
    assert server.run_of(made["planId"])["status"] == "done"


def test_short_and_unknown_ids(server: Server, case: str, source: Path) -> None:
    """The beginning of an id is enough; an id of nobody is told clearly."""
    knit_id = server.push(source, case)["knitId"]
    assert why(server, knit_id[:13]) == why(server, knit_id)
    refused(server.knit("why", "ghost"), "there is no Data, Plan or Run ghost", "knit data find")
