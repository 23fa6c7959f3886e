"""A damaged database and damaged packs: told at the start or at the pull, never served as good."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from server import Server, plan, refused, until


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose home may be damaged, with the image `act:1`."""
    with Server(tmp_path_factory.mktemp("damaged")) as running:
        running.build_act()
        yield running


def packs(server: Server) -> set[Path]:
    """The files of the store that hold content."""
    return {path for path in (server.home / "store" / "packs").rglob("*") if path.is_file()}


def manifests(server: Server) -> set[Path]:
    """The files of the store that say what lies where."""
    return {path for path in (server.home / "store" / "manifests").rglob("*") if path.is_file()}


def flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0x01
    path.chmod(0o600)
    path.write_bytes(raw)


def delete(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def push_and_find_pack(server: Server, folder: Path, case: str) -> tuple[Any, Path]:
    """Push something of its own; the Data and the one pack that holds it."""
    folder.mkdir()
    (folder / "a.txt").write_text(f"only {case} has this\n" * 50)
    before = packs(server)
    data = server.push(folder, case)
    (pack,) = packs(server) - before
    return data, pack


@pytest.mark.parametrize("damage", [flip, delete, cut])
def test_damaged_pack(own: Server, tmp_path: Path, case: str, damage: Any) -> None:
    """A flipped byte, a missing or a cut pack: the pull says so and leaves nothing; a Run that needs it fails."""
    data, pack = push_and_find_pack(own, tmp_path / "source", case)
    damage(pack)
    here = own.also(tmp_path / "here")
    for words in (("-x",), ()):
        told = refused(own.knit("data", "pull", *words, data["knitId"], cwd=here), "is damaged", "push the Data again")
        assert "something went wrong inside Knit" not in told
        assert [each.name for each in here.iterdir()] == [".knitprofile"]
    made = own.apply(plan("act:1", ["copy", "/in", "/out"], asks=case, gives=f"{case}-out"))
    run = own.run_of(made["planId"])
    assert (run["status"], run["exit"]["code"]) == ("failed", 255)
    assert "is damaged" in run["exit"]["message"], run["exit"]
    again = own.push(tmp_path / "source", f"{case}-again")
    for healed in (data, again):
        done = own.knit("data", "pull", "-x", healed["knitId"], cwd=here)
        assert done.returncode == 0, done.stderr
        assert (here / healed["knitId"] / "a.txt").read_bytes() == (tmp_path / "source" / "a.txt").read_bytes()


@pytest.mark.parametrize("damage", [flip, delete, cut])
def test_damaged_manifest(own: Server, tmp_path: Path, case: str, damage: Any) -> None:
    """The same where the list of a Data's chunks is damaged."""
    known = manifests(own)
    data, _ = push_and_find_pack(own, tmp_path / "source", case)
    (manifest,) = manifests(own) - known
    damage(manifest)
    here = own.also(tmp_path / "here")
    told = refused(own.knit("data", "pull", "-x", data["knitId"], cwd=here), "manifest", "push the Data again")
    assert "is damaged" in told or "is missing" in told
    own.push(tmp_path / "source", f"{case}-again")
    assert own.knit("data", "pull", "-x", data["knitId"], cwd=here).returncode == 0


def test_lost_packs_are_not_relied_on(own: Server, tmp_path: Path, case: str) -> None:
    """What is pushed again after its pack was lost is whole, though nobody has noticed the loss before."""
    _, pack = push_and_find_pack(own, tmp_path / "source", case)
    pack.unlink()
    again = own.push(tmp_path / "source", f"{case}-again")
    done = own.knit("data", "pull", "-x", again["knitId"], str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr


def garbage(database: Path) -> None:
    database.write_bytes(b"This is no database. " * 1000)


def page(database: Path) -> None:
    with database.open("r+b") as file:
        file.seek(database.stat().st_size // 2 // 4096 * 4096)
        file.write(b"\xa5" * 8192)


def truncate(database: Path) -> None:
    cut(database)


@pytest.mark.slow
@pytest.mark.parametrize("damage", [garbage, page, truncate])
def test_damaged_database(tmp_path: Path, source: Path, case: str, damage: Any) -> None:
    """A damaged database is told when the server starts, with its path and what to do; it is never replaced."""
    with Server(tmp_path / "knit") as server:
        for number in range(5):
            (source / "a.txt").write_text(str(number))
            server.push(source, case)
    database = server.home / "knit.db"
    for rest in server.home.glob("knit.db-*"):
        rest.unlink()
    shutil.copy(database, tmp_path / "good.db")
    damage(database)
    wrong = database.read_bytes()
    with pytest.raises(AssertionError) as ended:
        server.start()
    told = str(ended.value)
    assert "ended before it was ready" in told
    assert "Traceback" not in told
    assert str(database) in told
    assert "damaged" in told
    assert "copy" in told or "backup" in told, told
    assert database.read_bytes() == wrong
    assert not server.handout.exists()
    shutil.copy(tmp_path / "good.db", database)
    server.start()
    try:
        until("all is there again", lambda: len(server.data(case)) == 5)
    finally:
        server.stop()
