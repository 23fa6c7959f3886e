"""The frame of every command: how words are read, how help looks, what a command knows of the command line.

Knitfab's rules, mended (docs/cli.md, "How words are read"): `--name value`, `--name=value`, `-x value`, `-x=value`; no
clusters and no glued values; flags and positionals mix freely; a bare flag never swallows the next word; `--` ends
flags and a lone `-` is a positional. click does the rest: types, help texts, the tree.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import click

from knit_server.domain.errors import InvalidInput

_F = TypeVar("_F", bound=Callable[..., Any])

_LONG = re.compile(r"--[^-=][^=]+")
_SHORT = re.compile(r"-[^-=]")
_TRUE = ("true", "on", "yes", "1")
_FALSE = ("false", "off", "no", "0")


@dataclass(frozen=True, kw_only=True)
class Root:
    """The flags of `knit` itself, which may stand anywhere on the line; None where not given."""

    profile: str | None = None
    store: str | None = None
    env: str | None = None


class Argument(click.Argument):
    """A positional with a line of help."""

    def __init__(self, names: Sequence[str], help: str = "", **attributes: Any) -> None:  # noqa: A002 - as click's
        super().__init__(names, **attributes)
        self.text = help


class Option(click.Option):
    """A flag; `switch` marks one that may stand without a value."""

    def __init__(self, names: Sequence[str], switch: bool = False, **attributes: Any) -> None:
        if switch:
            attributes = {"type": click.BOOL, "metavar": "", **attributes}
        super().__init__(names, **attributes)
        self.switch = switch


def argument(
    name: str,
    metavar: str,
    help: str,  # noqa: A002 - as click's
    *,
    many: bool = False,
    default: str | None = None,
) -> Callable[[_F], _F]:
    """Declare a positional. With `many` there may be any number of it, but at least one."""
    return click.argument(
        name, cls=Argument, metavar=metavar, help=help, nargs=-1 if many else 1, default=default,
        required=default is None,
    )  # fmt: skip


def value(*names: str, metavar: str, help: str, default: str | None = None) -> Callable[[_F], _F]:  # noqa: A002
    """Declare a flag with a value."""
    return click.option(*names, cls=Option, metavar=metavar, help=help, default=default)


def values(*names: str, metavar: str, help: str) -> Callable[[_F], _F]:  # noqa: A002
    """Declare a flag with a value that may be given again and again."""
    return click.option(*names, cls=Option, metavar=metavar, help=f"{help} May be repeated.", multiple=True)


def switch(*names: str, help: str, default: bool | None = False) -> Callable[[_F], _F]:  # noqa: A002
    """Declare a flag without a value; `--name=false` switches it off."""
    return click.option(*names, cls=Option, switch=True, help=help, default=default)


def usage(message: str) -> click.UsageError:
    """Make the error that shows the help of the command that runs (exit code 2)."""
    return click.UsageError(message, ctx=click.get_current_context(silent=True))


class Command(click.Command):
    """A command that reads its words by Knit's rules."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Bring the words into the one form that click reads as Knit does, then let click read them."""
        words = Words(self, ctx, args)
        return super().parse_args(ctx, words.canonical())

    def get_help(self, ctx: click.Context) -> str:
        """Return the help page."""
        return help_page(self, ctx)


class Lazy(NamedTuple):
    """A subcommand that is imported when it is called: where it is, and its line in the help."""

    target: str
    summary: str


class Group(click.Group):
    """A command with subcommands from a static table: nothing is imported to list them."""

    def __init__(self, name: str, *, table: dict[str, Lazy], help: str) -> None:  # noqa: A002 - as click's
        super().__init__(name, help=help, add_help_option=False)
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the subcommands, sorted."""
        return sorted(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the subcommand."""
        if cmd_name not in self.table:
            return None
        module, _, attribute = self.table[cmd_name].target.partition(":")
        try:
            found = getattr(importlib.import_module(module), attribute)
        except ImportError as err:
            raise InvalidInput(
                f"`{ctx.command_path} {cmd_name}` is not installed here: {err}",
                advice='Install the server with it: pip install "knit-platform[server]"',
            ) from err
        assert isinstance(found, click.Command)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the subcommand that the first word names."""
        name = args[0]
        command = self.get_command(ctx, name)
        if command is None:
            told = f"unknown flag: {name}" if name.startswith("-") and name != "-" else f"unknown subcommand: {name}"
            raise click.UsageError(told, ctx=ctx)
        return name, command, args[1:]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the first word as the subcommand, whatever it looks like; the rest is the subcommand's own."""
        if args and args[0] == "--":
            args = args[1:]
        if not args:
            raise click.UsageError("no subcommands", ctx=ctx)
        ctx.args = args
        return args

    def invoke(self, ctx: click.Context) -> object:
        """Run the subcommand."""
        name, command, rest = self.resolve_command(ctx, ctx.args)
        assert command is not None
        with command.make_context(name, rest, parent=ctx) as sub:
            return command.invoke(sub)

    def get_help(self, ctx: click.Context) -> str:
        """Return the help page."""
        return help_page(self, ctx)


# --- words ------------------------------------------------------------------------------------------------------------


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
        least = sum(each.required for each in self._arguments)
        if len(self._positionals) < least:
            raise click.UsageError("not enough args", ctx=self._ctx)
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
        return " (if it is no flag, write -- before it)"


# --- help -------------------------------------------------------------------------------------------------------------


def help_page(command: click.Command, ctx: click.Context) -> str:
    """Return the help page of a command: Usage, Description, Flags, Args, Subcommands."""
    summary, _, description = (command.help or "").partition("\n")
    usage_line = [ctx.command_path, *(_usage_word(each) for each in command.params)]
    if isinstance(command, Group):
        usage_line.append("SUBCOMMAND ...")
    sections = [f"{ctx.command_path} -- {summary.strip()}", f"Usage:\n  {' '.join(usage_line)}"]
    if description.strip():
        sections.append("Description:\n" + _indented(description.strip()))
    flags = [(_flag_names(each), each.help or "") for each in command.params if isinstance(each, click.Option)]
    arguments = [(each.metavar or "", each.text) for each in command.params if isinstance(each, Argument)]
    if isinstance(command, Group):
        subcommands = [(name, command.table[name].summary) for name in sorted(command.table)]
    else:
        subcommands = []
    for title, rows in (("Flags", [*flags, *_ROOT_FLAGS]), ("Args", arguments), ("Subcommands", subcommands)):
        if rows:
            sections.append(f"{title}:\n" + "\n".join(_row(*row) for row in rows))
    return "\n\n".join(sections)


_ROOT_FLAGS = [
    ("--profile NAME", "Use this profile instead of the one of the current directory."),
    ("--profile-store FILE", "Look profiles up in this file instead of ~/.knit/profile."),
    ("--env FILE", "Use this knitenv instead of the nearest one."),
    ("-h, --help", "Show this page and exit."),
]


def _flag_names(flag: click.Option) -> str:
    names = ", ".join(sorted(flag.opts, key=len))
    return f"{names} {flag.metavar}" if flag.metavar else names


def _usage_word(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Option):
        name = max(parameter.opts, key=len)
        word = f"[{name} {parameter.metavar}]" if parameter.metavar else f"[{name}]"
        return word + ("..." if parameter.multiple else "")
    word = getattr(parameter, "metavar", None) or (parameter.name or "").upper()
    word += "..." if parameter.nargs != 1 else ""
    return word if parameter.required else f"[{word}]"


def _indented(text: str) -> str:
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(f"  {line}" if line else "" for line in lines if line != "\b")


def _row(name: str, text: str) -> str:
    return f"  {name:<28} {text}" if len(name) <= 28 else f"  {name}\n  {'':<28} {text}"
