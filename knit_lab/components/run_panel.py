"""What is known of one Run and what can be done about it: card, log, why; stop, retry, delete; its lineage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import ipywidgets as widgets

from knit_lab.components import parts
from knit_lab.components.beside import Once, Worker
from knit_lab.components.logs import LogView
from knit_lab.display import cards, reasons
from knit_lab.display.html import escape, identifier, plan_name, status
from knit_lab.session import Session
from knit_server.client.api import KnitClient
from knit_server.client.streams import Event
from knit_server.domain.errors import KnitError, NotFound
from knit_server.domain.runs import DELETABLE, RETRIABLE, Status, is_allowed
from knit_server.wire import shapes

WITH_LOG = frozenset({"running", "completing", "aborting", "done", "failed"})
"""Statuses in which there is a log to read."""
ENDED = frozenset({"done", "failed"})
NAMED = 12
"""Runs that are named before they are deleted; the others are counted."""
PAUSE = 0.25
"""Seconds between two looks at a Run that is followed, however often it changes."""
WAITS = "no log yet: the Run has not started"


def possible(run: shapes.RunDetail) -> frozenset[str]:
    """Return what can be done about a Run as it stands: stop, fail, retry, delete."""
    at, is_upload = Status(run["status"]), "image" not in run["plan"]
    can = {
        "stop": is_allowed(at, Status.COMPLETING) and at is not Status.COMPLETING and not is_upload,
        "fail": is_allowed(at, Status.ABORTING) and at is not Status.ABORTING,
        "retry": at in RETRIABLE and not is_upload,
        "delete": at in DELETABLE,
    }
    return frozenset(name for name, is_possible in can.items() if is_possible)


class RunPanel(widgets.VBox):  # type: ignore[misc]
    """Shows one Run after another. `done` is told when something was done about one, with its id."""

    _is_open = False

    def __init__(
        self, session: Session, done: Callable[[str], None] = lambda run_id: None, *, log: str = "240px"
    ) -> None:
        """`log` is the height of the log."""
        self._session, self._done = session, done
        self._worker = Worker()
        self.run: shapes.RunDetail | None = None
        self._card, self._more, self._said = widgets.HTML(), widgets.HTML(), parts.Said()
        self.log_view = LogView(session, log)
        self._question = widgets.VBox()
        self._drawn = widgets.VBox(layout=widgets.Layout(width="100%"))
        self._buttons = {
            "stop": parts.button("◼ Stop, keep", self.stop, "End it now; what it has made so far is its result"),
            "fail": parts.button("✖ Stop, fail", partial(self.stop, fail=True), "End it now, as failed"),
            "retry": parts.button("↻ Retry", self.ask_retry, "Try it again, with new outputs"),
            "delete": parts.button("⌫ Delete", self.ask_delete, "Delete it and what it made"),
        }
        self._why_button = parts.button("? Why", self.why, "Why it waits, or how it ended")
        self._lineage_button = parts.button("⎇ Lineage", self.lineage, "Where its Data come from and go to")
        self._row = parts.row(*self._buttons.values(), self._why_button, self._lineage_button)
        super().__init__([], layout=widgets.Layout(padding="4px 10px", min_width="0"))
        self.add_class("knit-run-panel")
        self._is_open = True

    # --- what is shown ------------------------------------------------------------------------------------------------

    def show(self, run: shapes.RunDetail | None) -> None:
        """Show `run` as it is told; None: nothing."""
        before, self.run = self.run, run
        if run is None:
            self.log_view.stop()
            self._contain()
            return
        if before is None or before["runId"] != run["runId"]:
            self._forget()
        elif before["status"] != run["status"] and run["status"] in ENDED:
            self._said.clear()  # what was said about its way there
        if before != run:
            self._card.value = cards.run(run)
            can = possible(run)
            for name, button in self._buttons.items():
                button.disabled = name not in can
        self._follow(run)
        self._contain(self._card, self._row, self._question, self._said, self._more, self.log_view, self._drawn)

    def gone(self) -> None:
        """Say that the Run was deleted meanwhile."""
        if self.run is not None:
            told = self.run["runId"]
            self.run = None
            self._forget()
            self.log_view.stop()
            self._said.good(f"Run {told} was deleted")
            self._contain(self._said)

    def close(self) -> None:
        """Follow no log any more, and take the widget from the page."""
        if self._is_open:  # ipywidgets closes what was never made, too
            self._is_open = False
            self._worker.close()
            self.log_view.close()
            self._close_drawn()
        super().close()

    async def idle(self) -> None:
        """Wait until nothing is under way any more."""
        await self._worker.idle()

    def _contain(self, *children: widgets.Widget) -> None:
        if self.children != children:  # type: ignore[has-type]
            self.children = children

    def _forget(self) -> None:
        self._more.value = ""
        self._question.children = ()
        self._said.clear()
        self.log_view.stop()
        self._close_drawn()

    def _follow(self, run: shapes.RunDetail) -> None:
        """Follow the log as soon as there is one."""
        if run["log"] is None:
            self.log_view.say("its Plan keeps no log")
        elif run["status"] not in WITH_LOG:
            self.log_view.stop()
            self.log_view.say(WAITS)
        elif self.log_view.run_id != run["runId"]:
            self.log_view.follow(run["runId"])

    # --- what people do -----------------------------------------------------------------------------------------------

    def why(self) -> None:
        """Explain the Run."""
        self._ask("Asking why …", lambda client, run_id: client.why(run_id), self._explained)

    def stop(self, *, fail: bool = False) -> None:
        """Stop the Run: what it has made is its result, or with `fail`, it fails."""
        self._ask(
            "Stopping …", lambda client, run_id: client.stop_run(run_id, fail=fail),
            lambda run: self._changed(run, "it is being stopped"),
        )  # fmt: skip

    def ask_retry(self) -> None:
        """Try the Run again; if that deletes what was made from it, say so and ask first."""
        self._ask("Looking at what was made from it …", KnitClient.run_downstream, self._retry_or_ask)

    def retry(self, *, downstream: bool = False) -> None:
        """Try the Run again, with `downstream` after deleting all that was made from it."""
        self._question.children = ()
        self._ask(
            "Retrying …", lambda client, run_id: client.retry_run(run_id, downstream=downstream),
            lambda run: self._changed(run, "it is tried again"),
        )  # fmt: skip

    def ask_delete(self) -> None:
        """Say what deleting the Run takes along, and ask."""
        self._ask(
            "Looking at what was made from it …", KnitClient.run_downstream,
            lambda found: self._put_question("Delete this Run and what it made", found, self.delete),
        )  # fmt: skip

    def delete(self, *, downstream: bool = False) -> None:
        """Delete the Run, with `downstream` together with all that was made from it."""
        self._question.children = ()
        self._ask(
            "Deleting …", lambda client, run_id: client.delete_run(run_id, downstream=downstream),
            lambda _: self._deleted(),
        )  # fmt: skip

    def lineage(self) -> None:
        """Draw the lineage of the Run below it, or take it away again."""
        if self._drawn.children:
            self._close_drawn()
            return
        session = self._session
        self._ask(
            "Fetching the lineage …", lambda client, run_id: session.runs[run_id].lineage(),
            lambda view: self._draw(view.explore()),
        )  # fmt: skip

    def _ask(self, words: str, call: Callable[[KnitClient, str], Any], then: Callable[[Any], None]) -> None:
        """Call `call` beside the loop, then `then`, unless another Run was chosen meanwhile."""
        if self.run is None:
            return
        run_id, client = self.run["runId"], self._session.client
        self._said.busy(words)

        def told(found: Any) -> None:
            if self.run is not None and self.run["runId"] == run_id:
                self._said.clear()
                then(found)

        self._worker.do(lambda: call(client, run_id), told, self._failed)

    def _failed(self, err: KnitError) -> None:
        self._said.bad(err)
        if isinstance(err, NotFound) and self.run is not None:
            self._done(self.run["runId"])

    def _explained(self, answer: shapes.Why) -> None:
        self._more.value = f'<div style="max-height:420px;overflow:auto">{reasons.html(answer)}</div>'

    def _changed(self, run: shapes.RunDetail, words: str) -> None:
        self.log_view.stop()
        self.show(run)
        self._said.good(words)
        self._done(run["runId"])

    def _deleted(self) -> None:
        if self.run is not None:
            run_id = self.run["runId"]
            self.gone()
            self._done(run_id)

    def _retry_or_ask(self, found: Sequence[shapes.RunDetail]) -> None:
        if found:
            self._put_question("Try it again", found, self.retry)
        else:
            self.retry()

    def _put_question(self, what: str, found: Sequence[shapes.RunDetail], act: Callable[..., None]) -> None:
        self._question.children = (
            widgets.HTML(question(what, found)),
            parts.row(
                parts.button("Yes, do it", partial(act, downstream=bool(found)), style="danger"),
                parts.button("No", self._take_back),
            ),
        )

    def _take_back(self) -> None:
        self._question.children = ()

    def _draw(self, explorer: widgets.Widget) -> None:
        self._drawn.children = (explorer,)

    def _close_drawn(self) -> None:
        for each in self._drawn.children:
            each.close()
        self._drawn.children = ()


class FollowedRun(RunPanel):
    """One Run, kept true by the change stream. `close` ends that."""

    def __init__(self, session: Session, run_id: str) -> None:
        """Raises `NotFound` if there is no such Run."""
        run = session.client.show_run(run_id)
        super().__init__(session, lambda _: self._look.ask())
        self._id = run_id
        self._look = Once(self._fetch, PAUSE)
        self.show(run)
        self._leave = session.changes.listen(self.changed)

    def changed(self, events: Sequence[Event]) -> None:
        """Take changes of the Run; where something may have been missed, look."""
        if any(event.kind in ("open", "reset") or event.data.get("runId") == self._id for event in events):
            self._look.ask()

    def close(self) -> None:
        """Follow changes no more, and take the widget from the page."""
        if self._is_open:
            self._leave()
            self._look.drop()
        super().close()

    def _fetch(self) -> None:
        self._worker.do(lambda: self._session.client.show_run(self._id), self._told, self._lost)

    def _told(self, run: shapes.RunDetail) -> None:
        if run["status"] == Status.INVALIDATED.value:
            self.gone()
        else:
            self.show(run)

    def _lost(self, err: KnitError) -> None:
        if isinstance(err, NotFound):
            self.gone()
        else:
            self._said.bad(err)


def question(what: str, found: Sequence[shapes.RunDetail]) -> str:
    """Ask whether `what` shall be done, which deletes the Runs `found`."""
    if not found:
        return f"<b>{escape(what)}?</b> Nothing was made from it."
    named = "".join(
        f"<li>{identifier(run['runId'])} {status(run['status'])} {escape(plan_of(run))}</li>" for run in found[:NAMED]
    )
    more = f"<li>and {len(found) - NAMED} more</li>" if len(found) > NAMED else ""
    runs = "1 Run that was" if len(found) == 1 else f"{len(found)} Runs that were"
    return f"<b>{escape(what)}?</b> This deletes {runs} made from it, with their Data:<ul>{named}{more}</ul>"


def plan_of(run: shapes.RunSummary) -> str:
    """Name the Plan of a Run; see `display.html.plan_name`."""
    return plan_name(run["plan"])
