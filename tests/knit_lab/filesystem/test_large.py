"""How much of a large file comes over the network."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from server import Server

from knit_lab.filesystem import KnitFileSystem
from knit_lab.filesystem.system import BLOCK
from knit_lab.session import Session

SIZE = 256 << 20


class Meter:
    """Stands between a client and a server, and counts the bytes that the server sends."""

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._open = [self._listening]
        self._threads = [threading.Thread(target=self._accept)]
        self.port = self._listening.getsockname()[1]
        self.sent = 0
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, far = self._listening.accept()[0], socket.create_connection(self._to)
                self._open += [near, far]
                for source, target in ((near, far), (far, near)):
                    self._threads.append(threading.Thread(target=self._pass, args=(source, target, source is far)))
                    self._threads[-1].start()

    def _pass(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        with contextlib.suppress(OSError):
            while block := source.recv(1 << 16):
                self.sent += len(block) if counted else 0
                target.sendall(block)
            target.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(20)
        for each in self._open:
            each.close()


@pytest.fixture
def meter(knit_server: Server) -> Iterator[Meter]:
    host, _, port = knit_server.profile["apiRoot"].split("/")[2].rpartition(":")
    made = Meter(host, int(port))
    yield made
    made.close()


@pytest.mark.slow
def test_only_ranges_come(here: Session, knit_server: Server, meter: Meter, case: str, tmp_path: Path) -> None:
    """Random reads of 256 MiB cost what is read, and what is read ahead, and a little for each request."""
    file, rng = tmp_path / "big.bin", random.Random(1)
    with file.open("wb") as out:
        for _ in range(SIZE >> 20):
            out.write(os.urandom(1 << 20))
    here.push(file, case, progress=False)
    root = knit_server.profile["apiRoot"].split("/", 3)[3]
    fs = KnitFileSystem(api_root=f"http://127.0.0.1:{meter.port}/{root}", token=knit_server.profile["token"])
    places = [rng.randrange(SIZE - 4096) for _ in range(20)]
    with file.open("rb") as whole:

        def expected(start: int, length: int) -> bytes:
            whole.seek(start)
            return whole.read(length)

        for start in places:
            assert fs.cat_file(f"{case}/big.bin", start, start + 4096) == expected(start, 4096)
        assert meter.sent < 20 * (4096 + 2000) + 10_000
        before = meter.sent
        with fs.open(f"{case}/big.bin") as opened:
            for start in places:
                opened.seek(start)
                assert opened.read(4096) == expected(start, 4096)
        assert meter.sent - before < 20 * (4096 + BLOCK + 2000)
        before = meter.sent
        with fs.open(f"{case}/big.bin", cache_type="none") as opened:
            opened.seek(-10, 2)
            assert opened.read() == expected(SIZE - 10, 10)
        assert meter.sent - before < 3000
