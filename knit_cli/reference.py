"""Writes the generated part of docs/cli.md from the tree of commands: `python -m knit_cli.reference [--check]`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from knit_cli.help import help_page
from knit_cli.main import cli

PAGE = Path(__file__).parents[1] / "docs" / "cli.md"
BEGIN = "<!-- written by `python -m knit_cli.reference`; do not edit below -->"
END = "<!-- end of what is written by `python -m knit_cli.reference` -->"


def reference() -> str:
    """Return the help page of every command, depth first, as Markdown; the root's flags only where they belong."""
    parts = []
    for command, context in walk():
        page = help_page(command, context, root_flags=command is cli)
        parts.append(f"### {context.command_path}\n\n```text\n{page}\n```")
    return "\n\n".join(parts)


def updated(page: str) -> str:
    """Return `page` with its generated part written anew. Raises `ValueError` if it has none."""
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE} lacks the lines {BEGIN!r} and {END!r}")
    return f"{head}{BEGIN}\n\n{reference()}\n\n{END}{tail}"


def main() -> int:
    """Write the page; with --check, only say (exit code 1) whether it is out of date."""
    old = PAGE.read_text(encoding="utf-8")
    new = updated(old)
    if "--check" in sys.argv[1:]:
        return int(new != old)
    PAGE.write_text(new, encoding="utf-8")
    return 0


def walk() -> Iterator[tuple[click.Command, click.Context]]:
    """Give every command of the tree with its context, depth first, groups before what is in them."""
    stack: list[tuple[click.Command, click.Context]] = [(cli, click.Context(cli, info_name="knit"))]
    while stack:
        command, context = stack.pop()
        yield command, context
        if isinstance(command, click.Group):
            for name in reversed(command.list_commands(context)):
                found = command.get_command(context, name)
                assert found is not None
                stack.append((found, click.Context(found, info_name=name, parent=context)))


if __name__ == "__main__":
    sys.exit(main())
