"""Extra APIs of a real `knit serve`, by its settings (scenario 83)."""

from __future__ import annotations

import http.server
import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from server import PATIENCE, Server, command, environment


class Telling(http.server.BaseHTTPRequestHandler):
    """Answers with what it was asked."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        told = json.dumps({"path": self.path, "body": body.decode(), "headers": dict(self.headers)}).encode()
        self.send_response(202)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def elsewhere() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Telling) as opened:
        thread = threading.Thread(target=opened.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{opened.server_address[1]}"
        opened.shutdown()
        thread.join()


def configured(folder: Path, path: str, target: str) -> list[str]:
    file = folder / "settings.toml"
    file.write_text(f'[[extra_apis]]\npath = "{path}"\nproxy_to = "{target}"\n')
    return ["--config", str(file)]


def post(url: str, token: str | None) -> tuple[int, dict[str, object]]:
    headers = {} if token is None else {"Authorization": f"token {token}"}
    try:
        with urlopen(Request(url, data=b"body", headers=headers), timeout=PATIENCE) as answer:
            return answer.status, json.loads(answer.read())
    except HTTPError as refused:
        with refused:
            return refused.code, json.loads(refused.read())


def test_scenario_83_on_a_real_server(tmp_path: Path, elsewhere: str) -> None:
    """Base, sub-path, query and slash reach the other server, the token does not; all else is Knit's (scenario 83)."""
    with Server(tmp_path, *configured(tmp_path, "/my/extra", f"{elsewhere}/v1")) as server:
        parent = server.profile["apiRoot"].removesuffix("/api")
        token = server.profile["token"]
        for asked, path in {
            "": "/v1", "/": "/v1/", "/a/b": "/v1/a/b", "/a/?x=1&y=%2F": "/v1/a/?x=1&y=%2F", f"?token={token}": "/v1",
        }.items():  # fmt: skip
            status, told = post(f"{parent}/my/extra{asked}", token)
            assert (status, told["path"], told["body"]) == (202, path, "body")
            assert token not in json.dumps(told)
        assert post(f"{parent}/my/extra", None)[0] == 403
        assert post(f"{parent}/my/extras", token)[0] == 404
        assert post(f"{parent}/my", token)[0] == 404
        assert server.get("/health")["status"] == "ok"


@pytest.mark.parametrize(("path", "reason"), [("/api", "Knit's own"), ("/api/x", "Knit's own"), ("extra", "absolute")])
def test_scenario_83_paths_refused_at_start(tmp_path: Path, path: str, reason: str) -> None:
    """A server with such a path does not start, and says which setting it is (scenario 83)."""
    done = subprocess.run(
        [*command(), "serve", "--home", str(tmp_path / "home"), "--port", "0", *configured(tmp_path, path, "http://x")],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, env=environment(tmp_path),
        timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == 1
    assert "extra_apis" in done.stderr
    assert reason in done.stderr
