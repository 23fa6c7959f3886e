"""The form of a Plan: fields for what most Plans have. What it does not show stays as the YAML has it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import ipywidgets as widgets

from knit_lab.components import parts, plan_editing, tag_input
from knit_lab.components.tag_input import TagInput
from knit_lab.display.html import escape
from knit_lab.session import Session
from knit_server.domain.errors import InvalidInput

_WIDE = "100%"
_FREE = {"input": "/in/", "output": "/out/"}


class Mounts(widgets.VBox):  # type: ignore[misc]
    """Rows of paths with tags: the inputs or the outputs."""

    def __init__(self, session: Session, noun: str, changed: Callable[[], None]) -> None:
        """`noun` is input or output; inputs may ask for Knit's own tags, outputs cannot give them."""
        self._session, self._noun, self._changed = session, noun, changed
        self._read = tag_input.wanted if noun == "input" else tag_input.given
        self._rows = widgets.VBox()
        self._value: list[dict[str, Any]] = []
        add = parts.button(f"+ {noun}", self.add, f"Add an {noun}")
        super().__init__(
            [_title(f"{noun.capitalize()}s"), self._rows, add], layout=widgets.Layout(align_items="flex-start")
        )

    @property
    def value(self) -> list[dict[str, Any]]:
        """The paths with their tags, as in a plan file."""
        return [{"path": path.value.strip(), "tags": list(tags.value)} for path, tags in self._pairs()]

    def show(self, mounts: Sequence[Mapping[str, Any]]) -> None:
        """Show `mounts`; rows that say the same stay as they are, with what is being typed in them."""
        wanted: list[dict[str, Any]] = [
            {"path": str(each["path"]), "tags": [_text(tag) for tag in each.get("tags") or ()]} for each in mounts
        ]
        if wanted == self.value:
            return
        old = self._rows.children
        self._rows.children = [self._row(each["path"], each["tags"]) for each in wanted]
        for row in old:
            row.close()

    def add(self) -> None:
        """Add a row, to be filled in."""
        number = len(self._rows.children) + 1
        self._rows.children = (*self._rows.children, self._row(f"{_FREE[self._noun]}{number}", ()))
        self._changed()

    def remove(self, row: widgets.Widget) -> None:
        """Take a row out."""
        self._rows.children = tuple(each for each in self._rows.children if each is not row)
        row.close()
        self._changed()

    def _row(self, path: str, tags: Sequence[str]) -> widgets.HBox:
        field = widgets.Text(value=path, placeholder="/absolute/path", layout=widgets.Layout(width="130px"))
        field.tooltip = f"The absolute path of this {self._noun}"
        field.observe(lambda _: self._changed(), "value")
        row = widgets.HBox(layout=widgets.Layout(align_items="flex-start"))
        chips = TagInput(self._session, tags, read=self._read, changed=self._changed)
        remove = parts.button("✕", partial(self.remove, row), f"Remove this {self._noun}")
        remove.layout.flex = field.layout.flex = "0 0 auto"
        row.children = (field, chips, remove)
        return row

    def _pairs(self) -> list[tuple[widgets.Text, TagInput]]:
        return [(row.children[0], row.children[1]) for row in self._rows.children]


class PlanForm(widgets.VBox):  # type: ignore[misc]
    """The fields. `changed` is told when a person has changed one."""

    def __init__(self, session: Session, changed: Callable[[], None], template: Callable[[], None]) -> None:
        """`template` is called when a template of the image is wanted."""
        self._tell, self._quiet = changed, False
        self.image = widgets.Combobox(placeholder="name:tag", ensure_option=False, layout=widgets.Layout(width="230px"))
        self._entrypoint = _text_field("empty: the image's own")
        self._args = _text_field("words, such as /in/raw '/out/my made'")
        self._inputs = Mounts(session, "input", self._changed)
        self._outputs = Mounts(session, "output", self._changed)
        self._keeps_log = widgets.Checkbox(description="Keep a log", indent=False, layout=widgets.Layout(width="110px"))
        self._log = TagInput(session, changed=self._changed)
        self._resources = _text_field("cpu=1 memory=1Gi")
        self._annotations = _text_field("owner=ann 'about=first try'")
        self._active = widgets.Checkbox(value=True, description="Active: its Runs are executed", indent=False)
        self._beside = widgets.HTML()
        for each in (self.image, self._entrypoint, self._args, self._resources, self._annotations):
            each.observe(lambda _: self._changed(), "value")
        for each in (self._keeps_log, self._active):
            each.observe(lambda _: self._changed(), "value")
        self._template = parts.button("Template", template, "Begin anew with what this image says about itself")
        super().__init__(
            [
                _labelled("Image", widgets.HBox([self.image, self._template])),
                _labelled("Entrypoint", self._entrypoint), _labelled("Arguments", self._args),
                self._inputs, self._outputs,
                widgets.HBox([self._keeps_log, self._log], layout=widgets.Layout(align_items="flex-start")),
                _labelled("Resources", self._resources), _labelled("Annotations", self._annotations),
                self._active, self._beside,
            ],
            layout=widgets.Layout(min_width="0"),
        )  # fmt: skip
        self.add_class("knit-plan-form")

    def members(self) -> dict[str, Any]:
        """Return what the fields say, as in a plan file. Raises `InvalidInput`."""
        active = None if self._active.value else False
        return {
            "annotations": plan_editing.words(self._annotations.value), "image": self.image.value.strip(),
            "entrypoint": plan_editing.words(self._entrypoint.value), "args": plan_editing.words(self._args.value),
            "inputs": self._inputs.value, "outputs": self._outputs.value,
            "log": {"tags": list(self._log.value)} if self._keeps_log.value else None, "active": active,
            "resources": plan_editing.amounts(self._resources.value),
        }  # fmt: skip

    def show(self, spec: Mapping[str, Any], beside: Sequence[str] = ()) -> None:
        """Show `spec`; `beside` are members that only the YAML shows."""
        self._quiet = True
        try:
            self.image.value = str(spec.get("image") or "")
            for field, name in (
                (self._entrypoint, "entrypoint"),
                (self._args, "args"),
                (self._annotations, "annotations"),
            ):
                wanted = [str(each) for each in spec.get(name) or ()]
                if _read(field.value) != wanted:
                    field.value = plan_editing.line(wanted)
            self._resources.value = " ".join(
                f"{name}={amount}" for name, amount in (spec.get("resources") or {}).items()
            )
            self._inputs.show(spec.get("inputs") or ())
            self._outputs.show(spec.get("outputs") or ())
            log = spec.get("log")
            self._keeps_log.value = log is not None
            tags = tuple(_text(tag) for tag in (log or {}).get("tags") or ())
            if tags != self._log.value:
                self._log.value = tags
            self._active.value = spec.get("active") is not False
            told = f"Only in the YAML: {', '.join(beside)}" if beside else ""
            self._beside.value = f'<span style="color:{parts.FAINT}">{escape(told)}</span>'
        finally:
            self._quiet = False

    def _changed(self) -> None:
        if not self._quiet:
            self._tell()


def _read(text: str) -> list[str] | None:
    try:
        return plan_editing.words(text)
    except InvalidInput:
        return None


def _text(tag: Any) -> str:
    """Write a tag of a plan file, a text or a mapping, as a text."""
    return f"{tag['key']}:{tag['value']}" if isinstance(tag, Mapping) else str(tag)


def _text_field(hint: str) -> widgets.Text:
    return widgets.Text(placeholder=hint, layout=widgets.Layout(width="330px"))


def _title(text: str) -> widgets.HTML:
    return widgets.HTML(f'<b style="color:{parts.TEXT}">{escape(text)}</b>')


def _labelled(label: str, field: widgets.Widget) -> widgets.HBox:
    word = widgets.HTML(f'<span style="color:{parts.TEXT}">{escape(label)}</span>', layout=widgets.Layout(width="90px"))
    return widgets.HBox([word, field], layout=widgets.Layout(max_width=_WIDE))
