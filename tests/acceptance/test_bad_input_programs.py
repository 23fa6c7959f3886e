"""Images and programs that go wrong: the Run says how, what was made is kept, the server goes on."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from server import Server, plan, refused, until


def run_once(server: Server, case: str, source: Path, *args: str, **words: str) -> Any:
    """Run `act:1` with `args` on a pushed Data; the Run at its end."""
    made = server.apply(plan("act:1", args, asks=case, gives=f"{case}-out", log=f"{case}-log", **words))
    server.push(source, case)
    return server.run_of(made["planId"])


def log_of(server: Server, run: Any) -> str:
    done = server.knit("run", "show", "--log", run["runId"])
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def pulled(server: Server, here: Path, knit_id: str) -> dict[str, str]:
    """The text files of a pulled Data."""
    done = server.knit("data", "pull", "-x", knit_id, cwd=here)
    assert done.returncode == 0, done.stderr
    place = here / knit_id
    return {str(path.relative_to(place)): path.read_text() for path in place.rglob("*") if path.is_file()}


def is_alive(mark: str) -> bool:
    """Whether a process of this machine has `mark` among its words."""
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in each.read_bytes().split(b"\0"):
                return True
        except OSError:
            continue
    return False


def test_unknown_image(server: Server, case: str, source: Path, here: Path) -> None:
    """A Plan of an unknown image applies; its Run fails with 255 and says how to build or name the image."""
    made = server.apply(plan("no.such/thing:1", ["x"], asks=case, gives=f"{case}-out"))
    server.push(source, case)
    run = server.run_of(made["planId"])
    assert (run["status"], run["exit"]["code"]) == ("failed", 255)
    for words in ("no.such/thing:1", "knit image build -t no.such/thing:1 DIR", "knit image tag"):
        assert words in run["exit"]["message"]
    (out,) = server.data(f"{case}-out")
    assert "knit#transient:failed" in out["tags"]
    assert pulled(server, here, out["knitId"]) == {}, "nothing was made, and nothing is missing"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["FROM python:3", "RUN apt-get install -y gcc"], ["line 2", "RUN", "apt-get", "install it on this machine"]),
        (["FROM python:3", "", "USER nobody"], ["line 3", "USER", "Leave USER out"]),
        (["FROM ubuntu:24.04"], ["line 1", "ubuntu:24.04", "FROM python:3"]),
        (["FROM python:3", "COPY no-such-file /"], ["line 2", "no-such-file"]),
        (["FROM python:3", "WORKDRI /x"], ["line 2", "WORKDRI", "spelling"]),
        ([], ["FROM"]),
    ],
)
def test_image_build_refuses_with_line_and_advice(
    server: Server, here: Path, lines: list[str], words: list[str]
) -> None:
    """A Dockerfile that cannot be built is refused: line, fault, what to write instead; no image appears."""
    (here / "Dockerfile").write_text("\n".join(lines) + "\n")
    told = refused(server.knit("image", "build", "-t", "refused", str(here), cwd=here), *words)
    assert "the image cannot be built" in told
    assert "refused:latest" not in [name for image in server.get("/images") for name in image["names"]]


def test_image_build_without_dockerfile(server: Server, here: Path) -> None:
    """A folder without a Dockerfile, no folder, and no name are told apart."""
    refused(
        server.knit("image", "build", "-t", "x", str(here)),
        "there is no readable Dockerfile",
        "FROM python:3",
        "--file",
    )
    refused(server.knit("image", "build", "-t", "x", str(here / "no")), "is not a directory", "holds the Dockerfile")
    refused(server.knit("image", "build", str(here)), "usage error: --tag is required", code=2)
    refused(server.knit("image", "tag", "no-such", "other"), "no-such", "knit image ls")
    refused(server.knit("image", "rm", "no-such"), "no-such", "knit image ls")


def test_exit_code_is_told_and_outputs_are_kept(server: Server, case: str, source: Path, here: Path) -> None:
    """A program that ends with 42 fails its Run with 42; its output and log can be pulled but match nothing."""
    after = server.apply(plan("act:1", ["copy", "/in", "/out"], asks=f"{case}-out", gives=f"{case}-after"))
    run = run_once(server, case, source, "leave", "/out", "42")
    assert (run["status"], run["exit"]["code"]) == ("failed", 42)
    assert log_of(server, run) == "I leave now\n"
    out = run["outputs"][0]["knitId"]
    (data,) = server.ask("data", "find", "-t", f"{case}-out", "--transient", "yes")
    assert (data["knitId"], "knit#transient:failed" in data["tags"]) == (out, True)
    assert pulled(server, here, out) == {"half.txt": "half\n"}
    assert server.get(f"/runs?plan={after['planId']}") == []
    assert data["nomination"] == []


def test_out_of_memory(server: Server, case: str, source: Path) -> None:
    """A program that takes more memory than its Plan gives is killed, and the Run says OOMKilled."""
    run = run_once(server, case, source, "eat", extra="resources: {memory: 64Mi}")
    assert run["status"] == "failed"
    assert run["exit"]["code"] != 0
    assert "OOMKilled" in run["exit"]["message"]
    assert log_of(server, run) == "I am hungry\n"


def test_inputs_cannot_be_written(server: Server, case: str, source: Path, here: Path) -> None:
    """A program that writes to its inputs is refused; the Data stays what was pushed."""
    run = run_once(server, case, source, "meddle", "/in")
    assert "done" not in log_of(server, run).splitlines()
    assert "Read-only file system" in log_of(server, run)
    assert pulled(server, here, run["inputs"][0]["knitId"]) == {"a.txt": "alpha\n", "below/b.txt": "beta\n"}


def test_background_children_end_with_the_program(server: Server, case: str, source: Path, here: Path) -> None:
    """What a program leaves running is killed; the Run is done with what the program made."""
    run = run_once(server, case, source, "children", "/out", case)
    assert run["status"] == "done"
    assert pulled(server, here, run["outputs"][0]["knitId"]) == {"done.txt": "done\n"}
    until("no child is left", lambda: not is_alive(case), seconds=5)


def test_endless_program_is_failed_by_its_user(server: Server, case: str, source: Path, here: Path) -> None:
    """`run stop --fail` ends an endless program with 253; what it made so far is kept as that of a failed Run."""
    made = server.apply(plan("act:1", ["forever", "/out"], asks=case, gives=f"{case}-out", log=f"{case}-log"))
    server.push(source, case)
    run = server.run_of(made["planId"], "running")
    with server.begin("run", "show", "--log", "-f", run["runId"]) as follow:
        assert follow.stdout is not None
        assert follow.stdout.readline() == b"I have begun\n"
        out = run["outputs"][0]["knitId"]
        refused(server.knit("data", "pull", out, cwd=here), "409", run["runId"], "running", "knit run show")
        done = server.knit("run", "stop", "--fail", run["runId"])
        assert (done.returncode, done.stdout) == (0, "")
        assert f"Run Id: {run['runId']} is aborting." in done.stderr
        assert (follow.stdout.read(), follow.wait()) == (b"", 0)
    ended = server.run_of(made["planId"])
    assert (ended["status"], ended["exit"]) == ("failed", {"code": 253, "message": "aborted by user"})
    assert pulled(server, here, out) == {"so-far.txt": "so far\n"}


@pytest.mark.slow
def test_log_of_all_bytes_and_a_hundred_megabytes(server: Server, case: str, source: Path) -> None:
    """A long binary log comes out whole, byte by byte, followed while it is written and read when it is a Data."""
    made = server.apply(plan("act:1", ["flood", "100"], asks=case, log=f"{case}-log"))
    server.push(source, case)
    run = server.run_of(made["planId"], "running", "completing", "done")
    want = hashlib.sha256(bytes(range(256)) * (100 << 12)).hexdigest()
    for words in ("--follow", "--log=true"):
        with server.begin("run", "show", "--log", words, run["runId"]) as shown:
            assert shown.stdout is not None
            assert hashlib.file_digest(shown.stdout, "sha256").hexdigest() == want
            assert shown.wait() == 0
        assert server.run_of(made["planId"])["status"] == "done"


def test_program_that_is_not_there(server: Server, here: Path, case: str, source: Path) -> None:
    """An image whose program does not exist fails its Run and names the program."""
    (here / "Dockerfile").write_text('FROM python:3\nENTRYPOINT ["no-such-program"]\n')
    assert server.knit("image", "build", "-t", "broken:1", str(here)).returncode == 0
    made = server.apply(plan("broken:1", asks=case, gives=f"{case}-out"))
    server.push(source, case)
    run = server.run_of(made["planId"])
    assert (run["status"], run["exit"]["code"]) == ("failed", 127)
    assert "no-such-program" in run["exit"]["message"]


def test_more_than_the_machine_has(server: Server, case: str, source: Path) -> None:
    """A Run that asks for more than the machine has stays ready, and `run show` tells why and what to do."""
    made = server.apply(
        plan("act:1", ["copy", "/in", "/out"], asks=case, gives=f"{case}-out", extra="resources: {cpu: 4000}")
    )
    server.push(source, case)
    run = server.run_of(made["planId"], "ready")
    done = server.knit("run", "show", run["runId"])
    assert json.loads(done.stdout)["status"] == "ready"
    assert "4000 cores" in done.stderr
    assert "--overcommit" in done.stderr
    assert server.knit("run", "stop", "--fail", run["runId"]).returncode == 0
    assert server.run_of(made["planId"])["status"] == "failed"
