"""What all handlers share: authentication, limits of bodies, calls off the event loop, JSON, and errors.

Every handler takes its body as it comes (`stream_request_body`): so `prepare` authenticates and authorises before a
single byte of any body is read, and a body that is too long is refused before it is in memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping
from typing import Any, ClassVar, Concatenate, ParamSpec, TypeVar, cast

from jupyter_server.auth.identity import IdentityProvider
from jupyter_server.auth.utils import HTTP_METHOD_TO_AUTH_ACTION
from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import ensure_async
from tornado import web
from tornado.iostream import StreamClosedError

from knit_server.domain.errors import InvalidInput, KnitError, Unavailable
from knit_server.handlers import loopback
from knit_server.handlers.host import SETTING, Host
from knit_server.handlers.own_token import OwnToken, sent
from knit_server.service.context import Context
from knit_server.wire import errors

_P = ParamSpec("_P")
_T = TypeVar("_T")

MAX_JSON = 10 << 20
"""Longest JSON body, in bytes."""

_TOLD: Mapping[int, tuple[str, str]] = {
    403: (
        "this request is not allowed: its token is missing, wrong or may not do this",
        "Send the header Authorization: token T, with the token of the profile. If the server has a new token by now, "
        "take its knitprofile anew: knit init KNIT_PROFILE_FILE",
    ),
    404: (
        "there is nothing here",
        "Is apiRoot in the profile right? It ends in /knit/api. The API is documented in docs/api.md.",
    ),
    405: ("this method is not possible here", "The API is documented in docs/api.md."),
    413: (f"the body is longer than {MAX_JSON >> 20} MiB", "Send less at once."),
}
"""Reason and advice for refusals that are not Knit's own errors."""


@web.stream_request_body
class KnitHandler(APIHandler):
    """A route of the API. Subclasses decode the request, `call` a service and `reply`; nothing else."""

    auth_resource: ClassVar[str] = "knit"
    preflights: ClassVar[frozenset[str]] = frozenset({"OPTIONS"})
    """Methods that Jupyter server answers by itself, whoever asks."""
    ctx: Context
    _body: bytearray | None = None
    _foreign = False

    def initialize(self, **kwargs: Any) -> None:
        """Note from the first moment on whether the client goes away."""
        super().initialize(**kwargs)
        self.gone = asyncio.Event()

    def on_connection_close(self) -> None:
        """The client has gone away."""
        super().on_connection_close()
        self.gone.set()

    def check_host(self) -> bool:
        """Refuse names that are not this machine's, where Jupyter says so (against DNS rebinding)."""
        self._foreign = not super().check_host()
        return not self._foreign

    def check_xsrf_cookie(self) -> None:
        """Ask for the cookie's proof only of those whose cookie let them in; all others lack a token."""
        if hasattr(self, "_jupyter_current_user") and self.current_user is None:  # unset: Jupyter calls it again later
            raise web.HTTPError(403)
        super().check_xsrf_cookie()

    # --- before the body ----------------------------------------------------------------------------------------------

    @property
    def host(self) -> Host:
        """What the handlers of this server share."""
        return cast("Host", self.settings[SETTING])

    @property
    def identity_provider(self) -> IdentityProvider:
        """Who says who sent this request: Jupyter's provider, unless Knit's own token has come with it."""
        host = self.settings.get(SETTING)
        return OwnToken() if host is not None and sent(self, host.own_token) else super().identity_provider

    async def prepare(self) -> None:  # type: ignore[override] # as in jupyter_server's own APIHandler
        """Let nobody in who may not; only then look at the body."""
        if (port := self.settings.get(loopback.SETTING)) is not None:
            loopback.admit(self.request.headers, self.request.protocol, port)
        await super().prepare()
        if self.request.method in self.preflights:
            return
        action = HTTP_METHOD_TO_AUTH_ACTION.get(str(self.request.method), "write")
        if not self.current_user or not await ensure_async(
            self.authorizer.is_authorized(self, self.current_user, action, self.auth_resource)
        ):
            raise web.HTTPError(403)
        self.ctx = await self.host.context()
        await self.begin_body()

    async def begin_body(self) -> None:
        """Decide what happens to the body: here it is kept, up to `MAX_JSON` bytes."""
        self._body = bytearray()
        announced = self.request.headers.get("Content-Length", "")
        if announced.isdecimal() and (len(announced) > 18 or int(announced) > MAX_JSON):
            raise web.HTTPError(413)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """Take a part of the body."""
        if self._body is None:
            return None
        self._body += chunk
        if len(self._body) > MAX_JSON and not self._finished:
            self._body = None
            self.send_error(413)
        return None

    def json_body(self) -> object:
        """Return the JSON in the body, None if there is none. Raises `InvalidInput`."""
        body = bytes(self._body or b"").strip()
        try:
            return json.loads(body) if body else None
        except (ValueError, RecursionError) as err:
            raise InvalidInput(f"the body is not JSON: {err}", advice="Send one JSON object, in UTF-8.") from err

    def one(self, name: str) -> str | None:
        """Return a member of the query, or None; of several the last counts."""
        return self.get_query_argument(name, None)

    def commas(self, name: str) -> tuple[str, ...]:
        """Return the values of a member of the query, given once with commas or several times."""
        given = ",".join(self.get_query_arguments(name))
        return tuple(part.strip() for part in given.split(",") if part.strip())

    # --- the work -----------------------------------------------------------------------------------------------------

    async def call(self, service: Callable[Concatenate[Context, _P], _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Call a service in a thread of Knit's own; it gets the Context first."""
        return await self.host.workers.call(service, self.ctx, *args, **kwargs)

    async def reply(
        self, encode: Callable[[_T], object], service: Callable[Concatenate[Context, _P], _T],
        *args: _P.args, **kwargs: _P.kwargs,
    ) -> None:  # fmt: skip
        """Call a service and answer with what it returns, as JSON. Encoding happens in the same thread."""

        def work() -> bytes:
            return as_json(encode(service(self.ctx, *args, **kwargs)))

        self.finish(await self.host.workers.call(work))

    async def reply_with(self, encode: Callable[[_T], object], value: _T) -> None:
        """Answer with what a service has returned already, as JSON, encoded in a worker."""
        self.finish(await self.host.workers.call(lambda: as_json(encode(value))))

    async def send(self, media: str, parts: AsyncGenerator[bytes]) -> None:
        """Answer with a stream; the next part is asked for when the client has taken the last one.

        If there is none for a failure, the connection breaks: the client never takes a part for the whole.
        """
        self.set_header("Content-Type", media)
        async with contextlib.aclosing(parts):
            async for part in parts:
                self.write(part)
                await self.flush()
        self.finish(set_content_type=media)

    async def threaded(self, parts: Iterator[bytes]) -> AsyncGenerator[bytes]:
        """Go through `parts` in worker threads."""
        workers = self.host.workers
        try:
            while (part := await workers.call(next, parts, None)) is not None:
                yield part
        finally:
            if hasattr(parts, "close"):
                await workers.call(parts.close)

    async def while_open(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Await `work`. Raises `StreamClosedError` if the client goes away first, `Unavailable` if the server stops."""
        task = asyncio.ensure_future(work)
        ends = [asyncio.ensure_future(event.wait()) for event in (self.gone, self.host.stopping)]
        everything: list[asyncio.Future[Any]] = [task, *ends]
        try:
            await asyncio.wait(everything, return_when=asyncio.FIRST_COMPLETED)
            if self.gone.is_set():
                raise StreamClosedError
            if self.host.stopping.is_set():
                raise Unavailable("the server stops", advice="Try again when it is back.")
            return task.result()
        finally:
            for each_one in everything:
                each_one.cancel()

    # --- errors -------------------------------------------------------------------------------------------------------

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """Answer with an error. Where the answer has begun already, break the connection instead."""
        err = kwargs.get("exc_info", (None, None, None))[1]
        if self._headers_written:
            self.cut()
            return
        if not isinstance(err, web.HTTPError) and err is not None:
            status_code = errors.status(err)
        super().send_error(status_code, **kwargs)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Write the body of an error: `{"message", "reason", "advice"?, "see"?}`."""
        err = kwargs.get("exc_info", (None, None, None))[1]
        if err is None or isinstance(err, web.HTTPError):
            err = self._refusal(status_code, err)
        if not self.request._body_future.done():  # tornado closes the connection rather than reading on
            self.set_header("Connection", "close")
        self.finish(as_json(errors.body(err)))

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        """Log what is a defect of Knit; clients that go away and errors for people are none."""
        if not isinstance(value, (KnitError, StreamClosedError)):
            super().log_exception(typ, value, tb)

    def cut(self) -> None:
        """Break the connection at once."""
        self._finished = True
        stream = getattr(self.request.connection, "stream", None)
        if stream is not None:
            stream.close()

    def _refusal(self, status_code: int, err: web.HTTPError | None) -> KnitError:
        """Return the words for a refusal by tornado or Jupyter."""
        if isinstance(err, loopback.NotFromHere):
            return KnitError(err.told, advice="Start knit serve without --anonymous-loopback, and send the token.")
        if self._foreign:
            return KnitError(
                f"the server does not answer to the name {self.request.host_name}",
                advice="Ask it at localhost, or start it so that it may be reached by others: knit serve --host.",
            )
        reason, advice = _TOLD.get(status_code, (None, None))
        said = err.log_message if err is not None else None
        if status_code == 403 and said and "xsrf" in said.lower():  # how to pass is Jupyter's to say
            return KnitError(str(said), advice="Send a token, or the header X-XSRFToken with the value of the cookie.")
        return KnitError(reason or str(said or self._reason), advice=advice)

    def compute_etag(self) -> None:
        """Answers are not cached; so no hash over them is wanted."""
        return

    def set_default_headers(self) -> None:
        """Answers are true for a moment only."""
        super().set_default_headers()
        self.set_header("Cache-Control", "no-store")


class NothingHere(KnitHandler):
    """Any other path below the API: 404, as JSON, for those who may come in."""

    async def begin_body(self) -> None:
        """There is nothing to read it."""
        raise web.HTTPError(404)


def as_json(value: object) -> bytes:
    """Write `value` as JSON in UTF-8; half surrogates, which no UTF-8 has, are escaped."""
    text = json.dumps(value, ensure_ascii=False)
    with contextlib.suppress(UnicodeEncodeError):
        return text.encode()
    return json.dumps(value).encode()


def each(encode: Callable[[_T], object]) -> Callable[[Iterable[_T]], list[object]]:
    """Return what encodes a list of what `encode` encodes."""
    return lambda values: [encode(value) for value in values]
