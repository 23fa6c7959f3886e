"""A real server is killed with SIGKILL again and again while Runs work and pushes come in: all promises hold."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import random
import tarfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from server import Server, plan, until

WORK = """
import os, pathlib, subprocess, sys, time
subprocess.Popen(["sleep", "600"], start_new_session=True)  # a child that nobody waits for
text = "".join(sorted(path.read_text() for path in pathlib.Path("/in").rglob("*") if path.is_file()))
out = open("/out/result", "w")
out.write(text)
out.flush()
time.sleep(float(sys.argv[1]))
out.write("+")
out.close()
print("worked on", text)
"""
"""Copies its input in two halves, so that a half-written output can be told from a whole one."""

KILLS = 12
PUSHES = 40


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server of this test's own, with the image `work:1` and two Plans one after the other."""
    context = tmp_path / "work"
    context.mkdir()
    (context / "work.py").write_text(WORK)
    (context / "Dockerfile").write_text('FROM python:3\nCOPY work.py /work.py\nENTRYPOINT ["python3", "/work.py"]\n')
    with Server(tmp_path / "knit") as running:
        done = running.knit("image", "build", "-t", "work:1", str(context))
        assert done.returncode == 0, done.stderr
        half = "resources: {cpu: 500m, memory: 64Mi}"
        running.apply(plan("work:1", ["0.15"], asks="kind:seed", gives="kind:middle", log="kind:log", extra=half))
        running.apply(plan("work:1", ["0.05"], asks="kind:middle", gives="kind:end", extra=half))
        yield running


class Pusher(threading.Thread):
    """Pushes small archives, each with a text of its own, and remembers those that were acknowledged."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self.acknowledged: dict[str, str] = {}
        self.tried = 0
        self.stopped = threading.Event()
        self._server = server

    def run(self) -> None:
        while not self.stopped.wait(0.1) and len(self.acknowledged) < PUSHES:
            self.tried += 1
            text = f"{self.tried:04}"
            with contextlib.suppress(OSError, http.client.HTTPException, json.JSONDecodeError):
                self.acknowledged[self._push(archive(text))["knitId"]] = text

    def _push(self, body: bytes) -> Any:
        """Push to wherever the server is now; raises one of many errors where it is dead or dies."""
        profile = self._server.profile
        root = urlsplit(profile["apiRoot"])
        connection = http.client.HTTPConnection(root.hostname or "", root.port, timeout=30)
        with contextlib.closing(connection):
            headers = {"Authorization": f"token {profile['token']}"}
            connection.request("POST", f"{root.path}/data?tag={quote('kind:seed')}", body, headers)
            response = connection.getresponse()
            answer = response.read()
        if response.status != 200:
            raise ConnectionError(answer)
        return json.loads(answer)


def archive(text: str) -> bytes:
    """A tar.gz with one file."""
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz") as tar:
        member = tarfile.TarInfo("seed")
        member.size = len(text)
        tar.addfile(member, io.BytesIO(text.encode()))
    return body.getvalue()


def content(server: Server, knit_id: str) -> dict[str, str]:
    """The files of a Data that must be usable."""
    answer = server.request("GET", f"/data/{knit_id}")
    assert answer.status == 200, answer
    with tarfile.open(fileobj=io.BytesIO(answer.body), mode="r:gz") as tar:
        members = [(member.name, tar.extractfile(member)) for member in tar if member.isfile()]
        return {name: file.read().decode() for name, file in members if file is not None}


def image_runs(server: Server) -> list[Any]:
    """All Runs but the uploads."""
    return [run for run in server.get("/runs") if "image" in run["plan"]]


def left_processes(home: Path, run_ids: list[str]) -> list[str]:
    """Command lines of processes that belong to these Runs, or name this home."""
    marks = [f"KNIT_RUN_ID={run_id}".encode() for run_id in run_ids]
    found = []
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if process.name.isdigit():
                environ, line = (process / "environ").read_bytes(), (process / "cmdline").read_bytes()
                if str(home).encode() in line or any(mark in environ for mark in marks):
                    found.append(line.replace(b"\0", b" ").decode(errors="replace"))
    return found


@pytest.mark.slow
def test_killed_again_and_again(server: Server) -> None:
    """After the last restart every acknowledged push is there, each has run once through both Plans, all is whole.

    (scenario 75)
    """
    turn = random.Random(20)
    pusher = Pusher(server)
    pusher.start()
    try:
        for _ in range(KILLS):
            time.sleep(turn.uniform(0.1, 1.5))  # the moment of death is what this test is about
            server.kill()
            server.start()
            assert server.get("/health")
    finally:
        pusher.stopped.set()
        pusher.join()
    seeds = {
        each["knitId"]
        for each in server.get("/data?tag=" + quote("kind:seed"))
        if each["upstream"]["run"]["status"] == "done"
    }

    def all_done() -> bool:
        return Counter(run["status"] for run in image_runs(server)) == {"done": 2 * len(seeds)}

    until(f"{2 * len(seeds)} Runs are done", all_done)
    assert pusher.acknowledged.keys() <= seeds, "what was acknowledged is there"
    assert len(seeds) <= pusher.tried
    assert len(pusher.acknowledged) >= KILLS, "too few pushes came through for this test to say anything"
    for knit_id, text in pusher.acknowledged.items():
        assert content(server, knit_id) == {"seed": text}
    check_outputs(server, seeds)
    check_uploads_cut_off(server)
    until("the folders of Runs are tidied up", lambda: not any((server.home / "runs").iterdir()) or None)
    ids = [run["runId"] for run in image_runs(server)]
    assert left_processes(server.home, ids), "the server itself is seen"
    server.stop()
    assert left_processes(server.home, ids) == []


def check_outputs(server: Server, seeds: set[str]) -> None:
    """Each seed has one Run, its output another, and both outputs are whole."""
    by_input: dict[str, Any] = {}
    for run in image_runs(server):
        (given,) = run["inputs"]
        assert given["knitId"] not in by_input, "one Run for each Data"
        by_input[given["knitId"]] = run
    for seed in seeds:
        (text,) = content(server, seed).values()
        middle = by_input[seed]["outputs"][0]["knitId"]
        end = by_input[middle]["outputs"][0]["knitId"]
        assert content(server, middle) == {"result": text + "+"}
        assert content(server, end) == {"result": text + "++"}
        assert content(server, by_input[seed]["log"]["knitId"]) == {"log": f"worked on {text}\n"}


def check_uploads_cut_off(server: Server) -> None:
    """What was not pushed to its end is not usable: its server's death may not be known yet, but it has no content."""
    for run in server.get("/runs"):
        if "image" not in run["plan"] and run["status"] != "done":
            answer = server.request("GET", f"/data/{run['outputs'][0]['knitId']}")
            assert answer.status == 409, answer
