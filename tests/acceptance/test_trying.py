"""Runs that are tried again by themselves, and attempts that take too long, with real programs."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from server import Server, plan, refused, until

ASK = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as line:
    code = int(line.makefile().readline())
print("told to end with", code)
open(f"/out/{code}.txt", "w").close()
sys.exit(code)
"""
"""A program that ends as somebody on this machine tells it."""

HANG = """
import subprocess, sys, time
open("/out/begun.txt", "w").close()
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)", sys.argv[1]], start_new_session=True)
print("I hang", flush=True)
time.sleep(3600)
"""
"""A program that never ends, and has a child that does not, either."""


@contextlib.contextmanager
def telling(*codes: int) -> Iterator[int]:
    """Tell one program after the other to end with these codes; gives the port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(60)

        def tell() -> None:
            for code in codes:
                line, _ = listening.accept()
                with line:
                    line.sendall(f"{code}\n".encode())

        thread = threading.Thread(target=tell)
        thread.start()
        yield listening.getsockname()[1]
        thread.join(60)
        assert not thread.is_alive()


def program(text: str, *, case: str, word: str, extra: str) -> str:
    """A plan file whose program is this Python text."""
    entrypoint = f"entrypoint: {json.dumps(['python', '-c', text])}\n{extra}"
    return plan("act:1", [word], asks=case, gives=f"{case}-out", log=f"{case}-log", extra=entrypoint)


def details(server: Server, run: Any) -> Any:
    return server.get(f"/runs/{run['runId']}/details")


def test_fails_twice_and_succeeds(server: Server, case: str, source: Path) -> None:
    """The Run is tried until it succeeds: outputs of the last attempt, the log of all, the ids from the beginning."""
    with telling(7, 7, 0) as port:
        extra = "retry: {tries: 3, wait: 100ms, on: [exit:7]}"
        plan_id = server.apply(program(ASK, case=case, word=str(port), extra=extra))["planId"]
        server.push(source, case)
        run = server.run_of(plan_id)
    assert run["status"] == "done"
    found = details(server, run)
    assert (found["attempt"], found["tries"], found["againAt"]) == (3, 2, None)
    names = [each["path"] for each in server.get(f"/data/{run['outputs'][0]['knitId']}/files")]
    assert names == ["0.txt"]
    assert server.knit("run", "show", "--log", run["runId"]).stdout.splitlines() == [
        "told to end with 7", "[knit] attempt 1 of 3 failed with exit 7 ((container main) Error)",
        "told to end with 7", "[knit] attempt 2 of 3 failed with exit 7 ((container main) Error)",
        "told to end with 0",
    ]  # fmt: skip


def test_stopped_during_the_pause(server: Server, case: str, source: Path) -> None:
    """During the pause people are told, and can stop the Run; the Plan's policy is told and changed by commands."""
    with telling(7) as port:
        plan_id = server.apply(program(ASK, case=case, word=str(port), extra=""))["planId"]
        policy = {"tries": 2, "wait": "1h", "on": ["exit"]}
        told = server.ask("plan", "retry", plan_id, "--tries", "2", "--wait", "60m", "--on", "exit")
        assert told == {"planId": plan_id, "retry": policy, "timeout": None}
        server.push(source, case)
        run = server.run_of(plan_id, "starting", "running")
        until("it waits for its next attempt", lambda: details(server, run)["againAt"])
    found = details(server, run)
    assert found["note"].startswith("attempt 1 of 2 failed with exit 7 ((container main) Error); tries again at ")
    why = server.knit("why", run["runId"]).stdout
    assert "put-off" in why
    assert f"it is tried again at {found['againAt']}" in why
    assert server.knit("run", "stop", "--fail", run["runId"]).returncode == 0
    assert server.run_of(plan_id)["exit"] == {"code": 253, "message": "aborted by user"}
    assert server.ask("plan", "retry", plan_id, "--unset")["retry"] is None
    refused(server.knit("plan", "retry", plan_id, "--tries", "0"), "--tries is 0", code=2)


def test_timed_out(server: Server, case: str, source: Path) -> None:
    """A program that hangs is killed with its children; the Run fails and keeps what it wrote and said."""
    plan_id = server.apply(program(HANG, case=case, word=f"mark-{case}", extra="timeout: 2h"))["planId"]
    assert server.ask("plan", "timeout", plan_id, "--set", "2s")["timeout"] == "2s"
    assert server.ask("plan", "show", "--details", plan_id)["timeout"] == "2s"
    server.push(source, case)
    run = server.run_of(plan_id)
    assert run["status"] == "failed"
    assert run["exit"] == {"code": 252, "message": "timed out after 2s"}
    assert server.knit("run", "show", "--log", run["runId"]).stdout == "I hang\n"
    assert [each["path"] for each in server.get(f"/data/{run['outputs'][0]['knitId']}/files")] == ["begun.txt"]
    assert not lives(f"mark-{case}")
    assert "timed-out" in server.knit("why", run["runId"]).stdout


def lives(mark: str) -> bool:
    """Whether a process of this machine has `mark` among its words."""
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if mark.encode() in each.read_bytes().split(b"\0"):
                return True
    return False
