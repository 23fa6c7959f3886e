"""A real tornado server with Jupyter's identity and authorizer around Knit's handlers, in a thread of its own."""

from __future__ import annotations

import asyncio
import gzip
import io
import socket
import tarfile
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from jupyter_server.auth.authorizer import AllowAllAuthorizer, Authorizer
from jupyter_server.auth.identity import IdentityProvider
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from knit_server.engine import Engine, Settings
from knit_server.handlers.host import SETTING, Host
from knit_server.handlers.routes import routes
from knit_server.scheduler import Scheduler
from knit_server.service.context import Context
from knit_server.testing import FakeExecutor, temp_knit

T = TypeVar("T")

TOKEN = "secret-token"
DEADLINE = 20.0


class Served:
    """A server on a free port. `engine` is None where a test brings its own handlers."""

    def __init__(
        self, handlers: Sequence[tuple[Any, ...]], *, base_url: str = "/", authorizer: Authorizer | None = None
    ) -> None:
        self.engine: Engine | None = None
        self.executor = FakeExecutor()
        self.context: Context | None = None
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="test-server")
        self.thread.start()
        sockets = bind_sockets(0, "127.0.0.1", family=socket.AF_INET)
        self.port = sockets[0].getsockname()[1]
        self.root = f"http://127.0.0.1:{self.port}{base_url}"
        self.api = f"{self.root}knit/api"
        self.host: Host = self.run(self._start(handlers, base_url, authorizer, sockets))

    async def _start(
        self, handlers: Sequence[tuple[Any, ...]], base_url: str, authorizer: Authorizer | None, sockets: list[Any]
    ) -> Host:
        host = Host()
        identity = IdentityProvider(token=TOKEN)
        app = Application(
            [(base_url.rstrip("/") + pattern, *rest) for pattern, *rest in handlers],
            base_url=base_url, identity_provider=identity, authorizer=authorizer or AllowAllAuthorizer(),
            xsrf_cookies=True, cookie_secret="c", login_url="/login", allow_unauthenticated_access=True,
        )  # fmt: skip
        app.settings[SETTING] = host
        self.server = HTTPServer(app)
        self.server.add_sockets(sockets)
        return host

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the server's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(DEADLINE)

    def call(self, function: Callable[[], T]) -> T:
        """Call a function in the server's loop."""

        async def work() -> T:
            return function()

        return self.run(work())

    def client(self, token: str | None = TOKEN) -> httpx.Client:
        """A client with the API as its base."""
        headers = {} if token is None else {"Authorization": f"token {token}"}
        return httpx.Client(base_url=self.api, headers=headers, timeout=DEADLINE, trust_env=False)

    def close(self) -> None:
        """Stop the way the extension does."""

        async def stop() -> None:
            self.host.close()
            self.server.stop()
            await self.server.close_all_connections()

        self.run(stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(DEADLINE)
        self.loop.close()
        if self.engine is not None:
            self.engine.close()


def open_knit(home: Path, **options: Any) -> Served:
    """All of Knit's API on a real home."""
    served = Served(routes(), **options)
    served.engine = Engine(Settings(home=home))
    context = served.engine.open(exclusive=True)
    served.call(lambda: served.host.open(context))
    return served


@pytest.fixture(scope="module")
def knit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One Knit for the tests of a module, which leave each other alone by using tags of their own."""
    served = open_knit(tmp_path_factory.mktemp("home"))
    yield served
    served.close()


@pytest.fixture
def client(knit: Served) -> Iterator[httpx.Client]:
    with knit.client() as client:
        yield client


@pytest.fixture
def own_knit(tmp_path: Path) -> Iterator[Served]:
    """A Knit for one test."""
    served = open_knit(tmp_path / "home")
    yield served
    served.close()


@pytest.fixture
def fake_knit(tmp_path: Path) -> Iterator[Served]:
    """A Knit with a scheduler whose images are Python functions: `served.executor.images.programs`."""
    executor = FakeExecutor()
    with temp_knit(tmp_path / "home", executor=executor) as context:
        scheduler = Scheduler(context)
        scheduler.start()
        served = Served(routes())
        served.executor = executor
        served.context = context
        served.call(lambda: served.host.open(context))
        yield served
        served.close()
        scheduler.stop()


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Serve handlers of the test's own; the Context is a plain object."""
    opened: list[Served] = []

    def make(*handlers: tuple[Any, ...], context: Any = "the context", **options: Any) -> Served:
        served = Served(handlers, **options)
        opened.append(served)
        if context is not None:
            served.call(lambda: open_host(served.host, context))
        return served

    yield make
    for served in opened:
        served.close()


def open_host(host: Host, context: Any) -> None:
    host._context = context
    host._decided.set()


@pytest.fixture
def tar_gz() -> Callable[..., bytes]:
    """Make the tar.gz of a few files."""

    def make(**files: bytes | str) -> bytes:
        buffer = io.BytesIO()
        with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
            for name, content in files.items():
                data = content.encode() if isinstance(content, str) else content
                info = tarfile.TarInfo(name.replace("__", "/"))
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        return buffer.getvalue()

    return make
