"""A full disk, at every step: told as that, nothing half is usable, and all goes on when there is room again."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from server import Server, plan, refused, until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A disk of 40 MiB."""
    place = tmp_path_factory.mktemp("disk")
    if os.geteuid() != 0:
        pytest.skip("a small disk can only be mounted by root; run these tests as root")
    mount = ["mount", "-t", "tmpfs", "-o", "size=40m", "knit-test", str(place)]
    if (done := subprocess.run(mount, capture_output=True, text=True, check=False)).returncode != 0:
        pytest.skip(f"this machine does not let root mount a small disk: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture(scope="module")
def small(disk: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose home is on the small disk, with the image `act:1`."""
    with Server(tmp_path_factory.mktemp("small"), home=disk / "home") as running:
        running.build_act()
        yield running


@contextmanager
def room(disk: Path, mebibytes: int) -> Iterator[None]:
    """Let the disk have only this much room for a while."""
    stuffing = disk / "stuffing"
    free = os.statvfs(disk)
    with stuffing.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, free.f_bavail * free.f_frsize - (mebibytes << 20)))
    try:
        yield
    finally:
        stuffing.unlink(missing_ok=True)


def random_files(folder: Path, mebibytes: int) -> Path:
    folder.mkdir()
    for number in range(mebibytes):
        (folder / f"{number}.bin").write_bytes(os.urandom(1 << 20))
    return folder


def works(server: Server, folder: Path, tag: str) -> Any:
    """Check that a small push and a pull of it work."""
    folder.mkdir(exist_ok=True)
    (folder / "small.txt").write_text(tag)
    data = server.push(folder, tag)
    done = server.knit("data", "pull", "-x", data["knitId"], str(folder.with_name("works")))
    assert done.returncode == 0, done.stderr
    return data


def test_disk_full_of_a_program(small: Server, disk: Path, tmp_path: Path, case: str) -> None:
    """A program that fills the disk fails with its own error and gives the disk back by itself; the server works."""
    made = small.apply(plan("act:1", ["fill", "/out"], asks=case, gives=f"{case}-out", log=f"{case}-log"))
    works(small, tmp_path / "small", case)
    run = small.run_of(made["planId"])
    assert (run["status"], run["exit"]["code"] in (1, 120)) == ("failed", True), run
    assert "note: the disk was full" in small.knit("run", "show", run["runId"]).stderr
    works(small, tmp_path / "small", f"{case}-after")


def test_disk_full_at_the_end_of_a_run(small: Server, disk: Path, tmp_path: Path, case: str) -> None:
    """A Run whose results do not fit into the store waits, says so in `run show`, and ends when there is room."""
    made = small.apply(plan("act:1", ["copy", "/in", "/out"], asks=case, gives=f"{case}-out", log=f"{case}-log"))
    hold = small.apply(plan("act:1", ["count", "/out", "1"], asks=case, gives=f"{case}-two"))
    assert small.knit("plan", "active", "no", made["planId"]).returncode == 0
    works(small, tmp_path / "small", case)
    small.run_of(hold["planId"])
    with room(disk, 0):
        small.knit("plan", "active", "yes", made["planId"])
        done = small.knit("data", "push", "-t", f"{case}-full", str(tmp_path / "small"))
        assert done.returncode in (0, 1)
        assert "Traceback" not in done.stderr
        (run,) = small.get(f"/runs?plan={made['planId']}")
    small.knit("plan", "active", "yes", made["planId"])
    ended = small.run_of(made["planId"])
    assert ended["status"] == "done", ended
    assert run["runId"] == ended["runId"]


def test_disk_full_during_a_pull(small: Server, disk: Path, tmp_path: Path, case: str) -> None:
    """A pull onto a full disk is told as that, and leaves nothing behind."""
    source = random_files(tmp_path / "some", 4)
    data = small.push(source, case)
    place = small.also(disk / "place")
    with room(disk, 2):
        for words in (("-x",), ()):
            refused(small.knit("data", "pull", *words, data["knitId"], cwd=place), "no space", "Free some space")
            assert [each.name for each in place.iterdir()] == [".knitprofile"]
    assert small.knit("data", "pull", "-x", data["knitId"], cwd=place).returncode == 0
    assert len(list((place / data["knitId"]).iterdir())) == 4


def test_home_on_a_full_disk(disk: Path, small: Server, tmp_path: Path) -> None:
    """A server that finds no room at its start says so, and starts when there is room."""
    with room(disk, 0):
        other = Server(tmp_path / "other", home=disk / "other")
        with pytest.raises(AssertionError) as ended:
            other.start()
        told = str(ended.value)
        assert "no space left" in told
        assert "Traceback" not in told
    with other:
        until("it works", lambda: other.get("/health"))


def test_disk_full_during_a_push(small: Server, disk: Path, tmp_path: Path, case: str) -> None:
    """A push that does not fit is told as 507; its Run fails, its Data has no content, the next push works."""
    source = random_files(tmp_path / "large", 60)
    told = refused(small.knit("data", "push", "-t", case, str(source)), "507", "no space", "Free some space")
    assert "Traceback" not in small.log.read_text()
    assert small.data(case) == []
    run = [run for run in small.get("/runs?status=failed") if run["plan"].get("name") == "knit#uploaded"][-1]
    assert "no space" in run["exit"]["message"], told
    refused(small.knit("data", "pull", run["outputs"][0]["knitId"]), "409", "no content")
    works(small, tmp_path / "small", f"{case}-small")
