"""`knit image load` and `knit plan template`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from double import Answer

sys.path.insert(0, str(Path(__file__).parents[1]))

from archive_maker import Oci, layer, oci, pack, saved, squeezed  # found by the line above: tests are no packages

LAYER = layer(("file", "x", "y"))
IMAGE: dict[str, Any] = {
    "digest": "sha256:d", "names": ["lab/x:1"], "entrypoint": ["run"], "cmd": ["/in/raw", "/out"], "workdir": "/",
    "volumes": ["/in/more"], "warnings": ["USER app has no effect here"],
}  # fmt: skip


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Put bytes into stdin."""
    opened = []

    def pipe(data: bytes) -> None:
        (tmp_path / "stdin").write_bytes(data)
        stdin = open(tmp_path / "stdin", encoding="utf-8")  # noqa: SIM115 - closed below
        opened.append(stdin)
        monkeypatch.setattr("sys.stdin", stdin)

    pipe(b"")
    yield pipe
    for stdin in opened:
        stdin.close()


def made(result: Any) -> Any:
    assert result.code == 0, result.err
    return yaml.safe_load(result.out)


# --- load -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["file", "stdin"])
def test_load(ready, server, home, piped, source) -> None:
    """The archive goes as it is; progress and warnings go to stderr, the images to stdout."""
    (home / "a.tar").write_bytes(b"archive")
    piped(b"archive")
    told = [{"progress": "unpacking"}, {"images": [IMAGE]}]
    server.on("POST /images/load", lambda asked: Answer(chunks=[json.dumps(each).encode() + b"\n" for each in told]))
    result = ready("image", "load", "-t", "a:1", "--tag=b:2", "a.tar" if source == "file" else "-")
    assert (result.code, json.loads(result.out)) == (0, [IMAGE])
    assert "unpacking\n" in result.err
    assert "[WARN] lab/x:1: USER app has no effect here" in result.err
    assert (server.last.query, server.last.body) == ([("name", "a:1"), ("name", "b:2")], b"archive")
    assert server.last.headers["Content-Type"] == "application/x-tar"


def test_load_nothing(ready, server) -> None:
    """A file that is not there is named, and nothing is sent."""
    result = ready("image", "load", "nowhere.tar")
    assert (result.code, server.asked) == (1, [])
    assert "nowhere.tar" in result.err


def test_load_refused(ready, server, home) -> None:
    """What the server says about the archive is said."""
    (home / "a.tar").write_bytes(b"archive")
    server.on("POST /images/load", {"reason": "no archive", "advice": "Make one."}, status=400)
    result = ready("image", "load", "a.tar")
    assert result.err == "the image cannot be loaded (status code = 400)\nno archive\nMake one.\n"


# --- template ---------------------------------------------------------------------------------------------------------


def test_scratch(knit, home) -> None:
    """Without image, archive or profile there is a Plan to fill in, with what the knitenv says."""
    (home / "knitenv").write_text("tag: [project:demo]\nresource: {cpu: 2}\n")
    result = knit("plan", "template", "--scratch")
    spec = made(result)
    assert (spec["image"], spec["inputs"], spec["outputs"]) == (
        "image:version", [{"path": "/in", "tags": ["project:demo"]}], [{"path": "/out", "tags": ["project:demo"]}],
    )  # fmt: skip
    assert spec["log"] == {"tags": ["type:log", "project:demo"]}
    assert spec["resources"] == {"cpu": 2, "memory": "1Gi"}
    assert result.err.endswith("# Plan file is generated. modify it as you like.\n")
    assert "[WARN] the input /in asks only for tags that the output /out gives" in result.err


def test_scratch_without_knitenv(knit, home) -> None:
    """Without a knitenv there are an example's tags."""
    spec = made(knit("plan", "template", "--scratch"))
    assert spec["inputs"][0]["tags"] == ["example:tag"]
    assert spec["log"] == {"tags": ["type:log"]}


@pytest.mark.parametrize("how", ["docker", "gzip", "oci", "oci-zstd"])
@pytest.mark.parametrize("source", ["--input", "-i", "-", "stdin"])
def test_archive(knit, home, piped, how, source) -> None:
    """An archive is looked into, wherever it comes from and however it is packed."""
    settings = {"Entrypoint": ["python", "run.py"], "Cmd": ["in/raw", "/out/made"], "WorkingDir": "/work"}
    archive = saved([LAYER], ["lab/x:1"], **settings)
    if how.startswith("oci"):
        archive = squeezed(oci([LAYER], ["lab/x:1"], "gzip", **settings), how.partition("-")[2])
    elif how == "gzip":
        archive = squeezed(archive, "gzip")
    (home / "a.tar").write_bytes(archive)
    piped(archive if source in ("-", "stdin") else b"")
    words = {"-": ["--input", "-"], "stdin": []}.get(source, [source, "a.tar"])
    result = knit("plan", "template", *words)
    spec = made(result)
    assert (spec["image"], spec["entrypoint"], spec["args"]) == (
        "lab/x:1",
        ["python", "run.py"],
        ["in/raw", "/out/made"],
    )
    assert spec["inputs"] == [{"path": "/work/in/raw", "tags": ["type:raw"]}]
    assert spec["outputs"] == [{"path": "/out/made", "tags": ["type:made"]}]
    assert f'...analyzing image from "{"STDIN" if source in ("-", "stdin") else "a.tar"}"' in result.err


def test_archive_of_several(knit, home) -> None:
    """Of several images one is to be named; of several platforms this machine's counts."""
    archive = Oci()
    archive.name(archive.image([LAYER], Cmd=["/in/a"]), "a:1")
    there = archive.image([LAYER], architecture="vax", Cmd=["/in/vax"])
    archive.name(archive.many([there, archive.image([LAYER], Cmd=["/in/b"])]), "b:latest")
    (home / "a.tar").write_bytes(archive.archive())
    assert made(knit("plan", "template", "-i", "a.tar", "a:1"))["args"] == ["/in/a"]
    spec = made(knit("plan", "template", "b", "-i", "a.tar"))
    assert (spec["image"], spec["args"]) == ("b", ["/in/b"])
    result = knit("plan", "template", "-i", "a.tar")
    assert (result.code, result.out) == (1, "")
    assert result.err.splitlines()[-2:] == [
        "failed to generate Plan file: multiple images found, specify the image tag",
        "The archive has a:1, b:latest.",
    ]
    result = knit("plan", "template", "-i", "a.tar", "c")
    assert "failed to generate Plan file: specified image tag 'c' is not found\n" in result.err


def test_archive_without_a_list(knit, home) -> None:
    """An archive that lists nothing is searched for configurations; one without any has no image."""
    from archive_maker import config

    (home / "a.tar").write_bytes(pack({"x.json": config([LAYER], Cmd=["/in/a"]), "y.json": b"{}"}))
    assert made(knit("plan", "template", "-i", "a.tar"))["image"] == "IMAGE:TAG"
    (home / "b.tar").write_bytes(pack({"y.json": b"{}", "z.json": b"{rubbish"}))
    assert "failed to generate Plan file: no image found\n" in knit("plan", "template", "-i", "b.tar").err


@pytest.mark.parametrize(("content", "told"), [(b"rubbish" * 500, "header"), (b"", "cut off")])
def test_no_archive(knit, home, content, told) -> None:
    """What is no archive is said to be none."""
    (home / "a.tar").write_bytes(content)
    result = knit("plan", "template", "-i", "a.tar")
    assert (result.code, result.out) == (1, "")
    assert "failed to generate Plan file: " in result.err
    assert told in result.err


def test_image_of_the_server(ready, server, piped) -> None:
    """With nothing piped in and no --input, the image is the server's."""
    server.on("GET /images", [{**IMAGE, "names": ["other:1"]}, IMAGE])
    spec = made(ready("plan", "template", "lab/x:1"))
    assert (spec["image"], spec["entrypoint"], spec["args"]) == ("lab/x:1", ["run"], ["/in/raw", "/out"])
    assert [each["path"] for each in spec["inputs"]] == ["/in/raw", "/in/more"]
    result = ready("plan", "template", "lab/x")
    assert (result.code, result.out) == (1, "")
    assert "failed to generate Plan file: specified image tag 'lab/x' is not found\n" in result.err


@pytest.mark.parametrize("words", [[], ["--scratch", "x:1"], ["--scratch", "-i", "a.tar"], ["x:1", "y:1"]])
def test_usage(knit, home, piped, words) -> None:
    """Without any source, and with two that exclude each other, the command line is wrong."""
    assert knit("plan", "template", *words).code == 2
