"""Files of the person's own computer: chosen in the browser, which packs them and sends them to Knit by HTTP.

Nothing of them goes through the kernel, so their size is no matter. Only where the page cannot reach the Knit server
that the kernel speaks to (a kernel elsewhere, a page that is not Jupyter's) they come through the kernel, up to
`MOST_THROUGH_KERNEL`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple
from urllib.parse import urlencode

import anywidget
import traitlets

from knit_lab.components.working import Tell, Work
from knit_lab.session import Session
from knit_server.domain.errors import InvalidInput, KnitError, OutOfSpace
from knit_server.wire import shapes

HERE = Path(__file__).parent
MOST_THROUGH_KERNEL = 100 << 20
_MOST_TAGS = 32 << 10  # bytes of tags in a URL; servers refuse longer ones


class Chosen(NamedTuple):
    """What was chosen in the browser: how many files, their bytes, and the first names."""

    files: int = 0
    size: int = 0
    names: tuple[str, ...] = ()


class Uploads(anywidget.AnyWidget):
    """Buttons to choose files or a folder, and the way of these to the server.

    `chosen_changed` is called when something was chosen. After `start`, `told` is told how far it is (phase, done,
    total), and then one of `done` (with the id of the new Data), `failed` and `cancelled` is called.
    """

    _esm = HERE / "uploads.js"
    _css = HERE / "uploads.css"

    server = traitlets.Unicode("").tag(sync=True)
    most_through_kernel = traitlets.Int(MOST_THROUGH_KERNEL).tag(sync=True)

    def __init__(
        self,
        session: Session,
        *,
        chosen_changed: Callable[[], None],
        told: Callable[[str, int, int], None],
        done: Callable[[str], None],
        failed: Callable[[KnitError], None],
        cancelled: Callable[[], None],
    ) -> None:
        super().__init__()
        self._session = session
        self._chosen_changed, self._told = chosen_changed, told
        self._done, self._failed, self._cancelled = done, failed, cancelled
        self._tags: tuple[str, ...] = ()
        self._turn = 0
        self._spool: IO[bytes] | None = None
        self._work: Work | None = None
        self.chosen = Chosen()
        self.on_msg(self._message)

    def start(self, tags: Sequence[str]) -> None:
        """Let the browser send what is chosen, with `tags`. Raises `InvalidInput` if nothing is, `KnitError`."""
        if not self.chosen.files:
            raise InvalidInput("no files are chosen", advice="Choose files or a folder of your computer first.")
        if len(urlencode([("tag", tag) for tag in tags])) > _MOST_TAGS:
            raise InvalidInput("these tags are too long to be sent with files", advice="Add the longest ones later.")
        health = self._session.client.health()
        self.server = f"{health['home']} {health['store']}"
        self._tags = tuple(tags)
        self._turn += 1
        self._drop_spool()
        self.send({"kind": "start", "tags": list(tags), "turn": self._turn})

    def cancel(self) -> None:
        """Call it off; `cancelled` is called when that is done, at once if the browser does the work."""
        self.send({"kind": "cancel"})
        self._turn += 1  # what the browser may still say of it is of no interest
        if self._work is not None:
            self._work.call_off()
        else:
            self._drop_spool()
            self._cancelled()

    def close(self) -> None:
        """Take the widget from the page; what is under way is called off."""
        self.cancel()
        super().close()

    def _message(self, widget: Any, content: Any, buffers: Sequence[Any]) -> None:
        if not isinstance(content, dict) or content.get("turn", self._turn) != self._turn:
            return  # of an earlier turn
        kind = content.get("kind")
        if kind == "chosen":
            names = tuple(str(each) for each in content.get("names", ()))
            self.chosen = Chosen(int(content["count"]), int(content["bytes"]), names)
            self._chosen_changed()
        elif kind == "progress":
            self._told(str(content["phase"]), int(content["done"]), int(content["total"]))
        elif kind == "part":
            self._take(bytes(buffers[0]), int(content["at"]), last=bool(content["last"]))
        elif kind == "done":
            self._done(str(content["knitId"]))
        elif kind == "failed":
            self._fail(KnitError(str(content["reason"]), advice=str(content.get("advice", "")) or None))
        elif kind == "cancelled":
            self._drop_spool()
            self._cancelled()

    # --- through the kernel -------------------------------------------------------------------------------------------

    def _take(self, part: bytes, at: int, *, last: bool) -> None:
        """Keep a part of the archive; with the last one, push it from here."""
        if self._spool is None:
            self._spool = tempfile.TemporaryFile(prefix="knit-upload-")  # noqa: SIM115 - closed by _drop_spool
        if self._spool.tell() != at or at + len(part) > MOST_THROUGH_KERNEL:
            self._fail(InvalidInput("the upload through the kernel broke off", advice="Choose the files again."))
            return
        try:
            self._spool.write(part)
        except OSError as err:
            self._fail(OutOfSpace(f"cannot keep the upload: {err.strerror}", advice="Make room where the kernel runs."))
            return
        if last:
            self._work = Work(self._push, told=self._pushed, done=self._finish, failed=self._give_up)
        else:
            self.send({"kind": "next"})

    def _push(self, tell: Tell) -> shapes.DataDetail:
        from knit_server.content.tarball import extract

        assert self._spool is not None
        self._spool.seek(0)
        with tempfile.TemporaryDirectory(prefix="knit-upload-") as made:
            place = Path(made) / "files"
            place.mkdir()
            extract(self._spool, place)
            return self._session.client.push(place, self._tags, progress=tell)

    def _pushed(self, done: int, name: str) -> None:
        self._told("pushing", done, 0)

    def _finish(self, detail: shapes.DataDetail) -> None:
        self._drop_spool()
        self._done(detail["knitId"])

    def _give_up(self, err: Exception) -> None:
        self._drop_spool()
        if isinstance(err, KnitError):
            self._failed(err)
        else:
            self._cancelled()

    def _fail(self, err: KnitError) -> None:
        self._drop_spool()
        self.send({"kind": "cancel"})
        self._turn += 1  # what comes of it now is of no interest
        self._failed(err)

    def _drop_spool(self) -> None:
        self._work = None
        if self._spool is not None:
            self._spool.close()
            self._spool = None
