"""How far something is that takes long: a line that is written over again, where IPython runs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from knit_lab.display import html as markup

if TYPE_CHECKING:
    from knit_server.client.transfer import Progress

AFTER = 0.5
"""Seconds after which something takes long enough to be told about."""
EVERY = 0.2


@contextmanager
def shown(wanted: bool, total: int, verb: str = "pushed") -> Iterator[Progress]:
    """Give a function to tell bytes to; where IPython runs, long transfers show a line. `total` 0 is unknown."""

    def words(done: int, name: str) -> str:
        share = f" of {markup.size(total)} ({min(100, 100 * done // total)} %)" if total else ""
        return f"{verb} {markup.size(done)}{share}  {name}"

    with line(wanted) as tell:
        yield lambda done, name: tell(lambda: words(done, name))


@contextmanager
def line(wanted: bool) -> Iterator[Callable[[Callable[[], str]], None]]:
    """Give a function that shows what the function says that it is given; the line goes when the block ends."""
    shown = _Line() if wanted else None
    try:
        yield (lambda says: None) if shown is None else shown.tell
    finally:
        if shown is not None:
            shown.end()


class _Line:
    def __init__(self) -> None:
        self._next = time.monotonic() + AFTER
        self._handle: Any = None

    def tell(self, says: Callable[[], str]) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + EVERY
            self._show(says())

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
        content = {"text/plain": markup.printable(text)}
        if self._handle is None:
            self._handle = display(content, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(content, raw=True)
