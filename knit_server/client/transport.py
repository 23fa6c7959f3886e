"""The one door to httpx: requests out, answers or `KnitError`s back.

Redirects are not followed, so that the token never goes anywhere but to the server of the profile.
"""

from __future__ import annotations

import json as json_module
import os
import socket
import ssl
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from knit_server import __version__
from knit_server.domain.errors import InvalidInput, KnitError, Unavailable
from knit_server.wire import cursors, errors
from knit_server.wire.endpoints import JSON, endpoint

if TYPE_CHECKING:
    import httpx

Query = Sequence[tuple[str, str]]

CONNECT = 10.0
"""Seconds a server may take to accept a connection."""
ANSWER = 60.0
"""Seconds between two pieces of an answer before a short request is given up."""

PAGE = 200
"""Most rows that are asked for at once where a list is taken row by row."""

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_START = "Is the server running? On this machine, start it: knit serve"


class Transport:
    """Sends requests to one server. Close it, or use it as a context manager."""

    def __init__(self, api_root: str, *, token: str = "", ca_pem: str | None = None) -> None:
        self.api_root = api_root.removesuffix("/")
        self._token = token
        self._ca_pem = ca_pem
        self._opened: httpx.Client | None = None
        self._process = os.getpid()
        self._inherited: list[httpx.Client | None] = []
        self._opening = threading.Lock()

    def close(self) -> None:
        """Close all connections."""
        with self._opening:
            opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    def json(self, name: str, query: Query = (), body: object = None, **members: str) -> Any:
        """Ask the endpoint `name` and return the JSON it answers, None for an empty answer. Raises `KnitError`."""
        content = None if body is None else json_module.dumps(body).encode()
        headers = {} if body is None else {"Content-Type": JSON}
        with self.stream(name, query, content=content, headers=headers, patience=ANSWER, **members) as response:
            raw = self.drain(response)
        return self.decode(response.status_code, raw) if raw else None

    def found(self, name: str, query: Query, limit: int | None = None) -> list[Any]:
        """Ask for the list `name`, or for its first `limit` rows. Raises `KnitError`."""
        return self.json(name, query) if limit is None else list(self.rows(name, query, limit))

    def rows(self, name: str, query: Query, limit: int) -> Iterator[Any]:
        """Ask for at most `limit` rows of the list `name`, page after page as they are taken. Raises `KnitError`.

        A server that knows no pages answers with all rows at once; no more than `limit` of them are given.
        """
        cursor: str | None = None
        while limit > 0:
            page = [*query, ("limit", str(min(limit, PAGE))), *([] if cursor is None else [("cursor", cursor)])]
            with self.stream(name, page, patience=ANSWER) as response:
                raw, cursor = self.drain(response), cursors.following(response.headers.get("link", ""))
            yield from (found := self.decode(response.status_code, raw)[:limit])
            limit = limit - len(found) if cursor is not None else 0

    @contextmanager
    def stream(
        self,
        name: str,
        query: Query = (),
        *,
        content: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        patience: float | None = None,
        **members: str,
    ) -> Iterator[httpx.Response]:
        """Ask the endpoint `name`; gives the response with its body unread, once it is known to be a success.

        `patience` is how many seconds the server may be silent, None for ever. Raises `KnitError`.
        """
        import httpx

        point = endpoint(name)
        with self._translated():
            client = self._client()
            request = client.build_request(
                point.method,
                self.api_root + point.url(**members),
                params=list(query),
                content=content,
                headers=headers,
                timeout=httpx.Timeout(ANSWER, connect=CONNECT, read=patience),
            )
            response = client.send(request, stream=True)
            try:
                if not response.is_success:
                    raise errors.from_response(response.status_code, response.read(), response.headers.get("location"))
                yield response
            finally:
                response.close()

    def blocks(self, response: httpx.Response) -> Iterator[bytes]:
        """The body as it comes. Raises `Unavailable` if it is cut off."""
        with self._translated():
            yield from response.iter_raw()

    def cut(self, response: httpx.Response) -> None:
        """Break off an answer that another thread reads: that one is told `Unavailable` at once, also if it waits."""
        channel = response.extensions.get("network_stream")
        connected = None if channel is None else channel.get_extra_info("socket")
        if connected is not None:
            with suppress(OSError):  # it is closed already
                socket.socket.shutdown(connected, socket.SHUT_RDWR)  # not TLS's own, which is not for two threads

    def drain(self, response: httpx.Response) -> bytes:
        """The whole body. Raises `Unavailable` if it is cut off."""
        with self._translated():
            return response.read()

    def decode(self, code: int, raw: bytes) -> Any:
        """Parse the JSON of a success. Raises `InvalidInput`."""
        try:
            return json_module.loads(raw)
        except ValueError as err:
            raise InvalidInput(
                f"unexpected error: {err} (status code = {code})",
                advice=f"Is {self.api_root} the API of a Knit server? It ends in /knit/api.",
            ) from err

    def _client(self) -> httpx.Client:
        with self._opening:
            if self._process != os.getpid():  # forked: its connections are still those of the other process
                self._inherited.append(self._opened)  # kept, since closing them would end them there
                self._opened, self._process = None, os.getpid()
            if self._opened is None:
                self._opened = self._open()
            return self._opened

    def _open(self) -> httpx.Client:
        import httpx

        parts = urlsplit(self.api_root)
        headers = {"User-Agent": f"knit/{__version__}", "Accept-Encoding": "identity"}
        if self._token:
            headers["Authorization"] = f"token {self._token}"
        return httpx.Client(
            headers=headers,
            verify=_trust(parts.scheme, self._ca_pem),
            follow_redirects=False,
            trust_env=(parts.hostname or "") not in _LOOPBACK,  # a proxy cannot reach this machine's loopback
        )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        import httpx

        try:
            yield
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as err:
            raise translate(err, self.api_root) from err
        except (ssl.SSLError, UnicodeEncodeError) as err:  # a header or a path that HTTP cannot carry
            raise translate(err, self.api_root) from err


def translate(err: Exception, api_root: str) -> KnitError:
    """Give the error for people: what failed, with which server, and what to do next."""
    import httpx

    causes = list(_causes(err))
    if any(isinstance(each, ssl.SSLCertVerificationError) for each in causes):
        return InvalidInput(
            f"the certificate of {api_root} is not trusted: {_last(causes)}",
            advice="Put the server's CA into cert.ca of the profile: `knit init` with the server's knitprofile.",
        )
    if any(isinstance(each, ssl.SSLError) or "handshake" in str(each) for each in causes):  # or it timed out in it
        return Unavailable(
            f"no TLS connection to {api_root}: {_last(causes)}", advice="Is it https? Check apiRoot in the profile."
        )
    if any(isinstance(each, socket.gaierror) for each in causes):
        return Unavailable(
            f"the host of {api_root} cannot be found: {_last(causes)}", advice="Check apiRoot in the profile."
        )
    for kind, told, advice in _table():
        if isinstance(err, kind):
            return (InvalidInput if kind in (httpx.UnsupportedProtocol, httpx.InvalidURL) else Unavailable)(
                f"{told} {api_root}: {_last(causes)}", advice=advice
            )
    return Unavailable(f"talking to {api_root} failed: {_last(causes)}", advice="Try again.")


def _table() -> tuple[tuple[type[Exception], str, str], ...]:
    import httpx

    return (
        (httpx.ConnectTimeout, "no connection in time to", _START),
        (httpx.ConnectError, "cannot connect to", _START),
        (httpx.ReadTimeout, "no answer in time from", "It may be busy; look at its log, then try again."),
        (httpx.TimeoutException, "no progress in time with", "Look at the network and the server's log; try again."),
        (httpx.ProxyError, "the proxy refuses the way to", "Check HTTP_PROXY, HTTPS_PROXY and NO_PROXY."),
        (httpx.UnsupportedProtocol, "not an http or https URL:", "Check apiRoot in the profile."),
        (httpx.InvalidURL, "not a URL:", "Check apiRoot in the profile."),
        (httpx.RemoteProtocolError, "the answer was cut off or garbled, from", "Look at the server's log; try again."),
        (httpx.NetworkError, "the connection broke with", "Was the server stopped? Try again."),
    )


def _causes(err: BaseException | None) -> Iterator[BaseException]:
    while err is not None:
        yield err
        err = err.__cause__ or err.__context__


def _last(causes: Sequence[BaseException]) -> str:
    """Return what the innermost error that says anything says."""
    texts = [each.strerror if isinstance(each, OSError) and each.strerror else str(each) for each in causes]
    return next((text for text in reversed(texts) if text), type(causes[0]).__name__)


def _trust(scheme: str, ca_pem: str | None) -> ssl.SSLContext:
    if scheme != "https":
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # never used; spares loading the system's certificates
    try:
        return ssl.create_default_context(cadata=ca_pem)
    except ssl.SSLError as err:
        raise InvalidInput(
            f"cert.ca of the profile holds no certificate that can be used: {err.reason}",
            advice="Run `knit init` again with the server's knitprofile.",
        ) from err
