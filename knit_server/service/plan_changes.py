"""Use cases that change a registered Plan: its resources, annotations and service account; the archive.

Rules: docs/rules.md, "Changing Plans".
"""

from __future__ import annotations

from knit_server.domain.editing import Change, ResourceChange
from knit_server.domain.errors import NotFound
from knit_server.domain.plans import Plan
from knit_server.domain.runs import SWITCHED
from knit_server.domain.views import PlanView
from knit_server.persistence import Transaction, events, plans, runs, tags
from knit_server.service import projection
from knit_server.service.context import Context
from knit_server.service.plans import details, refuse_cycle, show
from knit_server.service.signals import FINISH, LAUNCH, NEEDS


def edit(ctx: Context, plan_id: str, change: Change) -> PlanView:
    """Change a Plan, all or nothing. Raises `InvalidInput`, or `NotFound`, also for built-in Plans.

    Runs that begin from now on follow the new values; so do those that were held back because they asked for too much.
    """
    with ctx.db.write() as tx:
        spec = _user_plan(tx, plan_id).spec
        assert spec is not None
        new = change.of(spec)
        if new != spec:
            plans.edit(tx, plan_id, new)
            events.record(tx, "plan", [(plan_id, {"change": "edited"})], ctx.now())
            if isinstance(change, ResourceChange):
                tx.announce(LAUNCH, NEEDS)
    return show(ctx, plan_id)


def edit_own(ctx: Context, plan_id: str, change: Change) -> dict[str, object]:
    """Like `edit`, but return the Plan's details: for what Knit alone knows of."""
    edit(ctx, plan_id, change)
    return details(ctx, plan_id)


def archive(ctx: Context, plan_id: str) -> PlanView:
    """Put a Plan into the archive: it matches nothing any more, and its waiting Runs are deactivated.

    Runs that were prepared already go on. Raises `NotFound`, also for built-in Plans. To repeat it is no error.
    """
    with ctx.db.write() as tx:
        tx.lock_matching()
        if not _user_plan(tx, plan_id).archived:
            plans.archive(tx, plan_id, ctx.now())
            runs.move_plan(tx, plan_id, *SWITCHED[False], ctx.now())
            events.record(tx, "plan", [(plan_id, {"change": "archived"})], ctx.now())
            tx.announce(FINISH)  # hooks of its Runs may just be asked
    return show(ctx, plan_id)


def unarchive(ctx: Context, plan_id: str) -> PlanView:
    """Take a Plan out of the archive: it is matched with all there is, and if it is on, its Runs wait again.

    Raises `NotFound`, or `CyclicPlan` if Plans that were registered meanwhile would close a circle with it.
    """
    with ctx.db.write() as tx:
        tx.lock_matching()
        plan = _user_plan(tx, plan_id)
        if plan.archived:
            refuse_cycle(plan, plans.every(tx))
            plans.unarchive(tx, plan, lambda tag: tags.uses(tx, tag))
            events.record(tx, "plan", [(plan_id, {"change": "unarchived"})], ctx.now())
            back = plans.get(tx, plan_id)
            if back.active:
                runs.move_plan(tx, plan_id, *SWITCHED[True], ctx.now())
                tx.announce(LAUNCH)
            projection.nominate_plan(ctx, tx, back, projection.open_cause(ctx, tx, "plan", plan_id))
    return show(ctx, plan_id)


def _user_plan(tx: Transaction, plan_id: str) -> Plan:
    plan = plans.lock(tx, plan_id)
    if plan.spec is None:
        raise NotFound(f"Plan {plan_id} is built in", advice="Only Plans that were applied can be changed.")
    return plan
