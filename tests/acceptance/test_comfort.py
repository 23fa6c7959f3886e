"""The comfortable command line on a real server: ids for short, tables, single files, watching, doctor, completion."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from server import Server, command, environment, plan, until


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with an image, a Plan whose program does well, and one Data for it."""
    with Server(tmp_path_factory.mktemp("comfort")) as running:
        running.build_act()
        yield running


@pytest.fixture(scope="module")
def ran(server: Server) -> tuple[str, str, str]:
    """The ids of a Data, a Plan and its Run, which is done."""
    source = server.project / "source"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "m.json").write_text('{"accuracy": 1}')
    (source / "big").write_bytes(bytes(1 << 20))
    data = server.push(source, "kind:comfort")["knitId"]
    applied = server.apply(plan("act:1", ["copy", "/in", "/out"], asks="kind:comfort", gives="kind:copied"))["planId"]
    return data, applied, server.run_of(applied)["runId"]


def test_short_ids(server: Server, ran: tuple[str, str, str]) -> None:
    """The first eight characters name a Data, a Plan and a Run."""
    data, applied, run = ran
    assert server.ask("plan", "show", applied[:8])["planId"] == applied
    assert server.ask("run", "show", run[:8])["runId"] == run
    assert server.ask("run", "find", "-p", applied[:8])[0]["runId"] == run
    done = server.knit("data", "tag", data[:8], "--add", "more:1")
    assert done.returncode == 0, done.stderr
    assert "more:1" in server.data(f"knit#id:{data}")[0]["tags"]
    assert server.knit("run", "show", "00000000").stderr.startswith("runId:00000000 is not found")


def test_tables(server: Server, ran: tuple[str, str, str]) -> None:
    """Names feed other commands; tables show what there is."""
    data, applied, _ = ran
    assert server.knit("data", "find", "-t", "kind:comfort", "--output", "name").stdout == f"{data}\n"
    table = server.knit("plan", "find", "--image", "act", "--output", "table").stdout
    assert table.splitlines()[0].split() == ["ID", "ACTIVE", "IMAGE", "INPUTS", "OUTPUTS"]
    assert applied[:8] in table
    assert "act:1" in server.knit("image", "ls", "--output", "wide").stdout


def test_single_files(server: Server, ran: tuple[str, str, str]) -> None:
    """One file of a Data comes to stdout, with nothing else unpacked."""
    data, _, _ = ran
    assert server.knit("data", "ls", data[:8], "--output", "name").stdout.splitlines() == ["big", "deep/m.json"]
    assert json.loads(server.knit("data", "pull", data, "--file", "deep/m.json", "-").stdout) == {"accuracy": 1}


def test_watch(server: Server, ran: tuple[str, str, str], tmp_path: Path) -> None:
    """A watch follows a Run to its end; the exit code says whether it failed."""
    _, _, run = ran
    assert server.knit("run", "watch", run[:8]).returncode == 0
    failing = server.apply(plan("act:1", ["leave", "/out", "3"], asks="kind:watched", gives="kind:none"))["planId"]
    (tmp_path / "x").write_text("x")
    server.push(tmp_path / "x", "kind:watched")
    runs = until("the Run is made", lambda: server.get(f"/runs?plan={failing}"))
    done = server.knit("run", "watch", runs[0]["runId"])
    assert done.returncode == 1, done.stdout
    assert " failed " in done.stdout.splitlines()[-1]
    assert "(exit 3" in done.stdout.splitlines()[-1]
    assert server.knit("run", "watch").returncode == 0, "nothing goes on any more"


def test_doctor_and_profiles(server: Server) -> None:
    """All is well with a server that was just started; the token is never shown."""
    done = server.knit("doctor")
    assert done.returncode == 0, done.stdout
    names = [line.split()[1] for line in done.stdout.splitlines()]
    assert names == [
        "profile", "server", "token", "version", "clock", "executor", "images", "database", "store", "disk",
    ]  # fmt: skip
    for words in (("doctor",), ("profile", "ls"), ("profile", "show")):
        assert server.profile["token"] not in server.knit(*words).stdout
    assert server.ask("profile", "show")["apiRoot"] == server.profile["apiRoot"]


def test_completion(server: Server, ran: tuple[str, str, str]) -> None:
    """Tags, ids and images come from the server."""
    data, _, _ = ran

    def offered(*words: str) -> list[str]:
        asked = {
            "_KNIT_COMPLETE": "fish_complete",
            "COMP_WORDS": " ".join(["knit", *words[:-1]]),
            "COMP_CWORD": words[-1],
        }
        done = subprocess.run(
            command(), env={**environment(server.user_home), **asked}, cwd=server.project, capture_output=True,
            text=True, check=True,
        )  # fmt: skip
        assert done.stderr == ""
        return [line.split("\t")[0].removeprefix("plain,") for line in done.stdout.splitlines()]

    assert offered("data", "find", "-t", "kind:com") == ["kind:comfort"]
    assert data in offered("data", "pull", data[:6])
    assert "act:1" in offered("image", "rm", "ac")


def test_extension(server: Server, tmp_path: Path) -> None:
    """A program on PATH is a command, and knows the profile in use."""
    file = tmp_path / "knit-where"
    file.write_text('#!/bin/sh\necho "$KNIT_PROFILE"; exit 7\n')
    file.chmod(0o755)
    surroundings = environment(server.user_home) | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [sys.executable, "-m", "knit_cli.main", "where"], env=surroundings, cwd=server.project, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout.strip()) == (7, (server.project / ".knitprofile").read_text())
