"""A Jupyter server with nothing in it but Knit: no other extension, service, page or setting of the user.

Of Jupyter server it uses what it is good at: identity, authorisation, TLS, the event loop. Everything else is left out:
routes, configuration files, files in the user's home, talk.
"""

from __future__ import annotations

import errno
import secrets
import signal
import socket
from collections.abc import Callable
from pathlib import Path

from jupyter_server.auth.identity import IdentityProvider, User
from jupyter_server.serverapp import ServerApp
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import RequestHandler
from traitlets.config import Config

from knit_server.domain.errors import Conflict, InvalidInput, KnitError, Unavailable
from knit_server.engine import Engine, Settings
from knit_server.extension.app import KnitExtension
from knit_server.extension.certificates import server_context
from knit_server.handlers import loopback
from knit_server.handlers.base import NothingHere

Ready = Callable[[Engine], None]


class TokenOnly(IdentityProvider):
    """Lets in who sends the token with the request. No cookie is set or taken: there are no pages to log in on."""

    def get_user_cookie(self, handler: RequestHandler) -> None:
        """No cookie says who a user is."""

    def set_login_cookie(self, handler: RequestHandler, user: User) -> None:
        """The token comes with every request."""

    def get_handlers(self) -> list[tuple[str, object]]:
        """There is no page to log in or out."""
        return []


class Anybody(TokenOnly):
    """Lets everybody in. Whose requests come so far, `handlers.loopback` decides."""

    async def get_user(self, handler: RequestHandler) -> User:
        """Nobody is told from anybody else."""
        return User(username="anonymous")


class HeadlessServer(ServerApp):
    """The server of `knit serve`. Build it with `build`."""

    on_ready: Ready
    sockets: list[socket.socket]
    anonymous: bool
    """Whether programs of this machine need no token."""
    failure: KnitError | None = None
    """Why it had to stop, None if it was asked to."""

    @property
    def extension(self) -> KnitExtension:
        """Knit in this server."""
        found: KnitExtension = self.extension_manager.extension_points[KnitExtension.name].app
        return found

    # --- nothing of the user's, nothing written outside the home ------------------------------------------------------

    @property
    def config_file_paths(self) -> list[str]:
        """No configuration file is read, neither by the server nor by the extension."""
        return []

    def migrate_config(self) -> None:
        """There is no old configuration."""

    def init_event_logger(self) -> None:
        """Nobody can subscribe to Jupyter's own events here."""

    def init_metrics(self) -> None:
        """There is no page that shows them."""

    def write_server_info_file(self) -> None:
        """The home's server.json says where this server is."""

    def remove_server_info_file(self) -> None:
        """There is none."""

    def remove_browser_open_files(self) -> None:
        """There are none."""

    # --- nothing but Knit ---------------------------------------------------------------------------------------------

    def init_webapp(self) -> None:
        """Keep the settings and drop every route; Knit's own come with the extension."""
        self.tornado_settings["default_handler_class"] = NothingHere
        if self.anonymous:
            self.tornado_settings[loopback.SETTING] = self.port
        super().init_webapp()
        self.web_app.wildcard_router.rules.clear()

    def init_httpserver(self) -> None:
        """Listen at the sockets that are bound already. Raises `InvalidInput` if the certificate cannot be used."""
        context = server_context(self.certfile, self.keyfile) if self.certfile else None
        self._http_server = HTTPServer(self.web_app, ssl_options=context)
        self._http_server.add_sockets(self.sockets)

    @property
    def http_server(self) -> HTTPServer:
        """The server for HTTP."""
        return self._http_server

    # --- from start to stop -------------------------------------------------------------------------------------------

    def init_signal(self) -> None:
        """Stop on SIGINT and SIGTERM, without asking."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self.stop(from_signal=True))

    def start_app(self) -> None:
        """Say nothing yet: `on_ready` does when the API answers."""

    async def _post_start(self) -> None:
        if self._stopping:  # a signal was faster
            return
        await super()._post_start()  # type: ignore[no-untyped-call]
        self.failure, engine = self.extension.failure, self.extension.engine
        if self.failure is not None:
            self.stop()
        elif engine is not None:
            await self.extension.host.workers.call(self.on_ready, engine)


def build(
    settings: Settings, *, token: str, folder: Path, host: str, port: int, certfile: str, keyfile: str, log_level: int,
    on_ready: Ready, anonymous: bool = False,
) -> HeadlessServer:  # fmt: skip
    """Return a server that listens already and answers once it is `start`ed. Raises `KnitError`.

    With `anonymous`, which is for a `host` of the loopback alone, programs of this machine need no token.
    `folder` is where Jupyter server may write whatever it likes to write. There can be one such server in a process.
    """
    sockets = _listen(host, port)
    config = Config()
    config.TokenOnly.token = "" if anonymous else token
    config.KnitExtension.resolved = settings
    config.KnitExtension.exclusive = True
    server: HeadlessServer = HeadlessServer.instance(
        config=config, jpserver_extensions={"knit_server": True}, reraise_server_extension_failures=True,
        identity_provider_class=Anybody if anonymous else TokenOnly, disable_check_xsrf=anonymous,
        cookie_secret=secrets.token_bytes(), allow_unauthenticated_access=False,
        ip=host, port=sockets[0].getsockname()[1], certfile=certfile, keyfile=keyfile, allow_root=True,
        open_browser=False, no_browser_open_file=True, terminals_enabled=False, log_level=log_level,
        root_dir=str(folder), config_dir=str(folder / "config"), data_dir=str(folder / "data"),
        runtime_dir=str(folder / "runtime"),
    )  # fmt: skip
    server.on_ready, server.sockets, server.anonymous = on_ready, sockets, anonymous
    server.initialize(argv=[], find_extensions=False)
    return server


def _listen(host: str, port: int) -> list[socket.socket]:
    try:
        return bind_sockets(port, host)
    except OSError as err:
        raise _cannot_listen(err, host, port) from err


def _cannot_listen(err: OSError, host: str, port: int) -> KnitError:
    if isinstance(err, socket.gaierror) or err.errno == errno.EADDRNOTAVAIL:
        return InvalidInput(f"{host} is no address of this machine", advice="Choose another with --host HOST.")
    if err.errno == errno.EADDRINUSE:
        return Conflict(
            f"port {port} of {host} is taken", advice="Choose another with --port N; --port 0 takes a free one."
        )
    if err.errno == errno.EACCES:
        return InvalidInput(f"port {port} is for root alone", advice="Choose one from 1024 on with --port N.")
    return Unavailable(f"cannot listen at {host}:{port}: {err.strerror or err}", advice="Check --host and --port.")
