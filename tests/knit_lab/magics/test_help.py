"""Help, completion, short errors, loading and unloading."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell

from knit_cli.help import help_page
from knit_cli.reference import walk
from knit_lab.magics import completing, helping, troubles
from knit_lab.session import Session
from knit_server.domain.errors import InvalidInput, KnitError

Cell = Callable[[str], Any]


@pytest.mark.parametrize(
    "line", ["%knit data push?", "%knit data push --help", "%knit data push -h", "%knit data push??"]
)
def test_help_of_a_command(cell: Cell, line: str) -> None:
    """All ways to ask for help give the page of the command line."""
    command, context = next(each for each in walk() if each[1].command_path == "knit data push")
    assert help_page(command, context) in cell(line).out


def test_help_of_all(cell: Cell) -> None:
    """Without words, or with a question mark, the commands are listed, those of notebooks too, without `serve`."""
    for line in ("%knit", "%knit?", "%knit --help"):
        told = cell(line).out
        assert "Explore what made a Data" in told
        assert "Run a Knit server" not in told
    assert "Make a Plan of the cell" in cell("%%knit?").out
    assert "%%knit plan -- Make a Plan of the cell." in cell("%%knit plan?").out
    assert "--replace" in cell("%%knit plan --help\n1").out


def test_only_lines_that_ask(cell: Cell) -> None:
    """Everything else stays as it is typed."""
    kept = ["%%timeit\n", "%knit why?\n"]
    assert helping.transformed(list(kept)) == kept
    assert helping.transformed(["x = 1  # knit?\n"]) == ["x = 1  # knit?\n"]
    assert helping.transformed(["    %knit run?\n"]) == ["    %knit run --help\n"]
    assert helping.transformed([]) == []


@pytest.fixture
def offered(cell: Cell, shell: InteractiveShell) -> Callable[[str], dict[str, str]]:
    """`offered(LINE)`: what Tab gives at its end: the line as it would be, with the remark beside it."""

    def offer(line: str) -> dict[str, str]:
        with provisionalcompleter():
            found = list(shell.Completer.completions(line, len(line)))
        return {line[: each.start] + each.text + line[each.end :]: each.type for each in found}

    return offer


def test_completion_of_words(offered: Callable[[str], dict[str, str]]) -> None:
    """Subcommands, flags and their words, after assignments and in cell magics too."""
    assert list(offered("%knit da")) == ["%knit data"]
    assert list(offered("x = %knit run find --st")) == ["x = %knit run find --status"]
    assert "%knit run find --status done" in offered("%knit run find --status ")
    assert list(offered("%%knit pl")) == ["%%knit plan"]
    assert list(offered("%%knit plan a --dr")) == ["%%knit plan a --dry-run"]
    assert "%knit lineage" in offered("%knit li")


def test_completion_by_the_server(offered: Callable[[str], dict[str, str]], session: Session, case: str) -> None:
    """Ids, tags and images; tags also within the words of `--in`."""
    data = session.push({"a.txt": "alpha"}, [case])
    assert offered(f"%knit data find -t {case[:-1]}") == {f"%knit data find -t {case}": "1 Data"}
    assert f"%knit data ls {data.id}" in offered(f"%knit data ls {data.id[:6]}")
    assert f"%knit lineage {case}" in offered(f"%knit lineage {case[:-1]}")
    assert "%%knit plan x --image upper:1" in offered("%%knit plan x --image up")
    assert f"%%knit plan x --in raw={case}" in offered(f"%%knit plan x --in raw={case[:-1]}")
    assert f"%%knit plan x --in raw=a:b,{case}" in offered(f"%%knit plan x --in raw=a:b,{case[:-1]}")


def test_completion_elsewhere(offered: Callable[[str], dict[str, str]], shell: InteractiveShell) -> None:
    """Other lines are not ours, files are IPython's, and errors offer nothing."""
    shell.user_ns["knit_thing"] = 1
    assert "knit_thing" in offered("knit_th")
    assert completing._in_time(lambda: 1 / 0) == []  # type: ignore[arg-type, return-value]


def test_errors_in_any_cell(cell: Cell, shell: InteractiveShell) -> None:
    """An error of Knit is shown by reason and advice; `%tb` has all of it; other errors look as ever."""
    done = cell("import knit_lab as knit\nknit.find('no tag')")
    assert isinstance(done.error, KnitError)
    assert done.error.reason in done.out
    assert "Traceback" not in done.out
    full = cell("%tb").out
    assert "Traceback" in full
    assert "knit.find" in full
    assert "Traceback" in cell("1/0").out
    assert "ZeroDivisionError" in cell("1/0").out


def test_errors_cannot_act_on_terminals() -> None:
    """What a server or a program says is shown, not obeyed."""
    lines = troubles.lines(InvalidInput("bad \x1b[2J\nmore", advice="do\x07 this", see="docs/x.md"))
    assert lines[0] == "\x1b[1;31mbad \\x1b[2J\x1b[0m"
    assert lines[1:4] == ["more", "do\\x07 this", "See docs/x.md"]


def test_loading_twice_and_unloading(cell: Cell, shell: InteractiveShell) -> None:
    """Loading again changes nothing; unloading leaves nothing behind."""
    cell("%load_ext knit_lab")
    cell("%reload_ext knit_lab")
    assert len(shell.Completer.custom_matchers) == 1
    cell("%unload_ext knit_lab")
    assert shell.Completer.custom_matchers == []
    assert helping.transformed not in shell.input_transformers_cleanup
    assert shell.custom_exceptions == ()
    assert shell.find_line_magic("knit") is None
    assert "not found" in cell("%knit version").out
