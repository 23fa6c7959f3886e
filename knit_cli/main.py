"""The `knit` command: the root flags, the tree, and the exit codes.

0    it worked, or help was asked for
1    it did not; stderr says why and what to do next
2    the command line is wrong; stderr says how, with the help page of the command
130  interrupted by Ctrl-C
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace

import click

from knit_cli.frame import Group, Lazy, Root
from knit_cli.help import help_page
from knit_cli.hosting import Host, WrongWords
from knit_cli.output import say
from knit_cli.words import likely
from knit_server.domain.errors import KnitError

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it (128 + SIGINT)."""

TREE: dict[str, Lazy] = {
    "completion": Lazy("knit_cli.commands.completion:completion", "Print the script that lets a shell complete words."),
    "data": Lazy("knit_cli.commands.data:data", "Push, find, pull and tag Data, and show where it comes from."),
    "doctor": Lazy("knit_cli.commands.doctor:doctor", "Check that Knit works here: profile, server, images, disk."),
    "image": Lazy("knit_cli.commands.image:image", "Build, load, list, name and remove the server's local images."),
    "init": Lazy("knit_cli.commands.init:init", "Set the current directory up for a Knit server."),
    "license": Lazy("knit_cli.commands.about:license_", "Show the licences of Knit and of what it is made with."),
    "notebooks": Lazy("knit_cli.commands.notebooks:notebooks", "Put the notebooks that come with Knit into a folder."),
    "plan": Lazy("knit_cli.commands.plan:plan", "Apply, find and show Plans, switch them, and show their graph."),
    "profile": Lazy(
        "knit_cli.commands.profile:profile", "List the profiles of servers, show and switch the one in use."
    ),
    "run": Lazy("knit_cli.commands.run:run", "Find, show, stop, retry and delete Runs, and read their logs."),
    "serve": Lazy("knit_server.admin.serve:serve", "Run a Knit server on this machine."),
    "version": Lazy("knit_cli.commands.about:version", "Show the version of Knit."),
    "why": Lazy("knit_cli.commands.why:why", "Explain why a Data, a Plan or a Run did what it did, or did not."),
}

cli = Group(
    "knit",
    table=TREE,
    help="A data-science platform: tagged Data, Plans that run by themselves, lineage.\n"
    "Start with a server (knit serve) and a directory of your own (knit init).",
)

_VALUED = {"--profile": "profile", "--profile-store": "store", "--env": "env"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line (`sys.argv` by default) and return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if "_KNIT_COMPLETE" in os.environ:
        from knit_cli import completion

        return completion.answer(os.environ)
    try:
        _extension(words)
        rest, root, wants_help = split_root(words)
        if wants_help:
            context = _innermost(rest, root)
            say(_page(context.command, context))
            return 0
        result = cli.main(rest, prog_name="knit", standalone_mode=False, obj=root)
        return result if isinstance(result, int) and not isinstance(result, bool) else 0
    except click.exceptions.Exit as err:
        return err.exit_code
    except click.UsageError as err:
        return _usage_error(err, words)
    except click.ClickException as err:
        say(err.format_message())
    except KnitError as err:
        say(str(err))
    except (KeyboardInterrupt, click.Abort):
        say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # an OSError, so it comes first
        # Whoever read stdout has gone; nothing is left to say there, also not at the interpreter's exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as err:  # stdout is full, the current directory is gone; commands translate those of their own files
        say(f"{err.strerror}: {err.filename}" if err.filename else str(err.strerror or err))
    return 1


def hosted(words: Sequence[str], host: Host, tree: click.Command = cli) -> int:
    """Give a command inside another program, see `hosting`; return the exit code that it would have in a terminal.

    `tree` is what the first word is looked for in. Raises `KnitError`; `WrongWords` comes with the help page.
    """
    try:
        rest, root, wants_help = split_root(words)
        if wants_help:
            context = _innermost(rest, root, tree)
            host.stdout.write(f"{help_page(context.command, context)}\n".encode())
            return 0
        result = tree.main(rest, prog_name=tree.name or "knit", standalone_mode=False, obj=replace(root, host=host))
        return result if isinstance(result, int) and not isinstance(result, bool) else 0
    except click.exceptions.Exit as err:
        return err.exit_code
    except click.UsageError as err:
        context = err.ctx or _innermost(words, Root(), tree)
        raise WrongWords(_told(err), advice=help_page(context.command, context)) from err
    except click.Abort as err:
        raise KeyboardInterrupt from err
    except OSError as err:
        what = f"{err.strerror}: {err.filename}" if err.filename else str(err.strerror or err)
        raise KnitError(what, advice="Look whether the file or directory is there, and may be used.") from err


def _extension(words: Sequence[str]) -> None:
    """Become the extension command that `words` name, if they name one; `--help` behind its name is its own."""
    rest, root, _ = split_root(words, take_help=False)
    if not rest or rest[0].startswith("-") or rest[0] in TREE:
        return
    from knit_cli import extensions

    if (program := extensions.find(rest[0], os.environ)) is not None:
        extensions.execute(program, rest[1:], root)


def split_root(words: Sequence[str], *, take_help: bool = True) -> tuple[list[str], Root, bool]:
    """Take the root flags and, with `take_help`, help out of the line, wherever they stand before `--`.

    Returns the other words, the flags, and whether help is asked for. Raises `UsageError` for a flag without value.
    """
    rest: list[str] = []
    found: dict[str, str] = {}
    wants_help = False
    queue = list(words)
    while queue:
        word = queue.pop(0)
        name, equals, given = word.partition("=")
        if word == "--":
            rest += [word, *queue]
            break
        if take_help and word in ("-h", "--help"):
            wants_help = True
        elif name in _VALUED:
            if not equals and not queue:
                raise click.UsageError(f"value required: {name}", ctx=click.Context(cli, info_name="knit"))
            found[_VALUED[name]] = given if equals else queue.pop(0)
        else:
            rest.append(word)
    return rest, Root(profile=found.get("profile"), store=found.get("store"), env=found.get("env")), wants_help


def _innermost(words: Sequence[str], root: Root, tree: click.Command = cli) -> click.Context:
    """Return the context of the innermost command that `words` name."""
    command = tree
    context = click.Context(tree, info_name=tree.name, obj=root)
    for word in words:
        found = command.get_command(context, word) if isinstance(command, click.Group) else None
        if found is None:
            break
        command, context = found, click.Context(found, info_name=word, parent=context)
    return context


def _usage_error(err: click.UsageError, words: Sequence[str]) -> int:
    context = err.ctx or _innermost(words, Root())
    say(f"usage error: {_told(err)}\n\n{_page(context.command, context)}")
    return 2


def _told(err: click.UsageError) -> str:
    """Return the message; what click says of the flags of a plain command (`knit serve`) in the words of all others."""
    if isinstance(err, click.NoSuchOption):
        return f"unknown flag: {err.option_name}{likely(err.option_name, err.possibilities or ())}"
    if isinstance(err, click.BadOptionUsage):
        return f"value required: {err.option_name}"
    return err.format_message()


def _page(command: click.Command, context: click.Context) -> str:
    """Return a help page; that of `knit` itself also lists the extension commands."""
    if command is not cli:
        return help_page(command, context)
    from knit_cli import extensions

    return help_page(command, context) + extensions.section(os.environ, tuple(TREE))


if __name__ == "__main__":
    sys.exit(main())
