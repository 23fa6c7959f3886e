"""The frame of every command: how flags and positionals are declared, and the tree of subcommands.

Words are read by `words`, help is written by `help`; click does the rest: values, types, calling the command.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from knit_cli import ids
from knit_cli.words import Words, likely
from knit_server.domain.errors import InvalidInput, KnitError, NotFound
from knit_server.domain.ids import LEAST

if TYPE_CHECKING:
    from knit_cli.hosting import Host

_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True)
class Root:
    """The flags of `knit` itself, which may stand anywhere on the line; None where not given."""

    profile: str | None = None
    store: str | None = None
    env: str | None = None
    host: Host | None = None
    """The program that gives the command by itself; None in a terminal."""


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
    optional: bool = False,
) -> Callable[[_F], _F]:
    """Declare a positional. With `many` there may be any number of it, but at least one unless it is `optional`."""
    return click.argument(
        name, cls=Argument, metavar=metavar, help=help, nargs=-1 if many else 1, default=default,
        required=default is None and not optional,
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


def command(name: str, *, help: str) -> Callable[[Callable[..., object]], click.Command]:  # noqa: A002 - as click's
    """Declare a command that reads its words by Knit's rules, for who has no door to click."""
    return click.command(name, cls=Command, add_help_option=False, help=help)


def usage(message: str) -> click.UsageError:
    """Make the error that shows the help of the command that runs (exit code 2)."""
    return click.UsageError(message, ctx=click.get_current_context(silent=True))


class Command(click.Command):
    """A command that reads its words by Knit's rules."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Bring the words into the one form that click reads as Knit does, then let click read them."""
        words = Words(self, ctx, args)
        return super().parse_args(ctx, words.canonical())

    def invoke(self, ctx: click.Context) -> object:
        """Complete the ids that were given for short, then run. One that was too short for it is told if it fails."""
        ids.complete(self, ctx)
        try:
            return super().invoke(ctx)
        except KnitError as err:
            if not (isinstance(err, NotFound) or isinstance(err.__cause__, NotFound)):
                raise
            if not (short := ids.too_short(self, ctx)):
                raise
            told = f"The beginning of an id has at least {LEAST} characters, not {', '.join(short)}."
            raise KnitError(err.reason, advice=told, see=err.see) from err


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
            told = "unknown flag" if name.startswith("-") and name != "-" else "unknown subcommand"
            raise click.UsageError(f"{told}: {name}{likely(name.lstrip('-'), self.table)}", ctx=ctx)
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
