"""Looking into one file of a Data: text, tables, pictures, pages and, of anything else, its first bytes.

What stands in a file is never trusted: text is escaped, pictures (SVG as well) are data: URIs in `<img>`, where scripts
do not run, and pages stand in a frame without scripts that may load nothing from anywhere. Nothing here changes a
kernel; more of a file than is shown is fetched only where its format needs all of it.
"""

from __future__ import annotations

import base64
import contextlib
import csv
import io
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from knit_lab.components.parts import BORDER, FAINT
from knit_lab.display import html as markup
from knit_lab.display import tables
from knit_lab.objects import frames
from knit_server.client.api import KnitClient
from knit_server.wire import shapes

HEAD = 64 << 10
"""Bytes of a text that are shown."""
ROWS = 50
COLUMNS = 30
MOST_PICTURE = 8 << 20
MOST_PAGE = 2 << 20
MOST_TABLE = 64 << 20
"""Bytes of what is of no use in part."""
_CELL = 200  # characters of a value in a table
_HEX = 512  # bytes of a binary file that are shown

PICTURES: Mapping[str, str] = {
    ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif", ".svg": "image/svg+xml",
    ".webp": "image/webp", ".bmp": "image/bmp",
}  # fmt: skip
_SEPARATED = {".csv": ",", ".tsv": "\t"}
_FRAMES = (".parquet", ".feather")
_PAGES = (".html", ".htm")

_POLICY = (
    '<meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'none'; img-src data:; media-src data:; font-src data:; style-src 'unsafe-inline'\">"
)
_SOURCE = re.compile(r"""(<img\b[^>]*?\bsrc\s*=\s*)(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE)


def preview(client: KnitClient, knit_id: str, entry: shapes.FileEntry, files: Sequence[shapes.FileEntry] = ()) -> str:
    """Show the beginning of a file as HTML; `files` are those whose pictures a page may show. Raises `KnitError`."""
    path, size = entry["path"], entry["size"]
    if entry["kind"] != "file":
        return _note("a directory" if entry["kind"] == "dir" else f"a symlink to {entry.get('target', '')}")
    if not size:
        return _note("an empty file")
    ending = PurePosixPath(path).suffix.lower()
    if ending in PICTURES:
        return _too_large(size, MOST_PICTURE) or picture(head(client, knit_id, path, size), PICTURES[ending], path)
    if ending in _PAGES:
        return _too_large(size, MOST_PAGE) or _page_of(client, knit_id, entry, files)
    if ending in _FRAMES:
        return _too_large(size, MOST_TABLE) or _frame(client, knit_id, path)
    content = head(client, knit_id, path, HEAD)
    if ending in _SEPARATED:
        return separated(content, _SEPARATED[ending], is_whole=size <= HEAD)
    return text(content, size)


def head(client: KnitClient, knit_id: str, path: str, most: int) -> bytes:
    """Fetch the first `most` bytes of a file; what follows is not asked for. Raises `KnitError`."""
    keeper = _Keeper(most)
    with contextlib.suppress(_Enough):
        client.pull_file(knit_id, path, keeper)
    return keeper.getvalue()[:most]


def text(content: bytes, size: int) -> str:
    """Show text, or of what is none, the first bytes."""
    words = _decoded(content, is_whole=len(content) >= size)
    if words is None:
        return hexadecimal(content, size)
    more = _note(f"the first {markup.size(len(content))} of {markup.size(size)}") if size > len(content) else ""
    style = f"white-space:pre-wrap;overflow-wrap:anywhere;border:{BORDER};padding:6px 8px;margin:2px 0"
    return (
        f'<pre tabindex="0" dir="ltr" style="{style};max-height:340px;overflow:auto">{markup.escape(words)}</pre>{more}'
    )


def hexadecimal(content: bytes, size: int) -> str:
    """Show bytes as numbers, with the letters among them."""
    lines = []
    for at in range(0, min(len(content), _HEX), 16):
        row = content[at : at + 16]
        letters = "".join(chr(byte) if 32 <= byte < 127 else "·" for byte in row)
        lines.append(f"{at:08x}  {row.hex(' '):<47}  {letters}")
    told = _note(f"binary: the first {markup.size(min(len(content), _HEX))} of {markup.size(size)}")
    return f'{told}<pre tabindex="0" style="overflow:auto;max-height:340px">{markup.escape(chr(10).join(lines))}</pre>'


def separated(content: bytes, separator: str, *, is_whole: bool) -> str:
    """Show the first rows of values that commas or tabs separate."""
    words = _decoded(content, is_whole=is_whole)
    if words is None:
        return hexadecimal(content, len(content))
    try:
        rows = list(csv.reader(io.StringIO(words.removeprefix("\ufeff"), newline=""), delimiter=separator))
    except csv.Error:  # a field that is too long, say: then it is a text
        return text(content, len(content))
    if not is_whole and len(rows) > 1:
        rows.pop()  # it is cut off
    rows = [row for row in rows if row]
    if not rows:
        return _note("no rows")
    first, *others = rows
    if not others:
        return text(content, len(content))
    return table(first, others[:ROWS], len(others) if is_whole else None)


def table(titles: Sequence[object], rows: Sequence[Sequence[object]], count: int | None) -> str:
    """Show the first rows of a table of `count` rows, None if that is not known."""
    width = max([len(titles), *map(len, rows)])
    shown = min(width, COLUMNS)
    heads = [tables.Head(_cut(title)) for title in [*titles, *[""] * (width - len(titles))][:shown]]
    cells = [[_cut(value) for value in [*row, *[""] * (width - len(row))][:shown]] for row in rows]
    left_out = f", {shown} of {width} columns" if shown < width else ""
    of = "" if count is None or count == len(rows) else f" of {count}"
    noun = f"rows{of}{left_out}" if count is not None else f"rows at its beginning{left_out}"
    return f'<div tabindex="0" style="max-height:340px;overflow:auto">{tables.html(heads, cells, noun)}</div>'


def picture(content: bytes, kind: str, name: str) -> str:
    """Show a picture where no script in it can run."""
    style = f"max-width:100%;max-height:340px;border:{BORDER};background:#fff"
    return f'<img alt="{markup.escape(name)}" style="{style}" src="{_uri(content, kind)}">'


def page(content: str) -> str:
    """Show a page in a frame without scripts, forms, or anything from elsewhere."""
    style = f"width:100%;height:340px;border:{BORDER};background:#fff"
    return (
        f'<iframe sandbox="" referrerpolicy="no-referrer" title="preview" style="{style}" '
        f'srcdoc="{markup.escape(_POLICY + content)}"></iframe>'
    )


def _page_of(
    client: KnitClient, knit_id: str, entry: shapes.FileEntry, files: Sequence[shapes.FileEntry]
) -> str:  # fmt: skip
    content = head(client, knit_id, entry["path"], entry["size"]).decode("utf-8", "replace")
    known = {each["path"]: each["size"] for each in files if each["kind"] == "file"}
    folder = PurePosixPath(entry["path"]).parent
    left = MOST_PICTURE

    def put_in(found: re.Match[str]) -> str:
        nonlocal left
        name = _inside(folder, unquote(found[2] if found[2] is not None else found[3]))
        kind = PICTURES.get(PurePosixPath(name).suffix.lower())
        if kind is None or known.get(name, left + 1) > left:
            return found[0]
        left -= known[name]
        return f'{found[1]}"{_uri(head(client, knit_id, name, known[name]), kind)}"'

    return page(_SOURCE.sub(put_in, content))


def _inside(folder: PurePosixPath, name: str) -> str:
    """Return what `name` means in `folder` of the Data; "" if it leads out of it."""
    parts: list[str] = []
    for part in (folder / name).parts:
        if part == "..":
            if not parts:
                return ""
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def _frame(client: KnitClient, knit_id: str, path: str) -> str:
    with tempfile.TemporaryDirectory(prefix="knit-preview-") as made:
        place = Path(made) / f"table{PurePosixPath(path).suffix.lower()}"
        client.pull_file(knit_id, path, place)
        titles, rows, count = frames.first_rows(place, ROWS)
    return table(titles, rows, count)


def _decoded(content: bytes, *, is_whole: bool) -> str | None:
    """Return the text in `content`, None if it is none. A letter that is cut off at the end is left out."""
    if b"\0" in content:
        return None
    for cut in range(1 if is_whole else 4):
        try:
            return content[: len(content) - cut].decode("utf-8")
        except UnicodeDecodeError:
            continue
    return None


def _too_large(size: int, most: int) -> str:
    return _note(f"{markup.size(size)} are too much for a preview ({markup.size(most)} at most)") if size > most else ""


def _note(words: str) -> str:
    return f'<div style="color:{FAINT};font-style:italic">{markup.escape(words)}</div>'


def _uri(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _cut(value: object) -> str:
    words = str(value)
    return words if len(words) <= _CELL else f"{words[: _CELL - 1]}…"


class _Enough(Exception):
    """The beginning has come; the rest is not wanted."""


class _Keeper(io.BytesIO):
    """Keeps what is written, up to `most` bytes."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        written = super().write(data)
        if self.tell() >= self._most:
            raise _Enough
        return written
