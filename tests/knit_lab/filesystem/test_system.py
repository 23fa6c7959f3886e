"""`knit://` on a real server: names, parts, pins, errors, and that nothing is written."""

from __future__ import annotations

import gc
import os
import pickle
import threading
import warnings
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fsspec
import pytest
from server import Server

from knit_lab import api
from knit_lab.filesystem import KnitFileSystem, doors, errors, url
from knit_lab.objects.data import Data
from knit_lab.session import Session

Pushed = Callable[..., Data]
FILES = {"a.txt": "alpha", "d/b.txt": "beta", "d/e/c.txt": "gamma", "empty": b""}


def test_it_is_found(fs: KnitFileSystem) -> None:
    """fsspec knows the scheme by the entry point."""
    assert type(fsspec.filesystem("knit")) is KnitFileSystem
    assert fsspec.get_filesystem_class("knit") is KnitFileSystem


def test_listing(fs: KnitFileSystem, pushed: Pushed, case: str) -> None:
    """Directories by id and by tags, under the names by which they were asked for."""
    data = pushed(FILES)
    for root in (data.id, data.id[:12], case):
        assert fs.ls(f"knit://{root}", detail=False) == [f"{root}/a.txt", f"{root}/d", f"{root}/empty"]
        assert fs.ls(f"{root}/d/", detail=False) == [f"{root}/d/b.txt", f"{root}/d/e"]
        assert fs.ls(f"{root}/a.txt", detail=False) == [f"{root}/a.txt"]
        names = [f"{root}/a.txt", f"{root}/d/b.txt", f"{root}/d/e/c.txt", f"{root}/empty"]
        assert fs.find(f"knit://{root}") == names
        assert fs.glob(f"knit://{root}/**/*.txt") == names[:3]
        assert [(place, dirs, files) for place, dirs, files in fs.walk(root)] == [
            (root, ["d"], ["a.txt", "empty"]), (f"{root}/d", ["e"], ["b.txt"]), (f"{root}/d/e", [], ["c.txt"]),
        ]  # fmt: skip
    assert fs.du(data.id) == 14


def test_info(fs: KnitFileSystem, pushed: Pushed, case: str, tmp_path: Path) -> None:
    """Type, size, mode, time, and which Data it is."""
    (tmp_path / "a.txt").write_text("alpha")
    os.chmod(tmp_path / "a.txt", 0o640)
    os.utime(tmp_path / "a.txt", (1_000_000, 1_000_000.25))
    data = pushed({"a.txt": tmp_path / "a.txt", "d/x": b""})
    assert fs.info(f"knit://{case}/a.txt") == {
        "name": f"{case}/a.txt", "type": "file", "size": 5, "knitId": data.id, "mode": 0o640, "mtime": 1_000_000.25,
    }  # fmt: skip
    assert fs.modified(f"{case}/a.txt") == datetime.fromtimestamp(1_000_000.25, UTC)
    assert fs.info(case) == {"name": case, "type": "directory", "size": 0, "knitId": data.id}
    assert fs.info(f"{case}/d")["type"] == "directory"
    assert fs.info("knit://")["type"] == "directory"
    assert (fs.isdir(case), fs.isfile(case), fs.exists(case)) == (True, False, True)
    assert (fs.isdir(f"{case}/a.txt"), fs.isfile(f"{case}/a.txt")) == (False, True)
    assert not any(look(f"{case}/nope") for look in (fs.exists, fs.isdir, fs.isfile))


def test_all_data(fs: KnitFileSystem, pushed: Pushed) -> None:
    """Without a path there are all Data that can be read, the newest first, with their tags."""
    first, second = pushed({"a": b"1"}), pushed({"a": b"2"})
    found = [each for each in fs.ls("knit://") if each["knitId"] in (first.id, second.id)]
    assert [each["name"] for each in found] == [second.id, first.id]
    assert set(first.tags) <= set(found[1]["tags"])
    assert f"{first.id}/a" in fs.glob("knit://*/a")


def test_parts(fs: KnitFileSystem, pushed: Pushed) -> None:
    """Positions are those of slices."""
    data = pushed({"f": bytes(range(100)), "none": b""})
    whole = bytes(range(100))
    for start, end in ((None, None), (10, 20), (-10, None), (None, -90), (90, 200), (20, 10), (-5, -2), (100, None)):
        assert fs.cat_file(f"{data.id}/f", start, end) == whole[slice(start, end)]
    assert fs.cat_file(f"{data.id}/none") == fs.cat_file(f"{data.id}/none", 0, 5) == b""
    assert fs.cat_ranges([f"{data.id}/f"] * 2, [0, 50], [5, 55]) == [whole[:5], whole[50:55]]
    assert fs.head(f"{data.id}/f", 3) == whole[:3]
    assert fs.tail(f"{data.id}/f", 3) == whole[-3:]
    assert fs.cat(data.id, recursive=True, on_error="omit") == {f"{data.id}/f": whole, f"{data.id}/none": b""}


def test_open(fs: KnitFileSystem, pushed: Pushed, case: str) -> None:
    """Seeking, lines, text, small blocks, and compression."""
    import gzip

    text = "".join(f"line {number}\n" for number in range(2000))
    pushed({"t.txt": text, "t.txt.gz": gzip.compress(text.encode())})
    with fs.open(f"knit://{case}/t.txt", block_size=1000) as file:
        assert file.readline() == b"line 0\n"
        assert file.seek(-10, 2) == len(text) - 10
        assert file.read() == text[-10:].encode()
        file.seek(7)
        assert [line for line, _ in zip(file, range(3), strict=False)] == [b"line 1\n", b"line 2\n", b"line 3\n"]
        assert file.info()["size"] == file.size == len(text)
    with fsspec.open(f"knit://{case}/t.txt.gz", "rt", compression="infer") as file:
        assert file.read() == text
    for opened in fsspec.open_files(f"knit://{case}/*.txt"):
        with opened as file:
            assert file.read() == text.encode()


def test_get(fs: KnitFileSystem, pushed: Pushed, case: str, tmp_path: Path) -> None:
    """Downloads, with progress."""
    from fsspec.callbacks import Callback

    pushed(FILES)
    told = Callback()
    fs.get_file(f"{case}/d/b.txt", tmp_path / "new" / "b.txt", callback=told)
    assert (tmp_path / "new" / "b.txt").read_text() == "beta"
    assert (told.size, told.value) == (4, 4)
    fs.get(f"knit://{case}/d", str(tmp_path / "all"), recursive=True)
    assert (tmp_path / "all" / "e" / "c.txt").read_text() == "gamma"
    with open(tmp_path / "stream", "wb") as file:
        fs.get_file(f"{case}/a.txt", file)
    assert (tmp_path / "stream").read_text() == "alpha"


def test_symlinks(fs: KnitFileSystem, here: Session, case: str, tmp_path: Path) -> None:
    """Those to files are files; those to directories lead there, but nobody who walks goes through them."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").write_text("deep")
    (tmp_path / "d" / "round").symlink_to("..")
    (tmp_path / "to-f").symlink_to("d/f")
    (tmp_path / "gone").symlink_to("nowhere")
    here.push(tmp_path, case, progress=False)
    assert fs.cat_file(f"{case}/to-f") == fs.cat_file(f"{case}/d/round/d/f", 0, 9) == b"deep"
    assert fs.find(case) == [f"{case}/d/f", f"{case}/to-f"]
    assert {each["name"]: each["type"] for each in fs.ls(case)}[f"{case}/gone"] == "link"
    assert [fs.open(f"{case}/to-f").read(), fs.size(f"{case}/to-f")] == [b"deep", 4]
    with pytest.raises(IsADirectoryError, match="is a link, not a file"):
        fs.open(f"{case}/gone")


def test_odd_names(fs: KnitFileSystem, pushed: Pushed) -> None:
    """Names of files are as they are; tags are encoded."""
    names = ["a b%20c,d.txt", "ü ☃.csv", "q?x=1&y#z", "new\nline"]
    data = pushed({name: name for name in names}, "where:a/b, c%d:e")
    for name in names:
        assert fs.cat_file(f"{data.id}/{name}") == name.encode()
        assert fs.cat_file(url("where:a/b, c%d:e", path=name)) == name.encode()


# --- pins -------------------------------------------------------------------------------------------------------------


def test_tags_mean_the_newest_of_the_moment(pushed: Pushed, case: str) -> None:
    """One object keeps to the Data it has found, until it is told to look again; a new object looks again."""
    first = pushed({"f": b"1"}, "kind:a")
    address = url("kind:a", case, path="f")
    fs = fsspec.filesystem("knit")
    opened = fs.open(address)
    second = pushed({"f": b"2", "g": b""}, "kind:a")
    pushed({"f": b"other"})
    assert (fs.cat_file(address), fs.info(address)["knitId"]) == (b"1", first.id)
    assert fsspec.filesystem("knit").cat_file(address) == b"2"
    with fsspec.open(address) as file:
        assert file.read() == b"2"
    assert pickle.loads(pickle.dumps(fs)).cat_file(address) == b"1"
    fs.invalidate_cache("knit://another:tag/f")
    assert fs.pinned(address) == f"knit://{first.id}/f"
    fs.invalidate_cache(address)
    assert (fs.cat_file(address), fs.pinned(address)) == (b"2", f"knit://{second.id}/f")
    assert opened.read() == b"1"
    fs.invalidate_cache()
    assert fs.exists(url(case, "kind:a", path="g"))


def test_pickled(pushed: Pushed, fs: KnitFileSystem, case: str) -> None:
    """File systems and open files arrive in workers as what they were."""
    pushed({"f": b"0123456789"})
    with fs.open(f"{case}/f") as file:
        file.seek(4)
        with pickle.loads(pickle.dumps(file)) as again:
            assert (again.tell(), again.read()) == (4, b"456789")
    before = fs.__dask_tokenize__()
    assert pickle.loads(pickle.dumps(fs)).storage_options == fs.storage_options
    fs.invalidate_cache()
    assert fs.__dask_tokenize__() != before


def test_forked(pushed: Pushed, fs: KnitFileSystem, case: str) -> None:
    """A forked worker opens connections of its own."""
    pushed({"f": b"0123456789"})
    assert fs.cat_file(f"{case}/f") == b"0123456789"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of forks beside threads
        child = os.fork()
    if child == 0:
        try:
            os._exit(0 if fs.cat_file(f"{case}/f", 2, 5) == b"234" else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert fs.cat_file(f"{case}/f", 2, 5) == b"234"


def test_threads(pushed: Pushed, case: str) -> None:
    """Threads that ask at once mean the same Data, and get what they ask for."""
    content = os.urandom(200_000)
    first = pushed({"f": content})
    fs, barrier = KnitFileSystem(), threading.Barrier(8)

    def read(number: int) -> tuple[str, bytes]:
        barrier.wait(20)
        with fs.open(f"{case}/f", block_size=5000) as file:
            file.seek(number * 1000)
            return fs.info(f"{case}/f")["knitId"], file.read(50_000)

    with ThreadPoolExecutor(8) as pool:
        for number, (knit_id, found) in enumerate(pool.map(read, range(8))):
            assert (knit_id, found) == (first.id, content[number * 1000 : number * 1000 + 50_000])


def test_a_listing_is_asked_for_once(pushed: Pushed, case: str, here: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """The names in a Data never change: other objects have them, too."""
    data = pushed(FILES)
    asked: list[str] = []
    ask = here.client.data_files
    monkeypatch.setattr(here.client, "data_files", lambda knit_id: asked.append(knit_id) or ask(knit_id))
    for _ in range(3):
        fs = KnitFileSystem()
        assert fs.find(case)
        assert fs.cat_file(f"{data.id}/a.txt") == b"alpha"
    assert asked == [data.id]


def test_closed_sessions_are_forgotten(new_session: Callable[[Path], Session], tmp_path: Path, pushed: Pushed) -> None:
    """Names are kept as long as the client through which they came."""
    data, other = pushed(FILES), new_session(tmp_path)
    gone = weakref.ref(other.client)
    assert doors._of(other.client).tree(data.id).find("a.txt").kind == "file"
    other.close()
    del other
    gc.collect()
    assert gone() is None


# --- servers ----------------------------------------------------------------------------------------------------------


def test_options(pushed: Pushed, case: str, knit_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is named by a profile, or by its root and token; without options it is that of the session."""
    pushed(FILES)
    profile = knit_server.profile
    monkeypatch.setattr(api, "_current", None)
    for options in (
        {"profile": str(knit_server.handout)}, {"profile": knit_server.handout},
        {"api_root": profile["apiRoot"], "token": profile["token"]},
    ):  # fmt: skip
        with fsspec.open(f"knit://{case}/a.txt", **options) as file:
            assert file.read() == b"alpha"
        again = pickle.loads(pickle.dumps(KnitFileSystem(**options)))
        assert again.cat_file(f"{case}/a.txt") == b"alpha"
        assert again.fsid == f"knit:{profile['apiRoot']}"
    monkeypatch.setenv("KNIT_PROFILE_FILE", str(knit_server.handout))
    monkeypatch.chdir("/")
    try:
        assert KnitFileSystem().cat_file(f"{case}/a.txt") == b"alpha"
    finally:
        api.current().close()


def test_options_that_do_not_fit(said: Callable[..., str]) -> None:
    """A server is named once."""
    fs = KnitFileSystem(profile="x", api_root="y")
    told = said(lambda: fs.ls(""), errors.Refused)
    assert told == "both profile and api_root say where the server is"


def test_no_entry(knit_server: Server) -> None:
    """A wrong token is a matter of permission."""
    fs = KnitFileSystem(api_root=knit_server.profile["apiRoot"], token="wrong")
    with pytest.raises(PermissionError, match="token"):
        fs.cat_file("type:raw/x")


def test_no_server() -> None:
    """That nobody answers is told, also where errors of files are usually passed over."""
    fs = KnitFileSystem(api_root="http://127.0.0.1:9/knit/api", token="x")
    for act in (fs.exists, fs.isdir, fs.isfile, fs.ls, fs.find, fs.cat_file, fs.open, fs.info):
        with pytest.raises(ConnectionError, match="cannot connect"):
            act("type:raw/x")


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("read", ["info", "ls", "open", "cat_file", "modified", "pinned"])
def test_no_such_data(fs: KnitFileSystem, read: str) -> None:
    """No Data has these tags: FileNotFoundError, with advice."""
    with pytest.raises(FileNotFoundError) as caught:
        getattr(fs, read)("knit://no:such,tag:here/x")
    assert str(caught.value) == (
        "no Data that could be read has no:such tag:here\nSee the tags in use: knit.data.tags()"
    )


@pytest.mark.parametrize("head", ["abcdef12", "x", "table.csv", "00000000-0000-4000-8000-000000000000"])
def test_no_such_id(fs: KnitFileSystem, head: str) -> None:
    """No id begins so."""
    with pytest.raises(FileNotFoundError, match=f"there is no Data {head}"):
        fs.info(f"{head}/x")
    assert fs.find(head) == []


def test_no_such_file(fs: KnitFileSystem, pushed: Pushed, case: str) -> None:
    """A likely name is offered."""
    pushed({"table.csv": b""})
    with pytest.raises(FileNotFoundError, match=r"there is no 'tabel.csv' in this Data\nDid you mean table.csv\?"):
        fs.open(f"{case}/tabel.csv")
    with pytest.raises(FileNotFoundError):
        fs.get_file(f"{case}/tabel.csv", os.devnull)


def test_directories_are_no_files(fs: KnitFileSystem, pushed: Pushed, case: str) -> None:
    """Opening one, or reading it."""
    pushed(FILES)
    for act in (fs.open, fs.cat_file, lambda path: fs.cat_file(path, 0, 1)):
        for path in (case, f"{case}/d", "knit://"):
            with pytest.raises(IsADirectoryError, match="is a directory, not a file"):
                act(path)


def test_not_yet(fs: KnitFileSystem, here: Session, case: str, ran: Callable[..., Any]) -> None:
    """Data of failed Runs are never the newest by tags; by id they are what they have, or are refused with a reason."""
    run = ran({"fail": "x", "a.txt": "x"})
    assert run.status == "failed"
    made = run.outputs["/out/made"]
    with pytest.raises(FileNotFoundError, match="no Data that could be read"):
        fs.ls(case.replace("case:", "made:", 1))
    assert fs.isdir(made.id)


WRITING: dict[str, Callable[[KnitFileSystem, str], object]] = {
    "open w": lambda fs, path: fs.open(path, "wb"), "open a": lambda fs, path: fs.open(path, "ab"),
    "open x": lambda fs, path: fs.open(path, "x"), "open r+": lambda fs, path: fs.open(path, "r+b"),
    "pipe": lambda fs, path: fs.pipe(path, b"x"), "pipe_file": lambda fs, path: fs.pipe_file(path, b"x"),
    "write_text": lambda fs, path: fs.write_text(path, "x"), "write_bytes": lambda fs, path: fs.write_bytes(path, b"x"),
    "touch": lambda fs, path: fs.touch(path), "mkdir": lambda fs, path: fs.mkdir(path),
    "makedirs": lambda fs, path: fs.makedirs(path, exist_ok=True), "mkdirs": lambda fs, path: fs.mkdirs(path),
    "rm": lambda fs, path: fs.rm(path, recursive=True), "rm_file": lambda fs, path: fs.rm_file(path),
    "rmdir": lambda fs, path: fs.rmdir(path), "delete": lambda fs, path: fs.delete(path),
    "mv": lambda fs, path: fs.mv(path, path + "2"), "rename": lambda fs, path: fs.rename(path, path + "2"),
    "copy": lambda fs, path: fs.copy(path, path), "cp_file": lambda fs, path: fs.cp_file(path, path),
    "cp": lambda fs, path: fs.cp(path, path), "put": lambda fs, path: fs.put(__file__, path),
    "put_file": lambda fs, path: fs.put_file(__file__, path), "upload": lambda fs, path: fs.upload(__file__, path),
    "mapper": lambda fs, path: fs.get_mapper(path).__setitem__("k", b"v"),
}  # fmt: skip


@pytest.mark.parametrize("how", WRITING)
def test_nothing_is_written(fs: KnitFileSystem, pushed: Pushed, case: str, how: str) -> None:
    """Every way to write says that a Data never changes, and what to do instead."""
    pushed(FILES)
    with pytest.raises(OSError, match=r"cannot be written to: a Data never changes\nPush a new Data") as caught:
        WRITING[how](fs, f"knit://{case}/a.txt")
    assert str(caught.value).startswith(f"{case}/a.txt")
    assert fs.cat_file(f"{case}/a.txt") == b"alpha"
