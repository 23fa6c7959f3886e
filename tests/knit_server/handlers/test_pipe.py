"""BodyPipe: order, bounds, ends and cuts, between an event loop and a thread."""

from __future__ import annotations

import asyncio
import hashlib
import io
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knit_server.domain.errors import InvalidInput, Unavailable
from knit_server.handlers.pipe import BodyPipe


async def sent(pipe: BodyPipe, chunks: list[bytes]) -> None:
    for chunk in chunks:
        await pipe.put(chunk)
    pipe.end()


class TestReading:
    @given(st.lists(st.binary(max_size=40), max_size=20), st.integers(1, 50), st.integers(1, 100))
    def test_everything_in_order(self, chunks: list[bytes], size: int, limit: int) -> None:
        """Whatever the sizes of chunks, reads and pipe, the reader sees exactly the bytes that were put."""

        async def scenario() -> bytes:
            pipe = BodyPipe(limit=limit)
            with ThreadPoolExecutor(1) as pool:
                reading = asyncio.get_running_loop().run_in_executor(
                    pool, lambda: b"".join(iter(lambda: pipe.read(size), b""))
                )
                await sent(pipe, [chunk for chunk in chunks if chunk])
                return await reading

        assert asyncio.run(scenario()) == b"".join(chunks)

    async def test_as_a_file(self) -> None:
        """It can be wrapped like any raw stream, read to its end, and read again at its end."""
        pipe = BodyPipe()
        await sent(pipe, [b"one\n", b"two\nthr", b"ee"])
        assert list(io.BufferedReader(pipe)) == [b"one\n", b"two\n", b"three"]
        assert pipe.closed or pipe.read(5) == b""
        pipe = BodyPipe()
        await sent(pipe, [b"ab", b"c"])
        assert (pipe.read(0), pipe.read(), pipe.read(), pipe.read(1)) == (b"", b"abc", b"", b"")


class TestBackPressure:
    async def test_sender_waits_for_the_reader(self) -> None:
        """No more than the limit and one chunk lies in the pipe; reading lets the sender go on."""
        pipe = BodyPipe(limit=10)
        assert await pipe.put(b"x" * 10)
        waiting = asyncio.ensure_future(pipe.put(b"y" * 10))
        await asyncio.sleep(0)
        assert not waiting.done()
        assert pipe.read(10) == b"x" * 10
        await asyncio.sleep(0)
        assert not waiting.done()  # still more than half full
        assert pipe.read(10) == b"y" * 10
        assert await waiting

    async def test_reader_that_has_gone(self) -> None:
        """When the reader closes, a waiting sender goes on and learns that nobody reads."""
        pipe = BodyPipe(limit=1)
        waiting = asyncio.ensure_future(pipe.put(b"xx"))
        await asyncio.sleep(0)
        pipe.close()
        assert not await waiting
        assert not await pipe.put(b"more")


class TestCut:
    async def test_reader_gets_an_error(self) -> None:
        """When the client goes away, the reader is told at once and for good, and a waiting sender is let go."""
        pipe = BodyPipe(limit=1)
        with ThreadPoolExecutor(1) as pool:
            reading = asyncio.get_running_loop().run_in_executor(pool, pipe.read, 5)
            pipe.cut()
            with pytest.raises(Unavailable, match="closed the connection"):
                await reading
        with pytest.raises(Unavailable):
            pipe.read(1)

    async def test_waiting_sender(self) -> None:
        """A sender that waits for room is let go by a cut."""
        pipe = BodyPipe(limit=1)
        waiting = asyncio.ensure_future(pipe.put(b"xx"))
        await asyncio.sleep(0)
        pipe.cut()
        await waiting

    async def test_after_the_end(self) -> None:
        """A client that goes away after the last byte has taken nothing back."""
        pipe = BodyPipe()
        await sent(pipe, [b"whole"])
        pipe.cut()
        assert pipe.read() == b"whole"

    def test_loop_that_has_ended(self) -> None:
        """A reader left over from a stopped server does not fail on the loop that is gone."""

        async def begin() -> BodyPipe:
            pipe = BodyPipe(limit=1)
            waiting = asyncio.ensure_future(pipe.put(b"xx"))
            await asyncio.sleep(0)
            waiting.cancel()
            return pipe

        assert asyncio.run(begin()).read(2) == b"xx"


class TestChecksum:
    async def test_right(self) -> None:
        """The right sum, in any case, lets the body end."""
        pipe = BodyPipe(md5=True)
        await pipe.put(b"abc")
        pipe.end(hashlib.md5(b"abc").hexdigest().upper() + " ")
        assert pipe.read() == b"abc"

    async def test_wrong(self) -> None:
        """A wrong sum is an error in place of the end."""
        pipe = BodyPipe(md5=True)
        await pipe.put(b"abc")
        pipe.end("0" * 32)
        assert pipe.read(3) == b"abc"
        with pytest.raises(InvalidInput, match="the body does not have the checksum that its sender computed"):
            pipe.read(3)

    async def test_announced_but_missing(self) -> None:
        """A sum that was announced and did not come is not checked."""
        pipe = BodyPipe(md5=True)
        await sent(pipe, [b"abc"])
        assert pipe.read() == b"abc"
