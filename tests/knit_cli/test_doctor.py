"""`knit doctor`: one line for each thing, with what to do."""

from __future__ import annotations

import time
from typing import Any

import pytest
from double import Double

from knit_server import __version__
from knit_server.domain import times

EXECUTOR = {"name": "local", "sandbox": "bubblewrap", "memoryLimit": "cgroup-v2", "cpuLimit": "cgroup-v2", "notes": []}
CHECKS = [
    {"name": "database", "level": "ok", "told": "sqlite takes transactions", "advice": ""},
    {"name": "disk", "level": "ok", "told": "9.0 GiB are free", "advice": ""},
]


def health(server: Double, *, skew: int = 0, **changes: Any) -> None:
    now = times.format_instant(time.time_ns() // 1_000_000 + skew)
    server.on("GET /health", {"version": __version__, "now": now, "executor": EXECUTOR, **changes})
    server.on("GET /health/checks", CHECKS)
    server.on("GET /plans", [{"planId": "p", "image": "lab/gif:1"}, {"planId": "u", "name": "knit#uploaded"}])
    server.on("GET /images", [{"names": ["lab/gif:1", "python:latest"]}])


def findings(out: str) -> dict[str, tuple[str, str]]:
    rows = [line.split(maxsplit=2) for line in out.splitlines()]
    return {name: (level, told) for level, name, told in rows}


def test_all_is_well(ready, server, home) -> None:
    """One line each, on stdout, and the exit code 0. The token is never shown."""
    health(server)
    result = ready("doctor")
    assert (result.code, result.err) == (0, "")
    assert result.out == (
        f"ok    profile   {home} in {home.parent}/.knit/profile\n"
        f"ok    server    {server.url}\n"
        "ok    token     the server takes it\n"
        f"ok    version   {__version__} on both sides\n"
        "ok    clock     like the server's\n"
        "ok    executor  local, sandbox bubblewrap, memory limit by cgroup-v2\n"
        "ok    images    all 1 of active Plans are there\n"
        "ok    database  sqlite takes transactions\n"
        "ok    disk      9.0 GiB are free\n"
    )
    assert "s3cret" not in result.out


def test_no_profile(knit) -> None:
    """Without a profile there is nothing else to check, and the next step is `knit init`."""
    result = knit("doctor")
    assert result.code == 1
    assert len(result.out.splitlines()) == 1
    assert result.out.startswith("FAIL  profile   config file is not found at ")
    assert "-> Set this directory up first: knit init" in result.out


def test_no_server(knit, home) -> None:
    """A server that is not there fails, with what to do."""
    (home / "knitprofile").write_text("apiRoot: http://127.0.0.1:9/knit/api\n")
    assert knit("init", "knitprofile").code == 0
    result = knit("doctor")
    assert result.code == 1
    assert findings(result.out)["server"][0] == "FAIL"
    assert "knit serve" in findings(result.out)["server"][1]


def test_wrong_token(ready, server) -> None:
    """A token that is refused is told apart from a server that is not there."""
    server.on("GET /health", {"message": "no"}, status=403)
    found = findings(ready("doctor").out)
    assert (found["server"][0], found["token"][0]) == ("ok", "FAIL")
    assert "knit init" in found["token"][1]


@pytest.mark.parametrize(
    ("changes", "name", "told"),
    [
        ({"version": "99.0"}, "version", "the server is 99.0"),
        ({"skew": 3_600_000}, "clock", "3600 s behind the server's"),
        ({"skew": -60_000}, "clock", "60 s ahead of the server's"),
        ({"executor": {**EXECUTOR, "sandbox": "substitution", "notes": ["no bwrap"]}}, "executor", "-> no bwrap"),
        ({"executor": {**EXECUTOR, "memoryLimit": "none"}}, "executor", "memory limit by none"),
    ],
)
def test_warnings(ready, server, changes, name, told) -> None:
    """What works, but not as well as it could, is a warning and no failure."""
    health(server, **changes)
    result = ready("doctor")
    level, line = findings(result.out)[name]
    assert (result.code, level) == (0, "warn")
    assert told in line


def test_missing_images(ready, server) -> None:
    """Each image of an active Plan that is not there is a warning that says how to get it."""
    health(server)
    server.on("GET /images", [])
    result = ready("doctor")
    assert result.code == 0
    assert "warn  images    lab/gif:1 of an active Plan is not there: its Runs fail -> knit image build" in result.out
    assert all(told in result.out for told in ("knit image load FILE", "knit run retry"))
    assert dict(next(each.query for each in server.asked if each.path == "/plans")) == {"active": "true"}


def test_images_of_other_executors(ready, server) -> None:
    """An executor that fetches images by itself is not asked for them."""
    health(server, executor={**EXECUTOR, "name": "kubernetes"})
    assert "images" not in findings(ready("doctor").out)


def test_what_the_server_finds(ready, server) -> None:
    """A failure on the server is one here, on one line, whatever is in it."""
    health(server)
    server.on(
        "GET /health/checks", [{"name": "store", "level": "fail", "told": "gone\n\x1b[1m", "advice": "Mend\nit."}]
    )
    result = ready("doctor")
    assert result.code == 1
    assert result.out.splitlines()[-1] == "FAIL  store     gone \\x1b[1m -> Mend it."


def test_an_older_server(ready, server) -> None:
    """A server without checks and without a clock is told of, and the others are still checked."""
    health(server, now=None)
    del server.answers["GET /health/checks"]
    found = findings(ready("doctor").out)
    assert "clock" not in found
    assert found["images"][0] == "ok"


def test_in_a_terminal_of_jupyter(knit, server, home, monkeypatch) -> None:
    """Where Jupyter said which server to use, that is said."""
    told = home / "told"
    told.write_text(f"apiRoot: {server.url}\ntoken: t\n")
    monkeypatch.setenv("KNIT_PROFILE_FILE", str(told))
    assert f"ok    profile   {told}, of this terminal's Jupyter" in knit("doctor").out
