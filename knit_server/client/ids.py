"""Ids for short: a beginning of at least four characters stands for the one id that begins so.

A word that cannot be such a beginning, a whole id among them, is taken as it is: nobody is asked.
"""

from __future__ import annotations

from typing import Protocol

from knit_server.domain.errors import Conflict, NotFound
from knit_server.domain.ids import is_short
from knit_server.wire import shapes

SHOWN = 5
"""Candidates that are listed when several fit."""


class Resolver(Protocol):
    """What can look ids up; `KnitClient` does."""

    def resolve(self, prefix: str, kinds: tuple[str, ...] = (), *, limit: int = 6) -> list[shapes.Candidate]:
        """Find ids that begin with `prefix`."""
        ...


def full_id(knit: Resolver, kind: str, word: str) -> str:
    """Return the one id of that kind (data, plan, run; nothing: any) that begins with `word`, or `word` if none does.

    Raises `Conflict` with the candidates if several do. A server that cannot look ids up leaves `word` as it is.
    """
    if not is_short(word):
        return word
    try:
        found = knit.resolve(word, (kind,) if kind else (), limit=SHOWN + 1)
    except NotFound:  # a Knitfab server, or an older Knit
        return word
    if len(found) > 1:
        lines = [f"  {each['id']}  {each['about']}" for each in found[:SHOWN]]
        more = ["  ..."] if len(found) > SHOWN else []
        raise Conflict(
            "\n".join([f"several ids of {_PLURAL[kind]} begin with {word}:", *lines, *more]),
            advice="Write more of the one that you mean.",
        )
    return found[0]["id"] if found else word


_PLURAL = {"data": "Data", "plan": "Plans", "run": "Runs", "": "Data, Plans and Runs"}
