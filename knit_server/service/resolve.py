"""What ids a beginning of one stands for, and what they are, in a few words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from knit_server.domain import data as rules
from knit_server.domain.data import Data
from knit_server.domain.plans import Plan
from knit_server.persistence import Transaction, data, plans, prefixes, runs
from knit_server.service.context import Context

MAX = 200
"""Most ids that are told at once, of each kind."""
LONGEST = 100
"""Characters of the words about a Data, Plan or Run."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Something whose id begins as asked. `kind` is data, plan or run; `about` says what it is, for people."""

    kind: str
    id: str
    about: str


def resolve(ctx: Context, prefix: str, kinds: Sequence[str] = (), limit: int = 6) -> list[Candidate]:
    """Return at most `limit` of each of `kinds` (none given: all) whose ids begin with `prefix`, in the order of ids.

    Without a prefix these are the newest. A prefix that no id can have finds nothing.
    """
    most = max(0, min(limit, MAX))
    with ctx.db.read() as tx:
        return [
            Candidate(kind=kind, id=each, about=about[:LONGEST])
            for kind, look in _KINDS.items()
            if not kinds or kind in kinds
            for each, about in look(tx, prefix, most).items()
        ]


def _data(tx: Transaction, prefix: str, limit: int) -> Mapping[str, str]:
    found = prefixes.data(tx, prefix, limit)
    known = data.many(tx, found)
    return {each: _tagged(known[each]) for each in found}


def _tagged(found: Data) -> str:
    state = rules.transient(found.status)
    return " ".join([*([f"({state})"] if state else []), *map(str, found.tags)]) or "(no tags)"


def _plans(tx: Transaction, prefix: str, limit: int) -> Mapping[str, str]:
    found = prefixes.plans(tx, prefix, limit)
    known = plans.many(tx, found)
    return {each: _named(known[each]) + ("" if known[each].active else " (inactive)") for each in found}


def _runs(tx: Transaction, prefix: str, limit: int) -> Mapping[str, str]:
    found = prefixes.runs(tx, prefix, limit)
    known = runs.many(tx, found)
    plan = plans.many(tx, {run.plan_id for run in known.values()})
    return {each: f"{known[each].status.value} {_named(plan[known[each].plan_id])}" for each in found}


def _named(plan: Plan) -> str:
    return str(plan.spec.image) if plan.spec is not None else plan.name or ""


KINDS = ("data", "plan", "run")
_KINDS: Mapping[str, Callable[[Transaction, str, int], Mapping[str, str]]] = {
    "data": _data, "plan": _plans, "run": _runs,
}  # fmt: skip
