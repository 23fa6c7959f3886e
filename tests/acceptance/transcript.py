"""Transcripts of command lines: what was typed, what came out, with everything that differs from time to time replaced.

    $ knit plan find --output table        what was typed
    ID        ACTIVE  IMAGE                stdout, as it is
    plan-1..  yes     act:1
    2> a line                              stderr
    [no newline at the end]                of stdout, if there is none
    [exit code 1]                          if it is not 0

Ids become `<run-1>`, `<data-1>`, `<plan-1>` in the order in which they are seen first, and their first eight characters
`run-1...`, padded to eight. Times become `<time>`, `<now>` (the stamp of a log line) and `<ago>`; digests, ports, paths
of the world and figures of this machine have names of their own. Tables are laid out anew after that, so that their
columns stay under their heads: before it, each cell must begin where its head does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_KINDS = (
    (re.compile(rf'"runId": "({UUID})"'), "run"),
    (re.compile(rf'"planId": "({UUID})"'), "plan"),
    (re.compile(rf'(?:"knitId": "|knit#id:)({UUID})'), "data"),
)
_DIGEST = re.compile(r"\b[0-9a-f]{64}\b")
_RULES = (
    (re.compile(r"(\[knit[a-z -]*\]) \d{4}/\d\d/\d\d \d\d:\d\d:\d\d "), r"\1 <now> "),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)"), "<time>"),
    (re.compile(r"(http://127\.0\.0\.1):\d+"), r"\1:<port>"),
)
_AGE = re.compile(r"now|\d+[smhd] ago")
_HEADS = re.compile(r"(?:\*?[A-Z]+(?: [A-Z]+)*)(?:  +[A-Z]+(?: [A-Z]+)*)+")
_GAP = re.compile(r"  +")


class Normal:
    """Replaces what differs; `known` are texts and what stands for them, such as the paths of the world."""

    def __init__(self, known: Iterable[tuple[str, str]]) -> None:
        self._known = sorted(known, key=lambda pair: -len(pair[0]))
        self._names: dict[str, str] = {}
        self._digests: dict[str, str] = {}
        self._figures: list[tuple[re.Pattern[str], str]] = []

    def figure(self, pattern: str, stands: str) -> None:
        """Replace whatever fits a regular expression: figures of this machine, versions of its programs."""
        self._figures.append((re.compile(pattern), stands))

    def learn(self, text: str) -> None:
        """Give names to the ids in JSON and tags of `text`, in the order in which they stand there."""
        found = sorted((match.start(1), match[1], kind) for form, kind in _KINDS for match in form.finditer(text))
        for _, each, kind in found:
            if each not in self._names:
                number = 1 + sum(name.startswith(f"{kind}-") for name in self._names.values())
                self._names[each] = f"{kind}-{number}"
        for digest in _DIGEST.findall(text):
            self._digests.setdefault(digest, f"digest-{len(self._digests) + 1}")

    def of(self, text: str) -> str:
        """Return `text` with all of it replaced."""
        for raw, stands in self._known:
            text = text.replace(raw, stands)
        for names, short in ((self._names, 8), (self._digests, 12)):
            for raw, name in names.items():
                text = text.replace(raw, f"<{name}>")
                text = re.sub(rf"(?<![0-9a-f-]){raw[:short]}(?![0-9a-f-])", f"{name:.<{short}}", text)
        for form, stands in (*_RULES, *self._figures):
            text = form.sub(stands, text)
        return text


def stdout(text: str, normal: Normal, *, unordered: bool = False) -> str:
    """Return what stands for stdout. `unordered`: its order is that of random ids, so it is sorted by what it says."""
    lines = text.splitlines()
    if lines and _is_table(lines):
        return _table(lines, normal, unordered)
    if not unordered:
        return normal.of(text)
    if text.startswith("["):
        found: list[Any] = json.loads(text)
        found.sort(key=lambda each: normal.of(json.dumps(each)))
        return normal.of(json.dumps(found, indent=4, ensure_ascii=False) + "\n")
    return "".join(f"{line}\n" for line in sorted(map(normal.of, lines)))


def _is_table(lines: Sequence[str]) -> bool:
    return bool(_HEADS.fullmatch(lines[0].strip())) and not lines[0].startswith("{")


def _table(lines: Sequence[str], normal: Normal, unordered: bool) -> str:
    """Lay a table out anew with normal cells. An AssertionError if a cell does not begin under its head."""
    starts = [0, *(match.end() for match in _GAP.finditer(lines[0]) if match.end() < len(lines[0]))]
    rows = []
    for line in lines:
        assert all(line[start - 2 : start].strip() == "" for start in starts[1:]), f"not under its head: {line!r}"
        cells = [line[start:end].rstrip() for start, end in zip(starts, [*starts[1:], None], strict=True)]
        rows.append([_AGE.sub("<ago>", normal.of(cell)) if _AGE.fullmatch(cell) else normal.of(cell) for cell in cells])
    if unordered:
        rows[1:] = sorted(rows[1:])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n" for row in rows
    )


def step(words: str, out: str, err: str, code: int) -> str:
    """Write one command and what it did, all of it normal already."""
    parts = [f"$ {words}\n", out]
    if out and not out.endswith("\n"):
        parts.append("\n[no newline at the end]\n")
    parts += [f"2> {line}".rstrip() + "\n" for line in err.splitlines()]
    parts += [f"[exit code {code}]\n"] if code else []
    return "".join(parts)
