"""What commands print: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Collection
from typing import IO

import click

from knit_cli import hosting
from knit_server.domain.errors import InvalidInput

_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_ESCAPED = str.maketrans(_ESCAPES)


def as_json(value: object, indent: int = 4) -> str:
    """Write JSON as Knitfab prints it: indented, Unicode as it is, but `<`, `>`, `&` escaped; no newline at the end."""
    return json.dumps(value, indent=indent, ensure_ascii=False).translate(_ESCAPED)


def print_json(value: object) -> None:
    """Print a result as JSON, or hand it to the host."""
    if not hosting.given(value):
        emit(as_json(value) + "\n")


def emit(text: str) -> None:
    """Write text to stdout as UTF-8, whatever the terminal's locale says."""
    binary_stdout().write(text.encode("utf-8", "backslashreplace"))
    binary_stdout().flush()


def binary_stdout() -> IO[bytes]:
    """Return stdout for bytes."""
    host = hosting.present()
    return sys.stdout.buffer if host is None else host.stdout


def end_line() -> None:
    """End a result that is kept without a newline, where a prompt would follow it: on a terminal."""
    if binary_stdout().isatty():
        emit("\n")


def refuse_terminal(what: str, advice: str) -> None:
    """Raise `InvalidInput` if stdout is a terminal or a notebook, which `what`, being no text, would confuse."""
    if (hosted := hosting.present() is not None) or sys.stdout.isatty():
        raise InvalidInput(f"{what} is not written to a {'notebook' if hosted else 'terminal'}", advice=advice)


def say(text: str) -> None:
    """Write text to stderr as lines; what a terminal would act on is shown instead, for tags and servers say much."""
    if (host := hosting.present()) is not None:
        host.say(shown(text))
        return
    sys.stderr.write(shown(text) + "\n")
    sys.stderr.flush()


def shown(text: str) -> str:
    """Return text with what a terminal would act on made visible; lines and tabs stay."""
    return "".join(char if char.isprintable() or char in "\n\t" else _shown(char) for char in text)


def one_line(text: str) -> str:
    """Return text likewise, with the ends of lines and tabs made visible too."""
    return "".join(char if char.isprintable() else _shown(char) for char in text)


def first_line(text: str) -> str:
    """Return the first line; `…` says that there are more."""
    first, _, more = text.partition("\n")
    return first + ("…" if more else "")


def _shown(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def idle(*wanted: Collection[object]) -> bool:
    """Say so if no change is asked for."""
    if any(wanted):
        return False
    log("Nothing to do.")
    return True


def log(message: str) -> None:
    """Write a log line to stderr: `[knit data push] 2026/01/31 09:30:00 message`, in local time."""
    if hosting.present() is not None:
        say(message)
        return
    context = click.get_current_context(silent=True)
    command = context.command_path if context else "knit"
    say(f"[{command}] {time.strftime('%Y/%m/%d %H:%M:%S')} {message}")
