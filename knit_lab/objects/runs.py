"""A Run as a notebook holds it: its status, log, inputs and outputs; wait, stop, retry, delete, explain."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from knit_lab.display import cards
from knit_lab.display.shown import Shown
from knit_lab.objects import asking, waiting
from knit_server.domain.errors import KnitError, Unavailable
from knit_server.domain.runs import TERMINAL, Status
from knit_server.wire import shapes

if TYPE_CHECKING:
    from knit_lab.graph.views import LineageView
    from knit_lab.objects.data import Data
    from knit_lab.objects.explanations import Explanation
    from knit_lab.objects.plans import Plan
    from knit_lab.session import Session

_TAIL = 20  # lines of the log that an error tells


class RunFailed(KnitError):
    """A Run that was waited for has failed. `run` is that Run."""

    def __init__(self, run: Run, tail: str) -> None:
        code, message = run.exit_code, run.exit_message
        told = f"Run {run.id} ({run.image}) failed with exit code {code}" + (f": {message}" if message else "")
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
        return {each["path"]: self._session.data[each["knitId"]] for each in self.detail["inputs"]}

    @property
    def outputs(self) -> Mapping[str, Data]:
        """Its outputs by path; usable once it is done."""
        return {each["path"]: self._session.data[each["knitId"]] for each in self.detail["outputs"]}

    @property
    def details(self) -> shapes.Json:
        """What Knit knows beyond Knitfab's fields: attempt, image digest, sandbox, its trouble."""
        return self._session.client.run_details(self.id)

    # --- following ----------------------------------------------------------------------------------------------------

    def refresh(self) -> Run:
        """Ask the server again. Returns itself. Raises `NotFound` if it was deleted."""
        self.detail = self._session.client.show_run(self.id)
        return self

    def wait(self, timeout: float | timedelta | None = None, *, check: bool = True) -> Run:
        """Wait until it has ended; returns itself.

        Raises `RunFailed` if it failed, unless `check` is off, and `Unavailable` after `timeout` (seconds).
        """
        seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        deadline = None if seconds is None else time.monotonic() + seconds
        self.detail = waiting.until_ended(self._session, self.detail, deadline)
        if check and self.status == Status.FAILED.value:
            raise RunFailed(self, self._tail())
        return self

    def logs(self, *, follow: bool = False) -> str:
        """Return what its program printed; with `follow`, print it as it comes, until the Run ends.

        Raises `NotFound` if its Plan keeps no log, `Unavailable` before it has started.
        """
        blocks = []
        for block in self._session.client.run_log(self.id, follow=follow):
            blocks.append(block)
            if follow:
                sys.stdout.write(block.decode("utf-8", "replace"))
                sys.stdout.flush()
        return b"".join(blocks).decode("utf-8", "replace")

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
        """Return a line: the id, the status, the image."""
        return cards.line("Run", self.id, [self.status, self.image])

    def as_html(self) -> str:
        """Return a card."""
        return cards.run(self.detail)

    def _tail(self) -> str:
        try:
            return "\n".join(self.logs().splitlines()[-_TAIL:])
        except (KnitError, Unavailable):
            return ""
