"""The log of a Run in a notebook: its end, growing while the program prints, in bounded memory."""

from __future__ import annotations

import asyncio
import codecs
import re
import threading
from collections.abc import Callable
from pathlib import Path

import anywidget
import ipywidgets as widgets
import traitlets

from knit_lab.components import parts
from knit_lab.components.beside import Once, defect, log
from knit_lab.session import Session
from knit_server.client.streams import Ending
from knit_server.domain.errors import KnitError

HERE = Path(__file__).parent

KEPT = 1 << 16
"""Characters of a log that are shown: its end."""
PAUSE = 0.25
"""Seconds between two looks at what came: a program that prints without end sends four messages a second."""

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class Tail:
    """The end of a text that comes in blocks of bytes. Two threads may use it."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._guard = threading.Lock()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._text = ""
        self.is_cut = False

    def add(self, block: bytes) -> None:
        """Take the next block; it may end in the middle of a character."""
        with self._guard:
            self._text += self._decoder.decode(block)
            if len(self._text) > 2 * self._kept:
                self._text, self.is_cut = self._text[-self._kept :], True

    @property
    def text(self) -> str:
        """What a terminal would show of the end: without colours, progress bars as they are at last."""
        with self._guard:
            text, is_cut = self._text, self.is_cut
        if len(text) > self._kept:
            text, is_cut = text[-self._kept :], True
        if is_cut:
            self.is_cut, text = True, text[text.find("\n") + 1 :]
        return plain(text)


def plain(text: str) -> str:
    """Return what a terminal would show of `text`: no escapes, and of a line that was written over, the last form."""
    lines = _ESCAPES.sub("", text).replace("\r\n", "\n").split("\n")
    shown = (line.rstrip("\r").rsplit("\r", 1)[-1] for line in lines)
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", "\n".join(shown))


class Pane(anywidget.AnyWidget):
    """The pane that shows `text` and, below it, `state`; with `scrolls`, its end stays in sight."""

    _esm = HERE / "logs.js"
    _css = HERE / "logs.css"

    text = traitlets.Unicode("").tag(sync=True)
    state = traitlets.Unicode("").tag(sync=True)
    label = traitlets.Unicode("Log").tag(sync=True)
    height = traitlets.Unicode("260px").tag(sync=True)
    scrolls = traitlets.Bool(True).tag(sync=True)


class LogView(widgets.VBox):  # type: ignore[misc]
    """Follows the log of one Run after another. `close` ends that."""

    _is_open = False

    def __init__(self, session: Session, height: str = "260px") -> None:
        self._session = session
        self._pane = Pane(height=height)
        self._scrolls = widgets.Checkbox(
            value=True, description="Stay at the end", indent=False, layout=widgets.Layout(width="auto")
        )
        widgets.jslink((self._scrolls, "value"), (self._pane, "scrolls"))
        self._said = parts.Said()
        self._run_id: str | None = None
        self._tail = Tail()
        self._ending = Ending()
        self._redraw = Once(self._draw, PAUSE)
        super().__init__([self._pane, self._said, self._scrolls])
        self.add_class("knit-log-view")
        self._is_open = True

    @property
    def text(self) -> str:
        """What is shown of the log."""
        return str(self._pane.text)

    @property
    def state(self) -> str:
        """How it stands: followed, ended, or nothing yet."""
        return str(self._pane.state)

    @property
    def run_id(self) -> str | None:
        """The Run whose log is shown."""
        return self._run_id

    def follow(self, run_id: str) -> None:
        """Show the log of a Run, and what is added to it until the Run ends."""
        self._ending.ask()
        self._ending = Ending()
        self._run_id, self._tail = run_id, Tail()
        self._said.clear()
        self._pane.text, self._pane.state, self._pane.label = "", "… asking for the log …", f"Log of Run {run_id}"
        tail, ending = self._tail, self._ending
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # nobody could be told later
            self._read(run_id, tail, ending, lambda act: act())
            return
        threading.Thread(
            target=self._read, args=(run_id, tail, ending, lambda act: _call(loop, act)), name="knit-log", daemon=True
        ).start()

    def say(self, words: str) -> None:
        """Say `words` about the log."""
        self._pane.state = words

    def stop(self) -> None:
        """Follow no more, and show nothing."""
        self._ending.ask()
        self._redraw.drop()
        self._run_id = None
        self._pane.text = self._pane.state = ""
        self._said.clear()

    def close(self) -> None:
        """Follow no more, and take the widget from the page."""
        if self._is_open:  # ipywidgets closes what was never made, too
            self._is_open = False
            self._ending.ask()
            self._redraw.drop()
        super().close()

    def _read(
        self, run_id: str, tail: Tail, ending: Ending, tell: Callable[[Callable[[], None]], None]
    ) -> None:  # fmt: skip
        """Read the log in a thread; `tell` calls something on the loop."""
        error: KnitError | None = None
        try:
            for block in self._session.client.run_log(run_id, follow=True, ending=ending):
                tail.add(block)
                tell(self._redraw.ask)
                if ending.is_asked:
                    return
        except KnitError as err:
            error = err
        except Exception:
            log.exception("reading a log failed")
            error = defect()
        if not ending.is_asked:
            tell(lambda: self._ended(ending, error))

    def _draw(self) -> None:
        if self._run_id is not None:
            self._pane.text = self._tail.text
            self._pane.state = "▶ following" + self._cut_words()

    def _ended(self, ending: Ending, error: KnitError | None) -> None:
        if ending is not self._ending or self._run_id is None:
            return
        self._redraw.drop()
        self._pane.text = self._tail.text
        if error is not None:
            self._pane.state = ""
            self._said.bad(error)
        else:
            self._pane.state = ("the log ends here" if self._pane.text else "it printed nothing") + self._cut_words()

    def _cut_words(self) -> str:
        return f"; only its last {KEPT >> 10} Ki characters are shown" if self._tail.is_cut else ""


def _call(loop: asyncio.AbstractEventLoop, act: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(act)
