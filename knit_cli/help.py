"""The help page of a command, the same for Knit's own commands and for those of click alone (`knit serve`)."""

from __future__ import annotations

import textwrap

import click

from knit_cli.frame import Argument, Group


def help_page(command: click.Command, ctx: click.Context, *, root_flags: bool = True) -> str:
    """Return the help page of a command: Usage, Description, Flags (those of `knit` itself too), Args, Subcommands."""
    summary, _, description = (command.help or "").partition("\n")
    sections = [f"{ctx.command_path} -- {summary.strip()}", f"Usage:\n{_usage(command, ctx)}"]
    if description.strip():
        sections.append("Description:\n" + _indented(description.strip()))
    flags = [(_flag_names(each), each.help or "") for each in command.params if isinstance(each, click.Option)]
    if root_flags:
        flags += _ROOT_FLAGS
    arguments = [(each.metavar or "", each.text) for each in command.params if isinstance(each, Argument)]
    table = command.table if isinstance(command, Group) else {}
    subcommands = [(name, table[name].summary) for name in sorted(table)]
    for title, rows in (("Flags", flags), ("Args", arguments), ("Subcommands", subcommands)):
        if rows:
            sections.append(f"{title}:\n" + "\n".join(_row(*row) for row in rows))
    return "\n\n".join(sections)


_WIDTH, _WIDEST = 110, 120
"""Columns where lines are broken, and those that a line of a description, broken by hand, may have."""

_ROOT_FLAGS = [
    ("--profile NAME", "Use this profile instead of the one of the current directory."),
    ("--profile-store FILE", "Look profiles up in this file instead of ~/.knit/profile."),
    ("--env FILE", "Use this knitenv instead of the nearest one."),
    ("-h, --help", "Show this page and exit."),
]


def _usage(command: click.Command, ctx: click.Context) -> str:
    """Return the line of usage, cut into several where it is long; the further ones are indented."""
    words = [_usage_word(each) for each in command.params]
    words += ["SUBCOMMAND ..."] if isinstance(command, Group) else []
    lines = [f"  {ctx.command_path}"]
    for word in words:
        if len(lines[-1]) + 1 + len(word) > _WIDTH:
            lines.append("     ")
        lines[-1] += f" {word}"
    return "\n".join(lines)


def _flag_names(flag: click.Option) -> str:
    names = ", ".join(sorted(flag.opts, key=len))
    word = _value_word(flag)
    return f"{names} {word}" if word else names


def _value_word(flag: click.Option) -> str:
    """Return what stands for the flag's value in help, "" for one without; flags of plain click commands as well."""
    if flag.metavar is not None or flag.is_flag:
        return flag.metavar or ""
    if isinstance(flag.type, click.Choice):
        return "|".join(str(each) for each in flag.type.choices)
    return flag.type.name.upper()


def _usage_word(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Option):
        told = f"{max(parameter.opts, key=len)} {_value_word(parameter)}".rstrip()
        return f"[{told}]" + ("..." if parameter.multiple else "")
    word = getattr(parameter, "metavar", None) or (parameter.name or "").upper()
    word += "..." if parameter.nargs != 1 else ""
    return word if parameter.required else f"[{word}]"


def _indented(text: str) -> str:
    lines = (line.strip() for line in text.splitlines())
    wrapped = (part for line in lines if line != "\b" for part in _wrapped(line, _WIDEST - 2))
    return "\n".join(f"  {line}" if line else "" for line in wrapped)


def _row(name: str, text: str) -> str:
    first, *more = _wrapped(text, _WIDTH - 31)
    head = f"  {name:<28} {first}".rstrip() if len(name) <= 28 else f"  {name}\n{'':<31}{first}"
    return "\n".join([head, *(f"{'':<31}{line}" for line in more)])


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]
