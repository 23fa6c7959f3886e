"""Every message that people may get is asserted somewhere: no error is raised whose words no test has seen.

All places that make an error of `knit_server.domain.errors`, or a usage error of the command line, are found in the
source. Of the fixed parts of such a message, at least `LEAST` characters in a row that no other message has must stand
in a string of some test (docstrings do not count), or in a golden file of the command line.
"""

from __future__ import annotations

import ast
import functools
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("knit_server", "knit_cli", "knit_lab")
LEAST = 12
CLICK = ("UsageError", "ClickException", "BadParameter", "usage")
"""What makes errors of the command line; `usage` is `knit_cli.frame.usage`."""

UNSEEN = {
    "the settings are not known": "a guard: where nothing could be chosen, the reason for that is told instead",
}
"""Beginnings of messages that no test can see -> why."""

UNADVISED = {
    "the settings are not known": UNSEEN["the settings are not known"],
    "hook ": "the note of the Run that waits for it says when it is asked again",
}
"""Beginnings of messages without advice -> why."""


class Message(NamedTuple):
    """What a place raises: the fixed parts of the message, and whether it says what to do next."""

    place: str
    parts: tuple[str, ...]
    advised: bool

    @property
    def text(self) -> str:
        return "…".join(self.parts)


@functools.cache
def errors() -> frozenset[str]:
    """The names of the classes in `domain/errors.py` whose first argument is the message."""
    tree = ast.parse((ROOT / "knit_server/domain/errors.py").read_text())
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    special = {each.name for each in classes if any(isinstance(node, ast.FunctionDef) for node in each.body)}
    return frozenset({each.name for each in classes} - special | {"KnitError"})


def fixed(node: ast.expr) -> Iterator[str]:
    """Give the parts of a message that are always, or under some condition, the same."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        for part in node.values:
            yield from fixed(part)
    elif isinstance(node, ast.BinOp):
        yield from (*fixed(node.left), *fixed(node.right))
    elif isinstance(node, ast.IfExp):
        yield from (*fixed(node.body), *fixed(node.orelse))


@functools.cache
def messages() -> tuple[Message, ...]:
    """All messages with fixed parts."""
    found = []
    for file in (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            parts = tuple(part for part in fixed(node.args[0]) if part.strip(" :'\"()[]{},.;"))
            if parts and (name in errors() or name in CLICK):
                advised = name in CLICK or any(word.arg in ("advice", None) for word in node.keywords)
                found.append(Message(f"{file.relative_to(ROOT)}:{node.lineno}", parts, advised))
    return tuple(found)


def windows(part: str) -> set[str]:
    """All runs of `LEAST` characters; the whole of what is shorter."""
    text = part.strip()
    return {text[at : at + LEAST] for at in range(max(1, len(text) - LEAST + 1))}


@functools.cache
def texts() -> tuple[str, ...]:
    """All strings in tests but docstrings, without the backslashes of regular expressions; and the golden files."""
    found = [file.read_text() for file in sorted((ROOT / "tests").rglob("golden/*.txt"))]
    for file in sorted((ROOT / "tests").rglob("*.py")):
        if file == Path(__file__):
            continue
        tree = ast.parse(file.read_text())
        bodies = (node.body for node in ast.walk(tree) if hasattr(node, "body") and isinstance(node.body, list))
        loose = {id(body[0].value) for body in bodies if body and isinstance(body[0], ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                found.append("…".join(fixed(node)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in loose:
                found.append(node.value)
    return tuple(text.replace("\\", "") for text in found)


def is_seen(message: Message, shared: Counter[str]) -> bool:
    """Whether a test has words of the message that no other message has, or all of its fixed parts in their order."""
    own = {window for part in message.parts for window in windows(part) if shared[window] == 1}
    if any(window in text for text in texts() for window in own):
        return True
    whole = re.compile(".*".join(map(re.escape, message.parts)), re.DOTALL)
    return any(whole.search(text) for text in texts())


def unseen() -> list[Message]:
    """The messages that no test has."""
    different = {each.parts for each in messages()}
    shared = Counter(window for parts in different for window in set().union(*map(windows, parts)))
    return [each for each in messages() if not is_seen(each, shared)]


def test_every_message_is_seen_by_a_test() -> None:
    """A new message comes with a test that asserts its words; golden files of the command line count."""
    missing = [each for each in unseen() if not any(map(each.text.startswith, UNSEEN))]
    assert [f"{each.place}: {each.text}" for each in missing] == [], "assert these words in a test"


def test_exceptions_are_needed() -> None:
    """What is excepted is raised somewhere."""
    texts = [each.text for each in messages()]
    assert [begin for begin in {**UNSEEN, **UNADVISED} if not any(text.startswith(begin) for text in texts)] == []


def test_every_message_says_what_to_do() -> None:
    """An error comes with advice; usage errors come with the page of help."""
    lost = [each for each in messages() if not each.advised and not any(map(each.text.startswith, UNADVISED))]
    assert [f"{each.place}: {each.text}" for each in lost] == [], "add advice="


@pytest.mark.parametrize("word", ["None", "Errno", "Traceback", "object at", "assert"])
def test_no_message_speaks_of_python(word: str) -> None:
    """Messages are for people who need not know what Knit is written in."""
    assert [each for each in messages() if word in each.text] == []
