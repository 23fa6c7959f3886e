"""The happy path, as a newcomer walks it, with exactly the outputs of the specification."""

from __future__ import annotations

import json
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest
from server import STAMP, Server, clean, plan, refused, unstamped

ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,2}[1-9])?\+00:00")


@pytest.fixture(scope="module")
def chain(server: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A raw Data, a Plan that copies it, a Plan that counts with a log, and all that came of them."""
    folder = tmp_path_factory.mktemp("chain") / "raw"
    folder.mkdir()
    (folder / "a.txt").write_text("alpha\n")
    first = server.apply(
        plan("act:1", ["copy", "/in", "/out"], asks="chain:raw", gives="chain:copied", log="chain:log")
    )
    second = server.apply(plan("act:1", ["count", "/out", "0.3"], asks="chain:copied", gives="chain:counted"))
    server.also(folder)
    (folder / ".knitprofile").unlink()
    pushed = server.knit("data", "push", "-t", "chain:raw", "-n", str(folder) + "/")
    run = server.run_of(second["planId"])
    return {"folder": folder, "first": first, "second": second, "pushed": pushed, "run": run}


def test_init_stores_the_profile_and_marks_the_folder(server: Server, tmp_path: Path) -> None:
    """`knit init` is silent on stdout, tells where the profile is, and can be repeated."""
    store = server.user_home / ".knit" / "profile"
    for _ in range(2):
        done = server.knit("init", str(server.handout), cwd=tmp_path)
        assert unstamped(clean(done)) == [f"profile {tmp_path} is saved to {store}"]
        assert re.match(r"\[knit init\] ", done.stderr)
        assert done.returncode == 0
    assert (tmp_path / ".knitprofile").read_text() == str(tmp_path)
    for secret in (tmp_path / ".knitprofile", store, server.handout, server.home / "token"):
        assert secret.stat().st_mode & 0o777 == 0o600


def test_image_build_tells_its_steps_and_prints_the_image(server: Server, here: Path) -> None:
    """The steps go to stderr, the image to stdout; the warning tells what has no effect."""
    context = here / "context"
    context.mkdir()
    (context / "Dockerfile").write_text('FROM python:3\nEXPOSE 80\nWORKDIR /w\nCMD ["python", "-V"]\n')
    done = server.knit("image", "build", "-t", "chain-image", str(context), cwd=here)
    image = json.loads(done.stdout)
    assert done.returncode == 0
    assert list(image) == [
        "digest", "names", "created", "size", "python", "workdir", "entrypoint", "cmd", "env", "warnings",
        "volumes",
    ]  # fmt: skip
    assert (image["names"], image["workdir"], image["cmd"]) == (["chain-image:latest"], "/w", ["python", "-V"])
    assert "[WARN] line 2: EXPOSE is noted and has no effect here" in done.stderr
    assert unstamped(done.stderr)[-1] == "[OK] built: chain-image:latest"
    assert "chain-image:latest" in [name for each in server.ask("image", "ls") for name in each["names"]]


def test_push_tells_each_step_and_prints_the_data(chain: dict[str, Any]) -> None:
    """The lines and the DataDetail of section 4.2, the latter without a newline at the end."""
    done = chain["pushed"]
    data = json.loads(done.stdout)
    place = f"{chain['folder']}/ -> knit#id:{data['knitId']}"
    lines = unstamped(done.stderr)
    assert done.returncode == 0
    assert lines[0] == f"[[1/1]] sending... {chain['folder']}/"
    assert lines[1:] == [f"registered: {place}", f"[[1/1]] [OK] done: {place}"]
    assert all(STAMP.match(line) for line in done.stderr.splitlines())
    assert done.stdout == json.dumps(data, indent=4)


def test_pushed_data_has_the_keys_in_order_and_its_tags_sorted(chain: dict[str, Any]) -> None:
    """A DataDetail as in 1.5; what a Plan took at once shows among the downstreams."""
    data = json.loads(chain["pushed"].stdout)
    assert list(data) == ["knitId", "tags", "upstream", "downstreams", "nomination"]
    assert ID.fullmatch(data["knitId"])
    stamp = data["tags"][2].removeprefix("knit#timestamp:")
    assert TIMESTAMP.fullmatch(stamp)
    assert data["tags"] == ["chain:raw", f"knit#id:{data['knitId']}", f"knit#timestamp:{stamp}", "name:raw"]
    assert data["upstream"]["mountpoint"] == {"path": "/upload", "tags": []}
    assert list(data["upstream"]["run"]) == ["runId", "status", "updatedAt", "plan"]
    assert data["upstream"]["run"]["status"] == "done"
    assert list(data["upstream"]["run"]["plan"]) == ["planId", "name"]
    assert data["upstream"]["run"]["plan"]["name"] == "knit#uploaded"
    assert [each["mountpoint"] for each in data["downstreams"]] == [{"path": "/in", "tags": ["chain:raw"]}]
    assert [(each["path"], each["plan"]["planId"]) for each in data["nomination"]] == [
        ("/in", chain["first"]["planId"])
    ]


def test_applied_plan_has_the_keys_in_order(server: Server, chain: dict[str, Any]) -> None:
    """A PlanDetail as in 1.5: absent parts are left out, defaults are told, neighbours are known on both sides."""
    first = server.ask("plan", "show", chain["first"]["planId"])
    second = server.ask("plan", "show", chain["second"]["planId"])
    assert list(first) == ["planId", "image", "args", "inputs", "outputs", "log", "active", "resources"]
    assert list(second) == ["planId", "image", "args", "inputs", "outputs", "active", "resources"]
    assert (first["image"], first["active"]) == ("act:1", True)
    assert first["resources"] == {"cpu": "1", "memory": "1Gi"}
    assert first["log"] == {"tags": ["chain:log"], "downstreams": []}
    (down,) = first["outputs"][0]["downstreams"]
    assert list(down) == ["plan", "mountpoint"]
    assert (down["plan"]["planId"], down["mountpoint"]) == (second["planId"], {"path": "/in", "tags": ["chain:copied"]})
    (up,) = second["inputs"][0]["upstreams"]
    assert (up["plan"]["planId"], up["mountpoint"]) == (first["planId"], {"path": "/out", "tags": ["chain:copied"]})


def test_plan_find_narrows(server: Server, chain: dict[str, Any]) -> None:
    """By image and tags only what fits; the built-in Plan is listed where nothing is asked."""
    found = server.ask("plan", "find", "--image", "act", "--in-tag", "chain:raw")
    assert [each["planId"] for each in found] == [chain["first"]["planId"]]
    assert [each["planId"] for each in server.ask("plan", "find", "-o", "chain:counted")] == [chain["second"]["planId"]]
    assert server.ask("plan", "find", "--image", "act:2") == []
    assert "knit#uploaded" in [each.get("name") for each in server.ask("plan", "find")]


def test_run_show_and_find(server: Server, chain: dict[str, Any]) -> None:
    """A RunDetail as in 1.5: a log that a Plan does not keep is null."""
    (found,) = server.ask("run", "find", "-p", chain["first"]["planId"], "-s", "done")
    shown = server.ask("run", "show", found["runId"])
    assert shown == found
    assert list(shown) == ["runId", "status", "updatedAt", "exit", "plan", "inputs", "outputs", "log"]
    assert shown["exit"] == {"code": 0, "message": ""}
    assert list(shown["inputs"][0]) == ["path", "tags", "knitId"]
    assert list(shown["log"]) == ["tags", "knitId"]
    (second,) = server.ask("run", "find", "--in-knitid", shown["outputs"][0]["knitId"])
    assert (second["runId"], second["log"]) == (chain["run"]["runId"], None)
    assert TIMESTAMP.fullmatch(second["updatedAt"])


def test_log_is_what_the_program_printed(server: Server, chain: dict[str, Any]) -> None:
    """`run show --log` and `--log --follow` give the same for a Run that has ended; without a log it is told."""
    (run,) = server.ask("run", "find", "-p", chain["first"]["planId"])
    for words in ((), ("--follow",)):
        done = server.knit("run", "show", "--log", *words, run["runId"])
        assert (done.returncode, done.stdout, done.stderr) == (0, "copied a.txt\n", "")
    none = server.knit("run", "show", "--log", chain["run"]["runId"])
    refused(none, f"cannot get log of runId:{chain['run']['runId']}", "has no log", "add `log:` to a Plan")


def test_log_is_followed_while_it_grows(server: Server, case: str, source: Path) -> None:
    """`--follow` shows a line before the program ends, and ends with the Run."""
    made = server.apply(plan("act:1", ["count", "/out", "2"], asks=case, gives=f"{case}-out", log="type:log"))
    server.push(source, case)
    run = server.run_of(made["planId"], "running")
    with server.begin("run", "show", "--log", "--follow", run["runId"]) as follow:
        assert follow.stdout is not None
        assert follow.stdout.readline() == b"one\n"
        assert server.get(f"/runs/{run['runId']}")["status"] == "running"
        assert follow.stdout.read() == b"two\n"
        assert follow.wait() == 0
    assert server.run_of(made["planId"])["status"] == "done"


def test_pull_and_extract(server: Server, chain: dict[str, Any], here: Path) -> None:
    """Both forms of `data pull` give the bytes that were made, with nothing on stdout; `-` gives the archive."""
    knit_id = chain["run"]["inputs"][0]["knitId"]
    done = server.knit("data", "pull", "-x", knit_id, "there/new", cwd=here)
    lines = unstamped(clean(done))
    assert done.returncode == 0
    assert (lines[0], lines[-1]) == (f"extracting: {knit_id} into there/new/{knit_id}:", "done.:")
    assert (here / "there" / "new" / knit_id / "a.txt").read_text() == "alpha\n"
    done = server.knit("data", "pull", knit_id, cwd=here)
    assert unstamped(clean(done))[0] == f"Downloading to {knit_id}.tar.gz:"
    with tarfile.open(here / f"{knit_id}.tar.gz") as archive:
        assert archive.getnames() == ["a.txt"]
    assert sorted(each.name for each in here.iterdir()) == [".knitprofile", f"{knit_id}.tar.gz", "there"]


def test_lineage_is_complete(server: Server, chain: dict[str, Any]) -> None:
    """The lineage of the last Data has every Data and Run of the chain, as DOT."""
    last = chain["run"]["outputs"][0]["knitId"]
    done = server.knit("data", "lineage", "-n", "all", last)
    assert done.returncode == 0
    assert unstamped(done.stderr) == ["success to output dot format"]
    assert done.stdout.startswith("digraph G {\n")
    assert done.stdout.endswith("\n}")
    nodes = set(re.findall(r'^\s*"([dr][0-9a-f-]{36}|root#\d+)"\s*\[', done.stdout, re.MULTILINE))
    edges = re.findall(r'^\s*"[^"]+"\s*->\s*"[^"]+"', done.stdout, re.MULTILINE)
    assert (len(nodes), len(edges)) == (4 + 3 + 1, 7)
    assert len(re.findall("#d4ecc6", done.stdout)) == 1


def test_graph_shows_both_plans(server: Server, chain: dict[str, Any]) -> None:
    """The plan graph from either end has both Plans; there is no success line."""
    for end in ("first", "second"):
        done = server.knit("plan", "graph", "-n", "all", chain[end]["planId"])
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.count("subgraph") == 2
        assert done.stdout.count("#EDD9B4") == 1


def test_tag_adds_and_removes(server: Server, chain: dict[str, Any]) -> None:
    """`data tag` says everything on stderr, the Data included; nothing follows where nothing fits."""
    knit_id = json.loads(chain["pushed"].stdout)["knitId"]
    done = server.knit("data", "tag", "--add", "chain:extra", "--remove-key", "name", knit_id)
    lines = unstamped(clean(done))
    assert done.returncode == 0
    assert lines[0] == f"tagging to knit#id:{knit_id}"
    assert lines[1].startswith(f"[OK] Tags are updated for data knit#id:{knit_id}")
    (data,) = server.ask("data", "find", "-t", f"knit#id:{knit_id}")
    assert [tag for tag in data["tags"] if not tag.startswith("knit#")] == ["chain:extra", "chain:raw"]


def test_inactive_plans_wait_for_their_switch(server: Server, case: str, source: Path) -> None:
    """While a Plan is off its Runs are made but wait as deactivated; switched on, they run."""
    made = server.apply(plan("act:1", ["copy", "/in", "/out"], asks=case, gives=f"{case}-out"))
    assert server.ask("plan", "active", "no", made["planId"])["active"] is False
    server.push(source, case)
    assert server.run_of(made["planId"], "deactivated")["outputs"]
    assert [each["planId"] for each in server.ask("plan", "find", "--active", "no", "-i", case)] == [made["planId"]]
    assert server.ask("plan", "active", "yes", made["planId"]) == server.ask("plan", "show", made["planId"])
    assert server.run_of(made["planId"])["status"] == "done"


def test_stop_keeps_what_was_made(server: Server, case: str, source: Path, here: Path) -> None:
    """`run stop` ends a Run well: what it made so far is a Data that can be used."""
    made = server.apply(plan("act:1", ["forever", "/out"], asks=case, gives=f"{case}-out", log=f"{case}-log"))
    server.push(source, case)
    run = server.run_of(made["planId"], "running")
    with server.begin("run", "show", "--log", "--follow", run["runId"]) as follow:
        assert follow.stdout is not None
        assert follow.stdout.readline() == b"I have begun\n"
        done = server.knit("run", "stop", run["runId"])
        assert (done.returncode, unstamped(clean(done))) == (0, [f"Run Id: {run['runId']} is stopping."])
        assert (follow.stdout.read(), follow.wait()) == (b"", 0)
    ended = server.run_of(made["planId"])
    assert (ended["status"], ended["exit"]) == ("done", {"code": 0, "message": "stopped by user"})
    (data,) = server.ask("data", "find", "-t", f"{case}-out", "--transient", "no")
    assert server.knit("data", "pull", "-x", data["knitId"], cwd=here).returncode == 0
    assert (here / data["knitId"] / "so-far.txt").read_text() == "so far\n"
    refused(server.knit("run", "stop", run["runId"]), "cannot be teared off", "done")
