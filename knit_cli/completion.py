"""What a shell offers after Tab: subcommands, flags and their words, and ids, tags and image names from the server.

Scripts, reading the shell's words and writing answers are click's (`click.shell_completion`); which words there are is
decided here, because Knit reads words by rules of its own (`words`). The declaration is what help pages show: the word
that stands for a value says what it is. The server has a second; whatever goes wrong, nothing is offered nor said.
"""

from __future__ import annotations

import contextlib
import shlex
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import BashComplete, CompletionItem, FishComplete, ShellComplete, ZshComplete

from knit_cli import extensions, ids
from knit_cli.frame import Group, Root
from knit_cli.output import emit

if TYPE_CHECKING:
    from knit_server.client.api import KnitClient

VARIABLE = "_KNIT_COMPLETE"
PATIENCE = 1.0
"""Seconds for profile, connection and answer together."""
MOST = 50
"""Words that are offered at most where the server has more."""

Item = CompletionItem[str]
Items = list[Item]
_FILES = ("FILE", "PLAN_FILE", "KNIT_PROFILE_FILE", "SOURCE", "DEST", "ARCHIVE")
_VALUED = {"--profile": "profile", "--profile-store": "store", "--env": "env"}

_BASH = """\
%(complete_func)s() {
    local IFS=$'\\n' line answer
    answer=$(COMP_LINE="${COMP_LINE:0:$COMP_POINT}" COMP_WORD="${COMP_WORDS[COMP_CWORD]}" %(complete_var)s=bash_complete "$1")
    COMPREPLY=()
    for line in $answer; do
        case "${line%%%%,*}" in
            file) compopt -o default ;;
            dir) compopt -o dirnames ;;
            *) COMPREPLY+=("${line#*,}") ;;
        esac
    done
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""  # noqa: E501


class Bash(BashComplete):
    """Bash cuts words at colons and equals signs, so tags would come in pieces: the line is read as a whole."""

    source_template = _BASH

    def source(self) -> str:
        """Return the script; bash is not started to ask how old it is."""
        return self.source_template % self.source_vars()

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the present one, and that as far as it is typed."""
        import os

        words = split(os.environ["COMP_LINE"])
        self.cut = len(words[-1]) - len(_kept(words[-1], os.environ.get("COMP_WORD", "")))
        return words[1:-1], words[-1]

    def format_completion(self, item: CompletionItem[Any]) -> str:
        """Write a word without what bash takes for earlier words."""
        return f"{item.type},{item.value[self.cut :] if item.type == 'plain' else ''}"


SHELLS: Mapping[str, type[ShellComplete]] = {"bash": Bash, "zsh": ZshComplete, "fish": FishComplete}


def script(shell: str) -> str:
    """Return the script for a shell of `SHELLS`."""
    from knit_cli.main import cli

    return SHELLS[shell](cli, {}, "knit", VARIABLE).source()


def answer(environ: Mapping[str, str]) -> int:
    """Answer the script's question in the environment, on stdout; the exit code is 1 where there is no answer."""
    from knit_cli.main import cli

    shell, _, _ = environ[VARIABLE].partition("_")
    with contextlib.suppress(Exception):  # a message in the middle of a command line helps nobody
        engine = SHELLS[shell](cli, {}, "knit", VARIABLE)
        words, incomplete = engine.get_completion_args()
        emit("".join(f"{engine.format_completion(item)}\n" for item in candidates(words, incomplete, ask)))
        return 0
    return 1


def split(line: str) -> list[str]:
    """Cut a command line into words, as far as it is typed; the last one may be empty."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters = True, ""
    words: list[str] = []
    try:
        words.extend(lexer)
    except ValueError:  # a quotation that is not closed yet
        words.append(lexer.token)
        return words
    return words if words and not line[-1:].isspace() else [*words, ""]


def _kept(word: str, cut: str) -> str:
    """Return what bash takes for the present word: all of `word`, or what follows its last colon or equals sign."""
    if cut in (":", "="):
        return ""
    return cut if cut and word.endswith(cut) else word


# --- which words there are --------------------------------------------------------------------------------------------

Ask = Callable[[Root, Callable[["KnitClient"], Items]], Items]
"""Asks the server of the profile that the root flags name, and gives what it answers in time."""


def candidates(words: Sequence[str], incomplete: str, ask: Ask, tree: click.Command | None = None) -> Items:
    """Return what the word `incomplete` can become after `words`; `tree` is that of `knit` by default."""
    from knit_cli.main import cli, split_root

    if words and words[-1] in _VALUED and "--" not in words:
        return _profiles(incomplete) if words[-1] == "--profile" else _files()
    rest, root, _ = split_root(words)
    command: click.Command = tree or cli
    context = click.Context(command, info_name="knit")
    while isinstance(command, Group) and rest:
        found = command.get_command(context, rest.pop(0))
        if found is None:
            return []
        command, context = found, click.Context(found, info_name=found.name, parent=context)
    if isinstance(command, Group):
        return _subcommands(command, command is cli, incomplete)
    return _of_command(command, rest, incomplete, lambda look: ask(root, look))


def _subcommands(group: Group, is_root: bool, incomplete: str) -> Items:
    import os

    rows = {name: lazy.summary for name, lazy in group.table.items()}
    if is_root:
        rows |= {name: str(path) for name, path in extensions.listed(os.environ).items() if name not in rows}
    flags = dict.fromkeys((*_VALUED, "--help"), "") if incomplete.startswith("-") else {}
    return _beginning(incomplete, {**rows, **flags})


Look = Callable[[Callable[["KnitClient"], Items]], Items]


def _of_command(command: click.Command, words: Sequence[str], incomplete: str, look: Look) -> Items:
    """Return what fits into the place of `incomplete`: a flag, the value of one, or a positional."""
    flags = {name: each for each in command.params if isinstance(each, click.Option) for name in each.opts}
    positionals, waiting, ended = 0, None, False
    for word in words:
        name, equals, _ = word.partition("=")
        if waiting is not None:
            waiting = None
        elif word == "--" and not ended:
            ended = True
        elif not ended and name in flags:
            waiting = flags[name] if not equals and _takes_value(flags[name]) else None
        else:
            positionals += 1
    if waiting is not None:
        return _values(waiting, incomplete, look)
    if incomplete.startswith("-") and not ended:
        name, equals, value = incomplete.partition("=")
        if equals and name in flags:
            found = _values(flags[name], value, look)
            return [Item(f"{name}={each.value}", help=each.help) if each.type == "plain" else each for each in found]
        texts = {max(each.opts, key=len): each.help or "" for each in flags.values()}
        return _beginning(incomplete, texts | dict.fromkeys((*_VALUED, "--help"), ""))
    arguments = [each for each in command.params if isinstance(each, click.Argument)]
    present = arguments[positionals : positionals + 1] or [each for each in arguments[-1:] if each.nargs != 1]
    return _values(present[0], incomplete, look) if present else []


def _takes_value(flag: click.Option) -> bool:
    return not (flag.is_flag or getattr(flag, "switch", False))


def _values(parameter: click.Parameter, incomplete: str, look: Look) -> Items:
    """Return the values that a parameter can take, by the word that stands for them in its help."""
    metavar = (getattr(parameter, "metavar", None) or "").removesuffix("...")
    if (kind := ids.kind_of(parameter)) is not None:
        return look(lambda knit: _ids(knit, kind, incomplete))
    if metavar == "KEY:VALUE":
        return look(lambda knit: _tags(knit, incomplete))
    if metavar == "KNIT_ID|KEY:VALUE":
        return look(lambda knit: [*_ids(knit, "data", incomplete), *_tags(knit, incomplete)])
    if metavar == "NAME=KEY:VALUE,":
        cut = max(incomplete.rfind("="), incomplete.rfind(",")) + 1
        tags = look(lambda knit: _tags(knit, incomplete[cut:])) if "=" in incomplete else []
        return [Item(incomplete[:cut] + each.value, help=each.help) for each in tags]
    if metavar == "NAME[:TAG]":
        return look(lambda knit: _images(knit, incomplete))
    if metavar == "PROFILE":
        return _profiles(incomplete)
    if metavar == "STATUS":
        from knit_server.domain.runs import Status

        return _beginning(incomplete, [each.value for each in Status if each is not Status.INVALIDATED])
    if metavar == "DIR":
        return [Item("", type="dir")]
    if metavar in _FILES:
        return _files()
    words = parameter.type.choices if isinstance(parameter.type, click.Choice) else metavar.split("|")
    return _beginning(incomplete, [str(each) for each in words if str(each).islower()])


def _beginning(incomplete: str, words: Iterable[str] | Mapping[str, str]) -> Items:
    texts = words if isinstance(words, Mapping) else dict.fromkeys(words, "")
    return [Item(word, help=texts[word] or None) for word in texts if word.startswith(incomplete)]


def _files() -> Items:
    return [Item("", type="file")]


def _profiles(incomplete: str) -> Items:
    from knit_server.client import profiles

    return _beginning(incomplete, list(profiles.stored(profiles.select().store)))


# --- what the server knows --------------------------------------------------------------------------------------------


def _ids(knit: KnitClient, kind: str, incomplete: str) -> Items:
    return [Item(each["id"], help=each["about"]) for each in knit.resolve(incomplete, (kind,), limit=MOST)]


def _tags(knit: KnitClient, incomplete: str) -> Items:
    found = knit.tags_in_use(incomplete, limit=MOST)
    return [Item(each["tag"], help=f"{each['count']} Data") for each in found]


def _images(knit: KnitClient, incomplete: str) -> Items:
    return _beginning(incomplete, [name for image in knit.find_images() for name in image["names"]])


def ask(root: Root, look: Callable[[KnitClient], Items]) -> Items:
    """Ask the server, but wait no longer than `PATIENCE`; without an answer there is nothing to offer."""
    found: Items = []

    def work() -> None:
        from knit_server.client import profiles

        with contextlib.suppress(Exception), profiles.connect(name=root.profile, store=root.store) as knit:
            found.extend(look(knit))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return list(found)
