"""How far a transfer is: a line that is written over again, in a notebook and in a terminal alike."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from knit_lab.display import html as markup

if TYPE_CHECKING:
    from knit_server.client.transfer import Progress

AFTER = 0.5
"""Seconds after which a transfer is long enough to be told about."""
EVERY = 0.2


@contextmanager
def shown(wanted: bool, total: int) -> Iterator[Progress]:
    """Give a function to tell bytes to; where IPython runs, long transfers show a line. `total` 0 is unknown."""
    line = _Line(total) if wanted else None
    try:
        yield (lambda done, name: None) if line is None else line.tell
    finally:
        if line is not None:
            line.end()


class _Line:
    def __init__(self, total: int) -> None:
        self._total = total
        self._next = time.monotonic() + AFTER
        self._handle: Any = None

    def tell(self, done: int, name: str) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + EVERY
        share = f" of {markup.size(self._total)} ({min(100, 100 * done // self._total)} %)" if self._total else ""
        self._show(f"pushed {markup.size(done)}{share}  {name}")

    def end(self) -> None:
        if self._handle is not None:
            self._show("")

    def _show(self, text: str) -> None:
        if "IPython" not in sys.modules:  # then there is no notebook and no terminal of its
            return
        from IPython.core.getipython import get_ipython
        from IPython.display import display

        if get_ipython() is None:
            return
        content = {"text/plain": "".join(char for char in text if char.isprintable())}
        if self._handle is None:
            self._handle = display(content, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(content, raw=True)
