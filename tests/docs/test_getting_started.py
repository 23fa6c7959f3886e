"""docs/getting-started.md is what happens: its commands are given to a real server, and print what the page says."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from walkthrough import PAGE, Differs, File, Ids, Step, align, normal, parse, play

COMMAND = f"python {Path(__file__).with_name('walkthrough.py').relative_to(Path(__file__).parents[2])} --write"


@pytest.mark.slow
def test_the_page_is_what_happens(tmp_path: Path) -> None:
    """Every command of the page, in order, ends and prints as the page says."""
    try:
        play(PAGE.read_text(encoding="utf-8"), tmp_path / "you")
    except Differs as err:
        pytest.fail(f"docs/getting-started.md is not what happens. If what happens is right: {COMMAND}\n{err}")


def test_the_page_is_complete() -> None:
    """It has the steps that a newcomer takes."""
    commands = " ; ".join(each.command for each in parse(PAGE.read_text()) if isinstance(each, Step))
    for words in (
        "knit serve", "knit init", "image build", "plan template", "sed -i", "plan apply", "data push", "run watch",
        "knit why", "run retry", "data pull", "data lineage",
    ):  # fmt: skip
        assert words in commands


def test_parts_of_a_page() -> None:
    """Files, commands and their marks are found in order; other fences are for the reader alone."""
    page = """
```sh
rm -rf /
```
<!-- file: a/b.txt -->
```text
content
```
<!-- exit 1 -->
```console
$ first
says
...
$ second
```
<!-- server -->
```console
$ serve
```
"""
    found = parse(page)
    assert found[0] == File("a/b.txt", "content\n")
    first, second, server = (each for each in found[1:] if isinstance(each, Step))
    assert (first.command, first.printed, first.code) == ("first", ("says", "..."), 0)
    assert (second.command, second.printed, second.code) == ("second", (), 1)
    assert server.is_server
    assert page[first.begin : first.end] == "$ first\nsays\n...\n"


def test_lines_are_alike() -> None:
    """Times, ids, ages, ports and the widths of columns may differ; words and figures may not."""
    assert normal("2fe9f569  done    now      1") == normal("ABCDEFAB  done    12s ago  1".lower())
    assert (
        normal("[knit x] 2026/11/22 18:29:57 at http://127.0.0.1:1/") == "[knit x] <stamp> at http://127.0.0.1:<port>/"
    )
    assert normal("made 2026-11-22T18:29:57.62+00:00") == normal("made 2027-01-01T00:00:00+00:00")
    assert normal("exit 1") != normal("exit 2")


@pytest.mark.parametrize(
    ("page", "real", "fits"),
    [
        ("a b", "a b", True), ("a b", "a b c", False), ("a b", "a", False), ("a ...", "a b c", True),
        ("... c", "a b c", True), ("... b", "a b c", False), ("a ... c", "a c", True), ("... b ...", "a b c", True),
        ("a ... a", "a", False), ("...", "", True), ("", "a", False), ("a ... b c ... d", "a x b y b c z d", True),
    ],
)  # fmt: skip
def test_left_out_lines(page: str, real: str, fits: bool) -> None:
    """`...` is any number of lines; everything else stands there in order, and nothing more."""
    pairs = align(page.split(), real.split())
    assert (pairs is not None) == fits
    assert pairs is None or all(ours == theirs for ours, theirs in pairs)


def test_ids_stand_for_the_same() -> None:
    """An id of the page is replaced by the one it stands for, short or whole, and never stands for two."""
    ids = Ids()
    page, real = "11111111-1111-1111-1111-111111111111", "2222aaaa-2222-2222-2222-222222222222"
    ids.learn(f"run {page}", f"run {real}")
    assert ids.translate(f"knit why 11111111 {page} 33333333") == f"knit why 2222aaaa {real} 33333333"
    ids.learn("of 11111111", "of 2222aaaa")
    with pytest.raises(Differs, match="stood for 2222aaaa before"):
        ids.learn("of 11111111", "of 44444444")


def test_another_output_is_told(tmp_path: Path) -> None:
    """Where a command prints something else, or ends otherwise, the difference is shown."""
    with pytest.raises(Differs, match=r"\$ echo b\n(.*\n)*-a\n\+b"):
        play("```console\n$ echo b\na\n```\n", tmp_path)
    with pytest.raises(Differs, match="ends with 3, in the page with 0"):
        play("```console\n$ exit 3\n```\n", tmp_path)
    assert play("```console\n$ echo b\na\n```\n", tmp_path, strict=False) == "```console\n$ echo b\nb\n```\n"
