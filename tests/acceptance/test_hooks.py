"""Lifecycle hooks through a real `knit serve`: the hook of docs/hooks.md is run as it stands there."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from server import Server, plan, until

PAGE = Path(__file__).parents[2] / "docs" / "hooks.md"
SAY = "import os; print('GREETING =', os.environ.get('GREETING'))"


def example(language: str) -> str:
    """The first example of the page in a language."""
    found = re.search(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


@pytest.fixture
def hooked(tmp_path: Path) -> Iterator[tuple[Server, int, Path]]:
    """A server with the settings of the page, the port of its hook, and the hook's program, which does not run yet."""
    port = free_port()
    script = tmp_path / "hook.py"
    script.write_text(example("python"))
    server = Server(tmp_path / "knit")
    server.home.mkdir(parents=True)
    (server.home / "knit.toml").write_text(example("toml").replace(":8000", f":{port}"))
    with server:
        server.build_act()
        yield server, port, script


def test_scenario_64_the_hook_of_the_page(hooked: tuple[Server, int, Path], tmp_path: Path, source: Path) -> None:
    """A Run waits for its hook, says so, runs with what the hook gives, and all is told in order (scenario 64)."""
    server, port, script = hooked
    made = server.apply(plan("act:1", ["-c", SAY], asks="a:b", log="log:hook", extra='entrypoint: ["python"]'))
    server.push(source, "a:b")
    run_id = server.run_of(made["planId"], "waiting")["runId"]
    note = f"hook http://localhost:{port}/before cannot be reached"
    until("people are told", lambda: note in server.knit("why", run_id).stdout)
    assert note in server.knit("run", "show", run_id).stderr
    heard = tmp_path / "heard"
    with heard.open("w") as out, subprocess.Popen([sys.executable, str(script), str(port)], stdout=out) as hook:
        try:
            assert server.run_of(made["planId"])["status"] == "done"
            until("all is told", lambda: heard.read_text().endswith(" done\n"))
        finally:
            hook.kill()
    lines = heard.read_text().splitlines()
    assert [line.replace(run_id, "RUN") for line in lines] == [
        "/before RUN waiting", "/after RUN ready", "/before RUN ready", "/after RUN starting",
        "/before RUN starting", "/after RUN running", "/before RUN running", "/after RUN completing",
        "/before RUN completing", "/after RUN done",
    ]  # fmt: skip
    (log,) = server.data("log:hook")
    assert server.knit("data", "pull", "-x", log["knitId"], str(tmp_path / "log")).returncode == 0
    (text,) = [path.read_text() for path in (tmp_path / "log").rglob("log") if path.is_file()]
    assert text == "GREETING = hello, act:1\n"


def test_a_server_stops_while_a_hook_hangs(tmp_path: Path, source: Path) -> None:
    """SIGTERM is obeyed at once, though a hook has not answered."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        server = Server(tmp_path / "knit")
        server.home.mkdir(parents=True)
        (server.home / "knit.toml").write_text(f'[hooks]\nbefore = ["{url}"]\ntimeout = "1h"\n')
        with server:
            server.apply(plan("nobody/has:this", asks="a:b"))
            server.push(source, "a:b")
            connection, _ = silent.accept()
            with connection:
                assert connection.recv(4) == b"POST"
                assert server.stop() == 0
