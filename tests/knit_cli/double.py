"""A stand-in for the server: answers what a test lays out, and keeps what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit


@dataclass
class Asked:
    """One request as it came."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Answer:
    """What to say: JSON (anything), bytes, or blocks sent as chunks; `cut` breaks the connection after them."""

    body: object = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    chunks: list[bytes] | None = None
    cut: bool = False


@dataclass
class Double:
    """The server: `answers` by "METHOD /path"."""

    url: str = ""
    answers: dict[str, Answer | Callable[[Asked], Answer]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def on(self, route: str, body: object = None, **more: Any) -> None:
        """Lay out the answer for a route."""
        self.answers[route] = body if callable(body) else Answer(body, **more)  # type: ignore[assignment]

    @property
    def last(self) -> Asked:
        return self.asked[-1]


@contextmanager
def double() -> Iterator[Double]:
    """Run a double on a free port."""
    state = Double()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except ConnectionError:
                self.close_connection = True

        def log_message(self, *args: object) -> None:
            pass

        def answer(self) -> None:
            parts = urlsplit(self.path)
            path = unquote(parts.path).removeprefix("/knit/api")
            query = parse_qsl(parts.query, keep_blank_values=True)
            asked = Asked(self.command, path, query, dict(self.headers), self.read_body())
            state.asked.append(asked)
            found = state.answers.get(f"{self.command} {path}", Answer({"message": f"no {path}"}, status=404))
            self.say(found(asked) if callable(found) else found)

        do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - http.server's names

        def read_body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def say(self, answer: Answer) -> None:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.chunks is None:
                plain = isinstance(answer.body, bytes)
                raw = answer.body if plain else b"" if answer.body is None else json.dumps(answer.body).encode()
                assert isinstance(raw, bytes)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)
                return
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for chunk in answer.chunks:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            if answer.cut:
                self.close_connection = True
            else:
                self.wfile.write(b"0\r\n\r\n")

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}/knit/api"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


ID = "50bcbd12-2524-410d-bb46-d43b5e602111"


def detail(knit_id: str = ID, *tags: str) -> dict[str, Any]:
    """A Data as the API shows it."""
    plan = {"planId": "088172e7", "name": "knit#uploaded"}
    run = {"runId": "ab1f52fd", "status": "done", "updatedAt": "2024-11-29T05:05:34.804+00:00", "plan": plan}
    return {
        "knitId": knit_id,
        "tags": [f"knit#id:{knit_id}", *tags],
        "upstream": {"mountpoint": {"path": "/upload", "tags": []}, "run": run},
        "downstreams": [],
        "nomination": [],
    }
