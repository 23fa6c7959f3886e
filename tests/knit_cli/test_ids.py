"""Ids for short, wherever the command line takes an id."""

from __future__ import annotations

import click
import pytest

from knit_cli import ids
from knit_cli.reference import walk

ID = "3f0c1234-0000-4000-8000-000000000001"
WHOLE = [{"kind": "run", "id": ID, "about": "done x:1"}]


@pytest.mark.parametrize(
    ("words", "route", "kind"),
    [
        (["run", "show", "3f0c"], f"GET /runs/{ID}", "run"),
        (["run", "stop", "3F0C1"], f"PUT /runs/{ID}/tearoff", "run"),
        (["plan", "show", "3f0c"], f"GET /plans/{ID}", "plan"),
        (["plan", "active", "no", "3f0c"], f"DELETE /plans/{ID}/active", "plan"),
        (["data", "tag", "3f0c1234-", "--add", "a:b"], f"PUT /data/{ID}", "data"),
    ],
)
def test_positionals(ready, server, words, route, kind) -> None:
    """A beginning is looked up once, as the kind that the command takes; then all goes on with the whole id."""
    server.on("GET /resolve", WHOLE)
    server.on(route, {})
    assert ready(*words).code == 0
    lookups = [each.query for each in server.asked if each.path == "/resolve"]
    assert [dict(query)["kind"] for query in lookups] == [kind]


def test_flags(ready, server) -> None:
    """Flags that take ids take beginnings as well, each its own kind."""
    server.on("GET /resolve", WHOLE)
    server.on("GET /runs", [])
    assert ready("run", "find", "-p", "3f0c", "-i", "3f0c", "-o", ID, "-p", "p").code == 0
    assert server.last.query == [("plan", f"{ID},p"), ("knitIdInput", ID), ("knitIdOutput", ID)]
    assert [dict(each.query)["kind"] for each in server.asked[:-1]] == ["plan", "data"]


def test_the_file_of_a_pull_has_the_whole_id(ready, server, home) -> None:
    """Names of files are made of the whole id."""
    server.on("GET /resolve", WHOLE)
    server.on(f"GET /data/{ID}", b"archive")
    assert ready("data", "pull", "3f0c").code == 0
    assert (home / f"{ID}.tar.gz").read_bytes() == b"archive"


def test_several(ready, server) -> None:
    """Several that fit exit 1, with what they are, and nothing is done."""
    server.on("GET /resolve", [*WHOLE, {**WHOLE[0], "id": ID[:-1] + "2"}])
    result = ready("run", "stop", "3f0c")
    assert (result.code, result.out) == (1, "")
    assert result.err.splitlines() == [
        "several ids of Runs begin with 3f0c:",
        f"  {ID}  done x:1",
        f"  {ID[:-1]}2  done x:1",
        "Write more of the one that you mean.",
    ]
    assert len(server.asked) == 1


def test_whole_ids_cost_nothing(ready, server) -> None:
    """A whole id is one request, as ever."""
    server.on(f"GET /runs/{ID}/log", b"")
    assert ready("run", "show", "--log", ID).code == 0
    assert len(server.asked) == 1


def test_every_id_of_every_command_is_known() -> None:
    """No parameter with `ID` in its help lacks a kind."""
    parameters = [each for command, _ in walk() for each in command.params if not isinstance(command, click.Group)]
    named = [each for each in parameters if "_ID" in (getattr(each, "metavar", None) or "")]
    assert len(named) > 8
    assert [each.metavar for each in named if ids.kind_of(each) is None] == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["run", "show", "16e"], "not 16e."),
        (["run", "rm", "a"], "not a."),
        (["data", "pull", "16E"], "not 16E."),
        (["why", "16e", "b"], "not 16e, b."),
    ],
)
def test_too_short(ready, server, words, told) -> None:
    """A beginning that is too short is nothing that was looked up; where nothing is found, that is what is said."""
    result = ready(*words)
    assert result.code == 1
    assert result.err.endswith(f"The beginning of an id has at least 4 characters, {told}\n")


@pytest.mark.parametrize("word", ["r1", ID, "nothing"])
def test_not_too_short(ready, server, word) -> None:
    """Other words that lead to nothing, and other failures, are told as they are."""
    assert "beginning of an id" not in ready("run", "show", word).err
    server.on("GET /runs/16e", {"reason": "busy"}, status=503)
    assert "beginning of an id" not in ready("run", "show", "16e").err
