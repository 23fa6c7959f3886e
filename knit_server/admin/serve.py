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

from knit_server.domain.errors import InvalidInput
from knit_server.service.home import Home, locate

if TYPE_CHECKING:
    from knit_server.engine import Engine
    from knit_server.extension.headless import HeadlessServer

LEVELS = ("debug", "info", "warning", "error")
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@click.command(name="serve", short_help="Run a Knit server on this machine.", add_help_option=False)
@click.option("--home", metavar="DIR", help="The home folder. Default: KNIT_HOME, else ~/.local/share/knit.")
@click.option("--host", metavar="HOST", default="127.0.0.1", help="The address to listen at. Default: 127.0.0.1.")
@click.option(
    "--port", metavar="PORT", type=click.IntRange(0, 65535), default=8787,
    help="The port to listen at; 0 takes a free one. Default: 8787.",
)  # fmt: skip
@click.option("--certfile", metavar="FILE", default="", help="Serve HTTPS with this certificate (PEM).")
@click.option(
    "--keyfile", metavar="FILE", default="", help="The certificate's key (PEM), if it is not in the same file."
)
@click.option(
    "--sandbox", type=click.Choice(["auto", "bubblewrap", "substitution"]), default="auto",
    help="How programs are kept to their place. Default: auto, the strongest that works here.",
)  # fmt: skip
@click.option(
    "--anonymous-loopback",
    is_flag=True,
    help="Ask for no token, for clients that cannot send one: every user and program of this machine may do all.",
)
@click.option("--rotate-token", is_flag=True, help="Make a new token; whoever uses this server runs `knit init` again.")
@click.option("--overcommit", is_flag=True, help="Let a Run that asks for more than this machine has run alone.")
@click.option("--max-cpu", metavar="CORES", type=float, help="Cores that Runs may use. Default: all.")
@click.option("--max-memory", metavar="BYTES", type=int, help="Memory that Runs may use. Default: all.")
@click.option("--database-url", metavar="URL", default="", help="A database other than the home's SQLite file.")
@click.option("--store-url", metavar="URL", default="", help="A store other than the home's folder.")
@click.option(
    "--log-level", type=click.Choice(LEVELS), default="warning", help="What to tell on stderr. Default: warning."
)  # fmt: skip
def serve(home: str | None, log_level: str, rotate_token: bool, **options: Any) -> int:
    """Run a Knit server on this machine until it is stopped (Ctrl-C).

    It holds the home folder, where all its data are, and writes there, as handout/knitprofile, the profile for
    `knit init`.
    """
    if options["keyfile"] and not options["certfile"]:
        raise click.UsageError("--keyfile needs --certfile", ctx=click.get_current_context())
    if options["anonymous_loopback"] and options["host"] not in LOOPBACK:
        raise click.UsageError(
            f"--anonymous-loopback needs a --host of the loopback: {', '.join(LOOPBACK)}",
            ctx=click.get_current_context(),
        )
    place = Home(locate(home, os.environ))
    place.prepare()
    _refuse_if_held(place)
    if rotate_token:
        place.rotate_token()
        print(f"note: the token is new; profiles with the old one: knit init {place.profile}", file=sys.stderr)
    level = getattr(logging, log_level.upper())
    logging.basicConfig(stream=sys.stderr, level=level, format="%(levelname)s %(name)s: %(message)s")
    server = _build(place, level, **options)
    server.start()
    if server.failure is not None:
        raise server.failure
    if server.extension.lingers:  # threads that hash or copy would keep the process; the next start takes it up
        sys.stderr.flush()
        os._exit(0)
    return 0


def _refuse_if_held(home: Home) -> None:
    """Raise before anything slow is loaded; the engine takes the lock for good."""
    lock = home.lock()
    if not lock.try_acquire():
        raise home.held_error()
    lock.release()


def _build(
    home: Home,
    level: int,
    *,
    host: str,
    port: int,
    certfile: str,
    keyfile: str,
    anonymous_loopback: bool,
    **chosen: Any,
) -> HeadlessServer:
    with _quick_imports():
        from knit_server.engine import Settings
        from knit_server.extension import headless

    return headless.build(
        Settings(home=home.path, **chosen),
        token=home.token(), folder=home.jupyter, host=host, port=port, certfile=certfile, keyfile=keyfile,
        log_level=logging.ERROR if level == logging.WARNING else level, anonymous=anonymous_loopback,
        on_ready=partial(_say_ready, anonymous=anonymous_loopback),
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
