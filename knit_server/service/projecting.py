"""One step of projection: some pending nominations together, with one look at what they share and one write for all.

The number of statements does not depend on how many Runs come out, and hardly on how many nominations go in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from knit_server.domain import matching
from knit_server.domain.data import Data
from knit_server.domain.ids import CauseId, KnitId, PlanId, RunId
from knit_server.domain.matching import Projection, Reason
from knit_server.domain.plans import Plan
from knit_server.domain.runs import Assignment, Run, Status
from knit_server.persistence import Transaction, causes, data, nominations, plans, runs
from knit_server.persistence.causes import Decision
from knit_server.persistence.nominations import Nomination
from knit_server.service.context import Context
from knit_server.service.signals import LAUNCH

_SAMPLES = 20
"""Runs named in a receipt; the others are counted."""


class Step:
    """Projects nominations one after the other, each as if those before it were written already."""

    def __init__(self, ctx: Context, tx: Transaction, owing: Sequence[Nomination]) -> None:
        self._ctx, self._tx, self._owing = ctx, tx, owing
        self._plans = plans.many(tx, (each.input.plan_id for each in owing))
        self._partners: dict[tuple[PlanId, str], list[KnitId]] = {}
        self._keys = _Keys(tx, self._lone_keys())
        self._runs: list[Run] = []
        self._assignments: list[tuple[RunId, Assignment]] = []
        self._made: list[Data] = []
        self._settled: list[Nomination] = []
        self._decisions: dict[CauseId, list[Decision]] = {}

    def project(self, room: int) -> int:
        """Find the combinations that the nominations owe, and stop when there is no room; returns how much it took.

        A nomination whose combinations do not all find room stays pending; the next step goes on with it.
        """
        left = room
        for trigger in self._owing:
            if left <= 0:
                break
            plan, path = self._plans[trigger.input.plan_id], trigger.input.path
            start = Assignment(path=path, knit_id=trigger.knit_id)
            result = matching.project(plan, start, _Partners(self, plan, path), self._keys.known, limit=left)
            made = self._create(plan, result.new, trigger)
            if result.complete:
                self._settle(trigger)
            self._decide(trigger, result, made)
            left -= max(len(made), 0 if result.complete else 1)
        return room - left

    def write(self) -> None:
        """Keep all that came out."""
        tx, now = self._tx, self._ctx.now()
        runs.insert(tx, self._runs, now)
        runs.assign(tx, self._assignments)
        data.insert(tx, self._made, now)
        nominations.settle(tx, self._settled)
        for cause, decisions in self._decisions.items():
            causes.record(tx, cause, decisions, now)
        if any(run.status is Status.WAITING for run in self._runs):
            tx.announce(LAUNCH)

    def partners(self, plan_id: PlanId, path: str) -> list[KnitId]:
        """Return the Data that fit an input and whose own turn is over."""
        at = (plan_id, path)
        if at not in self._partners:
            here = [each.knit_id for each in self._settled if (each.input.plan_id, each.input.path) == at]
            self._partners[at] = nominations.settled_for(self._tx, *at) + here
        return self._partners[at]

    def _settle(self, trigger: Nomination) -> None:
        self._settled.append(trigger)
        at = (trigger.input.plan_id, trigger.input.path)
        if at in self._partners:
            self._partners[at].append(trigger.knit_id)

    def _create(self, plan: Plan, combinations: Sequence[Sequence[Assignment]], trigger: Nomination) -> list[RunId]:
        """Make a Run for each combination, with its assignments and the Data it will make."""
        status = Status.WAITING if plan.active else Status.DEACTIVATED
        made = []
        for combination in combinations:
            run = Run(
                run_id=RunId(self._ctx.new_id()), plan_id=plan.plan_id,
                key=matching.run_key(plan.plan_id, combination), status=status, updated_at=self._ctx.now(),
                cause=trigger.cause, hops=trigger.hops,
            )  # fmt: skip
            made.append(run.run_id)
            self._runs.append(run)
            self._keys.add(run.key)
            self._assignments += [(run.run_id, each) for each in combination]
            self._made += [
                Data(knit_id=KnitId(self._ctx.new_id()), tags=out.tags, run_id=run.run_id, path=out.path, status=status)
                for out in plan.products
            ]
        return made

    def _decide(self, trigger: Nomination, result: Projection, made: Sequence[RunId]) -> None:
        if trigger.cause is None:
            return
        for reason, count in result.reasons.items():
            detail = {"runs": list(made[:_SAMPLES])} if reason in (Reason.MATCHED, Reason.PLAN_INACTIVE) else {}
            self._decisions.setdefault(trigger.cause, []).append(
                Decision(
                    knit_id=trigger.knit_id, plan_id=trigger.input.plan_id, path=trigger.input.path, reason=reason,
                    count=count, detail=detail,
                )
            )  # fmt: skip

    def _lone_keys(self) -> Iterator[str]:
        """Return the run keys of Plans with one input: all that their nominations can lead to."""
        for each in self._owing:
            if len(self._plans[each.input.plan_id].inputs) == 1:
                yield matching.run_key(
                    each.input.plan_id, [Assignment(path=each.input.path, knit_id=each.knit_id)]
                )  # fmt: skip


class _Partners(Mapping[str, Sequence[KnitId]]):
    """The Data for the other inputs of a Plan, looked up when they are asked for."""

    def __init__(self, step: Step, plan: Plan, but: str) -> None:
        self._step, self._plan_id = step, plan.plan_id
        self._paths = [each.path for each in plan.inputs if each.path != but]

    def __getitem__(self, path: str) -> Sequence[KnitId]:
        if path not in self._paths:
            raise KeyError(path)
        return self._step.partners(self._plan_id, path)

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


class _Keys:
    """Which run keys there are: those looked up together at the start, those this step adds, and the database's."""

    def __init__(self, tx: Transaction, expected: Iterable[str]) -> None:
        self._tx = tx
        self._asked = set(expected)
        self._known = runs.known_keys(tx, self._asked)

    def add(self, key: str) -> None:
        """Note a key that will be written."""
        self._asked.add(key)
        self._known.add(key)

    def known(self, keys: Collection[str]) -> set[str]:
        """Return those of `keys` that exist."""
        return self._known.intersection(keys) | runs.known_keys(self._tx, set(keys) - self._asked)
