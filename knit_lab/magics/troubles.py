"""Errors that are meant for people, shown so: what is wrong and what helps, without a page of traceback.

Only `KnitError`; everything else looks as ever. `%tb` shows where it happened. What the code of a cell raises begins
at that code, as in any cell: how the magics came to run it is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import TracebackType

from IPython.core.interactiveshell import InteractiveShell

from knit_cli.output import shown
from knit_server.domain.errors import KnitError

_BOLD, _DIM, _PLAIN = "\x1b[1;31m", "\x1b[2m", "\x1b[0m"


class Interrupted(KnitError):
    """The user interrupted a command."""


def lines(err: KnitError) -> list[str]:
    """Return what is shown of an error: the reason, the advice, where to read on."""
    first, *more = shown(err.reason).split("\n")
    told = [f"{_BOLD}{first}{_PLAIN}", *more]
    if err.advice:
        told += shown(err.advice).split("\n")
    if err.see:
        told.append(f"See {shown(err.see)}")
    return [*told, f"{_DIM}({type(err).__name__}; %tb shows where){_PLAIN}"]


def show_shortly(shell: InteractiveShell) -> Callable[[], None]:
    """Show errors of Knit shortly from now on, until the returned function is called."""
    before = shell.custom_exceptions, shell.CustomTB

    def handler(
        _: InteractiveShell, kind: type[BaseException], err: KnitError, trace: TracebackType | None,
        tb_offset: int | None = None,
    ) -> None:  # fmt: skip
        err._render_traceback_ = lambda: lines(err)  # type: ignore[attr-defined]  # what IPython asks an error for
        try:
            shell.showtraceback((kind, err, trace), tb_offset=tb_offset)
        finally:
            del err._render_traceback_  # type: ignore[attr-defined]  # so that %tb shows everything

    def undo() -> None:
        shell.custom_exceptions, shell.CustomTB = before

    shell.set_custom_exc((KnitError,), handler)  # type: ignore[no-untyped-call]
    return undo


@contextmanager
def from_here(shell: InteractiveShell) -> Iterator[None]:
    """Show what is raised by code that is executed directly within from that code on; debuggers still see it all."""
    try:
        yield
    except BaseException as err:
        if (trace := _below(err.__traceback__)) is not None and not hasattr(err, "_render_traceback_"):
            with suppress(AttributeError, TypeError):  # errors that take no attributes are shown from the magics on
                err._render_traceback_ = partial(_rendered, shell, err, trace)  # type: ignore[attr-defined]
        raise


def _below(trace: TracebackType | None) -> TracebackType | None:
    """Return what lies below the generator of `from_here` and the function that executes."""
    return trace.tb_next.tb_next if trace is not None and trace.tb_next is not None else None


def _rendered(shell: InteractiveShell, err: BaseException, trace: TracebackType) -> list[str]:
    found: list[str] = shell.InteractiveTB.structured_traceback(type(err), err, trace, tb_offset=0)
    return found
