"""How the words after a command are read: Knitfab's rules, mended (docs/cli.md, "How words are read").

`--name value`, `--name=value`, `-x value`, `-x=value`; no clusters and no glued values; flags and positionals mix
freely; a bare switch never swallows the next word; `--` ends flags and a lone `-` is a positional. Flags that nobody
declared are usage errors.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import click

_LONG = re.compile(r"--[^-=][^=]+")
_SHORT = re.compile(r"-[^-=]")
_TRUE = ("true", "on", "yes", "1")
_FALSE = ("false", "off", "no", "0")


class Words:
    """The words after a command, read by Knit's rules."""

    def __init__(self, command: click.Command, ctx: click.Context, words: Sequence[str]) -> None:
        self._ctx = ctx
        self._flags = {name: each for each in command.params if isinstance(each, click.Option) for name in each.opts}
        self._arguments = [each for each in command.params if isinstance(each, click.Argument)]
        self._positionals: list[str] = []
        self._values: list[str] = []
        self._read(list(words))

    def canonical(self) -> list[str]:
        """Return the same words as `--flag value` ... `--` positionals. Raises `UsageError` if they are too few."""
        needed = [str(each.metavar or each.name) for each in self._arguments if each.required]
        if missing := needed[len(self._positionals) :]:
            raise click.UsageError(f"not enough args: {' and '.join(missing)} missing", ctx=self._ctx)
        if len(self._positionals) > len(self._arguments) and all(each.nargs == 1 for each in self._arguments):
            raise click.UsageError("too much args", ctx=self._ctx)
        return [*self._values, "--", *self._positionals]

    def _read(self, words: list[str]) -> None:
        while words:
            word = words.pop(0)
            if word == "--":
                self._positionals += words
                return
            if word == "-" or not word.startswith("-"):
                self._positionals.append(word)
            else:
                self._flag(word, words)

    def _flag(self, word: str, words: list[str]) -> None:
        name, equals, given = word.partition("=")
        flag = self._flags.get(name)
        if flag is None or not (_LONG.fullmatch(name) or _SHORT.fullmatch(name)):
            raise click.UsageError(f"unknown flag: {name}{self._hint(name)}", ctx=self._ctx)
        if getattr(flag, "switch", False):
            self._values += [max(flag.opts, key=len), self._bool(name, given) if equals else "true"]
            return
        if not equals:
            if not words:
                raise click.UsageError(f"value required: {name}", ctx=self._ctx)
            given = words.pop(0)
        self._values.append(f"{max(flag.opts, key=len)}={given}")

    def _bool(self, name: str, word: str) -> str:
        if word.lower() not in (*_TRUE, *_FALSE):
            raise click.UsageError(f"{name} is true or false, not {word!r}", ctx=self._ctx)
        return "true" if word.lower() in _TRUE else "false"

    def _hint(self, name: str) -> str:
        if not name.startswith("--") and name[:2] in self._flags:
            return f" (write {name[:2]} {name[2:]}: flags stand apart from each other and from their values)"
        return likely(name, self._flags) or " (if it is no flag, write -- before it)"


def likely(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean X?` if one of the known words is much like `word`, else nothing."""
    import difflib

    near = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""
