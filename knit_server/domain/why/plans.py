"""Why a Plan made Runs, or not: how many Data fit each of its inputs, and how its Runs stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from knit_server.domain.data import Data
from knit_server.domain.plans import Input, Plan
from knit_server.domain.why.codes import Code
from knit_server.domain.why.points import (
    NONE_MADE,
    Explanation,
    Kind,
    Made,
    Point,
    Receipt,
    Room,
    amount,
    command,
    counted,
    listed,
    named,
    steps_of,
    stirring,
    without_data,
)


@dataclass(frozen=True, kw_only=True)
class PlanFacts:
    """All that is known of a Plan: by path, how many Data fit and, where none does, which come nearest; its Runs; the
    room they need; and whether its image is there.
    """

    plan: Plan
    fitting: Mapping[str, int] = field(default_factory=dict)
    nearest: Mapping[str, Sequence[Data]] = field(default_factory=dict)
    made: Made = NONE_MADE
    room: Room | None = None
    has_image: bool = True
    receipts: tuple[Receipt, ...] = ()


def explain_plan(facts: PlanFacts) -> Explanation:
    """Say why a Plan made the Runs that it made, and why not more."""
    plan = facts.plan
    points = [off] if (off := switched_off(plan)) is not None else []
    if not plan.archived:
        points += obstacles(plan, facts.room, has_image=facts.has_image)
        points += [_of_input(facts, each) for each in plan.inputs]
    if facts.made.counts:
        points.append(_of_runs(facts))
    return Explanation(
        kind=Kind.PLAN, id=plan.plan_id, standing=_standing(plan), points=tuple(points),
        receipts=facts.receipts, steps=steps_of(points) or (command("knit", "plan", "show", plan.plan_id),),
    )  # fmt: skip


def switched_off(plan: Plan) -> Point | None:
    """Say that a Plan is in the archive or switched off, if it is."""
    if plan.archived:
        return Point(
            code=Code.PLAN_ARCHIVED, text=f"{named(plan)} is in the archive: no Data is matched with it",
            plan_id=plan.plan_id, step=command("knit", "plan", "archive", "--undo", plan.plan_id),
        )  # fmt: skip
    if plan.active:
        return None
    return Point(
        code=Code.PLAN_INACTIVE, text=f"{named(plan)} is switched off: its Runs are made, but wait",
        plan_id=plan.plan_id, step=command("knit", "plan", "active", "yes", plan.plan_id),
    )  # fmt: skip


def obstacles(plan: Plan, room: Room | None, *, has_image: bool) -> list[Point]:
    """Say what keeps any Run of a Plan from running on this server."""
    found = []
    if plan.spec is not None and not has_image:
        found.append(
            Point(
                code=Code.IMAGE_MISSING, text=f"there is no image {plan.spec.image} on this server",
                plan_id=plan.plan_id, step=command("knit", "image", "build", "-t", str(plan.spec.image), "DIR"),
            )
        )  # fmt: skip
    if room is not None and room.is_too_small:
        found.append(
            Point(
                code=Code.TOO_LARGE, plan_id=plan.plan_id, detail=room.as_detail(),
                text=f"{named(plan)} asks for {amount(*room.asked)}, but the machine has {amount(*room.capacity)}",
                step=_lower(plan, room),
            )
        )  # fmt: skip
    return found


def _standing(plan: Plan) -> str:
    if plan.archived:
        return "archived"
    return "active" if plan.active else "switched off"


def _lower(plan: Plan, room: Room) -> str:
    """Return the command that lowers what is too large to what the machine has."""
    words = []
    if room.asked[0] > room.capacity[0]:
        words += ["--set", f"cpu={room.capacity[0]:g}"]
    if room.asked[1] > room.capacity[1]:
        words += ["--set", f"memory={room.capacity[1] >> 20}Mi"]
    return command("knit", "plan", "resource", *words, plan.plan_id)


def _of_input(facts: PlanFacts, asked: Input) -> Point:
    count = facts.fitting.get(asked.path, 0)
    if not count:
        return without_data(facts.plan, asked, facts.nearest.get(asked.path, ()))
    return Point(
        code=Code.FITS, text=f'{count} Data fit{"s" if count == 1 else ""} "{asked.path}" ({listed(asked.tags)})',
        plan_id=facts.plan.plan_id, path=asked.path, tags=asked.tags, detail={"count": count},
    )  # fmt: skip


def _of_runs(facts: PlanFacts) -> Point:
    look = stirring(facts.made)
    code, text = Code.MATCHED, counted(facts.made)
    if not facts.made.alive:
        code, text = Code.DELETED, "all its Runs were deleted"
    return Point(
        code=code, text=text, plan_id=facts.plan.plan_id, runs=facts.made.counts, run_id=look,
        step=command("knit", "why", look) if look else None,
    )  # fmt: skip
