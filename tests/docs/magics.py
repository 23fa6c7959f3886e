"""docs/magics.md: its cells are executed on a real server and print what the page says; its tables are generated.

    python tests/docs/magics.py --write    execute the page; write what was really printed into it

A ```python fence is a cell; with `<!-- fails -->` in the line before it, it must fail. A ```text fence that follows at
once is what it prints; without one that is not compared. Ids, times and digests may be others.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "acceptance"))

import walkthrough
from server import Server

PAGE = Path(__file__).parents[2] / "docs" / "magics.md"
_CELL = re.compile(
    r"(?P<fails><!-- fails -->\n)?^```python\n(?P<code>.*?)^```$(?:\n+^```text\n(?P<out>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)
_COLOURS = re.compile(r"\x1b\[[\d;]*m")
_PROMPT = re.compile(r"^Out\[\d*\]: *\n?", re.MULTILINE)
_UNSTEADY = re.compile(r"^image knit/environment\S*: made .*\n", re.MULTILINE)  # once for all of a server's cells


# --- what is generated ------------------------------------------------------------------------------------------------


def short_forms() -> str:
    """The commands that `%knit` has beside those of the command line, and those it has not."""
    from knit_lab.magics import tree

    rows = [f"| `%knit {name}` | {lazy.summary} |" for name, lazy in sorted(tree.SHORT.items())]
    rows += [f"| `knit {name}` | Not in notebooks. {advice} |" for name, advice in sorted(tree.TERMINAL_ONLY.items())]
    return "\n".join(["| command | what |", "|---|---|", *rows])


def cell_page() -> str:
    """The help page of `%%knit plan`."""
    import click

    from knit_cli.help import help_page
    from knit_lab.magics import tree

    context = click.Context(tree.CELL, info_name=tree.CELL.name)
    command = tree.CELL.get_command(context, "plan")
    assert command is not None
    page = help_page(command, click.Context(command, info_name="plan", parent=context), root_flags=False)
    return f"```text\n{page}\n```"


# --- what is executed -------------------------------------------------------------------------------------------------


def played(page: str, profile: Path, folder: Path) -> Iterator[tuple[re.Match[str], str]]:
    """Execute the cells of `page` in `folder`; give each with what it printed. Raises `walkthrough.Differs`."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance(config=config)
    before = Path.cwd()
    os.chdir(folder)
    shell.run_cell(f"import knit_lab as knit\n_ = knit.connect({str(profile)!r})")
    try:
        for match in _CELL.finditer(page):
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
                done = shell.run_cell(match["code"], store_history=False)
            out = _COLOURS.sub("", printed.getvalue())
            if bool(done.error_before_exec or done.error_in_exec) is not bool(match["fails"]):
                raise walkthrough.Differs(f"{match['code']}\n{out}")
            yield match, _PROMPT.sub("", _UNSTEADY.sub("", out)).strip("\n")
    finally:
        shell.run_cell("%unload_ext knit_lab\nknit.current().close()")
        shell.history_manager.end_session()
        InteractiveShell.clear_instance()
        os.chdir(before)


def compare(page: str, profile: Path, folder: Path) -> None:
    """Execute the page. Raises `walkthrough.Differs` with the first cell that prints something else."""
    for match, out in played(page, profile, folder):
        if match["out"] is not None and _normal(match["out"]) != _normal(out):
            raise walkthrough.Differs(f"{match['code']}\nprints\n{out}\nand not\n{match['out']}")


def _normal(text: str) -> list[str]:
    return [re.sub(r"\b\d+\.\d s\b", "<span>", walkthrough.normal(line)) for line in text.strip().splitlines()]


def written(page: str, profile: Path, folder: Path) -> str:
    """Return the page with what its cells really print."""
    parts: list[str] = []
    at = 0
    for match, out in played(page, profile, folder):
        if match["out"] is not None:
            parts += [page[at : match.start("out")], "\n".join(each.rstrip() for each in out.splitlines()), "\n"]
            at = match.end("out")
    return "".join([*parts, page[at:]])


def main() -> int:
    """Write the page."""
    arguments: list[Any] = sys.argv[1:]
    if arguments != ["--write"]:
        print(__doc__)
        return 2
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder)) as server:
        os.environ["XDG_CACHE_HOME"] = f"{folder}/cache"
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), server.handout, server.project), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
