"""Small parts that several widgets share: what is said below a widget, links to download, buttons, rows."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import ipywidgets as widgets

from knit_lab.display.html import escape, size
from knit_server.domain.errors import KnitError

TEXT = "var(--jp-ui-font-color1, #1f2328)"
FAINT = "var(--jp-ui-font-color2, #57606a)"
BORDER = "1px solid var(--jp-border-color2, #d0d7de)"
BAD = "var(--jp-error-color1, #cf222e)"
GOOD = "var(--jp-success-color1, #1a7f37)"


class Said(widgets.HTML):  # type: ignore[misc]
    """The line below a widget: what goes on, what went well, what went wrong and what to do about it."""

    def __init__(self) -> None:
        super().__init__()
        self.add_class("knit-said")

    def clear(self) -> None:
        """Say nothing."""
        self.value = ""

    def busy(self, text: str) -> None:
        """Say what is under way."""
        self.value = f'<span style="color:{FAINT}">… {escape(text)}</span>'

    def note(self, text: str) -> None:
        """Say something that is neither good nor bad."""
        self.value = f'<span style="color:{FAINT}">{escape(text)}</span>' if text else ""

    def good(self, text: str) -> None:
        """Say what has been done."""
        self.value = f'<span style="color:{GOOD}">✔</span> {escape(text)}'

    def bad(self, err: KnitError) -> None:
        """Say what went wrong, and what to do."""
        advice = f'<div style="color:{FAINT}">{escape(err.advice)}</div>' if err.advice else ""
        reason = escape(err.reason).replace("\n", "<br>")
        self.value = f'<div role="alert"><span style="color:{BAD}">✖</span> {reason}{advice}</div>'

    @contextmanager
    def doing(self, text: str) -> Iterator[None]:
        """Say what is under way while it is; errors meant for people are said here and go no further."""
        self.busy(text)
        said = self.value
        try:
            yield
        except KnitError as err:
            self.bad(err)
        else:
            if self.value == said:
                self.clear()


def button(
    text: str, clicked: Callable[[], None], tooltip: str = "", style: str = "", icon: str = ""
) -> widgets.Button:
    """Return a button as wide as its text."""
    made = widgets.Button(
        description=text, tooltip=tooltip or text, button_style=style,
        layout=widgets.Layout(width="auto", margin="2px"),
    )  # fmt: skip
    made.on_click(lambda _: clicked())
    return made


def row(*children: Any, **layout: str) -> widgets.HBox:
    """Return `children` side by side, wrapped where there is no room."""
    return widgets.HBox(children, layout=widgets.Layout(flex_flow="row wrap", align_items="center", **layout))


def download(name: str, content: bytes, kind: str) -> str:
    """Return a link that saves `content` as the file `name`."""
    coded = base64.b64encode(content).decode("ascii")
    style = "color:var(--jp-content-link-color, #0969da);text-decoration:underline"
    return f'<a download="{escape(name)}" style="{style}" href="data:{kind};base64,{coded}">Save {escape(name)}</a>'


def one_line(text: str) -> str:
    """Return `text` for places that take no markup: what would break a line or hide in it is replaced."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def labelled(label: str, part: widgets.Widget) -> widgets.HBox:
    """Return `part` with a word before it."""
    word = widgets.HTML(f'<span style="color:{FAINT}">{escape(label)}</span>', layout=widgets.Layout(width="4em"))
    return widgets.HBox([word, part], layout=widgets.Layout(align_items="flex-start"))


def show(part: widgets.Widget, wanted: bool) -> None:
    """Show `part`, or take it from the page while it is not wanted."""
    part.layout.display = None if wanted else "none"


def bar(word: str, done: int, total: int, name: str = "") -> str:
    """Return a bar of bytes: `done` of `total`, 0 if that is not known; with `name`, the file it is at."""
    share = min(100, 100 * done // total) if total else 0
    told = f"{word} {size(done)}" + (f" of {size(total)} ({share} %)" if total else "")
    track = "width:120px;height:8px;border-radius:4px;background:var(--jp-border-color2, #d0d7de);display:inline-block"
    fill = f"width:{share}%;height:100%;border-radius:4px;background:var(--jp-brand-color1, #0969da)"
    drawn = f'<span style="{track}"><span style="display:block;{fill}"></span></span> ' if total else ""
    return f'<div role="status" style="color:{TEXT}">{drawn}{escape(told)} {escape(one_line(name))}</div>'


def with_fallback(bundle: Any, **forms: str) -> dict[str, Any]:
    """Return the MIME bundle of a widget with what is shown where there is no kernel; `html` and `plain` are texts."""
    made = bundle[0] if isinstance(bundle, tuple) else bundle
    return {**made, **{f"text/{name}": form for name, form in forms.items()}}
