"""Trailers, which tornado neither takes nor sends: Knitfab ends every push and every pull with one, a checksum.

Extra APIs pass on those of others.

Only a request that announces trailers (`Trailer: ...`) is read by the code here, and only its chunked body: RFC 9112,
section 7.1. If a later tornado is built differently, `accept` does nothing, and such a push is refused as before;
`can_send` is False then, and such a pull ends without a trailer.
"""

from __future__ import annotations

from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPHeaders, HTTPInputError, HTTPMessageDelegate

CHUNK = 1 << 16
MAX_LINE = 256
"""Longest line that frames a chunk: its size in hexadecimal digits, and extensions, which are ignored."""
MAX_TRAILERS = 8192


def accept(connection: object) -> HTTPHeaders:
    """Let `connection` read a body that ends with trailers; they are in the returned headers once it was read."""
    trailers = HTTPHeaders()
    if isinstance(connection, HTTP1Connection) and hasattr(connection, "_read_chunked_body"):

        async def read(delegate: HTTPMessageDelegate) -> None:
            await _read_body(connection, delegate)
            await _read_trailers(connection, trailers)

        connection._read_chunked_body = read  # type: ignore[method-assign] # of this one request
    return trailers


def can_send(connection: object) -> bool:
    """Whether the answer to the request of `connection` can end with trailers. Ask before its head is written."""
    return (
        isinstance(connection, HTTP1Connection)
        and hasattr(connection, "_chunking_output")
        and connection._request_start_line is not None
        and connection._request_start_line.version == "HTTP/1.1"  # as tornado decides whether to send chunks
    )


def send_chunks(connection: object) -> None:
    """Send the body of a request in chunks, also where its method seldom has one. Call after its head was written."""
    if isinstance(connection, HTTP1Connection):
        connection._chunking_output = True


def send(connection: object, trailers: HTTPHeaders) -> None:
    """End a body whose chunks are all written, with trailers. tornado then has nothing to end any more."""
    if isinstance(connection, HTTP1Connection) and connection._chunking_output and not connection.stream.closed():
        lines = "".join(f"{name}: {value}\r\n" for name, value in trailers.get_all())
        connection._chunking_output = False
        connection.stream.write(f"0\r\n{lines}\r\n".encode("latin-1"))


async def _read_body(connection: HTTP1Connection, delegate: HTTPMessageDelegate) -> None:
    stream, total = connection.stream, 0
    while size := _size(await stream.read_until(b"\r\n", max_bytes=MAX_LINE)):
        total += size
        if total > connection._max_body_size:
            raise HTTPInputError("chunked body too large")
        while size:
            data = await stream.read_bytes(min(size, CHUNK), partial=True)
            size -= len(data)
            await connection._deliver_body(delegate, data)
        if await stream.read_bytes(2) != b"\r\n":
            raise HTTPInputError("improperly terminated chunk")


async def _read_trailers(connection: HTTP1Connection, trailers: HTTPHeaders) -> None:
    room = MAX_TRAILERS
    while (line := await connection.stream.read_until(b"\r\n", max_bytes=room)) != b"\r\n":
        room -= len(line)
        try:
            trailers.parse_line(line.decode("latin-1"))
        except ValueError as err:
            raise HTTPInputError("improper trailer") from err


def _size(line: bytes) -> int:
    digits = line.split(b";")[0].strip()
    if not digits or digits.strip(b"0123456789abcdefABCDEF"):
        raise HTTPInputError("invalid chunk size")
    return int(digits, 16)
