"""An executed notebook as a Markdown page, for people who read it on a code-hosting site."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from nbformat import NotebookNode

WIDGET = "application/vnd.jupyter.widget-view+json"
IMAGES = {"image/svg+xml": "svg", "image/png": "png", "image/jpeg": "jpg", "image/gif": "gif"}
"""Forms that become files, the best one first, with the endings of their names."""
PLACE = "../images/notebooks"

_PICTURE = re.compile(rf"\]\({re.escape(PLACE)}/([^)]+)\)")
_TO_NOTEBOOK = re.compile(r"\]\(([\w-]+)\.ipynb\)")
_STYLE = re.compile(r"<style.*?</style>", re.DOTALL)
_CELL_FILE = re.compile(r"/\S*/ipykernel_\d+/\d+\.py:\d+: ")  # where a warning comes from: a cell
_COLOUR = re.compile(r"\x1b\[[\d;]*m")
_PRE = re.compile(r"<pre.*?</pre>", re.DOTALL)
_BLANK = re.compile(r"(?<=\n)[ \t]*(?=\n)")
_FENCE = re.compile(r"^`{3,}", re.MULTILINE)


@dataclass
class Page:
    """A page: its text, and its pictures by their names."""

    text: str = ""
    pictures: dict[str, bytes] = field(default_factory=dict)


def made(notebook: NotebookNode, name: str, *, forbidden: Iterable[str] = ()) -> Page:
    """Show a notebook. Raises `ValueError` if something of `forbidden` stands in it: paths of this machine."""
    page, parts = Page(), []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(_TO_NOTEBOOK.sub(r"](\1.md)", cell.source))
            continue
        parts.append(_fenced(cell.source, "python"))
        parts += _outputs(cell, f"{name}-{cell.id}", page)
    page.text = "\n\n".join([*parts[:1], _hint(name), *parts[1:]]) + "\n"
    for word in forbidden:
        if word in page.text or any(word.encode() in picture for picture in page.pictures.values()):
            raise ValueError(f"{name} shows {word}, which is of this machine")
    return page


def pictures_in(text: str) -> set[str]:
    """The names of the pictures that a page shows."""
    return set(_PICTURE.findall(text))


def _hint(name: str) -> str:
    return (
        f"*This is [notebooks/{name}.ipynb](../../notebooks/{name}.ipynb) with its outputs."
        " `knit notebooks` puts it into a folder of yours; open it in JupyterLab.*"
    )


def _outputs(cell: NotebookNode, name: str, page: Page) -> Iterator[str]:
    for count, output in enumerate(_joined(cell.outputs)):
        if output.output_type == "stream":
            yield _fenced(_clean(output.text), "text")
            continue
        data = output.data
        kind = next((each for each in IMAGES if each in data), None)
        if kind is not None:
            picture = f"{name}{f'-{count}' if count else ''}.{IMAGES[kind]}"
            page.pictures[picture] = data[kind].encode() if kind == "image/svg+xml" else base64.b64decode(data[kind])
            yield f"![{_about(cell, data)}]({PLACE}/{picture})"
            if WIDGET in data:
                yield "*(In JupyterLab this is a widget: the cards can be clicked, unfolded and searched.)*"
        elif "text/html" in data:
            yield _on_one_block(_STYLE.sub("", data["text/html"]))
        elif data.get("text/plain", "").strip():
            yield _fenced(_clean(data["text/plain"]), "text")


def _joined(outputs: Iterable[NotebookNode]) -> Iterator[NotebookNode]:
    """What was printed in several parts, as one."""
    last: NotebookNode | None = None
    for output in outputs:
        if output.output_type == "stream" and last is not None and last.output_type == "stream":
            last["text"] += output.text
            continue
        if last is not None:
            yield last
        last = NotebookNode(output)
    if last is not None:
        yield last


def _about(cell: NotebookNode, data: NotebookNode) -> str:
    """The words for who cannot see a picture: the line that made it, and the first line of its text form."""
    line = cell.source.strip().splitlines()[-1]
    text = data.get("text/plain", "")
    first = "" if text.startswith("<") else text.strip().partition("\n")[0]
    return re.sub(r"[\[\]\\]", "", f"{line}: {first}" if first else line)


def _fenced(text: str, language: str) -> str:
    ticks = "`" * max([3, *(len(each) + 1 for each in _FENCE.findall(text))])
    return f"{ticks}{language}\n{text.rstrip()}\n{ticks}"


def _clean(text: str) -> str:
    return _CELL_FILE.sub("", _COLOUR.sub("", text)).strip("\n")


def _on_one_block(html: str) -> str:
    """Without blank lines, which would end the block; within `<pre>` they hold an empty line."""
    filled = _PRE.sub(lambda match: _BLANK.sub("&nbsp;", match[0]), html)
    return "\n".join(line for line in filled.splitlines() if line.strip()).strip()
