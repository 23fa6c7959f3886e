"""A Run as a notebook holds it: its status, log, inputs and outputs; wait, stop, retry, delete, explain."""

from __future__ import annotations

import codecs
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from knit_lab.display import cards
from knit_lab.display import html as markup
from knit_lab.display.shown import Shown
from knit_lab.objects import asking, waiting
from knit_lab.objects.by_path import ByPath
from knit_server.domain.errors import KnitError, NotFound
from knit_server.domain.runs import TERMINAL, Status
from knit_server.wire import shapes

if TYPE_CHECKING:
    from knit_lab.components.run_panel import FollowedRun
    from knit_lab.graph.views import LineageView
    from knit_lab.objects.data import Data
    from knit_lab.objects.explanations import Explanation
    from knit_lab.objects.plans import Plan
    from knit_lab.session import Session

_TAIL = 20
"""Lines of the log that an error tells; found in its last bytes, for a log may be large."""
_TAIL_BYTES = 1 << 16


class Log(str):
    """A log: a text that shows itself as it is, unless it was printed already while it came."""

    printed: bool

    def __new__(cls, text: str, *, printed: bool = False) -> Log:
        """Hold `text`; `printed` says that a notebook need not show it once more."""
        made = super().__new__(cls, text)
        made.printed = printed
        return made

    def _repr_mimebundle_(self, **wanted: object) -> dict[str, str]:
        return {"text/plain": "" if self.printed else str(self)}


class RunFailed(KnitError):
    """A Run that was waited for has failed. `run` is that Run."""

    def __init__(self, run: Run, tail: str) -> None:
        code, message = run.exit_code, run.exit_message
        named = markup.plan_name(run.detail["plan"])
        told = f"Run {run.id} ({named}) failed with exit code {code}" + (f": {message}" if message else "")
        super().__init__(f"{told}\n{tail}".rstrip(), advice=f"See why: knit.why('{run.id}'); again: .retry()")
        self.run = run


class Run(Shown):
    """One execution of a Plan on one combination of Data. `refresh` asks for its status again."""

    def __init__(self, session: Session, detail: shapes.RunDetail) -> None:
        self._session = session
        self.detail = detail

    @property
    def id(self) -> str:
        """Its runId."""
        return self.detail["runId"]

    @property
    def status(self) -> str:
        """Its status as it was when it was asked for last: waiting, ready, starting, running, ..., done, failed."""
        return self.detail["status"]

    @property
    def has_ended(self) -> bool:
        """Whether it is done, failed or deleted."""
        return Status(self.status) in TERMINAL or self.status == Status.INVALIDATED.value

    @property
    def image(self) -> str:
        """The image of its Plan, or the name of a built-in one."""
        plan = self.detail["plan"]
        return plan.get("image") or plan.get("name", "")

    @property
    def updated(self) -> datetime:
        """When its status changed last, in this machine's zone."""
        return asking.moment(self.detail["updatedAt"])

    @property
    def exit_code(self) -> int | None:
        """How its program ended, None while that is not known."""
        ended = self.detail.get("exit")
        return None if ended is None else ended["code"]

    @property
    def exit_message(self) -> str:
        """What was said about its end, mostly nothing."""
        ended = self.detail.get("exit")
        return "" if ended is None else ended["message"]

    @property
    def plan(self) -> Plan:
        """Its Plan."""
        return self._session.plans[self.detail["plan"]["planId"]]

    @property
    def inputs(self) -> Mapping[str, Data]:
        """Its inputs by path."""
        return ByPath({each["path"]: self._session.data[each["knitId"]] for each in self.detail["inputs"]})

    @property
    def outputs(self) -> Mapping[str, Data]:
        """Its outputs by path; usable once it is done."""
        return ByPath({each["path"]: self._session.data[each["knitId"]] for each in self.detail["outputs"]})

    @property
    def details(self) -> shapes.Json:
        """What Knit knows beyond Knitfab's fields: attempt, image digest, sandbox, its trouble."""
        return self._session.client.run_details(self.id)

    # --- following ----------------------------------------------------------------------------------------------------

    def refresh(self) -> Run:
        """Ask the server again. Returns itself; a Run that was deleted has the status invalidated."""
        self.detail = self._session.client.show_run(self.id)
        return self

    def wait(self, timeout: float | timedelta | None = None, *, check: bool = True) -> Run:
        """Wait until it has ended; returns itself.

        Raises `RunFailed` if it failed and `NotFound` if it was deleted, unless `check` is off; `Unavailable` after
        `timeout` (seconds).
        """
        seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        deadline = None if seconds is None else time.monotonic() + seconds
        self.detail = waiting.until_ended(self._session, self.detail, deadline)
        if check and self.status == Status.FAILED.value:
            raise RunFailed(self, self._tail())
        if check and self.status == Status.INVALIDATED.value:
            raise NotFound(f"Run {self.id} was deleted", advice="See those that there are: knit.runs.find()")
        return self

    def logs(self, *, follow: bool = False) -> Log:
        """Return what its program printed; with `follow`, print it as it comes, until the Run ends.

        Raises `NotFound` if its Plan keeps no log, `Unavailable` before it has started.
        """
        parts = []
        for part in _texts(self._session.client.run_log(self.id, follow=follow)):
            parts.append(part)
            if follow:
                sys.stdout.write(part)
                sys.stdout.flush()
        return Log("".join(parts), printed=follow)

    def follow(self) -> FollowedRun:
        """Watch it in a widget: status, log, and what can be done about it. Raises `Unsupported` without ipywidgets."""
        from knit_lab import opening

        return opening.follow(self._session, self.id)

    # --- changing -----------------------------------------------------------------------------------------------------

    def stop(self, *, fail: bool = False) -> Run:
        """Stop it: what it has made so far is done, or with `fail`, it fails. Returns itself."""
        self.detail = self._session.client.stop_run(self.id, fail=fail)
        return self

    def retry(self, *, downstream: bool = False) -> Run:
        """Try it again; with `downstream`, all that was made from it is deleted first. Returns itself."""
        self.detail = self._session.client.retry_run(self.id, downstream=downstream)
        return self

    def delete(self, *, downstream: bool = False) -> None:
        """Delete it and what it made; with `downstream`, all that was made from that, too."""
        self._session.client.delete_run(self.id, downstream=downstream)

    def why(self) -> Explanation:
        """Explain why it waits, or failed."""
        from knit_lab.objects.explanations import Explanation

        return Explanation(self._session, self._session.client.why(self.id))

    def lineage(self) -> LineageView:
        """Follow what it made (its first output, else its log or first input) in both directions."""
        made = [*self.detail["outputs"], *([self.detail["log"]] if self.detail["log"] else []), *self.detail["inputs"]]
        return self._session.data[made[0]["knitId"]].lineage()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Run) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    def as_text(self) -> str:
        """Return a line: the id, the status, the name or image of its Plan."""
        return cards.line("Run", self.id, [self.status, markup.plan_name(self.detail["plan"])])

    def as_html(self) -> str:
        """Return a card."""
        return cards.run(self.detail)

    def _tail(self) -> str:
        kept = b""
        try:
            for block in self._session.client.run_log(self.id):
                kept = (kept + block)[-_TAIL_BYTES:]
        except KnitError:  # its Plan keeps no log, or it is gone: the exit code has to do
            return ""
        return "\n".join(kept.decode("utf-8", "replace").splitlines()[-_TAIL:])


def _texts(blocks: Iterable[bytes]) -> Iterator[str]:
    """Decode blocks that may end in the middle of a character."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for block in blocks:
        yield decoder.decode(block)
    yield decoder.decode(b"", final=True)
