"""A hook for tests: an HTTP server of bare sockets, that can also do what no decent server does."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

Behaviour = Callable[[dict[str, Any], socket.socket], None]
"""Gets the body of a request, and answers through the socket."""


def answer(status: int, body: bytes = b"", kind: str = "", **more: str) -> bytes:
    """Return a whole answer; `more` are headers, with _ for -."""
    headers = {"Content-Length": str(len(body)), "Connection": "close"}
    if kind:
        headers["Content-Type"] = kind
    headers |= {name.replace("_", "-"): value for name, value in more.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} Whatever\r\n{lines}\r\n".encode() + body


def says(status: int = 200, body: bytes = b"", kind: str = "", **more: str) -> Behaviour:
    """Answer always the same."""
    return lambda run, to: to.sendall(answer(status, body, kind, **more))


def gives(env: Any, kind: str = "application/json") -> Behaviour:
    """Give environment variables."""
    return says(200, json.dumps({"knitfabExtension": {"env": env}}).encode(), kind)


class HookServer:
    """One hook. `seen` lists what it was sent, in order; `behaviour` may be changed at any time.

    `over` is set when the test is over: a behaviour that hangs waits for it.
    """

    def __init__(self, behaviour: Behaviour | None = None) -> None:
        self.behaviour = behaviour or says()
        self.seen: list[dict[str, Any]] = []
        self.requests: list[bytes] = []
        self.arrived = threading.Condition()
        self.over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/hook"

    def hangs(self, run: dict[str, Any], to: socket.socket) -> None:
        """Say nothing for as long as anybody listens."""
        with contextlib.suppress(OSError):
            to.recv(1)  # returns when the other side hangs up, or at the end of the test

    def statuses(self) -> list[str]:
        """The statuses of the Runs that it was sent."""
        with self.arrived:
            return [run["status"] for run in self.seen]

    def wait(self, condition: Callable[[], object], patience: float = 30.0) -> None:
        """Return when `condition` holds, which is looked at after each request."""
        with self.arrived:
            assert self.arrived.wait_for(condition, patience), f"only {[run['status'] for run in self.seen]} came"

    def close(self) -> None:
        self.over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()
        for each in list(self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        self._open.add(connection)
        with connection, contextlib.suppress(OSError):
            head, body = _request(connection)
            if not head:
                return
            run = json.loads(body)
            with self.arrived:
                self.requests.append(head)
                self.seen.append(run)
                self.arrived.notify_all()
            self.behaviour(run, connection)
        self._open.discard(connection)


def _request(connection: socket.socket) -> tuple[bytes, bytes]:
    found = b""
    while b"\r\n\r\n" not in found:
        block = connection.recv(1 << 16)
        if not block:
            return b"", b""
        found += block
    head, _, body = found.partition(b"\r\n\r\n")
    (length,) = [
        int(line.partition(b":")[2]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    ]
    while len(body) < length:
        body += connection.recv(1 << 16)
    return head, body


@contextlib.contextmanager
def a_hook(behaviour: Behaviour | None = None) -> Iterator[HookServer]:
    """A hook that listens."""
    server = HookServer(behaviour)
    try:
        yield server
    finally:
        server.close()
