"""The extension: traits become settings, the engine is opened in a thread when the server starts."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from jupyter_server.extension.application import ExtensionApp
from jupyter_server.serverapp import ServerApp
from traitlets import Bool, Instance, Unicode

from knit_server.config import resolve
from knit_server.config.build import engine_settings
from knit_server.config.effective import by_trait
from knit_server.domain.errors import KnitError
from knit_server.engine import Engine, Settings
from knit_server.extension import kernels, traits
from knit_server.handlers import extra
from knit_server.handlers.host import SETTING, Host
from knit_server.handlers.routes import routes
from knit_server.handlers.workers import in_loop

PATIENCE = 1.5
"""Seconds a server that stops waits for Knit. Whatever is cut off then is taken up at the next start."""


class KnitExtension(ExtensionApp):
    """Knit, the data-science platform that lives in Jupyter."""

    name = "knit"
    description = "Tagged, immutable Data; Plans that run by themselves; automatic lineage."
    load_other_extensions = True

    home = traits.trait("home")
    database_url = traits.trait("database_url")
    store_url = traits.trait("store_url")
    executor = traits.trait("executor")
    sandbox = traits.trait("sandbox")
    overcommit = traits.trait("overcommit")
    max_cpu = traits.trait("max_cpu")
    max_memory = traits.trait("max_memory")
    extra_apis = traits.trait("extra_apis")
    limits = traits.section("limits")
    retention = traits.section("retention")
    hooks = traits.section("hooks")
    settings_file = Unicode("", help="The TOML file; KNIT_CONFIG, or knit.toml in the home if empty.").tag(config=True)
    exclusive = Bool(False, help="Do not serve beside another process that holds the home.").tag(config=True)

    resolved = Instance(Settings, allow_none=True, help="What all settings are, if that is known; for `knit serve`.")
    resolved.tag(config=True)

    chosen: Settings | None = None
    """The settings that count; None if a value is wrong."""
    failure: KnitError | None = None
    """Why Knit could not start, once that is known."""
    engine: Engine | None = None
    told: kernels.Told | None = None
    """What tells kernels and terminals where this server is; None in `knit serve`, which has neither."""
    lingers = False
    """Whether closing Knit took longer than `PATIENCE`; it then goes on in the background."""

    def settings_chosen(self) -> Settings:
        """Return the settings by traits, environment and file. Raises `KnitError` that names the wrong one."""
        if self.resolved is not None:
            return self.resolved
        given = traits.given(self)
        return engine_settings(resolve(given, os.environ, file=self.settings_file, name=by_trait))

    def initialize_settings(self) -> None:
        """Give the handlers what they share. Knit itself starts later, with the server."""
        self.host = Host()
        self.settings[SETTING] = self.host
        try:
            self.chosen = self.settings_chosen()
        except KnitError as err:  # told when the server starts; Jupyter starts nevertheless
            self.failure = err

    def initialize_handlers(self) -> None:
        """Add the API's routes, and the extra APIs behind them."""
        self.handlers.extend(routes())
        if self.chosen is not None:
            self.handlers.extend(extra.routes((api.path, api.proxy_to) for api in self.chosen.extra_apis))

    async def _start_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        """Open Knit in a thread, while the server serves already. Called by jupyter_server."""
        loop = asyncio.get_running_loop()
        own_token = self.host.own_token = await self.host.workers.call(kernels.own_token, serverapp, self.chosen)
        if not self.exclusive:
            await self.host.workers.call(self._tell_kernels, serverapp)
        if self.chosen is None:
            return self._failed(self.failure or KnitError("the settings are not known"))
        self.engine = engine = Engine(self.chosen, on_take_over=lambda: in_loop(loop, self._took_over))
        try:
            context = await self.host.workers.call(engine.open, exclusive=self.exclusive)
            self.host.open(context, shared=engine.is_shared, status=lambda: engine.status)
            await self.host.workers.call(lambda: engine.announce(kernels.address(serverapp, own_token)))
            if not self.exclusive:  # otherwise the command that serves says so
                self.log.info("Knit is ready, home %s; next: knit init %s", engine.home.path, engine.home.profile)
        except KnitError as err:
            self._failed(err)
        return None

    def _tell_kernels(self, serverapp: ServerApp) -> None:
        """Tell them, or log why that cannot be done: they can be given a profile by hand."""
        try:
            found = kernels.nearby(serverapp, kernels.address(serverapp, self.host.own_token))
            if found is not None:
                self.told = kernels.Told(Path(serverapp.runtime_dir), found, os.environ)
        except (KnitError, OSError) as err:
            self.log.warning("kernels are not told where Knit is, they need `knit init`: %s", err)

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
        if self.told is not None:
            self.told.close()
            self.told = None
        if self.engine is not None:
            engine, self.engine = self.engine, None
            closing = asyncio.create_task(asyncio.to_thread(engine.close))
            _, pending = await asyncio.wait([closing], timeout=PATIENCE)
            self.lingers = bool(pending)

    def current_activity(self) -> Any:
        """Tell Jupyter what goes on, so that a server which stops when idle does not stop in the middle of a Run."""
        return self.engine is not None and (self.engine.is_busy or bool(self.host.bodies))
