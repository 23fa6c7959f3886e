"""`knit data push` and `knit data pull`."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from double import ID, Answer, Asked, detail

from knit_server.content.tarball import pack_directory


def archive(path: Path) -> tuple[bytes, str]:
    packed = pack_directory(path)
    raw = b"".join(packed)
    return raw, packed.tree.content_id


@pytest.fixture
def source(home: Path) -> Path:
    folder = home / "raw"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("hello")
    (folder / "sub" / "b.txt").write_text("world")
    (folder / "link").symlink_to("a.txt")
    return folder


def names(raw: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        return tar.getnames()


def test_push_says_what_it_does(ready, server, source) -> None:
    """stderr, no terminal, tells each step without progress; stdout is the Data, without a newline at its end."""
    server.on("POST /data", detail())
    result = ready("data", "push", "./raw/")
    assert result.code == 0
    assert result.out == json.dumps(detail(), indent=4)
    stamp = r"\[knit data push\] \d{4}/\d\d/\d\d \d\d:\d\d:\d\d "
    lines = [
        stamp + re.escape("[[1/1]] sending... ./raw/"),
        stamp + f"registered: ./raw/ -> knit#id:{ID}",
        stamp + re.escape(f"[[1/1]] [OK] done: ./raw/ -> knit#id:{ID}"),
    ]
    assert re.fullmatch("\n".join(lines) + "\n", result.err), result.err
    assert names(server.last.body) == ["a.txt", "link", "sub", "sub/b.txt"]
    assert server.last.headers["Content-Type"] == "application/tar+gzip"


def test_push_tags(ready, server, source, home) -> None:
    """Tags of -t, of the knitenv and of -n go with the upload; system tags of the knitenv are dropped."""
    (home / "knitenv").write_text("tag: ['project:p', 'knit#id:x', 'type:raw']\n")
    server.on("POST /data", detail())
    assert ready("data", "push", "-t", "type:raw", "-n", "raw/").code == 0
    assert server.last.query == [("tag", "name:raw"), ("tag", "project:p"), ("tag", "type:raw")]
    assert [each.method for each in server.asked] == ["POST"]


def test_push_names_the_current_directory(ready, server, source, monkeypatch) -> None:
    """`.` is named after the directory it is."""
    monkeypatch.chdir(source)
    server.on("POST /data", detail())
    assert ready("data", "push", "-n", ".").code == 0
    assert ("tag", "name:raw") in server.last.query


def test_push_env_flag(ready, server, source, tmp_path) -> None:
    """`--env` replaces the nearest knitenv."""
    (tmp_path / "other").write_text("tag: ['a:1.10']\n")
    server.on("POST /data", detail())
    assert ready("data", "push", "raw", "--env", str(tmp_path / "other")).code == 0
    assert server.last.query == [("tag", "a:1.10")]


def test_push_several(ready, server, source) -> None:
    """Each source gives a JSON document of its own; one that is not there is skipped and told."""
    server.on("POST /data", detail())
    result = ready("data", "push", "raw", "missing", "raw/a.txt")
    assert result.code == 0
    decoder, text, found = json.JSONDecoder(), result.out, []
    while text:
        value, end = decoder.raw_decode(text)
        found.append(value)
        text = text[end:].lstrip()
    assert found == [detail(), detail()]
    assert "No such file or directory: missing -- skipped" in result.err
    assert "[[3/3]] [OK] done: raw/a.txt" in result.err


def test_push_a_single_file(ready, server, source) -> None:
    """A file becomes one entry named by its basename."""
    server.on("POST /data", detail())
    assert ready("data", "push", "raw/sub/b.txt").code == 0
    assert names(server.last.body) == ["b.txt"]


@pytest.mark.parametrize("flag", ["-L", "--dereference"])
def test_push_follows_links(ready, server, source, flag) -> None:
    """-L sends what links point to."""
    server.on("POST /data", detail())
    assert ready("data", "push", flag, "raw").code == 0
    with tarfile.open(fileobj=io.BytesIO(server.last.body)) as tar:
        assert tar.getmember("link").isreg()


def test_push_a_linked_root(ready, server, source, home) -> None:
    """A source that is a symlink is followed."""
    (home / "alias").symlink_to("raw")
    server.on("POST /data", detail())
    assert ready("data", "push", "alias").code == 0
    assert "a.txt" in names(server.last.body)


def test_push_nothing(ready, server) -> None:
    """Skipping every source exits 1."""
    result = ready("data", "push", "missing")
    assert (result.code, result.out) == (1, "")
    assert "nothing was pushed" in result.err
    assert server.asked == []


def test_push_an_empty_directory(ready, server, home) -> None:
    """An empty directory is refused before anything is sent."""
    (home / "empty").mkdir()
    result = ready("data", "push", "empty")
    assert result.code == 1
    assert "'empty' is empty" in result.err
    assert server.asked == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_push_an_unreadable_file(ready, server, source) -> None:
    """A file that cannot be read is named."""
    (source / "a.txt").chmod(0)
    result = ready("data", "push", "raw")
    assert (result.code, result.out) == (1, "")
    assert "a.txt" in result.err


def test_push_a_dangling_link(ready, server, source) -> None:
    """With -L, a link to nowhere is an error that names it."""
    (source / "dangling").symlink_to("nowhere")
    server.on("POST /data", detail())
    result = ready("data", "push", "-L", "raw")
    assert (result.code, result.out) == (1, "")
    assert "dangling" in result.err


def test_push_refuses_system_tags(ready, server, source) -> None:
    """A knit# key is a usage error before anything is sent."""
    result = ready("data", "push", "-t", "knit#id:x", "raw")
    assert result.code == 2
    assert "usage error: Tag starting knit# is reserved" in result.err
    assert server.asked == []


def test_push_stops_at_a_refusal(ready, server, source) -> None:
    """The first refusal ends the command; its summary names the step."""
    server.on("POST /data", {"reason": "no"}, status=400)
    result = ready("data", "push", "raw", "raw")
    assert (result.code, result.out) == (1, "")
    assert "sending data is rejected by server (status code = 400)\nno\n" in result.err
    assert len(server.asked) == 1


def test_pull_an_archive(ready, server, source, home) -> None:
    """Without -x the archive lands as DEST/ID.tar.gz; stdout stays empty; an old one is replaced."""
    raw, content_id = archive(source)
    server.on(f"GET /data/{ID}", chunks=[raw], headers={"x-knit-content-id": content_id})
    (home / "new" / "dir").mkdir(parents=True)
    (home / "new" / "dir" / f"{ID}.tar.gz").write_text("old")
    result = ready("data", "pull", ID, "new/dir")
    assert (result.code, result.out) == (0, "")
    assert (home / "new" / "dir" / f"{ID}.tar.gz").read_bytes() == raw
    assert "Downloading to new/dir" in result.err
    assert "[WARN]" not in result.err


def test_pull_to_stdout(ready, server, home, capfdbinary) -> None:
    """`-` gives the raw archive on stdout; where the server did not say what it should be, that is told."""
    server.on(f"GET /data/{ID}", chunks=[b"raw ", b"bytes"])
    result = ready("data", "pull", ID, "-")
    assert result.out == "raw bytes"
    assert "[WARN] the server did not say what the content should be" in result.err
    assert list(home.glob("*.tar.gz")) == []


def test_pull_and_extract(ready, server, source, home) -> None:
    """With -x the content appears in DEST/ID; flags and positionals mix freely."""
    raw, content_id = archive(source)
    server.on(f"GET /data/{ID}", chunks=[raw], headers={"x-knit-content-id": content_id})
    result = ready("data", "pull", "-x", ID, "./outputs/here")
    assert (result.code, result.out) == (0, "")
    place = home / "outputs" / "here" / ID
    assert (place / "sub" / "b.txt").read_text() == "world"
    assert (place / "link").readlink() == Path("a.txt")


def test_pull_expands_home(ready, server, source, home) -> None:
    """A leading ~/ is the home directory."""
    raw, _ = archive(source)
    server.on(f"GET /data/{ID}", chunks=[raw])
    assert ready("data", "pull", "-x", ID, "~/there").code == 0
    assert (home.parent / "there" / ID / "a.txt").exists()


def left_behind(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.rglob("*")) if folder.exists() else []


@pytest.mark.parametrize("words", [["-x"], []])
def test_pull_cut_off(ready, server, source, home, words) -> None:
    """A stream that breaks leaves nothing behind, and says so."""
    raw, _ = archive(source)
    server.on(f"GET /data/{ID}", chunks=[raw[: len(raw) // 2]], cut=True)
    result = ready("data", "pull", *words, ID, "out")
    assert (result.code, result.out) == (1, "")
    assert "cut off" in result.err
    assert left_behind(home / "out") == []


@pytest.mark.parametrize("words", [[], ["-x"]])
def test_pull_of_other_content(ready, server, source, home, words) -> None:
    """What is not what the server stores is refused and deleted, packed or not."""
    raw, _ = archive(source)
    server.on(f"GET /data/{ID}", chunks=[raw], headers={"x-knit-content-id": "b3:" + "0" * 64})
    result = ready("data", "pull", *words, ID, "out")
    assert result.code == 1
    assert "is not what the server stores" in result.err
    assert left_behind(home / "out") == []


def test_pull_into_an_existing_directory(ready, server, home) -> None:
    """An existing DEST/ID is left alone, and nothing is asked of the server (scenario 77)."""
    (home / "out" / ID).mkdir(parents=True)
    result = ready("data", "pull", "-x", ID, "out")
    assert result.code == 1
    assert "exists already" in result.err
    assert server.asked == []


def test_pull_refused(ready, server, home) -> None:
    """A refusal is told with the summary of downloads; nothing is made."""
    server.on(f"GET /data/{ID}", {"reason": "Run r is running", "advice": "wait"}, status=409)
    result = ready("data", "pull", ID, "out")
    assert result.code == 1
    assert "downloading data is rejected by server (status code = 409)\nRun r is running\nwait\n" in result.err
    assert left_behind(home / "out") == []


@pytest.mark.parametrize("knit_id", ["../x", "..", "a/b", ""])
def test_pull_ids_are_no_paths(ready, server, knit_id) -> None:
    """An id that would name another place is refused."""
    assert ready("data", "pull", knit_id).code == 1
    assert server.asked == []


def test_pull_extract_to_stdout_is_wrong(ready) -> None:
    """-x with - is a usage error."""
    result = ready("data", "pull", ID, "-", "-x")
    assert result.code == 2
    assert result.err.startswith("usage error: --extract")


def test_interrupted_push(ready, server, source, home) -> None:
    """Ctrl-C ends a transfer with 130 and one line, no traceback."""
    process: list[subprocess.Popen[bytes]] = []

    def interrupt(asked: Asked) -> Answer:
        process[0].send_signal(signal.SIGINT)
        process[0].wait(10)
        return Answer(detail())

    server.on("POST /data", interrupt)
    words = [sys.executable, "-c", "import sys; from knit_cli.main import main; sys.exit(main())"]
    process.append(subprocess.Popen([*words, "data", "push", "raw"], stderr=subprocess.PIPE, stdout=subprocess.PIPE))
    out, err = process[0].communicate(timeout=20)
    assert process[0].returncode == 130
    assert out == b""
    assert err.decode().splitlines()[-1] == "interrupted"
    assert b"Traceback" not in err


def test_the_root_has_no_name(ready, server) -> None:
    """`--name` of `/` says which tag to give instead; nothing is sent."""
    result = ready("data", "push", "-n", "/")
    told = "/ has no name: --name\nLeave out --name, and give a tag by -t name:NAME.\n"
    assert (result.code, result.out, result.err) == (1, "", told)
    assert server.asked == []
