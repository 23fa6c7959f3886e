"""Extra APIs: requests below a path beside Knit's own API, handed to another server as they are.

Rules: docs/extra-apis.md.
"""

from __future__ import annotations

import asyncio
import re
import string
from collections.abc import Awaitable, Iterable
from typing import Any, cast
from urllib.parse import quote, unquote, unquote_plus, urlsplit

from jupyter_server.utils import url_path_join
from tornado import web
from tornado.httputil import HTTPHeaders, ResponseStartLine

from knit_server.domain.errors import InvalidInput, KnitError
from knit_server.handlers import trailers
from knit_server.handlers.base import KnitHandler
from knit_server.handlers.outward import Exchange, Unreached

PARENT = "/knit"
"""What the paths of extra APIs lie below, as `/api` does."""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
PATIENCE = 60.0
"""Seconds until the head of an answer must have come, after the request was sent; and that a part of it may take."""
THROWING_AWAY = 3.0
"""Seconds that a body is still read after it was answered already, so that its sender comes to see the answer."""

HOP_BY_HOP = frozenset({
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
    "transfer-encoding", "upgrade",
})  # fmt: skip
"""RFC 9110, section 7.6.1: they are about one connection. Trailers are announced anew."""
KEPT_BACK = frozenset({"authorization", "cookie", "cookie2", "expect", "host", "x-xsrftoken"})
"""Of requests: what lets people in here, and what is answered here."""
NOT_LET_IN = frozenset({"clear-site-data", "service-worker-allowed", "set-cookie", "set-cookie2",
                        "strict-transport-security"})  # fmt: skip
"""Of answers: what would be about this server in a browser, not about the other one."""
SANDBOX = "sandbox allow-downloads allow-forms allow-modals allow-popups allow-scripts"
"""Pages from there are not pages of this server: their scripts cannot act here as the user who looks at them."""
SECRET = frozenset({"token", "_xsrf"})
"""Members of a query that let people in here."""

_UNLIMITED = 1 << 62


class Extra(KnitHandler):
    """One extra API: `path` is its own, `proxy_to` the URL of the server that answers."""

    SUPPORTED_METHODS = METHODS
    preflights = frozenset()  # OPTIONS is for the other server, and asked as all others are
    _exchange: Exchange | None = None
    _trailers: HTTPHeaders | None = None

    def initialize(self, path: str = "/", proxy_to: str = "", patience: float = PATIENCE, **kwargs: Any) -> None:
        """Take what `routes` says."""
        super().initialize(**kwargs)
        self._path, self._target, self._patience = path, urlsplit(proxy_to), patience

    @web.authenticated
    async def relay(self) -> None:
        """The body of the request has come to its end: wait for that of the answer."""
        assert self._exchange is not None
        self._exchange.end(self._trailers)
        last = await self.while_open(self._exchange.answer())
        if not self._finished:
            self._finish_with(last)

    get = head = post = put = patch = delete = options = trace = connect = relay  # type: ignore[assignment]

    # --- there --------------------------------------------------------------------------------------------------------

    async def begin_body(self) -> None:
        """Send the head of the request."""
        headers, connection = self.request.headers, self.request.connection
        path = self._path_there()
        chunked = "Transfer-Encoding" in headers
        cast("Any", connection).set_max_body_size(_UNLIMITED)
        self._trailers = trailers.accept(connection) if chunked else None
        exchange = Exchange(self._target, self, patience=self._patience)
        await exchange.open()
        self._exchange = exchange
        exchange.ended.add_done_callback(self._answered)
        if self.gone.is_set():
            exchange.close()
        await exchange.begin(str(self.request.method), path, self._headers_there(chunked), chunked=chunked)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """Send a part of the body on; the client is held back as the other server holds us back."""
        return self._send_on(chunk)

    async def _send_on(self, chunk: bytes) -> None:
        if self._exchange is None or self._finished:
            return
        try:
            await self._exchange.send(chunk)
        except Unreached as err:
            if not self._finished:
                self.send_error(err.status_code, exc_info=(type(err), err, err.__traceback__))

    def _path_there(self) -> str:
        """Return path and query for the other server. Raises `InvalidInput` if the path climbs out of its own."""
        below = self.request.path[len(url_path_join(self.base_url, PARENT, self._path)) :]
        if any(part.split(";")[0] in (".", "..") for part in re.split(r"[/\\]", unquote(below))):
            raise InvalidInput("the path has a part that is `.` or `..`", advice="Give the path that is meant.")
        path = (self._target.path.rstrip("/") + below) or "/"
        query = without_secrets(self.request.query)
        return quote((f"{path}?{query}" if query else path).encode("latin-1"), safe=string.printable)

    def _headers_there(self, chunked: bool) -> HTTPHeaders:
        given = self.request.headers
        sent = passed_on(given, KEPT_BACK)
        sent["Host"] = self._target.netloc
        sent.add("Via", "1.1 knit")
        connection = ["close"]
        if "trailers" in given.get("TE", "").lower():
            sent["TE"] = "trailers"
            connection.append("TE")
        sent["Connection"] = ", ".join(connection)
        if chunked and "Trailer" in given:
            sent["Trailer"] = given["Trailer"]
        referer = sent.get("Referer", "")
        if "Referer" in sent and without_secrets(urlsplit(referer).query) != urlsplit(referer).query:
            del sent["Referer"]
        return sent

    # --- and back -----------------------------------------------------------------------------------------------------

    async def begin(self, start: ResponseStartLine, headers: HTTPHeaders) -> None:
        """Answer with status and headers."""
        self.set_status(start.code, start.reason)
        self._transforms = []  # nothing is packed that was not packed there
        self._headers = passed_on(headers, NOT_LET_IN)
        self._headers.add("Content-Security-Policy", SANDBOX)
        if "Trailer" in headers and trailers.can_send(self.request.connection):
            self._headers["Trailer"] = headers["Trailer"]
        if not self._finished:
            await self.flush()

    async def part(self, chunk: bytes) -> None:
        """Answer with a part of the body."""
        if not self._finished:
            self.write(chunk)
            await self.flush()

    def _finish_with(self, last: HTTPHeaders) -> None:
        if any(True for _ in last.get_all()):
            trailers.send(self.request.connection, passed_on(last, NOT_LET_IN))
        endless = self.request.version == "HTTP/1.0" and "Content-Length" not in self._headers
        self.finish()
        if endless:  # nothing but the end of the connection ends it
            cast("Any", self.request.connection).stream.close()

    def _answered(self, ended: asyncio.Future[HTTPHeaders]) -> None:
        """Do not wait for ever for the end of a body that nobody reads any more."""
        if not self.request._body_future.done():
            asyncio.get_running_loop().call_later(THROWING_AWAY, self._answered_early, ended)

    def _answered_early(self, ended: asyncio.Future[HTTPHeaders]) -> None:
        if self._finished or self.request._body_future.done():
            return
        if (err := ended.exception()) is not None:
            status = err.status_code if isinstance(err, Unreached) else 502
            self.send_error(status, exc_info=(type(err), err, err.__traceback__))
        else:
            self._finish_with(ended.result())

    # --- ends ---------------------------------------------------------------------------------------------------------

    def on_connection_close(self) -> None:
        """The client has gone away: so do we."""
        super().on_connection_close()
        self._leave()

    def on_finish(self) -> None:
        """Whatever is still on its way is wanted no more."""
        super().on_finish()
        self._leave()

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        """Log what is a defect of Knit; that another server cannot be reached is none."""
        if not isinstance(value, Unreached):
            super().log_exception(typ, value, tb)

    def _refusal(self, status_code: int, err: web.HTTPError | None) -> KnitError:
        return err.told if isinstance(err, Unreached) else super()._refusal(status_code, err)

    def cut(self) -> None:
        """Break both connections."""
        super().cut()
        self._leave()

    def _leave(self) -> None:
        if self._exchange is not None:
            self._exchange.close()


def routes(
    apis: Iterable[tuple[str, str]], *, patience: float = PATIENCE
) -> list[tuple[str, type[KnitHandler], dict[str, Any]]]:
    """Return patterns, handlers and their arguments for pairs of path and `proxy_to`; of several that fit, the longest.

    To stand behind Knit's own routes, without the base URL.
    """
    longest_first = sorted(apis, key=lambda api: len(api[0]), reverse=True)
    return [
        (rf"{PARENT}{re.escape(path)}(?:/.*)?", Extra, {"path": path, "proxy_to": proxy_to, "patience": patience})
        for path, proxy_to in longest_first
    ]


def passed_on(headers: HTTPHeaders, kept_back: frozenset[str]) -> HTTPHeaders:
    """Return what goes on of `headers`: all but those of one connection and those `kept_back`, in lower case."""
    named = {name.strip().lower() for name in headers.get("Connection", "").split(",")} - {"content-length"}
    passed = HTTPHeaders()
    for name, value in headers.get_all():
        if name.lower() not in HOP_BY_HOP | kept_back | named:
            passed.add(name, value)
    return passed


def without_secrets(query: str) -> str:
    """Return `query` without the members that let people in here; all others stay as they are written."""
    return "&".join(pair for pair in query.split("&") if unquote_plus(pair.split("=")[0]) not in SECRET)
