"""What `%load_ext knit_lab` adds to a shell, and takes away again: magics, help, completion, short errors."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from contextlib import ExitStack

from IPython.core.interactiveshell import InteractiveShell

from knit_lab.magics import completing, helping, troubles
from knit_lab.magics.commands import KnitMagics

_NAME = "knit"
_LOADED = "_knit_lab_magics"


def load(shell: InteractiveShell) -> None:
    """Add everything to `shell`; what is there already stays."""
    if hasattr(shell, _LOADED):
        return
    magics = KnitMagics(shell)
    shell.register_magics(magics)
    taken = ExitStack()
    taken.callback(magics.close)
    taken.callback(_forget, shell)
    taken.callback(troubles.show_shortly(shell))
    taken.callback(_added(shell.input_transformers_cleanup, helping.transformed))
    matcher = completing.matcher(magics.session)
    if shell.Completer is not None:
        taken.callback(_added(shell.Completer.custom_matchers, matcher))
    setattr(shell, _LOADED, taken)
    atexit.register(taken.close)


def unload(shell: InteractiveShell) -> None:
    """Take it all away from `shell`; sessions that the magics opened are closed."""
    taken: ExitStack | None = getattr(shell, _LOADED, None)
    if taken is not None:
        delattr(shell, _LOADED)
        atexit.unregister(taken.close)
        taken.close()


def _added(places: list[Callable[..., object]], what: Callable[..., object]) -> Callable[[], None]:
    places.append(what)
    return lambda: places.remove(what) if what in places else None


def _forget(shell: InteractiveShell) -> None:
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop(_NAME, None)
