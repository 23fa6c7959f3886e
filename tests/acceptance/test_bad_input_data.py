"""Tags, pushes and pulls that go wrong: what is told, what is kept, what can never be taken for whole."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from server import Server, refused, unstamped, until

TAGS = {
    "quotes": ['say:"hello"', "say:it's"],
    "lines": ["text:one\ntwo", "text:\ttab"],
    "emoji": ["mood:🎉👩‍🔬", "名前:値", "é:é"],
    "colons": ["url:http://x:80/y?a=b&c=d#e", "empty:", "a:+", "a:%2B", "a:,"],
    "markup": ["html:<b>&amp;</b>", "shell:$(rm -rf ~)`x`"],
    "long": ["long:" + "x" * 1000],
}


def pushes(server: Server, status: str = "failed") -> list[Any]:
    """The Runs of pushes at a status, the latest last."""
    return [run for run in server.get(f"/runs?status={status}") if run["plan"].get("name") == "knit#uploaded"]


def is_lost(server: Server, run: Any) -> None:
    """Check that the Data of a cut push has its mark, no content, and says so when it is pulled."""
    knit_id = run["outputs"][0]["knitId"]
    (data,) = server.ask("data", "find", "-t", f"knit#id:{knit_id}")
    assert "knit#transient:failed" in data["tags"]
    assert [tag for tag in data["tags"] if not tag.startswith("knit#")] == []
    told = refused(
        server.knit("data", "pull", "-x", knit_id), "409", knit_id, "no content", run["runId"], "push it again"
    )
    assert "failed" in told
    assert not (server.project / knit_id).exists()


# --- tags -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TAGS)
def test_odd_tags_survive(server: Server, here: Path, source: Path, case: str, name: str) -> None:
    """Whatever text a tag is, push, find and tag give it back as it was."""
    words = [word for tag in TAGS[name] for word in ("-t", tag)]
    wanted = sorted([case, *(tag.partition(":")[0] + ":" + tag.partition(":")[2].strip() for tag in TAGS[name])])
    data = server.ask("data", "push", "-t", case, *words, str(source), cwd=here)
    assert sorted(tag for tag in data["tags"] if not tag.startswith("knit#")) == wanted
    assert [each["knitId"] for each in server.ask("data", "find", "-t", case, *words)] == [data["knitId"]]
    remove = [word for tag in TAGS[name] for word in ("--remove", tag)]
    assert server.knit("data", "tag", *remove, data["knitId"]).returncode == 0
    assert [tag for tag in server.data(case)[0]["tags"] if not tag.startswith("knit#")] == [case]
    add = [word for tag in TAGS[name] for word in ("--add", tag)]
    assert server.knit("data", "tag", *add, data["knitId"]).returncode == 0
    assert len(server.ask("data", "find", "-t", case, *words)) == 1


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("push", "-t", "nocolon", "x"), 1, ["tag parse error: nocolon :no key", "--tag", "key:value"]),
        (("push", "-t", "nocolon", "-t", "a:b", "x"), 1, ["nocolon"]),
        (("push", "-t", "knit#id:1", "x"), 2, ["usage error: Tag starting knit# is reserved"]),
        (("push", "-t", "knit#mine:1", "x"), 2, ["usage error: Tag starting knit# is reserved"]),
        (("find", "-t", "nocolon"), 1, ["nocolon", "--tag"]),
        (("find", "-t", "knit#transient:perhaps"), 1, ["perhaps", "processing", "failed"]),
        (("find", "-t", "knit#timestamp:yesterday"), 1, ["yesterday", "2026"]),
        (("find", "--transient", "perhaps"), 2, ["usage error", "perhaps"]),
        (("find", "--duration", "1h"), 2, ["usage error: --duration needs --since"]),
        (("find", "--since", "2026-13-01"), 1, ["2026-13-01", "--since"]),
        (("find", "--since", "2026-01-01", "--duration", "1"), 1, ["not a duration: '1'", "--duration", "2h45m"]),
        (("tag", "--add", "knit#id:1", "x"), 2, ["usage error: tag key knit#id is reserved for system tags"]),
        (("tag", "--remove", "nocolon", "x"), 1, ["nocolon", "--remove"]),
        (("tag", "--add", "a:b", "no-such-data"), 1, ["no-such-data", "knit data find"]),
        (("lineage", "no-such-data"), 1, ["data not found: no-such-data", "knit data find"]),
        (("lineage", "-n", "0", "x"), 2, ["usage error: --numbers must be a positive integer or 'all'"]),
    ],
)  # fmt: skip
def test_wrong_words_are_refused(server: Server, words: tuple[str, ...], code: int, told: list[str]) -> None:
    """A wrong tag, time or id is refused with its flag; nothing is sent."""
    before = len(server.get("/data"))
    refused(server.knit("data", *words), *told, code=code)
    assert len(server.get("/data")) == before


def test_reserved_keys_are_refused_by_the_server_too(server: Server, source: Path, case: str) -> None:
    """`--remove-key knit#...`, which only the server can refuse, changes nothing."""
    data = server.push(source, case)
    refused(server.knit("data", "tag", "--remove-key", "knit#id", data["knitId"]), "knit#id", "reserved")
    assert server.data(case)[0]["tags"] == data["tags"]


# --- push -------------------------------------------------------------------------------------------------------------


def test_push_of_nothing(server: Server, here: Path) -> None:
    """A missing path is skipped and told; if nothing was pushed, the command failed."""
    before = len(server.get("/data"))
    (here / "empty").mkdir()
    refused(server.knit("data", "push", "no-such", cwd=here), "No such file or directory: no-such -- skipped",
            "nothing was pushed", "Check the paths")  # fmt: skip
    refused(server.knit("data", "push", "empty", cwd=here), "'empty' is empty", "at least one file")
    assert len(server.get("/data")) == before


def test_push_skips_what_is_missing_and_sends_the_rest(server: Server, here: Path, source: Path, case: str) -> None:
    """One missing source does not keep the others from being sent."""
    done = server.knit("data", "push", "-t", case, "no-such", str(source), cwd=here)
    assert done.returncode == 0
    assert "No such file or directory: no-such -- skipped" in unstamped(done.stderr)
    assert json.loads(done.stdout)["knitId"] == server.data(case)[0]["knitId"]


def test_push_of_an_unreadable_file(server: Server, tmp_path: Path, case: str) -> None:
    """A file that its user may not read is named; no half of the folder becomes a Data that can be used."""
    folder = tmp_path / "secret"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    (folder / "b.txt").write_text("b")
    (folder / "b.txt").chmod(0)
    before = len(pushes(server))
    done = server.knit("data", "push", "-t", case, str(folder), ordinary=True)
    refused(done, "b.txt", "permission denied", "Change the permissions")
    assert server.data(case) == []
    until("the cut push has failed", lambda: len(pushes(server)) == before + 1)
    is_lost(server, pushes(server)[-1])


def test_links_that_lead_nowhere(server: Server, tmp_path: Path, case: str) -> None:
    """A dangling link is kept as it is; with -L, which follows it, it is named and nothing is half pushed."""
    folder = tmp_path / "links"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    (folder / "dangling").symlink_to("no-such-target")
    (folder / "loop").symlink_to(".")
    refused(
        server.knit("data", "push", "-L", "-t", case, str(folder)),
        "dangling",
        "no-such-target",
        "does not exist",
        "do not dereference",
    )
    (folder / "dangling").unlink()
    refused(server.knit("data", "push", "-L", "-t", case, str(folder)), "loop")
    assert server.data(case) == []
    (folder / "dangling").symlink_to("no-such-target")
    kept = server.push(folder, case)
    assert server.knit("data", "pull", "-x", kept["knitId"], str(tmp_path)).returncode == 0
    assert os.readlink(tmp_path / kept["knitId"] / "dangling") == "no-such-target"


def test_special_files_are_told(server: Server, tmp_path: Path, case: str) -> None:
    """A pipe cannot be pushed: it is named, and the push does not wait for it."""
    folder = tmp_path / "special"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    os.mkfifo(folder / "pipe")
    done = server.knit("data", "push", "-t", case, str(folder))
    assert "pipe" in done.stderr
    assert (done.returncode == 0) == (len(server.data(case)) == 1)


# --- a push that is cut off -------------------------------------------------------------------------------------------


@contextmanager
def pushing(server: Server, tmp_path: Path, case: str) -> Iterator[subprocess.Popen[bytes]]:
    """A push that has begun and cannot end: 1 TiB of zeros, of which nothing lies on the disk."""
    folder = tmp_path / "large"
    folder.mkdir()
    with (folder / "zeros").open("wb") as file:
        file.truncate(1 << 40)
    before = len(pushes(server, "running"))
    with server.begin("data", "push", "-t", case, str(folder)) as process:
        until("the push has begun", lambda: len(pushes(server, "running")) > before)
        yield process


def test_killed_push(server: Server, tmp_path: Path, case: str) -> None:
    """`kill -9` of a push leaves a failed Run and a Data without content, at once."""
    before = len(pushes(server))
    with pushing(server, tmp_path, case) as process:
        process.kill()
        process.wait()
        until("the cut push has failed", lambda: len(pushes(server)) == before + 1, seconds=10)
    run = pushes(server)[-1]
    assert "the client closed the connection" in run["exit"]["message"]
    is_lost(server, run)
    assert server.data(case) == []


def test_interrupted_push(server: Server, tmp_path: Path, case: str) -> None:
    """Ctrl-C ends a push with 130 and one word; no traceback."""
    before = len(pushes(server))
    with pushing(server, tmp_path, case) as process:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out == b""
    assert err.decode().splitlines()[-1] == "interrupted"
    assert b"Traceback" not in err
    until("the cut push has failed", lambda: len(pushes(server)) == before + 1, seconds=10)
    is_lost(server, pushes(server)[-1])


@pytest.mark.slow
def test_stopped_push(server: Server, tmp_path: Path, case: str) -> None:
    """`run stop --fail` of a push ends it on both sides; without --fail it is refused, for half is not the whole."""
    with pushing(server, tmp_path, case) as process:
        run = pushes(server, "running")[-1]
        refused(server.knit("run", "stop", run["runId"]), "is an upload", f"knit run stop --fail {run['runId']}")
        assert server.knit("run", "stop", "--fail", run["runId"]).returncode == 0
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (1, b"")
        assert b"Traceback" not in err
        assert b"the upload was stopped by a user" in err, err
    until("the push has failed", lambda: server.get(f"/runs/{run['runId']}")["status"] == "failed")
    is_lost(server, server.get(f"/runs/{run['runId']}"))


@pytest.mark.slow
@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_server_that_ends_during_a_push(tmp_path: Path, case: str, how: str) -> None:
    """A push whose server ends says so; the next server has a failed Run and no content, and takes the push again."""
    with Server(tmp_path / "knit") as server:
        with pushing(server, tmp_path, case) as process:
            (run,) = pushes(server, "running")
            assert (server.kill() == -signal.SIGKILL) if how == "killed" else (server.stop() == 0)
            out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (1, b"")
        assert b"Traceback" not in err
        assert b"/knit/api" in err, err
        server.start()
        until("the push has failed", lambda: server.get(f"/runs/{run['runId']}")["status"] == "failed", seconds=10)
        is_lost(server, server.get(f"/runs/{run['runId']}"))
        (tmp_path / "small.txt").write_text("small")
        assert server.push(tmp_path / "small.txt", case)["knitId"] == server.data(case)[0]["knitId"]


# --- pull -------------------------------------------------------------------------------------------------------------


def test_pull_into_a_folder_that_exists(server: Server, here: Path, source: Path, case: str) -> None:
    """An existing folder is never merged into: it is named, and stays as it is."""
    knit_id = server.push(source, case)["knitId"]
    (here / knit_id).mkdir()
    (here / knit_id / "mine").write_text("mine")
    refused(server.knit("data", "pull", "-x", knit_id, cwd=here), knit_id, "exists", "another")
    assert [each.name for each in (here / knit_id).iterdir()] == ["mine"]


def test_pull_to_places_that_cannot_be(server: Server, here: Path, source: Path, case: str) -> None:
    """A destination that is a file is named; `-x -` is a usage error; ids that are paths lead nowhere."""
    knit_id = server.push(source, case)["knitId"]
    (here / "file").write_text("mine")
    for words in (("-x",), ()):
        refused(server.knit("data", "pull", *words, knit_id, "file", cwd=here), "file")
    refused(server.knit("data", "pull", "-x", knit_id, "-", cwd=here), "usage error: --extract needs", code=2)
    refused(server.knit("data", "pull", "-x", "../..", cwd=here), "not a Knit ID", "knit data find")
    assert sorted(each.name for each in here.iterdir()) == [".knitprofile", "file"]
    assert (here / "file").read_text() == "mine"


def test_pull_of_an_unknown_id(server: Server, here: Path) -> None:
    """An unknown id is told; nothing is left behind, not even an empty file."""
    for words in (("-x",), ()):
        refused(server.knit("data", "pull", *words, "no-such-data", cwd=here), "404", "no-such-data", "knit data find")
    assert [each.name for each in here.iterdir()] == [".knitprofile"]


def test_interrupted_pull_leaves_nothing(server: Server, here: Path, source: Path, case: str) -> None:
    """A pull that is cut off leaves no file or folder that could be taken for the Data."""
    with (source / "large").open("wb") as file:
        for _ in range(64):
            file.write(os.urandom(1 << 20))
    knit_id = server.push(source, case)["knitId"]
    for words in (("-x",), ()):
        with server.begin("data", "pull", *words, knit_id, cwd=here) as process:
            until("the pull has begun", lambda: len(list(here.iterdir())) > 1 or process.poll() is not None)
            process.send_signal(signal.SIGINT)
            assert process.communicate()[0] == b""
            assert process.returncode == 130
        assert [each.name for each in here.iterdir()] == [".knitprofile"]
