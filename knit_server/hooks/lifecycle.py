"""Lifecycle hooks over HTTP: each is sent the Run as `POST application/json`; any 2xx means yes.

Shape and meaning are Knitfab's (docs/hooks.md). What Knitfab leaves open is bounded here: the time of each request, the
size of an answer, how many are under way; redirects are not followed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from knit_server.domain.errors import Unavailable
from knit_server.domain.runs import Status
from knit_server.domain.views import RunView
from knit_server.hooks.environment import environment_of, merged
from knit_server.hooks.settings import HookSettings, checked
from knit_server.wire import codecs

if TYPE_CHECKING:
    import httpx

log = logging.getLogger("knit.hooks")

MOST_BYTES = 1 << 20
"""Most bytes that are read of an answer."""
AT_ONCE = 100
"""Requests under way at one time; further ones wait, and their time does not count yet."""

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_LONGEST = 200  # characters of a foreign error that are told


class LifecycleHooks:
    """The hooks of `settings`. To be used from one event loop; raises `InvalidInput` if the settings are wrong."""

    def __init__(self, settings: HookSettings) -> None:
        self._settings = checked(settings)
        self._clients: dict[bool, httpx.AsyncClient] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)

    @property
    def wanted(self) -> bool:
        """Whether there is any."""
        return not self._settings.is_empty

    async def before(self, run: RunView) -> Mapping[str, str]:
        """Ask one after the other, and stop at the first that refuses. Raises `Unavailable` that names it.

        Only those that are asked before a program starts may give it environment variables; the later hook wins.
        """
        starts = run.run.status is Status.READY
        body = _body(run)
        env: dict[str, str] = {}
        for url in self._settings.before:
            answer = await self._post(url, body, read=starts)
            if answer is not None:
                with _naming(url):
                    env = merged(env, environment_of(answer))
        return env

    async def after(self, run: RunView) -> None:
        """Tell one after the other, whatever they say; what went wrong is logged."""
        body = _body(run)
        for url in self._settings.after:
            try:
                await self._post(url, body, read=False)
            except Unavailable as err:
                log.warning("Run %s is %s, but %s", run.run.run_id, run.run.status.value, err.reason)

    async def close(self) -> None:
        """Close the connections."""
        clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            await client.aclose()

    async def _post(self, url: str, body: bytes, *, read: bool) -> bytes | None:
        """Send `body`; returns the JSON of a good answer if it is to be `read` and is JSON. Raises `Unavailable`."""
        async with self._turns:
            with _told(url, self._settings.timeout):
                async with asyncio.timeout(self._settings.timeout):
                    return await self._exchange(url, body, read=read)

    async def _exchange(self, url: str, body: bytes, *, read: bool) -> bytes | None:
        async with self._client(url).stream("POST", url, content=body) as response:
            if not response.is_success:
                where = " (redirects are not followed)" if response.is_redirect else ""
                raise _refusal(url, f"answered {response.status_code}{where}")
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            if not read or kind != "application/json" or response.status_code in (204, 205):
                return None
            if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
                raise _refusal(url, "answered with compressed bytes, which it was not asked for")
            found = bytearray()
            async for block in response.aiter_raw():
                found += block
                if len(found) > MOST_BYTES:
                    raise _refusal(url, f"answered more than {MOST_BYTES} bytes")
            return bytes(found)

    def _client(self, url: str) -> httpx.AsyncClient:
        """Return the client for `url`; there is another one for this machine, which no proxy can reach."""
        import httpx

        from knit_server import __version__

        local = urlsplit(url).hostname in _LOOPBACK
        if local not in self._clients:
            self._clients[local] = httpx.AsyncClient(
                headers={
                    "Content-Type": "application/json", "Accept": "application/json, */*;q=0.5",
                    "Accept-Encoding": "identity", "User-Agent": f"knit/{__version__}",
                },
                timeout=None,  # noqa: S113 - the whole exchange has one
                follow_redirects=False,
                trust_env=not local,
                # A connection that is kept may be closed by the other side just now: hooks are told at most once.
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
            )  # fmt: skip
        return self._clients[local]


def shown(url: str) -> str:
    """Return a URL as people may see it: without the password, token or query that it may carry."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = "" if parts.port is None else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}{parts.path}"


def _body(run: RunView) -> bytes:
    return json.dumps(codecs.run_detail(run), ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def _refusal(url: str, what: str) -> Unavailable:
    return Unavailable(f"hook {shown(url)} {what}")


@contextlib.contextmanager
def _naming(url: str) -> Iterator[None]:
    """Say which hook gave what cannot be used."""
    try:
        yield
    except ValueError as err:
        raise _refusal(url, f"gave no usable environment: {err}") from err


@contextlib.contextmanager
def _told(url: str, timeout: float) -> Iterator[None]:
    """Translate what may go wrong on the way to a hook."""
    import httpx

    try:
        yield
    except Unavailable:
        raise
    except TimeoutError as err:
        raise _refusal(url, f"did not answer in {timeout:g} s") from err
    except httpx.ConnectError as err:
        raise _refusal(url, f"cannot be reached: {_cut(err)}") from err
    except httpx.HTTPError as err:
        raise _refusal(url, f"gave no proper answer: {_cut(err)}") from err
    except (httpx.InvalidURL, httpx.StreamError, UnicodeError, OSError) as err:
        raise _refusal(url, f"cannot be asked: {_cut(err)}") from err


def _cut(err: Exception) -> str:
    return (str(err).strip() or type(err).__name__)[:_LONGEST]
