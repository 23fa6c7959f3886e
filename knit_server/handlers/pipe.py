"""The body of a request as a blocking stream: a bounded pipe from the event loop to one worker thread.

The loop puts what has arrived and waits (without blocking) while the pipe is full, so that a fast sender is held back
by TCP itself and memory stays bounded. The worker reads as from a file; when the client goes away, it gets an error.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import threading
from collections import deque

from knit_server.domain.errors import InvalidInput, KnitError, Unavailable
from knit_server.handlers.workers import in_loop

LIMIT = 4 << 20
"""Bytes that may lie in the pipe before the sender is held back."""


class BodyPipe(io.RawIOBase):
    """One body on its way. `put`, `end` and `cut` belong to the event loop, `read` and `close` to the worker.

    With `md5`, the bytes are hashed while they are read, and `end` brings the sum that the sender computed.
    """

    def __init__(self, *, limit: int = LIMIT, md5: bool = False) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._limit = limit
        self._lock = threading.Lock()
        self._filled = threading.Condition(self._lock)
        self._chunks: deque[memoryview] = deque()
        self._size = 0
        self._room: asyncio.Future[None] | None = None
        self._ended = False
        self._error: KnitError | None = None
        self._reader_gone = False
        self._hash = hashlib.md5(usedforsecurity=False) if md5 else None
        self._expected: str | None = None

    # --- the event loop's side ----------------------------------------------------------------------------------------

    async def put(self, chunk: bytes) -> bool:
        """Add what has arrived and wait until there is room for more. False: nobody reads any more."""
        with self._lock:
            if self._reader_gone:
                return False
            self._chunks.append(memoryview(chunk))
            self._size += len(chunk)
            self._filled.notify()
            if self._size <= self._limit:
                return True
            self._room = room = self._loop.create_future()
        await room
        return not self._reader_gone

    def end(self, md5: str | None = None) -> None:
        """The body is complete. `md5` is the sender's checksum, in hexadecimal digits."""
        with self._lock:
            self._ended = True
            self._expected = md5.strip().lower() if md5 else None
            self._filled.notify()

    def cut(self, reason: str = "the client closed the connection before the body was complete") -> None:
        """The rest of the body will never come: the reader gets an error, also for what it has not read yet."""
        with self._lock:
            if self._ended:
                return
            self._error = Unavailable(reason, advice="Send it again.")
            self._filled.notify()
            self._make_room()

    # --- the worker's side --------------------------------------------------------------------------------------------

    def readable(self) -> bool:
        """True: it is there to be read."""
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """Return at most `size` bytes as soon as there are any, b"" at the end of the body; without `size`, all.

        Raises `Unavailable` when the client has gone away, `InvalidInput` when the checksum does not fit.
        """
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(self._limit), b""))
        if size == 0:
            return b""
        with self._lock:
            self._filled.wait_for(lambda: self._chunks or self._ended or self._error)
            if self._error is not None:
                raise self._error
            data = self._take(size) if self._chunks else b""
        self._check(data)
        return data

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override] # typeshed: any buffer
        """Read into `buffer`; see `read`."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Nobody will read any more: what still comes in is thrown away."""
        with self._lock:
            self._reader_gone = True
            self._chunks.clear()
            self._size = 0
            self._make_room()
        super().close()

    def _take(self, size: int) -> bytes:
        first = self._chunks[0]
        if len(first) <= size:
            self._chunks.popleft()
        else:
            self._chunks[0] = first[size:]
        data = bytes(first[:size])
        self._size -= len(data)
        if self._size <= self._limit // 2:
            self._make_room()
        return data

    def _make_room(self) -> None:
        """Let the loop's side go on. Called with the lock held, from either side."""
        room, self._room = self._room, None
        if room is not None:
            in_loop(self._loop, lambda: None if room.done() else room.set_result(None))

    def _check(self, data: bytes) -> None:
        if self._hash is None:
            return
        self._hash.update(data)
        if not data and self._expected is not None and self._hash.hexdigest() != self._expected:
            raise InvalidInput(
                "the body does not have the checksum that its sender computed", advice="It was damaged; send it again."
            )
