"""How a Dockerfile's lines become words: quotes, backslashes and variables as Docker and its shell read them."""

from __future__ import annotations

import re
from collections.abc import Mapping

_BRACED = re.compile(r"(?P<name>[A-Za-z_]\w*)(?:(?P<op>:?[-+])(?P<word>.*))?", re.DOTALL)
_PLAIN = re.compile(r"[A-Za-z_]\w*")
_OPERATORS = "&|;<>()`"


class Operator(str):
    """An unquoted shell operator, such as `&&` or `>`; it is no word."""

    __slots__ = ()


def expand(text: str, variables: Mapping[str, str]) -> str:
    """`text` as one word: variables put in, quotes and backslashes taken away. Raises `ValueError`."""
    return _Lexer(text, variables).whole()


def split(text: str, variables: Mapping[str, str], *, operators: bool = False) -> list[str]:
    """The words of `text`; with `operators`, unquoted shell operators come as `Operator`. Raises `ValueError`."""
    return _Lexer(text, variables, operators=_OPERATORS if operators else "").split()


class _Lexer:
    """One pass over one text."""

    def __init__(self, text: str, variables: Mapping[str, str], operators: str = "") -> None:
        self._text = text
        self._at = 0
        self._variables = variables
        self._operators = operators

    def whole(self) -> str:
        return "".join(self._piece() for _ in iter(self._more, False))

    def split(self) -> list[str]:
        words: list[str] = []
        word: str | None = None
        while self._more():
            char = self._text[self._at]
            if char.isspace() or char in self._operators:
                if word is not None:
                    words.append(word)
                    word = None
                if char.isspace():
                    self._at += 1
                else:
                    words.append(self._operator())
            else:
                word = (word or "") + self._piece()
        return words if word is None else [*words, word]

    def _more(self) -> bool:
        return self._at < len(self._text)

    def _operator(self) -> Operator:
        start = self._at
        while self._more() and self._text[self._at] == self._text[start]:
            self._at += 1
        return Operator(self._text[start : self._at])

    def _piece(self) -> str:
        """The next character, quoted part, escape or variable, with its meaning."""
        char = self._text[self._at]
        self._at += 1
        if char == "'":
            return self._until("'")
        if char == '"':
            return self._double_quoted()
        if char == "\\":
            return self._next() if self._more() else ""
        return self._variable() if char == "$" else char

    def _next(self) -> str:
        self._at += 1
        return self._text[self._at - 1]

    def _until(self, end: str) -> str:
        start, stop = self._at, self._text.find(end, self._at)
        if stop < 0:
            raise ValueError(f"a closing {end} is missing")
        self._at = stop + 1
        return self._text[start:stop]

    def _double_quoted(self) -> str:
        parts: list[str] = []
        while self._more():
            char = self._next()
            if char == '"':
                return "".join(parts)
            if char == "\\" and self._more():
                following = self._next()
                parts.append(following if following in '"$\\' else "\\" + following)
            else:
                parts.append(self._variable() if char == "$" else char)
        raise ValueError('a closing " is missing')

    def _variable(self) -> str:
        if self._text.startswith("{", self._at):
            self._at += 1
            return self._braced(self._until("}"))
        plain = _PLAIN.match(self._text, self._at)
        if plain is None:
            return "$"
        self._at = plain.end()
        return self._variables.get(plain[0], "")

    def _braced(self, inner: str) -> str:
        found = _BRACED.fullmatch(inner)
        if found is None:
            raise ValueError(f"${{{inner}}} is not understood; write ${{NAME}}, ${{NAME:-default}} or ${{NAME:+text}}")
        value, op = self._variables.get(found["name"]), found["op"]
        given = bool(value) if op and op.startswith(":") else value is not None
        if op and op.endswith("+"):
            return expand(found["word"], self._variables) if given else ""
        if op and not given:
            return expand(found["word"], self._variables)
        return value or ""
