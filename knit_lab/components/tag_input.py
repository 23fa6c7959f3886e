"""Tags as people give them: typed with completion from the tags in use, checked as they are typed, removable chips."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import ipywidgets as widgets

from knit_lab.components import parts
from knit_lab.components.beside import Once
from knit_lab.session import Session
from knit_server.domain import tags as domain_tags
from knit_server.domain.errors import InvalidInput, KnitError
from knit_server.domain.tags import Tag

OFFERED = 30
"""Tags that completion offers at once."""
_AFTER = 0.12  # seconds of not typing before the server is asked
_LONG = 60  # characters of a tag that a chip shows; the whole stands in its tooltip


def given(text: str) -> Tag:
    """Read a tag that a Data may be given: not one of Knit's own. Raises `InvalidInput`."""
    (tag,) = domain_tags.require_user([domain_tags.parse(text)])
    return tag


wanted = domain_tags.parse_wanted
"""Read a tag to look for, Knit's own included. Raises `InvalidInput`."""


class TagInput(widgets.VBox):  # type: ignore[misc]
    """A set of tags in the order in which they came. `value` is what it holds; `changed` is told of changes."""

    def __init__(
        self,
        session: Session,
        tags: Iterable[str] = (),
        *,
        read: Callable[[str], Tag] = given,
        changed: Callable[[], None] = lambda: None,
        placeholder: str = "key:value, then Enter",
    ) -> None:
        self._session = session
        self._read = read
        self._changed = changed
        self._value = tuple(dict.fromkeys(tags))
        self._soon = Once(self._complete, _AFTER, settle=True)
        self._said = parts.Said()
        self._text = widgets.Combobox(
            placeholder=placeholder, ensure_option=False, layout=widgets.Layout(width="240px", margin="2px"),
        )  # fmt: skip
        self._text.observe(lambda _: self._typed(), "value")
        self._text.on_msg(self._message)
        self._add = parts.button("Add", self._submitted, "Add this tag")
        self._chips = parts.row()
        super().__init__([parts.row(self._text, self._add, self._chips), self._said])
        self.add_class("knit-tags")
        self._draw()

    @property
    def value(self) -> tuple[str, ...]:
        """The tags, as texts `key:value`."""
        return self._value

    @value.setter
    def value(self, tags: Iterable[str]) -> None:
        """Hold these tags; `changed` is not told."""
        self._value = tuple(dict.fromkeys(tags))
        self._draw()

    @property
    def options(self) -> tuple[str, ...]:
        """What completion offers now."""
        return tuple(self._text.options)

    @property
    def said(self) -> str:
        """What is said about what is being typed, as HTML."""
        return str(self._said.value)

    def type(self, text: str) -> None:
        """Write into the field, as a person does."""
        self._text.value = text

    def submit(self) -> bool:
        """Take what is written in the field, if there is anything. False if it is no tag; that is said then."""
        text = str(self._text.value).strip()
        if not text:
            return True
        try:
            tag = str(self._read(text))
        except KnitError as err:
            self._said.bad(err)
            return False
        self._text.value = ""
        self.add([tag])
        return True

    def add(self, tags: Sequence[str]) -> None:
        """Take `tags` in."""
        self._set((*self._value, *tags))

    def remove(self, tag: str) -> None:
        """Take `tag` out."""
        self._set(each for each in self._value if each != tag)

    def _set(self, tags: Iterable[str]) -> None:
        before, self._value = self._value, tuple(dict.fromkeys(tags))
        if self._value != before:
            self._draw()
            self._changed()

    def _typed(self) -> None:
        text = str(self._text.value)
        self._soon.ask()
        if ":" not in text:
            self._said.clear()
            return
        try:
            self._read(text)
        except InvalidInput as err:
            self._said.bad(err)
        else:
            self._said.clear()

    def _complete(self) -> None:
        try:
            found = self._session.client.tags_in_use(str(self._text.value).strip(), limit=OFFERED)
        except KnitError:  # what is typed is taken all the same; the push or the search will say what is wrong
            return
        self._text.options = tuple(each["tag"] for each in found if each["tag"] not in self._value)

    def _submitted(self) -> None:
        self.submit()

    def _message(self, widget: Any, content: Any, buffers: Any) -> None:
        if isinstance(content, dict) and content.get("event") == "submit":
            self.submit()

    def _draw(self) -> None:
        old = self._chips.children
        self._chips.children = tuple(self._chip(tag) for tag in self._value)
        for each in old:
            each.close()

    def _chip(self, tag: str) -> widgets.Button:
        shown = tag if len(tag) <= _LONG else f"{tag[: _LONG - 1]}…"
        chip = parts.button(f"{parts.one_line(shown)} ✕", partial(self.remove, tag), f"Remove {parts.one_line(tag)}")
        chip.add_class("knit-chip")
        chip.layout.max_width = "100%"
        return chip
