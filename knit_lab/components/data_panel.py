"""What is known of one Data and what can be done with it: card, files and what is in them, tags, pull, lineage, why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath

import ipywidgets as widgets

from knit_lab.components import browsing, grid, parts, preview
from knit_lab.components.beside import Worker
from knit_lab.components.push_form import became
from knit_lab.components.tag_input import TagInput
from knit_lab.components.working import CalledOff, Tell, Work
from knit_lab.display import cards, reasons
from knit_lab.display import html as markup
from knit_lab.session import Session
from knit_server.domain.errors import KnitError
from knit_server.wire import shapes

MOST_SAVED = 8 << 20
"""Bytes of a file that a link in the page may hold; larger ones are pulled."""
MOST_FILES = 1000


class DataPanel(widgets.VBox):  # type: ignore[misc]
    """Shows one Data after another. `changed` is told of a Data whose tags were changed here."""

    def __init__(
        self,
        session: Session,
        *,
        changed: Callable[[], None] = lambda: None,
        explore: Callable[[shapes.DataDetail], None] = lambda detail: None,
    ) -> None:
        self._session, self._changed, self._explore = session, changed, explore
        self._worker = Worker()
        self._work: Work | None = None
        self._total = 0
        self.detail: shapes.DataDetail | None = None
        self.files: list[shapes.FileEntry] = []
        self._card = widgets.HTML()
        self._uses = widgets.HTML()
        self._more = widgets.HTML()
        self._view = widgets.HTML()
        self._link = widgets.HTML()
        self._said = parts.Said()
        self.tags = TagInput(session, changed=self._tags_edited)
        self._save = parts.button("Save tags", self.save_tags, "Change the tags in one step", "primary")
        self._undo = parts.button("Undo", self._tags_again, "Take the changes of the tags back")
        self.names = grid.Grid(["file", "size", "kind"], "files of this Data", "no files")
        self.names.observe(lambda change: self.look(str(change["new"])), "chosen")
        self._names_box = widgets.VBox(
            [self.names], layout=widgets.Layout(max_height="190px", overflow="auto", flex="0 0 auto")
        )
        self._dest = widgets.Text(
            placeholder="directory to make here", layout=widgets.Layout(width="200px", margin="2px")
        )  # fmt: skip
        self._pull = parts.button("Pull", self.pull, "Download it into this new directory of the kernel's machine")
        self._cancel = parts.button("Cancel", self.cancel, "Call the pull off")
        super().__init__(layout=widgets.Layout(padding="6px 10px", width="100%"))
        self.add_class("knit-data-panel")
        self._buttons = parts.row(
            parts.button("Lineage", self.explore, "Draw what made it, and what was made from it"),
            parts.button("Why", self.why, "Which Plans took it and which did not, and why"),
            self._dest, self._pull, self._cancel,
        )  # fmt: skip
        tags = widgets.VBox([self.tags, parts.row(self._save, self._undo)])
        self._parts = (
            self._card, self._buttons, self._said, self._more, self._names_box, self._link, self._view,
            parts.labelled("Tags", tags), self._uses,
        )  # fmt: skip
        self.show(None)

    # --- what is shown ------------------------------------------------------------------------------------------------

    def show(self, detail: shapes.DataDetail | None) -> None:
        """Show a Data; None: none is chosen. Its files are fetched beside the loop."""
        before, self.detail = self.detail, detail
        if detail is None:
            self.children = [widgets.HTML(f'<i style="color:{parts.FAINT}">Choose a Data to see what it is.</i>')]
            return
        is_same = before is not None and before["knitId"] == detail["knitId"]
        was_usable = is_same and before is not None and browsing.state_of(before) == browsing.state_of(detail)
        self._card.value = cards.data(detail)
        self._uses.value = became(detail) + nominated(detail)
        if not is_same:
            self._dest.value = f"./{markup.short(detail['knitId'])}"
            for part in (self._more, self._view, self._link, self._said):
                part.value = ""
            self._list([])
        if not is_same or not self._is_edited(before):
            self._tags_again()
        self._draw()
        self.children = list(self._parts)
        if not was_usable:
            self._fetch_files(detail["knitId"])

    def look(self, path: str) -> None:
        """Look into a file of it."""
        entry = next((each for each in self.files if each["path"] == path), None)
        if entry is None or self.detail is None:
            return
        knit_id, client, files = self.detail["knitId"], self._session.client, self.files
        self._view.value = self._link.value = ""
        self._said.busy("Looking into it …")

        def shown(found: tuple[str, str]) -> None:
            if self._is_at(knit_id) and self.names.chosen == path:
                self._said.clear()
                self._view.value, self._link.value = found

        def looked() -> tuple[str, str]:
            return preview.preview(client, knit_id, entry, files), _saving(session=self._session, at=knit_id, of=entry)

        self._worker.do(looked, shown, self._said.bad)

    @property
    def view(self) -> str:
        """What is seen of the file, as HTML."""
        return str(self._view.value)

    @property
    def said(self) -> str:
        """What is said, as HTML."""
        return str(self._said.value)

    # --- what can be done ---------------------------------------------------------------------------------------------

    def save_tags(self) -> None:
        """Change the tags in one step to those in the field."""
        if self.detail is None or not self.tags.submit():
            return
        before, now = set(browsing.tags_of(self.detail)), set(self.tags.value)
        knit_id, client = self.detail["knitId"], self._session.client
        self._said.busy("Changing tags …")

        def saved(detail: shapes.DataDetail) -> None:
            self._said.good("Tags changed.")
            if self._is_at(knit_id):
                self.detail = None if self.detail is None else {**self.detail, "tags": detail["tags"]}
                self.show(detail)
                self._tags_again()
            self._changed()

        self._worker.do(
            lambda: client.tag_data(knit_id, add=sorted(now - before), remove=sorted(before - now)),
            saved, self._said.bad,
        )  # fmt: skip

    def explore(self) -> None:
        """Open the lineage."""
        if self.detail is not None:
            self._explore(self.detail)

    def why(self) -> None:
        """Show which Plans took it and which did not."""
        if self.detail is None:
            return
        knit_id = self.detail["knitId"]
        self._said.busy("Asking the server …")

        def told(answer: shapes.Why) -> None:
            if self._is_at(knit_id):
                self._said.clear()
                self._more.value = reasons.html(answer)

        self._worker.do(lambda: self._session.client.why(knit_id), told, self._said.bad)

    def pull(self) -> None:
        """Download it into the directory that is named, which must not be there yet."""
        if self.detail is None or self._work is not None:
            return
        knit_id, client = self.detail["knitId"], self._session.client
        dest = Path(str(self._dest.value).strip() or f"./{markup.short(knit_id)}").expanduser()
        self._total = sum(each["size"] for each in self.files)

        def task(tell: Tell) -> Path:
            return client.pull(knit_id, dest, progress=tell)

        self._said.busy("Pulling …")
        self._work = Work(task, told=self._told, done=self._pulled, failed=self._gave_up)
        self._draw()

    def cancel(self) -> None:
        """Call the pull off; nothing of it is kept."""
        if self._work is not None:
            self._work.call_off()

    def close(self) -> None:
        """Call off what is under way, and take the widget from the page."""
        self.cancel()
        self._worker.close()
        super().close()

    async def idle(self) -> None:
        """Wait until nothing is asked any more."""
        await self._worker.idle()

    def join(self, seconds: float | None = None) -> None:
        """Wait for a pull."""
        if self._work is not None:
            self._work.join(seconds)

    # --- the rest -----------------------------------------------------------------------------------------------------

    def _is_at(self, knit_id: str) -> bool:
        return self.detail is not None and self.detail["knitId"] == knit_id

    def _fetch_files(self, knit_id: str) -> None:
        def listed(files: list[shapes.FileEntry]) -> None:
            if self._is_at(knit_id):
                self._list(files)

        def refused(err: KnitError) -> None:
            if self._is_at(knit_id):
                self.names.empty = err.reason
                self._list([])

        self.names.empty = "listing its files …"
        self._worker.do(lambda: self._session.client.data_files(knit_id), listed, refused)

    def _list(self, files: list[shapes.FileEntry]) -> None:
        self.files = [each for each in files if each["kind"] != "dir"]
        self.names.chosen = ""
        self.names.show([
            {"id": each["path"], "cells": [
                {"text": parts.one_line(each["path"])}, {"text": markup.size(each["size"])}, {"text": each["kind"]},
            ]}
            for each in self.files[:MOST_FILES]
        ])  # fmt: skip
        if len(self.files) > MOST_FILES:
            self._said.note(f"the first {MOST_FILES} of {len(self.files)} files; pull it to see all")

    def _is_edited(self, detail: shapes.DataDetail | None) -> bool:
        return detail is not None and set(self.tags.value) != set(browsing.tags_of(detail))

    def _tags_edited(self) -> None:
        is_edited = self._is_edited(self.detail)
        self._save.disabled = self._undo.disabled = not is_edited

    def _tags_again(self) -> None:
        if self.detail is not None:
            self.tags.value = browsing.tags_of(self.detail)
            self._tags_edited()

    def _told(self, done: int, name: str) -> None:
        self._said.value = parts.bar("Pulled", done, self._total, name)

    def _pulled(self, place: Path) -> None:
        self._work = None
        self._said.good(f"Pulled into {parts.one_line(str(place.absolute()))}")
        self._draw()

    def _gave_up(self, err: KnitError | CalledOff) -> None:
        self._work = None
        if isinstance(err, KnitError):
            self._said.bad(err)
        else:
            self._said.note("Called off; nothing was kept.")
        self._draw()

    def _draw(self) -> None:
        is_usable = self.detail is not None and browsing.state_of(self.detail) == "usable"
        self._pull.disabled = self._work is not None or not is_usable
        parts.show(self._cancel, self._work is not None)


def nominated(detail: shapes.DataDetail) -> str:
    """Show the inputs of Plans that a Data fits."""
    if not detail["nomination"]:
        return '<div class="knit"><i>It fits no input of a Plan.</i></div>'
    rows = "".join(
        f"<tr><td>{markup.escape(markup.plan_name(each['plan']))}</td>"
        f"<td>{markup.identifier(each['plan']['planId'])}</td><td>{markup.escape(each['path'])}</td></tr>"
        for each in detail["nomination"]
    )
    return markup.framed(f'<table><caption style="text-align:left"><b>Fits inputs of</b></caption>{rows}</table>')


def _saving(*, session: Session, at: str, of: shapes.FileEntry) -> str:
    """Return a link that saves a file, "" for what is none or too large."""
    if of["kind"] != "file" or of["size"] > MOST_SAVED:
        return ""
    content = preview.head(session.client, at, of["path"], of["size"]) if of["size"] else b""
    return parts.download(PurePosixPath(of["path"]).name, content, "application/octet-stream")
