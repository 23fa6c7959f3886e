"""The form that pushes: a path where the kernel runs, or files of the person's own computer; with tags, and a name."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from knit_lab.components import parts
from knit_lab.components.beside import Once
from knit_lab.components.picker import Picker
from knit_lab.components.tag_input import TagInput, given
from knit_lab.components.uploads import Uploads
from knit_lab.components.working import CalledOff, Tell, Work
from knit_lab.display import cards
from knit_lab.display import html as markup
from knit_lab.objects import pushing
from knit_lab.objects.data import Data
from knit_lab.session import Session
from knit_server.client.streams import Event
from knit_server.domain.errors import InvalidInput, KnitError
from knit_server.wire import shapes

_REFRESH = 0.5  # seconds over which changes are gathered before what became of the Data is asked for


class Stage(enum.Enum):
    """What the form is at."""

    READY = "ready"
    PUSHING = "pushing"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


HERE, THERE = "On this server", "From your computer"


class PushForm(widgets.VBox):  # type: ignore[misc]
    """Pushes a new Data. `data` is what was pushed last; `close` ends the following of what becomes of it."""

    def __init__(
        self, session: Session, path: str | Path | None = None, tags: Iterable[str] = (), *, name: str = ""
    ) -> None:  # fmt: skip
        """Begin at `path` (the current directory) with `tags`, which can be changed, as can the `name`."""
        self._session = session
        self.stage = Stage.READY
        self.data: Data | None = None
        self._work: Work | None = None
        self._total = 0
        self._left_out: list[str] = []
        self._soon = Once(self._refresh, _REFRESH)
        self.picker = Picker(None if path is None else Path(path).expanduser())
        if path is not None:
            self.picker.go(path)
        self.uploads = Uploads(
            session, chosen_changed=self._chosen, told=self._sent, done=self._uploaded, failed=self._failed,
            cancelled=self._cancelled,
        )  # fmt: skip
        self.source = widgets.ToggleButtons(
            options=[HERE, THERE], style={"button_width": "auto"}, layout=widgets.Layout(margin="2px")
        )
        self.tags = TagInput(session, tags)
        self.name = widgets.Text(
            value=name,
            placeholder="optional: becomes the tag name:…",
            layout=widgets.Layout(width="240px", margin="2px"),
        )
        self._said = parts.Said()
        self._progress = widgets.HTML(layout=widgets.Layout(flex="1 1 200px"))
        self._push = parts.button("Push", self.push, "Make a new Data of this", "primary")
        self._cancel = parts.button("Cancel", self.cancel, "Call the push off; nothing is kept of it")
        self._result = widgets.HTML()
        self.source.observe(lambda _: self._draw(), "value")
        super().__init__(
            [
                self.source, self.picker, self.uploads, parts.labelled("Tags", self.tags),
                parts.labelled("Name", self.name), parts.row(self._push, self._cancel, self._progress, width="100%"),
                self._said, self._result,
            ],
            layout=widgets.Layout(border=parts.BORDER, padding="8px 10px"),
        )  # fmt: skip
        self.add_class("knit-push-form")
        self._draw()
        self._leave = session.changes.listen(self.changed)

    # --- what people do -----------------------------------------------------------------------------------------------

    def push(self) -> None:
        """Push what is chosen, with the tags, one that is still in the field included. What is wrong is said."""
        if self.stage is Stage.PUSHING or not self.tags.submit():
            return
        try:
            tags = self._tags()
            self._result.value = ""
            self._begin()
            if self.source.value == HERE:
                self._push_path(self.picker.path, tags)
            else:
                self.uploads.start(tags)
        except KnitError as err:
            self._failed(err)

    def cancel(self) -> None:
        """Call the push off."""
        if self.stage is not Stage.PUSHING:
            return
        self._said.busy("Calling it off …")
        if self._work is not None:
            self._work.call_off()
        else:
            self.uploads.cancel()

    # --- what happens -------------------------------------------------------------------------------------------------

    def changed(self, events: Sequence[Event]) -> None:
        """Take changes: what is made of the pushed Data is shown."""
        if self.data is not None and any(event.kind in ("run", "data", "reset") for event in events):
            self._soon.ask()

    def close(self) -> None:
        """Follow changes no more, call off what is under way, and take the widget from the page."""
        self._leave()
        self._soon.drop()
        self.cancel()
        self.uploads.close()
        super().close()

    def join(self, seconds: float | None = None) -> None:
        """Wait for a push from this machine."""
        if self._work is not None:
            self._work.join(seconds)

    # --- the push -----------------------------------------------------------------------------------------------------

    def _tags(self) -> list[str]:
        name = str(self.name.value).strip()
        return list(dict.fromkeys([*self.tags.value, *([str(given(f"name:{name}"))] if name else [])]))

    def _push_path(self, path: Path, tags: Sequence[str]) -> None:
        if path == Path(path.anchor):
            raise InvalidInput(
                "the whole file system cannot be one Data", advice="Choose a directory of it, or a file."
            )
        client = self._session.client

        def task(tell: Tell) -> shapes.DataDetail:
            self._total = pushing.size_of(path)
            return client.push(path, tags, progress=tell, warn=self._left_out.append)

        self._work = Work(task, told=self._told, done=self._pushed, failed=self._ended)

    def _begin(self) -> None:
        self.stage, self._total = Stage.PUSHING, 0
        self._left_out.clear()
        self._said.busy("Pushing …")
        self._bar("Reading", 0, 0)
        self._draw()

    def _told(self, done: int, name: str) -> None:
        self._bar("Pushed", done, self._total, name)

    def _sent(self, phase: str, done: int, total: int) -> None:
        if self.stage is Stage.PUSHING:
            self._bar({"packing": "Packed", "sending": "Sent"}.get(phase, "Pushed"), done, total)

    def _uploaded(self, knit_id: str) -> None:
        try:
            self._pushed(self._session.client.show_data(knit_id))
        except KnitError as err:
            self._failed(err)

    def _pushed(self, detail: shapes.DataDetail) -> None:
        self.stage, self._work = Stage.DONE, None
        self.data = Data(self._session, detail)
        self._said.good("  ".join(["Pushed.", *self._left_out]))
        self._draw()
        self._show()

    def _ended(self, err: KnitError | CalledOff) -> None:
        if isinstance(err, KnitError):
            self._failed(err)
        else:
            self._cancelled()

    def _failed(self, err: KnitError) -> None:
        self.stage, self._work = Stage.FAILED, None
        self._said.bad(err)
        self._draw()

    def _cancelled(self) -> None:
        if self.stage is Stage.PUSHING:
            self.stage, self._work = Stage.CANCELLED, None
            self._said.note("Called off; nothing was kept.")
            self._draw()

    def _refresh(self) -> None:
        if self.data is None:
            return
        try:
            self.data.refresh()
        except KnitError as err:
            self._said.bad(err)
        else:
            self._show()

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """Return the widget, with what was pushed for pages that have no kernel."""
        plain = "nothing pushed yet" if self.data is None else self.data.as_text()
        html = self.result or f"<i>Push form: {plain}</i>"
        return parts.with_fallback(super()._repr_mimebundle_(**kwargs), html=html, plain=f"Push form: {plain}")

    # --- what is shown ------------------------------------------------------------------------------------------------

    @property
    def result(self) -> str:
        """The card of what was pushed, and what became of it, as HTML."""
        return str(self._result.value)

    @property
    def said(self) -> str:
        """What is said below the buttons, as HTML."""
        return str(self._said.value)

    @property
    def progress(self) -> str:
        """How far it is, as HTML."""
        return str(self._progress.value)

    def _chosen(self) -> None:
        chosen = self.uploads.chosen
        if self.stage is not Stage.PUSHING:  # what was said of the last push is over
            self.stage = Stage.READY
            self._said.clear()
        self._progress.value = f"{chosen.files} files, {markup.size(chosen.size)}" if chosen.files else ""
        self._draw()

    def _bar(self, word: str, done: int, total: int, name: str = "") -> None:
        self._progress.value = parts.bar(word, done, total, name)

    def _draw(self) -> None:
        is_here, busy = self.source.value == HERE, self.stage is Stage.PUSHING
        parts.show(self.picker, is_here)
        parts.show(self.uploads, not is_here)
        parts.show(self._cancel, busy)
        self._push.disabled = busy or not (is_here or self.uploads.chosen.files)
        self.source.disabled = busy
        if not busy and (is_here or self.stage is not Stage.READY):
            self._progress.value = ""

    def _show(self) -> None:
        assert self.data is not None
        self._result.value = cards.data(self.data.detail) + became(self.data.detail)


def became(detail: shapes.DataDetail) -> str:
    """Show the Runs that took a Data, or that no Plan has taken it, and which Plans name it."""
    runs = {each["run"]["runId"]: each["run"] for each in detail["downstreams"]}
    if not runs:
        return '<div class="knit"><i>No Plan has taken it yet.</i></div>'
    rows = "".join(
        f"<tr><td>{markup.status(run['status'])}</td><td>{markup.identifier(run['runId'])}</td>"
        f"<td>{markup.escape(run['plan'].get('image') or run['plan'].get('name', ''))}</td></tr>"
        for run in runs.values()
    )
    return markup.framed(f'<table><caption style="text-align:left"><b>Runs that took it</b></caption>{rows}</table>')
