"""`.dockerignore`: which files of a context are not part of it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass


@dataclass(frozen=True)
class Ignore:
    """The rules, in order; the last that fits decides."""

    rules: Sequence[tuple[re.Pattern[str], bool]] = ()

    @classmethod
    def parse(cls, text: str) -> Ignore:
        """The rules of a `.dockerignore`'s text; lines it cannot read are passed over, as by Docker's own reader."""
        rules = []
        for line in text.removeprefix("\ufeff").splitlines():
            pattern = line.strip()
            if not pattern or pattern.startswith("#"):
                continue
            wanted = pattern.startswith("!")
            pattern = posixpath.normpath(pattern.removeprefix("!").strip().lstrip("/"))
            if pattern != ".":
                with suppress(re.error):
                    rules.append((re.compile(_regex(pattern) + r"(?:/.*)?", re.DOTALL), not wanted))
        return cls(tuple(rules))

    @property
    def may_return(self) -> bool:
        """Whether something below an ignored directory may be wanted again."""
        return any(not ignored for _, ignored in self.rules)

    def covers(self, path: str) -> bool:
        """Whether `path`, relative to the context, is left out."""
        left_out = False
        for pattern, ignored in self.rules:
            if left_out != ignored and pattern.fullmatch(path):
                left_out = ignored
        return left_out


def component(pattern: str) -> re.Pattern[str]:
    """A pattern such as `*.py` for a path of equally many components. Raises `re.error`."""
    return re.compile(_regex(posixpath.normpath(pattern)), re.DOTALL)


def _regex(pattern: str) -> str:
    pattern = re.sub(r"(?:\*\*/)+", "**/", pattern)  # more of them mean no more, and take for ever
    out, at = "", 0
    while at < len(pattern):
        char = pattern[at]
        if pattern.startswith("**/", at):
            out, at = out + "(?:.*/)?", at + 3
        elif pattern.startswith("**", at):
            out, at = out + ".*", at + 2
        elif char == "[" and "]" in pattern[at + 1 :]:
            end = pattern.index("]", at + 1)
            inside = pattern[at + 1 : end].replace("\\", "\\\\")
            out, at = out + f"[{inside}]", end + 1
        elif char == "\\" and at + 1 < len(pattern):
            out, at = out + re.escape(pattern[at + 1]), at + 2
        else:
            out, at = out + {"*": "[^/]*", "?": "[^/]"}.get(char, re.escape(char)), at + 1
    return out
