"""The tables of docs/compatibility.md: what Knitfab does, what Knit does, and the tests that show it.

What is said stands in compatibility.toml. Which tests show a scenario is read from the tests themselves: their names
(`test_scenario_53_...`) or docstrings ("(scenario 20)", "(scenarios 36, 37)", "(scenarios 53 to 57)") carry its number.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
FILE = Path(__file__).with_name("compatibility.toml")
COUNT = 85
MENTION = re.compile(r"\bscenarios? (\d+(?:(?:, and |, | and | to |-|–)\d+)*)", re.IGNORECASE)
RANGE = re.compile(r"(\d+)(?: to |-|–)(\d+)")
WORDS = {"same": "the same", "better": "better", "different": "different"}
"""How Knit stands to Knitfab."""


@dataclass(frozen=True)
class Test:
    """A test, or a class of tests: its file below tests/, and its name with that of its class."""

    file: str
    name: str

    def link(self) -> str:
        """The test as a link from docs/."""
        return f"[{self.name}](../tests/{self.file})"


def numbers(text: str) -> set[int]:
    """Give the numbers of the scenarios that a name or a docstring mentions.

    >>> sorted(numbers("Only what fits (scenarios 21, 22 and 25-27)."))
    [21, 22, 25, 26, 27]
    """
    found: set[int] = set()
    for mention in MENTION.findall(" ".join(text.replace("_", " ").split())):
        for first, last in RANGE.findall(mention):
            found |= set(range(int(first), int(last) + 1))
        found |= {int(each) for each in re.findall(r"\d+", mention)}
    return found


def definitions(body: Iterable[ast.stmt], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Give name and docstring of the tests in a module, and of the classes that hold them."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield prefix + node.name, ast.get_docstring(node) or ""
        elif isinstance(node, ast.ClassDef):
            yield prefix + node.name, ast.get_docstring(node) or ""
            yield from definitions(node.body, f"{prefix}{node.name}.")
        elif isinstance(node, ast.If | ast.With):
            yield from definitions(node.body, prefix)


@cache
def tests() -> dict[Test, str]:
    """Give every test of the repository with its docstring, by file and place."""
    return {
        Test(path.relative_to(TESTS).as_posix(), name): doc
        for path in sorted(TESTS.rglob("*.py"))
        for name, doc in definitions(ast.parse(path.read_bytes()).body)
    }


@cache
def shown_by() -> dict[int, list[Test]]:
    """Give the tests of each scenario that a test names, whether or not there is such a scenario."""
    found: dict[int, list[Test]] = {}
    for test, doc in tests().items():
        for number in sorted(numbers(test.name) | numbers(doc)):
            found.setdefault(number, []).append(test)
    return found


@cache
def said() -> dict[str, Any]:
    """Give what compatibility.toml says."""
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


def said_of() -> dict[int, dict[str, str]]:
    """Give what is said of each scenario, by its number."""
    return {int(number): entry for number, entry in said()["scenarios"].items()}


def named_by(entry: dict[str, Any]) -> tuple[list[Test], list[str]]:
    """Give the tests that a defect or a wish names, and the names among them that are no test."""
    known = set(tests())
    named = [Test(*text.split("::", 1)) if "::" in text else Test(text, "") for text in entry["tests"]]
    return [each for each in named if each in known], [f"{e.file}::{e.name}" for e in named if e not in known]


def problems() -> list[str]:
    """Tell what does not fit together: scenarios without test, tests of unknown scenarios, tests that are gone."""
    scenarios, shown = said_of(), shown_by()
    found = [f"scenario {number} is not in {FILE.name}" for number in range(1, COUNT + 1) if number not in scenarios]
    for number, entry in scenarios.items():
        if number not in shown and "waits" not in entry:
            found.append(f"scenario {number} has no test, and nothing that it waits for")
        if entry["is"] not in WORDS:
            found.append(f"scenario {number} is {entry['is']!r}, which is none of {', '.join(WORDS)}")
        if "knit" not in entry and entry["is"] != "same":
            found.append(f"scenario {number} must say what Knit does, since that is not the same")
    found += [
        f"{test.file}: {test.name} names scenario {number}, which does not exist"
        for number in sorted(shown.keys() - set(range(1, COUNT + 1)))
        for test in shown[number]
    ]
    for entry in (*said()["defects"], *said()["wishes"]):
        known, gone = named_by(entry)
        if "waits" not in entry:
            found += [f"{name} does not exist, but is named for {entry['what']!r}" for name in gone]
            found += [f"no test is named for {entry['what']!r}"] * (not known and not gone)
    return found


def cell(text: str) -> str:
    """Return text as it stands in a cell of a table."""
    return text.replace("|", "\\|")


def links(found: Iterable[Test]) -> str:
    """Return tests as they stand in a cell: each once, those of one file together."""
    return ", ".join(each.link() for each in dict.fromkeys(found))


def scenarios() -> str:
    """The scenarios with what becomes of them in Knitfab and in Knit, by chapter."""
    lines: list[str] = []
    chapters, shown = said()["chapters"], shown_by()
    for number, entry in sorted(said_of().items()):
        for title, first in chapters.items():
            if first == number:
                lines += ["", f"### {title}", "", "| | scenario | Knitfab | Knit | shown by |", "|---|---|---|---|---|"]
        knit = f"**{WORDS[entry['is']]}**" + (f": {entry['knit']}" if "knit" in entry else "")
        if number not in shown:
            knit = f"**waits** for {entry.get('waits', 'a test')}"
        row = [str(number), entry["what"], entry["knitfab"], knit, links(shown.get(number, []))]
        lines.append(f"| {' | '.join(map(cell, row))} |")
    return "\n".join(lines).strip("\n")


def summary() -> str:
    """How many scenarios stand how."""
    shown = shown_by()
    counts = dict.fromkeys([*WORDS, "waits"], 0)
    for number, entry in said_of().items():
        counts[entry["is"] if number in shown else "waits"] += 1
    told = [
        f"In {counts['same']} of {COUNT} scenarios Knit does the same as Knitfab",
        f"in {counts['better']} it does better",
        f"in {counts['different']} it does something else, on purpose",
    ]
    later = f" {counts['waits']} are not there yet." if counts["waits"] else ""
    return f"{', '.join(told)}.{later}"


def defects() -> str:
    """What Knitfab does wrong, what Knit does instead, and where that is shown."""
    return _absent("in Knitfab", said()["defects"])


def wishes() -> str:
    """What users of Knitfab miss, and where Knit has it."""
    return _absent("what is missed", said()["wishes"])


def _absent(head: str, entries: Iterable[dict[str, Any]]) -> str:
    lines = [f"| {head} | in Knit | shown by |", "|---|---|---|"]
    for entry in entries:
        found, _ = named_by(entry)
        knit = entry["knit"] if found else f"**waits** for {entry.get('waits', 'a test')}"
        lines.append(f"| {cell(entry['what'])} | {cell(knit)} | {links(found)} |")
    return "\n".join(lines)
