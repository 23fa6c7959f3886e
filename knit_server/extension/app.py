"""The extension: traits become settings, the engine is opened in a thread when the server starts."""

from __future__ import annotations

import asyncio
import os
from typing import Any, cast

from jupyter_server.extension.application import ExtensionApp
from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join
from traitlets import Bool, Enum, Float, Integer, Unicode

from knit_server.domain.errors import KnitError
from knit_server.engine import Address, Engine, Settings
from knit_server.executors.local.executor import SandboxChoice
from knit_server.extension.certificates import own_authority
from knit_server.handlers.host import SETTING, Host
from knit_server.handlers.routes import API, routes
from knit_server.handlers.workers import in_loop
from knit_server.service.home import locate

PATIENCE = 1.5
"""Seconds a server that stops waits for Knit. Whatever is cut off then is taken up at the next start."""


class KnitExtension(ExtensionApp):
    """Knit, the data-science platform that lives in Jupyter."""

    name = "knit"
    description = "Tagged, immutable Data; Plans that run by themselves; automatic lineage."
    load_other_extensions = True

    home = Unicode("", help="The home folder; KNIT_HOME, or ~/.local/share/knit if empty.").tag(config=True)
    database_url = Unicode("", help="A database other than the home's own SQLite file.").tag(config=True)
    store_url = Unicode("", help="A store other than the home's own folder.").tag(config=True)
    sandbox = Enum(
        ["auto", "bubblewrap", "substitution"], "auto", help="How programs of Plans are kept to their place."
    ).tag(config=True)
    overcommit = Bool(False, help="Let a Run that asks for more than the machine has run alone.").tag(config=True)
    max_cpu = Float(None, allow_none=True, help="Cores for Runs; all of the machine's if None.").tag(config=True)
    max_memory = Integer(None, allow_none=True, help="Bytes of memory for Runs; all if None.").tag(config=True)
    exclusive = Bool(False, help="Do not serve beside another process that holds the home.").tag(config=True)

    failure: KnitError | None = None
    """Why Knit could not start, once that is known."""
    engine: Engine | None = None
    lingers = False
    """Whether closing Knit took longer than `PATIENCE`; it then goes on in the background."""

    def settings_chosen(self) -> Settings:
        """Return the traits as settings."""
        return Settings(
            home=locate(self.home, os.environ), database_url=self.database_url, store_url=self.store_url,
            sandbox=cast("SandboxChoice", self.sandbox), overcommit=self.overcommit,
            max_cpu=self.max_cpu, max_memory=self.max_memory,
        )  # fmt: skip

    def initialize_settings(self) -> None:
        """Give the handlers what they share. Knit itself starts later, with the server."""
        self.host = Host()
        self.settings[SETTING] = self.host

    def initialize_handlers(self) -> None:
        """Add the API's routes."""
        self.handlers.extend(routes())

    async def _start_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        """Open Knit in a thread, while the server serves already. Called by jupyter_server."""
        loop = asyncio.get_running_loop()
        self.engine = engine = Engine(self.settings_chosen(), on_take_over=lambda: in_loop(loop, self._took_over))
        try:
            context = await self.host.workers.call(engine.open, exclusive=self.exclusive)
            self.host.open(context, shared=engine.is_shared, status=lambda: engine.status)
            await self.host.workers.call(engine.announce, await self.host.workers.call(address, serverapp))
            if not self.exclusive:  # otherwise the command that serves says so
                self.log.info("Knit is ready, home %s; next: knit init %s", engine.home.path, engine.home.profile)
        except KnitError as err:
            self._failed(err)

    def _took_over(self) -> None:
        if self.engine is not None and not self.engine.is_shared:
            self.host.feed.alone()

    def _failed(self, err: KnitError) -> None:
        self.failure, self.engine = err, None
        self.host.fail(err)
        if not self.exclusive:  # otherwise the server ends, and says why
            self.log.error("Knit cannot start; its API answers 503. %s", err)

    async def stop_extension(self) -> None:
        """End all streams and close Knit. Called by jupyter_server, also where Knit has never started."""
        if (host := self.settings.get(SETTING)) is None:
            return
        host.close()
        if self.engine is not None:
            engine, self.engine = self.engine, None
            closing = asyncio.create_task(asyncio.to_thread(engine.close))
            _, pending = await asyncio.wait([closing], timeout=PATIENCE)
            self.lingers = bool(pending)

    def current_activity(self) -> Any:
        """Tell Jupyter what goes on, so that a server which stops when idle does not stop in the middle of a Run."""
        return self.engine is not None and (self.engine.is_busy or bool(self.host.bodies))


def address(serverapp: ServerApp) -> Address:
    """Say where `serverapp` is reached, and how."""
    url = serverapp.connection_url
    return Address(
        url=url,
        api_root=url_path_join(url, API),
        token=getattr(serverapp.identity_provider, "token", "") or "",
        ca=own_authority(serverapp.certfile) if serverapp.certfile else None,
    )
