"""docs/compatibility.md: numbers are read from tests as people write them, and what is said fits the tests."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for the module beside this file

import compatibility


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("test_scenario_53_what_is_used", [53]),
        ("test_scenarios_57_and_60_what_is_not_there", [57, 60]),
        ("All must hold (scenarios 21, 22 and 25-27).", [21, 22, 25, 26, 27]),
        ("Scenario 8: no inputs; scenarios 36 to 38.", [8, 36, 37, 38]),
        ("One line\n    (scenarios\n    1, 2)", [1, 2]),
        ("All 10 x 10 of it (scenario 46), 3 times", [46]),
        ("Every code has a scenario; 5 of them.", []),
        ("(11)", []),
    ],
)
def test_numbers(text: str, expected: list[int]) -> None:
    """Lists and ranges are understood; other numbers are no scenarios."""
    assert sorted(compatibility.numbers(text)) == expected


def test_definitions() -> None:
    """Tests are found in classes and under conditions, with the names of their classes; helpers are none."""
    source = """
def helper(): "scenario 1"
async def test_one(): "scenario 2"
class TestMany:
    "scenarios 3, 4"
    def test_two(self): pass
if True:
    def test_three(): pass
"""
    found = dict(compatibility.definitions(ast.parse(source).body))
    assert found == {
        "test_one": "scenario 2", "TestMany": "scenarios 3, 4", "TestMany.test_two": "", "test_three": "",
    }  # fmt: skip


def test_what_is_said_fits_the_tests() -> None:
    """Every scenario has a test or says what it waits for; every test that is named is there."""
    assert compatibility.problems() == []
