"""`--output`: what tables hold and how they look, as whole texts."""

from __future__ import annotations

import json
import os
import pty
from typing import Any

import pytest

from knit_cli import tables

NOW = 1_767_225_600_000  # 2026-01-01T00:00:00Z
ID = "50bcbd12-2524-410d-bb46-d43b5e60211"
UPLOADED = {"planId": "9e" + ID[2:] + "9", "name": "knit#uploaded"}
PLAN = {"planId": "4a" + ID[2:] + "1", "image": "lab/gif:1", "args": ["x"], "annotations": ["by=me", "for=you"]}
RUN = {"runId": "7c" + ID[2:] + "2", "status": "failed", "updatedAt": "2025-12-31T21:30:00.5+00:00"}
ENDED = {"exit": {"code": 3, "message": "no\nframes"}}


def data() -> list[dict[str, Any]]:
    upload = {"runId": "1d" + ID[2:] + "3", "status": "done", "updatedAt": RUN["updatedAt"], "plan": UPLOADED}
    mount = {"path": "/in", "tags": ["type:raw"]}
    one = {
        "knitId": ID + "1",
        "tags": [f"knit#id:{ID}1", "knit#timestamp:2025-12-31T23:59:00+00:00", "name:日本", "type:raw"],
        "upstream": {"mountpoint": {"path": "/upload", "tags": []}, "run": upload},
        "downstreams": [{"mountpoint": mount, "run": {**RUN, "plan": PLAN}}] * 2,
        "nomination": [{**mount, "plan": PLAN}],
    }  # fmt: skip
    two = {
        "knitId": ID + "2", "tags": [f"knit#id:{ID}2", "knit#transient:failed", "type:gif\x1b[31m"],
        "upstream": {"log": {"tags": []}, "run": {**RUN, "plan": PLAN}}, "downstreams": [], "nomination": [],
    }  # fmt: skip
    return [one, two]


def plans() -> list[dict[str, Any]]:
    built_in = {
        **UPLOADED,
        "inputs": [],
        "outputs": [{"path": "/upload", "tags": [], "downstreams": []}],
        "active": True,
    }
    inputs = [{"path": "/a", "tags": ["a:1", "b:2"]}, {"path": "/b", "tags": ["c:3"]}]
    resources = {"cpu": "1", "memory": "1Gi"}
    return [
        built_in,
        {**PLAN, "inputs": inputs, "outputs": [{"path": "/out", "tags": ["d:4"]}], "log": {"tags": ["type:log"]},
         "active": False, "resources": resources},
    ]  # fmt: skip


def runs() -> list[dict[str, Any]]:
    mount = {"path": "/in", "tags": [], "knitId": ID + "1"}
    log = {"tags": [], "knitId": ID + "2"}
    going = {**RUN, "runId": ID + "5", "status": "running", "updatedAt": "2025-11-02T00:00:00+00:00"}
    return [
        {**going, "plan": PLAN, "inputs": [mount], "outputs": [], "log": None},
        {**RUN, **ENDED, "plan": PLAN, "inputs": [mount], "outputs": [mount, mount], "log": log},
    ]


def images() -> list[dict[str, Any]]:
    one = {
        "digest": "sha256:" + "ab" * 32, "names": ["gif:1", "lab/gif:1"], "created": "2025-12-29T00:00:00+00:00",
        "size": 3 << 20, "python": "3.11", "workdir": "/work", "entrypoint": ["python"], "cmd": ["gif.py"], "env": {},
        "warnings": ["w"],
    }  # fmt: skip
    return [one, {**one, "names": [], "warnings": []}]


GOLDEN = {
    ("data", False): """\
ID        MADE    STATUS  TAGS                 FROM
50bcbd12  1m ago  done    name:日本, type:raw  knit#uploaded
50bcbd12          failed  type:gif\\x1b[31m     lab/gif:1
""",
    ("data", True): """\
KNIT ID                               TIMESTAMP                  STATUS  TAGS                 RUN ID                                FROM           TAKEN BY  FITS
50bcbd12-2524-410d-bb46-d43b5e602111  2025-12-31T23:59:00+00:00  done    name:日本, type:raw  1dbcbd12-2524-410d-bb46-d43b5e602113  knit#uploaded  1         1
50bcbd12-2524-410d-bb46-d43b5e602112                             failed  type:gif\\x1b[31m     7cbcbd12-2524-410d-bb46-d43b5e602112  lab/gif:1      0         0
""",  # noqa: E501
    ("plans", False): """\
ID        ACTIVE  IMAGE          INPUTS          OUTPUTS
9ebcbd12  yes     knit#uploaded                  /upload
4abcbd12  no      lab/gif:1      a:1, b:2 + c:3  d:4 + log
""",
    ("plans", True): """\
PLAN ID                               ACTIVE  IMAGE          INPUTS                OUTPUTS                  RESOURCES          ANNOTATIONS
9ebcbd12-2524-410d-bb46-d43b5e602119  yes     knit#uploaded                        /upload
4abcbd12-2524-410d-bb46-d43b5e602111  no      lab/gif:1      /a a:1, b:2 + /b c:3  /out d:4 + log type:log  cpu=1, memory=1Gi  by=me, for=you
""",  # noqa: E501
    ("runs", False): """\
ID        STATUS   UPDATED     EXIT  MESSAGE  PLAN      IMAGE
50bcbd12  running  2025-11-02                 4abcbd12  lab/gif:1
7cbcbd12  failed   2h ago      3     no…      4abcbd12  lab/gif:1
""",
    ("images", False): """\
NAMES             DIGEST        MADE    SIZE      PYTHON
gif:1, lab/gif:1  abababababab  3d ago  3.00 MiB  3.11
                  abababababab  3d ago  3.00 MiB  3.11
""",
}
MAKERS = {"data": (tables.data, data), "plans": (tables.plans, plans), "runs": (tables.runs, runs),
          "images": (tables.images, images)}  # fmt: skip


@pytest.mark.parametrize(("kind", "wide"), GOLDEN)
def test_plain(kind: str, wide: bool) -> None:
    """Columns are aligned, wide characters counted as two; control characters are shown; nothing is cut."""
    make, found = MAKERS[kind]
    assert tables.plain(make(found(), NOW, wide)) == GOLDEN[kind, wide]


@pytest.mark.parametrize("kind", MAKERS)
def test_wide_keeps_ids_whole(kind: str) -> None:
    """Whoever copies an id from a wide table has all of it; each row has as many cells as there are heads."""
    make, found = MAKERS[kind]
    table = make(found(), NOW, True)
    assert all(len(row) == len(table.heads) for row in table.rows)
    for name in table.names[:1]:
        assert name in tables.plain(table)


@pytest.mark.parametrize("kind", MAKERS)
def test_nothing_found(kind: str) -> None:
    """An empty table is its heads."""
    make, _ = MAKERS[kind]
    for wide in (False, True):
        assert tables.plain(make([], NOW, wide)).count("\n") == 1


@pytest.mark.parametrize(
    ("past", "told"),
    [(-9, "now"), (4, "now"), (5, "5s ago"), (59, "59s ago"), (60, "1m ago"), (3599, "59m ago"), (3600, "1h ago"),
     (86399, "23h ago"), (86400, "1d ago"), (30 * 86400 - 1, "29d ago"), (30 * 86400, "2025-12-02")],
)  # fmt: skip
def test_ago(past: int, told: str) -> None:
    """One unit, rounded down; a date after 30 days; clocks that differ are no matter."""
    from knit_server.domain import times

    assert tables.ago(times.format_instant(NOW - past * 1000), NOW) == told


def test_ago_of_no_time() -> None:
    """What is no time is shown as it is."""
    assert tables.ago("", NOW) == ""


def test_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal long cells go on below, ids stay in one piece, and markup in tags is no markup."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    found = [{**data()[0], "tags": ["a:[bold]x[/bold]", "b:" + "y" * 30]}]
    lines = tables.drawn(tables.data(found, NOW, False), width=60).splitlines()
    assert lines[0].split() == ["ID", "MADE", "STATUS", "TAGS", "FROM"]
    assert lines[1].startswith("50bcbd12")
    assert "[bold]x" in lines[1]
    assert len(lines) > 2
    assert all(len(line) <= 60 for line in lines)


@pytest.mark.parametrize("no_color", ["", "1"])
def test_colours(monkeypatch: pytest.MonkeyPatch, no_color: str) -> None:
    """A failed Run is red, unless NO_COLOR says that there are no colours."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", no_color)
    drawn = tables.drawn(tables.runs(runs(), NOW, False), width=120)
    assert ("\x1b[31mfailed" in drawn) is not bool(no_color)
    assert "failed" in drawn


COMMANDS = [
    (["data", "find"], "GET /data", data()), (["plan", "find"], "GET /plans", plans()),
    (["run", "find"], "GET /runs", runs()), (["image", "ls"], "GET /images", images()),
]  # fmt: skip


@pytest.mark.parametrize(("words", "route", "found"), COMMANDS, ids=[route for _, route, _ in COMMANDS])
def test_forms(ready, server, words, route, found) -> None:
    """JSON is the default; tables are plain where stdout is no terminal; names are whole, one a line."""
    server.on(route, found)
    assert json.loads(ready(*words).out) == found
    assert ready(*words, "--output=json").out == ready(*words).out
    table, wide = ready(*words, "--output", "table").out, ready(*words, "--output", "wide").out
    assert table.count("\n") == wide.count("\n") == len(found) + 1
    assert "\x1b" not in table
    names = ready(*words, "--output", "name").out.splitlines()
    assert names == tables.__dict__[f"{route[5:]}"](found, NOW, True).names


def test_unknown_form(ready, server) -> None:
    """A form that is none is a usage error, before anything is asked."""
    result = ready("data", "find", "--output", "yaml")
    assert (result.code, server.asked) == (2, [])
    assert result.err.startswith("usage error: --output is one of json, table, wide, name, not 'yaml'")


def test_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where stdout is a terminal, rich draws."""
    leader, follower = pty.openpty()
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with os.fdopen(leader, "rb", buffering=0) as reader, os.fdopen(follower, "wb", buffering=0) as terminal:
        monkeypatch.setattr("knit_cli.output.binary_stdout", lambda: terminal)
        tables.show(runs(), "table", tables.runs)
        assert b"\x1b[31mfailed" in reader.read(4096)


def test_plans_in_the_archive() -> None:
    """They are told from those that are switched off, in both forms."""
    archived = {**plans()[1], "archived": True}
    for wide in (False, True):
        assert tables.plans([archived], 0, wide).rows[0][1] == "archived"
