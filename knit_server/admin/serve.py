"""`knit serve`: Knit alone, on this machine, without the rest of Jupyter."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import sys
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from knit_server.admin.options import configurable
from knit_server.config import Configuration, resolve, shown
from knit_server.config.effective import Mismatch, Source
from knit_server.domain.errors import InvalidInput
from knit_server.service.home import Home

if TYPE_CHECKING:
    from knit_server.engine import Engine
    from knit_server.extension.headless import HeadlessServer


@click.command(name="serve", short_help="Run a Knit server on this machine.", add_help_option=False)
@configurable
@click.option("--config", metavar="FILE", help="Read settings from this TOML file. Default: knit.toml in the home.")
@click.option("--show-config", is_flag=True, help="Print the settings and where each comes from, as TOML, and exit.")
@click.option("--rotate-token", is_flag=True, help="Make a new token; whoever uses this server runs `knit init` again.")
def serve(config: str | None, show_config: bool, rotate_token: bool, **given: Any) -> int:
    """Run a Knit server on this machine until it is stopped (Ctrl-C).

    It holds the home folder, where all its data are, and writes there, as handout/knitprofile, the profile for
    `knit init`. A setting is taken from the flag, else from its environment variable (KNIT_PORT for --port), else from
    the TOML file, which has more settings than there are flags: docs/configuration.md.
    """
    found = _resolved(given, config)
    if show_config:
        click.echo(shown(found), nl=False)
        return 0
    place = Home(found["home"])
    place.prepare()
    _refuse_if_held(place)
    if rotate_token:
        place.rotate_token()
        print(f"note: the token is new; profiles with the old one: knit init {place.profile}", file=sys.stderr)
    level = getattr(logging, found["log_level"].upper())
    logging.basicConfig(stream=sys.stderr, level=level, format="%(levelname)s %(name)s: %(message)s")
    server = _build(place, level, found)
    server.start()
    if server.failure is not None:
        raise server.failure
    if server.extension.lingers:  # threads that hash or copy would keep the process; the next start takes it up
        sys.stderr.flush()
        os._exit(0)
    return 0


def _resolved(given: dict[str, Any], file: str | None) -> Configuration:
    """Find the settings. Flags that do not go together are a wrong command line."""
    try:
        return resolve(given, os.environ, file=file)
    except Mismatch as err:
        if err.source is Source.GIVEN:
            raise click.UsageError(err.reason, ctx=click.get_current_context()) from err
        raise


def _refuse_if_held(home: Home) -> None:
    """Raise before anything slow is loaded; the engine takes the lock for good."""
    lock = home.lock()
    if not lock.try_acquire():
        raise home.held_error()
    lock.release()


def _build(home: Home, level: int, found: Configuration) -> HeadlessServer:
    with _quick_imports():
        from knit_server.config.build import engine_settings
        from knit_server.extension import headless

    return headless.build(
        engine_settings(found),
        token=home.token(), folder=home.jupyter, host=found["host"], port=found["port"], certfile=found["certfile"],
        keyfile=found["keyfile"], log_level=logging.ERROR if level == logging.WARNING else level,
        anonymous=found["anonymous_loopback"], on_ready=partial(_say_ready, anonymous=found["anonymous_loopback"]),
    )  # fmt: skip


def _say_ready(engine: Engine, *, anonymous: bool) -> None:
    executor, home = engine.ctx.executor.describe(), engine.home
    url = engine.address.url.rstrip("/") if engine.address else "nowhere"
    if anonymous:
        print(
            "warning: no token is asked for: every user and program of this machine can read and change everything",
            file=sys.stderr,
        )
    for note in executor.notes:
        print(f"note: {note}", file=sys.stderr)
    print(
        f"Knit is ready: {url} (home {home.path}, executor {executor.name}, sandbox {executor.sandbox})\n"
        f"next: knit init {home.profile}",
        file=sys.stderr, flush=True,
    )  # fmt: skip


@contextlib.contextmanager
def _quick_imports() -> Iterator[None]:
    """Load the server's libraries in a third of the time.

    jsonschema, which Jupyter server needs for events that are off here, would compile a grammar of IRIs: 0.9 of 1.3 s
    of all its imports. It does without where that package is missing. Collecting garbage finds nothing meanwhile.
    """
    grammar, missing = "rfc3987_syntax", object()
    before = sys.modules.get(grammar, missing)
    gc.disable()
    if before is missing:
        sys.modules[grammar] = None  # type: ignore[assignment] # an import of it now raises ImportError
    try:
        yield
    except ImportError as err:
        raise InvalidInput(
            f"the server is not installed here: {err}", advice='Install it with: pip install "knit-platform[server]"'
        ) from err
    finally:
        gc.enable()
        if before is missing:
            del sys.modules[grammar]
