"""`knit data ls` and `knit data pull --file`."""

from __future__ import annotations

import json

import pytest

ID = "50bcbd12-2524-410d-bb46-d43b5e602111"
TIME = "2026-01-01T00:00:00+00:00"
ENTRIES = [
    {"path": "d", "kind": "dir", "size": 0, "mode": "0755", "mtime": TIME},
    {"path": "d/m.json", "kind": "file", "size": 2048, "mode": "0644", "mtime": TIME},
    {"path": "l", "kind": "symlink", "size": 0, "mode": "0777", "mtime": TIME, "target": "d/m.json"},
]


def test_ls(ready, server) -> None:
    """JSON by default; tables for people; the files alone as names."""
    server.on(f"GET /data/{ID}/files", ENTRIES)
    assert json.loads(ready("data", "ls", ID).out) == ENTRIES
    assert ready("data", "ls", ID, "--output", "name").out == "d/m.json\n"
    assert ready("data", "ls", ID, "--output", "wide").out == (
        "MODE  SIZE  CHANGED                    PATH\n"
        f"0755        {TIME}  d/\n0644  2048  {TIME}  d/m.json\n0777        {TIME}  l -> d/m.json\n"
    )
    assert "0644  2.00 KiB  2" in ready("data", "ls", ID, "--output", "table").out


def test_ls_refused(ready, server) -> None:
    """The summary says what was asked."""
    server.on(f"GET /data/{ID}/files", {"reason": "no content yet"}, status=409)
    result = ready("data", "ls", ID)
    assert (result.code, result.err) == (1, f"cannot list the files of knit#id:{ID}\nno content yet\n")


@pytest.mark.parametrize(
    ("dest", "place"), [([], "m.json"), (["."], "m.json"), (["there"], "there/m.json"), (["new"], "new"),
                        (["new/"], "new/m.json"), (["new/deep/n.json"], "new/deep/n.json"), (["~/x"], "../x")],
)  # fmt: skip
def test_one_file(ready, server, home, dest, place) -> None:
    """Into a directory under its own name, else as what DEST says; one request; stdout stays empty."""
    (home / "there").mkdir()
    server.on(f"GET /data/{ID}/files", b"{}")
    result = ready("data", "pull", ID, "--file", "./d/m.json", *dest)
    assert (result.code, result.out) == (0, "")
    assert (home / place).read_bytes() == b"{}"
    assert [each.query for each in server.asked] == [[("path", "d/m.json")]]


def test_to_stdout(ready, server, home) -> None:
    """`-` is stdout."""
    server.on(f"GET /data/{ID}/files", b"\0{}")
    assert ready("data", "pull", ID, "-", "--file=d/m.json").out == "\0{}"


def test_cut_off(ready, server, home) -> None:
    """A transfer that breaks leaves nothing, not even what was there before changed."""
    (home / "m.json").write_text("old")
    server.on(f"GET /data/{ID}/files", chunks=[b"new"], cut=True)
    assert ready("data", "pull", ID, "--file", "m.json").code == 1
    assert (home / "m.json").read_text() == "old"
    assert sorted(each.name for each in home.iterdir()) == [".knitprofile", "knitprofile", "m.json"]


@pytest.mark.parametrize(
    ("words", "told"), [(["--file", "a", "-x"], "--file and --extract exclude each other"),
                        (["--file", "d/"], "--file is the path of a file in the Data"),
                        (["--file", ".."], "--file is the path of a file in the Data")],
)  # fmt: skip
def test_usage(ready, server, words, told) -> None:
    """Nothing is asked for a command line that makes no sense."""
    result = ready("data", "pull", ID, *words)
    assert (result.code, server.asked) == (2, [])
    assert told in result.err


def test_refused(ready, server) -> None:
    """A name that is not there says so."""
    server.on(f"GET /data/{ID}/files", {"reason": "there is no 'x' in this Data"}, status=404)
    result = ready("data", "pull", ID, "--file", "x")
    assert result.code == 1
    assert "there is no 'x' in this Data" in result.err
