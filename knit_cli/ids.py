"""Ids for short on the command line: every positional and flag whose help shows it as an id takes a beginning of one.

The words in the help (`KNIT_ID`, `PLAN_ID`, `RUN_ID`) are the declaration: they tell which kind of id is meant.
"""

from __future__ import annotations

import click

from knit_server.domain.ids import LEAST, is_short, span

KINDS = {"KNIT_ID": "data", "PLAN_ID": "plan", "RUN_ID": "run", "ID": ""}
"""The kind of an id, by the word that stands for it in help pages; `ID` may be of any kind."""


def kind_of(parameter: click.Parameter) -> str | None:
    """Return data, plan or run if the parameter takes ids of that kind, nothing if of any, None if it takes no ids."""
    metavar = getattr(parameter, "metavar", None) or ""
    return KINDS.get(metavar.strip("[].").removesuffix("..."))


def complete(command: click.Command, ctx: click.Context) -> None:
    """Put whole ids in the place of beginnings among the words of the command. Asks the server only if there are any.

    Raises `Conflict` if a beginning fits several ids.
    """
    for parameter in command.params:
        kind, name = kind_of(parameter), parameter.name
        if kind is None or name is None:
            continue
        value = ctx.params.get(name)
        if isinstance(value, str) and is_short(value):
            ctx.params[name] = _whole(kind, value)
        elif isinstance(value, tuple) and any(is_short(str(each)) for each in value):
            ctx.params[name] = tuple(_whole(kind, str(each)) for each in value)


def too_short(command: click.Command, ctx: click.Context) -> list[str]:
    """Return the words given for ids that would be beginnings of ids if they were longer."""
    given: list[str] = []
    for parameter in command.params:
        if kind_of(parameter) is not None and (value := ctx.params.get(parameter.name or "")):
            given += [value] if isinstance(value, str) else map(str, value)
    return [word for word in given if 0 < len(word) < LEAST and span(word) is not None]


def _whole(kind: str, word: str) -> str:
    from knit_cli import session

    with session.connected() as knit:
        return knit.full_id(kind, word)
