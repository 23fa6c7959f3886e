"""Progress on a terminal, and while the server is being waited for."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading

from double import Answer, Asked, detail

KNIT = [sys.executable, "-c", "import sys; from knit_cli.main import main; sys.exit(main())"]


def on_a_terminal(*words: str, stdout: bool = False, code: int = 0) -> str:
    """Run the command with stderr, and stdout if asked for, on a terminal; returns what came there."""
    ours, theirs = pty.openpty()
    with subprocess.Popen([*KNIT, *words], stderr=theirs, stdout=theirs if stdout else subprocess.DEVNULL) as process:
        os.close(theirs)
        seen = b""
        while True:
            try:
                block = os.read(ours, 65536)
            except OSError:  # how Linux says that the other end is closed
                break
            if not block:
                break
            seen += block
    os.close(ours)
    assert process.returncode == code
    return seen.decode()


def test_a_bar_on_a_terminal(ready, server, home) -> None:
    """On a terminal there is a live bar, then a closing line, and the lines that are there elsewhere."""
    (home / "file[red]").write_bytes(b"x" * 1000)
    server.on("POST /data", detail())
    seen = on_a_terminal("data", "push", "file[red]")
    assert "\x1b[" in seen
    assert "1000 B / 1000 B [" in seen
    assert "registered: file[red]" in seen


def test_results_on_a_terminal_end_their_line(ready, server, home) -> None:
    """What has no newline at its end gets one before the prompt."""
    (home / "f").write_text("x")
    server.on("POST /data", detail())
    assert on_a_terminal("data", "push", "f", stdout=True).endswith("}\r\n")
    assert on_a_terminal("version", stdout=True).endswith(")\r\n")


def test_bytes_are_kept_from_a_terminal(ready, server) -> None:
    """An archive or a picture is not written to a terminal; nothing is asked of the server, and a way is told."""
    for words, way in (
        (["data", "pull", "x", "-"], "| tar -tz"),
        (["data", "lineage", "--format", "png", "x"], "-o graph.png"),
        (["plan", "graph", "--format", "png", "x"], "-o graph.png"),
    ):
        told = on_a_terminal(*words, stdout=True, code=1)
        assert "is not written to a terminal" in told
        assert way in told
    assert server.asked == []


def test_waiting_is_told(ready, server, home, monkeypatch) -> None:
    """When all is sent and no answer comes for a second, it is said that the server is being waited for."""
    monkeypatch.setattr("knit_cli.progress._PATIENCE", 0)
    told = threading.Event()
    monkeypatch.setattr("knit_cli.progress.say", lambda text: told.set() if text == "waiting server..." else None)

    def slow(asked: Asked) -> Answer:
        assert told.wait(10)
        return Answer(detail())

    (home / "f").write_text("x")
    server.on("POST /data", slow)
    assert ready("data", "push", "f").code == 0
    assert told.is_set()
