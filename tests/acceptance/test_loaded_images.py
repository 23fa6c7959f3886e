"""Images from archives, through the real command and server: loaded, made a Plan of, run; or refused."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from server import Server, refused, until

sys.path.insert(0, str(Path(__file__).parents[1]))

from archive_maker import layer, machine_layer, oci, saved, squeezed  # found by the line above: tests are no packages


def finished(server: Server, plan_id: str) -> Any:
    """The one Run of a Plan, when it has ended."""

    def look() -> Any:
        runs = server.ask("run", "find", "-p", plan_id)
        return runs and runs[0]["status"] in ("done", "failed") and runs[0]

    return until("the Run has ended", look)


SETTINGS: dict[str, Any] = {
    "Entrypoint": ["sh", "-c", 'cat "$0"/*.txt /etc/word > "$1"/all; echo said'], "Cmd": ["/in/raw", "/out/made"],
    "Env": ["PATH=/bin"],
}  # fmt: skip


@pytest.mark.bubblewrap
@pytest.mark.parametrize("form", ["docker", "oci"])
def test_from_archive_to_data(server: Server, here: Path, source: Path, case: str, form: str) -> None:
    """Load an archive, make a plan file of it, apply that as it is, push: the image's own system does the work."""
    name = f"lab/{form}:1"
    upper = [layer(("file", "etc/word", "hidden"), ("file", form, "")), layer(("file", "etc/word", "word\n"))]
    layers = [machine_layer("sh", "cat"), *upper]
    archive = here / "image.tar"
    archive.write_bytes(
        saved(layers, [name], **SETTINGS) if form == "docker"
        else squeezed(oci(layers, [name], "zstd", **SETTINGS), "gzip")
    )  # fmt: skip
    (here / "knitenv").write_text(f"tag: ['{case}']\n")
    (loaded,) = server.ask("image", "load", str(archive), cwd=here)
    assert (loaded["names"], loaded["python"]) == ([name], "")
    plan = here / "x.plan.yaml"
    for words in (["-i", str(archive)], [name]):  # from the archive, and from the server's image: the same
        done = server.knit("plan", "template", *words, cwd=here)
        assert done.returncode == 0, done.stderr
        assert not plan.exists() or plan.read_text() == done.stdout
        plan.write_text(done.stdout)
    applied = server.ask("plan", "apply", str(plan), cwd=here)
    assert [each["path"] for each in applied["inputs"]] == ["/in/raw"]
    assert [each["path"] for each in applied["outputs"]] == ["/out/made"]
    assert server.knit("data", "push", "-t", "type:raw", str(source), cwd=here).returncode == 0
    run = finished(server, applied["planId"])
    assert run["status"] == "done", server.knit("run", "show", "--log", run["runId"]).stdout
    assert server.knit("run", "show", "--log", run["runId"]).stdout.splitlines()[-1] == "said"
    details = server.get(f"/runs/{run['runId']}/details")
    assert loaded["digest"] in str(details)
    made = here / "made"
    assert server.knit("data", "pull", "-x", run["outputs"][0]["knitId"], str(made), cwd=here).returncode == 0
    (all_of_it,) = made.rglob("all")
    assert all_of_it.read_text() == "alpha\nword\n"


@pytest.mark.bubblewrap
def test_scratch_applies_once_its_tags_differ(server: Server, here: Path, case: str) -> None:
    """The template from nothing is taken as it is but for its tags."""
    text = server.knit("plan", "template", "--scratch", cwd=here).stdout
    (here / "x.plan.yaml").write_text(text.replace("example:tag", case, 1))
    applied = server.ask("plan", "apply", "x.plan.yaml", cwd=here)
    assert applied["image"] == "image:version"


def test_hostile_archives(server: Server, here: Path) -> None:
    """An archive that reaches out of its place is refused with a reason, and leaves no image behind."""
    before = server.ask("image", "ls")
    (here / "a.tar").write_bytes(saved([layer(("file", "../../escape", "x"))], ["evil:1"]))
    refused(server.knit("image", "load", "a.tar", cwd=here), "has a part '..'")
    (here / "b.tar").write_bytes(b"no archive at all" * 1000)
    refused(server.knit("image", "load", "-t", "x:1", "b.tar", cwd=here), "the archive has a broken header")
    assert server.ask("image", "ls") == before


def test_without_bubblewrap(tmp_path: Path, source: Path) -> None:
    """Where there is no sandbox, loading warns, and the Run fails with advice; nothing runs on this machine."""
    touched = tmp_path / "touched"
    with Server(tmp_path / "knit", "--sandbox", "substitution") as server:
        archive = tmp_path / "image.tar"
        archive.write_bytes(saved([layer(("file", "x", ""))], ["lab/x:1"], Cmd=["touch", str(touched), "/in/raw"]))
        done = server.knit("image", "load", str(archive))
        assert "no bubblewrap" in done.stderr
        plan = tmp_path / "x.plan.yaml"
        plan.write_text(server.knit("plan", "template", "lab/x:1").stdout)
        applied = server.ask("plan", "apply", str(plan))
        assert server.knit("data", "push", "-t", "type:raw", str(source)).returncode == 0
        run = finished(server, applied["planId"])
        assert run["status"] == "failed"
        assert "no sandbox" in str(run) + str(server.get(f"/runs/{run['runId']}/details"))
    assert not touched.exists()
