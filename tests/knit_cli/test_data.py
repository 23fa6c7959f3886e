"""`knit data find|tag|lineage`."""

from __future__ import annotations

import json

import pytest
from double import ID, detail


def test_find_prints_the_array(ready, server) -> None:
    """The result is a JSON array with four blanks of indent and a newline at its end."""
    server.on("GET /data", [detail()])
    result = ready("data", "find")
    assert result.code == 0
    assert result.out == json.dumps([detail()], indent=4) + "\n"
    assert result.err == ""


def test_find_prints_an_empty_array(ready, server) -> None:
    """Nothing found is `[]`."""
    server.on("GET /data", [])
    assert ready("data", "find").out == "[]\n"


def test_find_sends_tags_and_times(ready, server) -> None:
    """Tags are trimmed and repeated, times are instants with an offset."""
    server.on("GET /data", [])
    words = ["-t", " type : raw:x ", "--tag=a:b", "--since", "2024-01-01T09:00+09:00", "--duration=1h30m"]
    assert ready("data", "find", *words).code == 0
    assert server.last.query == [
        ("tag", "type:raw:x"),
        ("tag", "a:b"),
        ("since", "2024-01-01T00:00:00+00:00"),
        ("duration", "5400000ms"),
    ]
    assert server.last.headers["Authorization"] == "token s3cret"


@pytest.mark.parametrize(("mode", "expected"), [("both", 2), ("yes", 1), ("true", 1), ("no", 1), ("false", 1)])
def test_find_filters_transient_data(ready, server, mode: str, expected: int) -> None:
    """`--transient` keeps or drops Data of unfinished and failed Runs."""
    server.on("GET /data", [detail("a", "knit#transient:processing"), detail("b")])
    assert len(json.loads(ready("data", "find", "--transient", mode).out)) == expected


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--transient", "maybe"], 2, "usage error: --transient"),
        (["--duration", "1h"], 2, "usage error: --duration needs --since"),
        (["-t", "novalue"], 1, "tag parse error: novalue :no key: --tag"),
        (["--since", "yesterday"], 1, ": --since"),
        (["--since", "2024-01-01", "--duration", "5"], 1, ": --duration"),
        (["-t", "knit#timestamp:soon"], 1, "soon"),
    ],
)
def test_find_refuses_words(ready, server, words: list[str], code: int, told: str) -> None:
    """Wrong words of a fixed set are usage errors; malformed values are plain errors naming the flag."""
    result = ready("data", "find", *words)
    assert (result.code, result.out) == (code, "")
    assert told in result.err
    assert server.asked == []


def test_find_reports_a_refusal(ready, server) -> None:
    """A 4xx is shown with the summary of the command, the server's reason and its advice."""
    server.on("GET /data", {"message": "bad\ndo", "reason": "bad", "advice": "do"}, status=400)
    result = ready("data", "find")
    assert result.code == 1
    assert result.err == "[BUG] client is not compatible with the server (status code = 400)\nbad\ndo\n"


def test_find_reports_a_server_error(ready, server) -> None:
    """A 5xx has a summary of its own."""
    server.on("GET /data", b"boom", status=500)
    assert ready("data", "find").err == "server error (status code = 500)\nboom\n"


def test_find_reports_what_is_not_json(ready, server) -> None:
    """A success that is no JSON is told as such."""
    server.on("GET /data", b"<html>")
    result = ready("data", "find")
    assert result.code == 1
    assert result.err.startswith("unexpected error: ")
    assert "(status code = 200)" in result.err


def test_tag_keeps_stdout_empty(ready, server) -> None:
    """All output of `data tag`, the resulting JSON included, goes to stderr."""
    server.on(f"PUT /data/{ID}", detail())
    result = ready("data", "tag", ID, "--add", "a:b", "--remove", "c:d", "--remove-key", "e")
    assert (result.code, result.out) == (0, "")
    assert f"tagging to knit#id:{ID}" in result.err
    assert f"[OK] Tags are updated for data knit#id:{ID}" in result.err
    assert '"knitId"' in result.err
    assert server.last.json == {
        "add": [{"key": "a", "value": "b"}],
        "remove": [{"key": "c", "value": "d"}],
        "remove_key": ["e"],
    }


def test_tag_without_flags(ready, server) -> None:
    """Without flags nothing is asked of the server, and that is no error."""
    result = ready("data", "tag", ID)
    assert (result.code, result.out) == (0, "")
    assert result.err.endswith(" Nothing to do.\n")
    assert server.asked == []


def test_tag_refuses_system_tags(ready, server) -> None:
    """System keys are a usage error, before anything is sent."""
    result = ready("data", "tag", ID, "--add", "knit#id:x")
    assert result.code == 2
    assert "usage error: tag key knit#id is reserved for system tags" in result.err
    assert server.asked == []


def test_lineage_defaults_to_both_directions(ready, server) -> None:
    """Neither direction asked for means both, three steps each; DOT on stdout, a log line on stderr."""
    server.on(f"GET /data/{ID}/lineage", {"root": ID, "data": [detail()], "runs": [], "edges": []})
    result = ready("data", "lineage", ID)
    assert server.last.query == [("upstream", "3"), ("downstream", "3")]
    assert result.out.startswith("digraph G {")
    assert not result.out.endswith("\n")
    assert result.err.endswith("success to output dot format\n")


@pytest.mark.parametrize(
    ("words", "up", "down"),
    [
        (["-u", "-n", "all"], "all", "0"),
        (["-d", "--numbers=1"], "0", "1"),
        (["-u", "-d"], "3", "3"),
        (["--downstream=false"], "0", "0"),
    ],
)
def test_lineage_directions(ready, server, words: list[str], up: str, down: str) -> None:
    """The flags choose directions and depth."""
    server.on(f"GET /data/{ID}/lineage", {"root": ID, "data": [detail()], "runs": [], "edges": []})
    assert ready("data", "lineage", *words, ID).code == 0
    assert server.last.query == [("upstream", up), ("downstream", down)]


def test_lineage_of_nothing(ready, server) -> None:
    """An unknown id exits 1 with nothing on stdout."""
    result = ready("data", "lineage", "nope")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("data not found: nope")
