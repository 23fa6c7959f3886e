"""`knit plan apply`: several files, folders, stdin, dry runs."""

from __future__ import annotations

import io
import json
import sys
from typing import Any

import pytest

TEXT = 'image: "lab/%s:1"\ninputs: [{path: /in, tags: ["%s"]}]\noutputs: [{path: /out, tags: ["%s"]}]\n'


def put(home: Any, name: str, asks: str = "a:1", gives: str = "b:1") -> str:
    (home / name).parent.mkdir(exist_ok=True, parents=True)
    (home / name).write_text(TEXT % (name.replace("/", "-").lower(), asks, gives))
    return name


def documents(out: str) -> list[Any]:
    """The JSON documents, one after the other, a newline behind each."""
    found, decoder = [], json.JSONDecoder()
    while out:
        value, end = decoder.raw_decode(out)
        assert out[end] == "\n"
        found.append(value)
        out = out[end + 1 :]
    return found


@pytest.fixture
def registering(ready, server):
    """A server that registers all but images with `bad` in them."""
    from double import Answer

    def register(asked: Any) -> Answer:
        image = asked.json["image"]
        if "bad" in image:
            return Answer({"reason": "there is an equivalent Plan already: p7"}, status=409)
        return Answer({"planId": f"id-{image}"})

    server.on("POST /plans", register)
    return ready


def test_stdin(registering, server, monkeypatch) -> None:
    """`-` is stdin, called so in messages."""
    stdin = io.TextIOWrapper(io.BytesIO((TEXT % ("x", "a:1", "b:1") + "resouces: {}\n").encode()))
    monkeypatch.setattr(sys, "stdin", stdin)
    result = registering("plan", "apply", "-")
    assert (result.code, json.loads(result.out)) == (0, {"planId": "id-lab/x:1"})
    assert "[WARN] (stdin):4: unknown key 'resouces'" in result.err


def test_stdin_twice(registering, server) -> None:
    """It can be read once only."""
    assert registering("plan", "apply", "-", "-").code == 2
    assert server.asked == []


def test_several_files_in_order(registering, server, home) -> None:
    """Each file gives one document, in the order given; a folder gives its plan files by name, and nothing below it."""
    put(home, "z.yaml")
    for name in ("folder/b.yml", "folder/a.yaml", "folder/c.txt", "folder/below/d.yaml"):
        put(home, name)
    result = registering("plan", "apply", "z.yaml", "folder")
    images = ["lab/z.yaml:1", "lab/folder-a.yaml:1", "lab/folder-b.yml:1"]
    assert (result.code, documents(result.out)) == (0, [{"planId": f"id-{image}"} for image in images])
    assert [asked.json["image"] for asked in server.asked] == images
    assert "[[2/3]] [OK] applied: folder/a.yaml -> planId:id-lab/folder-a.yaml:1" in result.err


def test_an_empty_folder(registering, home) -> None:
    """A folder without plan files is an error."""
    (home / "folder").mkdir()
    result = registering("plan", "apply", "folder")
    assert (result.code, result.out) == (1, "")
    assert "fail to read Plan file: folder: there is no *.yaml or *.yml in this directory" in result.err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("image: [", "fail to parse Plan file: b.yaml:1:"),
        ("image: lab/x\n", "failed to apply Plan: b.yaml: the Plan has no inputs; nothing is applied"),
        ("image: Lab/X@y\n", "failed to apply Plan: b.yaml: image: "),
        (
            TEXT % ("a.yaml", "a:1", "b:1"),
            "b.yaml is the same Plan as a.yaml; nothing is applied",
        ),
        (TEXT % ("c", "b:1", "a:1"), "these make a cycle: b.yaml -> a.yaml -> b.yaml; nothing is applied"),
        (None, "fail to read Plan file: b.yaml: No such file or directory"),
    ],
)
def test_all_are_checked_before_any_is_applied(registering, server, home, text, told) -> None:
    """One file that is wrong, the same as another, or part of a circle: nothing is sent."""
    put(home, "a.yaml")
    if text is not None:
        (home / "b.yaml").write_text(text)
    result = registering("plan", "apply", "a.yaml", "b.yaml")
    assert (result.code, result.out) == (1, "")
    assert told in result.err
    assert server.asked == []


def test_the_first_that_is_refused_ends_it(registering, server, home) -> None:
    """What was applied is printed; the refusal names its file, and what is not applied is told."""
    names = [put(home, name, f"{name}:1", f"{name}:2") for name in ("a.yaml", "bad.yaml", "c.yaml")]
    result = registering("plan", "apply", *names)
    assert (result.code, documents(result.out)) == (1, [{"planId": "id-lab/a.yaml:1"}])
    assert "1 of 3 Plans are applied; not applied: bad.yaml, c.yaml" in result.err
    assert result.err.splitlines()[-2:] == [
        "failed to apply Plan: bad.yaml: invalid request (status code = 409)",
        "there is an equivalent Plan already: p7",
    ]
    assert len(server.asked) == 2


def test_a_server_that_goes_away(registering, server, home) -> None:
    """Also what is no refusal of the Plan names the file."""
    names = [put(home, name, f"{name}:1", f"{name}:2") for name in ("a.yaml", "b.yaml")]
    server.on("POST /plans", {"message": "boom"}, status=500)
    result = registering("plan", "apply", *names)
    assert result.code == 1
    assert "failed to apply Plan: a.yaml: server error (status code = 500)" in result.err


def test_dry_run(ready, server, home) -> None:
    """The server's answer is printed for each file; one that could not be applied makes exit code 1."""
    from double import Answer

    def answer(asked: Any) -> Answer:
        if "no" in asked.json["image"]:
            return Answer({"applicable": False, "valid": False, "reason": "why"})
        return Answer({"applicable": True, "valid": True, "runs": {"count": 3}})

    server.on("POST /plans", answer)
    put(home, "yes.yaml")
    put(home, "no.yaml")
    assert ready("plan", "apply", "--dry-run", "yes.yaml").code == 0
    assert server.last.query == [("dry_run", "true")]
    result = ready("plan", "apply", "no.yaml", "yes.yaml", "--dry-run")
    assert (result.code, [each["applicable"] for each in documents(result.out)]) == (1, [False, True])
    assert "[[1/2]] no.yaml: refused: why" in result.err
    assert "[[2/2]] yes.yaml: it would get 3 Runs" in result.err


def test_dry_run_where_there_is_none(registering, home) -> None:
    """A server that ignores the flag has registered the Plan; that is not kept quiet."""
    put(home, "a.yaml")
    result = registering("plan", "apply", "--dry-run", "a.yaml")
    assert (result.code, result.out) == (1, "")
    assert "it has registered the Plan id-lab/a.yaml:1" in result.err
