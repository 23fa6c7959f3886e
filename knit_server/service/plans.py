"""Use cases about Plans: register, find, show, switch on and off."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from knit_server.domain import matching, times
from knit_server.domain import plans as rules
from knit_server.domain.errors import Conflict, CyclicPlan, EquivalentPlan, InvalidInput, NotFound
from knit_server.domain.graphs import Neighbours
from knit_server.domain.ids import PlanId
from knit_server.domain.matching import anchor_of
from knit_server.domain.paging import Page, PlanPosition
from knit_server.domain.plans import Output, Plan, PlanSpec
from knit_server.domain.retries import RetryPolicy
from knit_server.domain.runs import SWITCHED
from knit_server.domain.tags import SYSTEM_KEYS, TRANSIENT, Tag
from knit_server.domain.views import THIS_PLAN, DryRun, PlanView
from knit_server.persistence import causes, data, events, plans, runs, tags
from knit_server.service import projection, views
from knit_server.service.context import Context
from knit_server.service.signals import FINISH, LAUNCH

FORESEEN = 100
"""How many Runs a dry run names; the others are counted."""


@dataclass(frozen=True, kw_only=True)
class PlanQuery:
    """What to look for; None and empty mean any. `image` is a repository and a tag (None: any tag).

    Plans in the archive are found only with `archived`.
    """

    active: bool | None = None
    image: tuple[str, str | None] | None = None
    in_tags: tuple[Tag, ...] = ()
    out_tags: tuple[Tag, ...] = ()
    archived: bool = False


def apply(ctx: Context, spec: PlanSpec) -> PlanView:
    """Register a Plan and make the Runs it owes at once.

    Raises `InvalidInput`, `EquivalentPlan` (it is registered already) or `CyclicPlan`.
    """
    checked = rules.check(spec)
    plan = Plan(plan_id=PlanId(ctx.new_id()), spec=checked)
    with ctx.db.write() as tx:
        tx.lock_matching()
        if (existing := plans.equivalent(tx, checked)) is not None:
            raise EquivalentPlan(existing, archived=plans.get(tx, existing).archived)
        others = plans.every(tx)
        refuse_cycle(plan, others)
        plans.insert(tx, plan, ctx.now(), lambda tag: tags.uses(tx, tag))
        events.record(tx, "plan", [(plan.plan_id, {"change": "applied"})], ctx.now())
        projection.nominate_plan(ctx, tx, plan, projection.open_cause(ctx, tx, "plan", plan.plan_id))
        return views.plan_view(plan, Neighbours([*others, plan]))


def dry_run(ctx: Context, spec: PlanSpec) -> DryRun:
    """Return what `apply` would do with the Plan now: refuse it, or make which Runs. Nothing is changed."""
    try:
        plan = Plan(plan_id=THIS_PLAN, spec=rules.check(spec))
    except InvalidInput as err:
        return DryRun(refusal=err)
    with ctx.db.read() as tx:
        others = plans.every(tx)
        same = plans.equivalent(tx, rules.check(spec))
        archived = same is not None and plans.get(tx, same).archived
        nominated = {asked.path: data.fitting(tx, asked.tags) for asked in plan.inputs}
    view = views.plan_view(plan, Neighbours([*others, plan]))
    fitting = {path: len(found) for path, found in nominated.items()}
    try:
        if same is not None:
            raise EquivalentPlan(same, archived=archived)
        refuse_cycle(plan, others)
    except Conflict as err:
        return DryRun(plan=view, refusal=err, fitting=fitting)
    count, first = matching.foresee(nominated, FORESEEN)
    return DryRun(plan=view, fitting=fitting, count=count, first=tuple(first))


def refuse_cycle(plan: Plan, others: Iterable[Plan]) -> None:
    """Raise `CyclicPlan` if `plan` would feed itself, directly or through `others`."""
    if (cycle := rules.find_cycle(plan, others)) is not None:
        raise CyclicPlan([THIS_PLAN if plan_id == plan.plan_id else plan_id for plan_id in cycle])


def find(ctx: Context, query: PlanQuery) -> list[PlanView]:
    """Return the Plans that fit the query, by id."""
    every = _every(ctx, query)
    return views.plan_views((plan for plan in every if _fits(plan, query)), _neighbours(every))


def page(ctx: Context, query: PlanQuery, after: PlanPosition | None, limit: int) -> Page[PlanView]:
    """Return at most `limit` of the Plans that `find` returns, in its order, from behind `after` on."""
    every = _every(ctx, query)
    passed = after.plan_id if after else ""
    rest = [plan for plan in every if plan.plan_id > passed and _fits(plan, query)]
    shown = views.plan_views(rest[:limit], _neighbours(every))
    return Page(rows=shown, next=PlanPosition(rest[limit - 1].plan_id) if len(rest) > limit else None)


def show(ctx: Context, plan_id: str) -> PlanView:
    """Return one Plan. Raises `NotFound`."""
    with ctx.db.read() as tx:
        plan = plans.get(tx, plan_id)
        return views.plan_view(plan, Neighbours(plans.every(tx)))


def set_active(ctx: Context, plan_id: str, active: bool) -> PlanView:
    """Switch a Plan on or off; its waiting Runs follow. Raises `NotFound`, also for built-in Plans."""
    with ctx.db.write() as tx:
        tx.lock_matching()  # a Run made meanwhile must know whether the Plan is on
        plan = plans.get(tx, plan_id)
        if plan.spec is None:
            raise NotFound(f"Plan {plan_id} is built in", advice="Only Plans that were applied can be switched.")
        if plan.archived:
            raise Conflict(
                f"Plan {plan_id} is archived", advice=f"Take it out of the archive: knit plan archive --undo {plan_id}"
            )
        plans.set_active(tx, plan_id, active)
        runs.move_plan(tx, plan_id, *SWITCHED[active], ctx.now())
        events.record(tx, "plan", [(plan_id, {"change": "active" if active else "inactive"})], ctx.now())
        tx.announce(LAUNCH, FINISH)
    return show(ctx, plan_id)


def details(ctx: Context, plan_id: str) -> dict[str, object]:
    """Return what Knit knows of a Plan beyond the common shape. Raises `NotFound`."""
    with ctx.db.read() as tx:
        plan = plans.get(tx, plan_id)
        recent = causes.about(tx, plan_id=plan_id, limit=50)
    return {
        "planId": plan_id,
        "identity": rules.identity_hash(plan.spec) if plan.spec else None,
        "retry": _retry(plan.retry),
        "timeout": times.format_duration(plan.spec.timeout) if plan.spec and plan.spec.timeout else None,
        "decisions": [
            {"knitId": each.knit_id, "path": each.path, "reason": each.reason.value, "count": each.count,
             **each.detail}
            for each in recent
        ],
    }  # fmt: skip


def _retry(policy: RetryPolicy | None) -> dict[str, object] | None:
    if policy is None:
        return None
    return {"tries": policy.tries, "wait": times.format_duration(policy.wait), "on": list(policy.on)}


def _every(ctx: Context, query: PlanQuery) -> list[Plan]:
    with ctx.db.read() as tx:
        return plans.every(tx, archived=query.archived)


def _neighbours(every: Iterable[Plan]) -> Neighbours:
    """What is archived neither feeds nor is fed."""
    return Neighbours(plan for plan in every if not plan.archived)


def _fits(plan: Plan, query: PlanQuery) -> bool:
    if query.active is not None and plan.active is not query.active:
        return False
    if query.image is not None and not _has_image(plan, *query.image):
        return False
    inputs = [{_comparable(tag) for tag in each.tags} for each in plan.inputs]
    if query.in_tags and not _some_carries(inputs, query.in_tags, ban=TRANSIENT):
        return False
    return not query.out_tags or _some_carries(_tag_sets(plan.products), query.out_tags)


def _has_image(plan: Plan, repository: str, tag: str | None) -> bool:
    image = plan.spec.image if plan.spec else None
    return image is not None and image.repository == repository and tag in (None, "", image.tag)


def _some_carries(sets: list[set[str]], wanted: Iterable[Tag], ban: str | None = None) -> bool:
    asked = list(wanted)
    if any(tag.key == ban or (tag.is_system and tag.key not in SYSTEM_KEYS) for tag in asked):
        return False
    user = {_comparable(tag) for tag in asked if not tag.is_system}
    system = {_comparable(tag) for tag in asked if tag.is_system}
    return any(user <= each for each in sets) and any(system <= each for each in sets)


def _tag_sets(outputs: Iterable[Output]) -> list[set[str]]:
    return [{_comparable(tag) for tag in each.tags} for each in outputs]


def _comparable(tag: Tag) -> str:
    return str(anchor_of(tag))
