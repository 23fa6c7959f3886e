"""Changing Plans through the services: their operation, the archive, and what a dry run foresees."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from desk import Desk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knit_server.domain.editing import AnnotationChange, ResourceChange, ServiceAccountChange
from knit_server.domain.errors import Conflict, CyclicPlan, EquivalentPlan, InvalidInput, NotFound
from knit_server.domain.plans import Annotation, PlanSpec
from knit_server.domain.runs import Status
from knit_server.domain.views import THIS_PLAN, PlanView
from knit_server.persistence import events
from knit_server.service import lineage, plan_changes, plans
from knit_server.service.plans import PlanQuery
from knit_server.testing import a_plan


def spec_of(view: PlanView) -> PlanSpec:
    assert view.plan.spec is not None
    return view.plan.spec


def found(desk: Desk, *, archived: bool = False) -> set[str]:
    return {view.plan.plan_id for view in plans.find(desk.ctx, PlanQuery(archived=archived)) if view.plan.spec}


# --- operation --------------------------------------------------------------------------------------------------------


def test_editing_is_kept(desk: Desk) -> None:
    """Each change is there afterwards, beside the others."""
    plan_id = desk.apply({"/in": "a:1"}).plan.plan_id
    plan_changes.edit(desk.ctx, plan_id, ResourceChange(set={"cpu": "2", "gpu": "1"}, unset=("memory",)))
    plan_changes.edit(desk.ctx, plan_id, AnnotationChange(add=(Annotation("k", "v"),)))
    shown = spec_of(plan_changes.edit(desk.ctx, plan_id, ServiceAccountChange("robot")))
    assert shown == spec_of(plans.show(desk.ctx, plan_id))
    assert (shown.resources, shown.annotations, shown.service_account) == (
        {"cpu": "2", "gpu": "1"}, (Annotation("k", "v"),), "robot",
    )  # fmt: skip
    assert spec_of(plan_changes.edit(desk.ctx, plan_id, ServiceAccountChange(None))).service_account is None


def test_a_wrong_change_changes_nothing(desk: Desk) -> None:
    """One wrong amount leaves the others as they were, too; built-in and unknown Plans are not found."""
    view = desk.apply({"/in": "a:1"})
    with pytest.raises(InvalidInput):
        plan_changes.edit(desk.ctx, view.plan.plan_id, ResourceChange(set={"cpu": "2", "memory": "x"}, unset=("cpu",)))
    assert plans.show(desk.ctx, view.plan.plan_id) == view
    desk.push("a:1")
    (uploads,) = (each.plan.plan_id for each in plans.find(desk.ctx, PlanQuery()) if each.plan.spec is None)
    for plan_id in (uploads, "never", "\0"):
        for act in (plan_changes.archive, plan_changes.unarchive):
            with pytest.raises(NotFound):
                act(desk.ctx, plan_id)
        with pytest.raises(NotFound):
            plan_changes.edit(desk.ctx, plan_id, ServiceAccountChange("x"))


def test_only_a_change_is_told(desk: Desk) -> None:
    """A change announces that Runs may fit now and is an event; what changes nothing is silent."""
    plan_id = desk.apply({"/in": "a:1"}).plan.plan_id
    heard: list[frozenset[str]] = []
    unsubscribe = desk.ctx.signals.subscribe(heard.append)
    plan_changes.edit(desk.ctx, plan_id, ResourceChange(set={"cpu": "1"}))
    assert heard == []
    plan_changes.edit(desk.ctx, plan_id, ResourceChange(set={"cpu": "2"}))
    unsubscribe()
    assert {"launch", "needs", "events"} <= heard[0]
    with desk.ctx.db.read() as tx:
        told = [event.payload.get("change") for event in events.after(tx, 0, 100) if event.kind == "plan"]
    assert told == ["applied", "edited"]


def test_changes_at_once(desk: Desk) -> None:
    """Many who change a Plan at the same time lose nothing of each other's changes."""
    plan_id = desk.apply({"/in": "a:1"}).plan.plan_id

    def change(number: int) -> None:
        plan_changes.edit(desk.ctx, plan_id, AnnotationChange(add=(Annotation("n", str(number)),)))
        plan_changes.edit(desk.ctx, plan_id, ResourceChange(set={f"r{number}": "1"}))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(change, range(24)))
    spec = spec_of(plans.show(desk.ctx, plan_id))
    assert {each.value for each in spec.annotations} == {str(number) for number in range(24)}
    assert {f"r{number}" for number in range(24)} <= set(spec.resources)


def test_archiving_among_pushes(desk: Desk) -> None:
    """A Plan that is archived and taken out again while Data arrive ends with one Run for each of them."""
    view = desk.apply({"/in": "a:1"})

    def switch() -> None:
        for _ in range(6):
            plan_changes.archive(desk.ctx, view.plan.plan_id)
            plan_changes.unarchive(desk.ctx, view.plan.plan_id)

    with ThreadPoolExecutor(5) as pool:
        switching = pool.submit(switch)
        pushed = {future.result() for future in [pool.submit(desk.push, "a:1") for _ in range(12)]}
        switching.result()
    desk.project()
    runs = desk.runs(view)
    assert sorted(each.inputs[0].knit_id for each in runs) == sorted(pushed)
    assert {each.run.status for each in runs} == {Status.WAITING}


# --- the archive ------------------------------------------------------------------------------------------------------


def test_archived_plans_match_nothing(desk: Desk) -> None:
    """Waiting Runs are deactivated, what comes makes none, nobody is nominated; undone, all of it is made up for."""
    desk.push("a:1")
    view = desk.apply({"/in": "a:1"}, {"/out": "b:1"})
    archived = plan_changes.archive(desk.ctx, view.plan.plan_id)
    assert archived.plan.archived
    assert not archived.plan.active
    late = desk.push("a:1")
    assert [run.run.status for run in desk.runs(view)] == [Status.DEACTIVATED]
    assert desk.nominated(view) == set()
    assert desk.start() == []

    back = plan_changes.unarchive(desk.ctx, view.plan.plan_id)
    assert back == view
    assert [run.run.status for run in desk.runs(view)] == [Status.WAITING, Status.WAITING]
    assert ("/in", late) in desk.nominated(view)
    for act in (plan_changes.unarchive, plan_changes.archive, plan_changes.archive):
        act(desk.ctx, view.plan.plan_id)  # repeating is no error
    assert len(desk.runs(view)) == 2


def test_lineage_of_archived_plans(desk: Desk) -> None:
    """What it made is found as before, and so is the Plan, by its id."""
    raw = desk.push("a:1")
    view = desk.apply({"/in": "a:1"}, {"/out": "b:1"})
    desk.settle()
    before = lineage.data_lineage(desk.ctx, raw, 0, None)
    plan_changes.archive(desk.ctx, view.plan.plan_id)
    after = lineage.data_lineage(desk.ctx, raw, 0, None)
    assert (after.graph, len(after.data)) == (before.graph, len(before.data))
    graph = lineage.plan_graph(desk.ctx, view.plan.plan_id, None, None).graph
    assert ([each.plan_id for each in graph.plans], graph.edges) == ([view.plan.plan_id], [])


def test_archived_plans_are_hidden(desk: Desk) -> None:
    """They are found on request only, and feed and are fed by nobody."""
    first = desk.apply({"/in": "a:1"}, {"/out": "b:1"})
    second = desk.apply({"/in": "b:1"})
    both = {first.plan.plan_id, second.plan.plan_id}
    plan_changes.archive(desk.ctx, first.plan.plan_id)
    assert found(desk) == {second.plan.plan_id}
    assert found(desk, archived=True) == both
    assert plans.show(desk.ctx, second.plan.plan_id).upstreams == ((),)
    assert plans.show(desk.ctx, first.plan.plan_id).downstreams == ((),)


def test_the_same_again(desk: Desk) -> None:
    """An archived Plan keeps its identity; who registers it again is told how to have it back."""
    spec = a_plan("i:1", {"/in": ("a:1",)})
    plan_id = desk.register(spec).plan.plan_id
    plan_changes.archive(desk.ctx, plan_id)
    with pytest.raises(EquivalentPlan, match=rf"archived: {plan_id}\n.*knit plan archive --undo {plan_id}"):
        desk.register(spec)


def test_an_archived_plan_is_not_switched(desk: Desk) -> None:
    """It stays off until it comes back, and comes back as it was."""
    view = desk.apply({"/in": "a:1"}, active=False)
    plan_changes.archive(desk.ctx, view.plan.plan_id)
    told = rf"Plan {view.plan.plan_id} is archived\n.*knit plan archive --undo {view.plan.plan_id}"
    with pytest.raises(Conflict, match=told):
        plans.set_active(desk.ctx, view.plan.plan_id, True)
    desk.push("a:1")
    assert not plan_changes.unarchive(desk.ctx, view.plan.plan_id).plan.active
    assert [run.run.status for run in desk.runs(view)] == [Status.DEACTIVATED]


def test_a_circle_through_the_archive(desk: Desk) -> None:
    """A Plan in the archive closes no circle; it cannot come back into one."""
    first = desk.apply({"/in": "a:1"}, {"/out": "b:1"})
    plan_changes.archive(desk.ctx, first.plan.plan_id)
    second = desk.apply({"/in": "b:1"}, {"/out": "a:1"})
    with pytest.raises(CyclicPlan, match=second.plan.plan_id):
        plan_changes.unarchive(desk.ctx, first.plan.plan_id)
    assert plans.show(desk.ctx, first.plan.plan_id).plan.archived
    plan_changes.archive(desk.ctx, second.plan.plan_id)
    plan_changes.unarchive(desk.ctx, first.plan.plan_id)


# --- dry runs ---------------------------------------------------------------------------------------------------------


def test_a_dry_run_changes_nothing(desk: Desk) -> None:
    """It counts and names the Runs, says who feeds whom, and leaves no trace."""
    first, second = desk.push("a:1"), desk.push("a:1", "b:1")
    feeding = desk.apply({"/in": "z:1"}, {"/out": "a:1"})
    spec = a_plan("i:1", {"/x": ("a:1",), "/y": ("b:1",)}, {"/out": ("z:1",)})
    told = plans.dry_run(desk.ctx, replace(spec, outputs=()))
    assert told.refusal is None
    assert told.plan is not None
    assert told.plan.plan.plan_id == THIS_PLAN
    assert [[each.plan.plan_id for each in sources] for sources in told.plan.upstreams] == [[feeding.plan.plan_id], []]
    assert (dict(told.fitting), told.count) == ({"/x": 2, "/y": 1}, 2)
    assert [{each.path: each.knit_id for each in made} for made in told.first] == [
        {"/x": first, "/y": second}, {"/x": second, "/y": second},
    ]  # fmt: skip
    assert found(desk) == {feeding.plan.plan_id}
    assert desk.runs(feeding) == []


def test_a_dry_run_tells_refusals(desk: Desk) -> None:
    """Broken rules, the same Plan and circles are told as `apply` would, and no Runs are promised."""
    desk.push("a:1")
    view = desk.apply({"/in": "a:1"}, {"/out": "b:1"})
    same = plans.dry_run(desk.ctx, spec_of(view))
    circle = plans.dry_run(desk.ctx, a_plan("j", {"/in": ("b:1",)}, {"/out": ("a:1",)}))
    broken = plans.dry_run(desk.ctx, a_plan("j", {}))
    assert isinstance(same.refusal, EquivalentPlan)
    assert same.refusal.plan_id == view.plan.plan_id
    assert isinstance(circle.refusal, CyclicPlan)
    assert circle.refusal.path == [THIS_PLAN, view.plan.plan_id, THIS_PLAN]
    assert isinstance(broken.refusal, InvalidInput)
    assert broken.plan is None
    assert (same.count, circle.count, broken.count) == (0, 0, 0)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=st.lists(st.sets(st.sampled_from(["a:1", "b:1", "c:1"]), min_size=1), min_size=1, max_size=3))
def test_dry_counts_are_real_counts(desk: Desk, asked: list[set[str]]) -> None:
    """What a dry run foresees is exactly what applying then makes."""
    if not desk.find("a:1"):
        for tags in (("a:1",), ("a:1", "b:1"), ("b:1", "c:1"), ("a:1", "b:1", "c:1")):
            desk.push(*tags)
    inputs = {f"/in/{at}": " ".join(sorted(tags)) for at, tags in enumerate(asked)}
    view = desk.apply(inputs, active=False)
    foreseen = plans.dry_run(desk.ctx, replace(spec_of(view), args=("other",)))
    made = {frozenset((each.path, each.knit_id) for each in combination) for combination in foreseen.first}
    assert made == set(desk.combinations(view))
    assert foreseen.count == len(made) == len(desk.combinations(view))


def test_many_runs_are_counted_not_listed(desk: Desk) -> None:
    """However many Runs there would be, the first are named and all are counted."""
    for _ in range(5):
        desk.push("a:1")
    told = plans.dry_run(desk.ctx, a_plan("i", {f"/{at}": ("a:1",) for at in range(30)}))
    assert (told.count, len(told.first)) == (5**30, plans.FORESEEN)
