"""Plans through the services: registered once, without circles, found, switched, explained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from desk import Desk

from knit_server.domain.errors import CyclicPlan, EquivalentPlan, InvalidInput, NotFound
from knit_server.domain.plans import Annotation, OnNode, Preference
from knit_server.domain.tags import Tag
from knit_server.domain.views import PlanView
from knit_server.service import lifecycle, lineage, plan_changes, plans, runs
from knit_server.service.plans import PlanQuery
from knit_server.testing import a_plan, some_tags


def found(desk: Desk, query: PlanQuery) -> set[str]:
    return {view.plan.plan_id for view in plans.find(desk.ctx, query)}


def ids(*views: PlanView) -> set[str]:
    return {view.plan.plan_id for view in views}


def test_registering_twice(desk: Desk) -> None:
    """The same work is one Plan: what may be edited later does not tell Plans apart, what it does is (scenario 15)."""
    spec = a_plan("i:1", {"/in": ("a:1",)}, {"/out": ("b:1",)}, log=("l:1",))
    first = desk.register(spec)
    same = (
        spec,
        replace(spec, active=False),
        replace(spec, resources={"cpu": "8"}),
        replace(spec, annotations=(Annotation("k", "v"),), service_account="robot"),
        replace(spec, inputs=(replace(spec.inputs[0], path="/in/", tags=(*spec.inputs[0].tags, Tag("a", "1"))),)),
    )
    for each in same:
        with pytest.raises(EquivalentPlan, match=first.plan.plan_id) as caught:
            desk.register(each)
        assert caught.value.plan_id == first.plan.plan_id
    others = (
        replace(spec, args=("x", "y")),
        replace(spec, args=("y", "x")),
        replace(spec, entrypoint=("x",)),
        replace(spec, on_node=(OnNode(Preference.MAY, "k", "v"),)),
        replace(spec, log=None),
    )
    assert len(ids(*(desk.register(each) for each in others))) == 5
    assert len(plans.find(desk.ctx, PlanQuery())) == 6


def test_a_plan_that_is_off_counts(desk: Desk) -> None:
    """Switching a Plan off does not make room for the same again (scenario 15)."""
    spec = a_plan("i:1", {"/in": ("a:1",)}, active=False)
    desk.register(spec)
    with pytest.raises(EquivalentPlan):
        desk.register(replace(spec, active=True))


def test_equal_hashes(desk: Desk) -> None:
    """Plans that Knitfab's hash cannot tell apart are two Plans (scenario 16)."""
    one = a_plan("i:1", {"/in": ("a:1",)})
    hashes = [
        plans.details(desk.ctx, desk.register(replace(one, args=args)).plan.plan_id)["identity"]
        for args in (("ab", "c"), ("a", "bc"))
    ]
    assert hashes[0] == hashes[1]


def test_circles(desk: Desk) -> None:
    """A Plan that would feed itself, directly or through others, also inactive ones, is refused and not kept.

    (scenarios 17-19)
    """
    with pytest.raises(CyclicPlan, match=r"this Plan -> this Plan"):
        desk.apply({"/in": "a:1"}, {"/out": "a:1 b:1"})
    first = desk.apply({"/in": "a:1"}, {"/out": "b:1"}, active=False)
    closing = a_plan("i", {"/in": ("b:1",)}, {}, log=("a:1",))
    with pytest.raises(CyclicPlan, match=rf"this Plan -> {first.plan.plan_id} -> this Plan"):
        desk.register(closing)
    assert found(desk, PlanQuery()) == ids(first)
    pinned = a_plan("i", {"/in": ("b:1", "knit#id:x")}, {}, log=("a:1",))
    assert desk.register(pinned).upstreams == ((),)


def test_bad_plans_leave_nothing(desk: Desk) -> None:
    """A spec that is wrong in itself is refused before anything is kept."""
    with pytest.raises(InvalidInput):
        desk.register(a_plan("i", {}))
    assert plans.find(desk.ctx, PlanQuery()) == []


def test_defaults(desk: Desk) -> None:
    """What is not said about cpu and memory is filled in; what is said stays (scenario 20)."""
    plain = desk.apply({"/in": "a:1"})
    asking = desk.apply({"/in": "a:1"}, resources={"cpu": "500m"})
    assert [dict(view.plan.spec.resources) for view in (plain, asking) if view.plan.spec] == [
        {"cpu": "1", "memory": "1Gi"}, {"cpu": "500m", "memory": "1Gi"},
    ]  # fmt: skip


def test_find(desk: Desk) -> None:
    """By activity, image and tags; what nobody has finds nothing (scenario 82)."""
    desk.push("z:1")
    on = desk.register(a_plan("host:5000/lab/x:1", {"/1": ("a:1", "b:1"), "/2": ("c:1",)}, {"/o": ("d:1", "e:1")}))
    off = desk.register(a_plan("host:5000/lab/x:2", {"/1": ("a:1",)}, log=("d:1", "f:1"), active=False))
    (uploads,) = (view for view in plans.find(desk.ctx, PlanQuery()) if view.plan.spec is None)

    assert found(desk, PlanQuery(active=True)) == ids(on, uploads)
    assert found(desk, PlanQuery(active=False)) == ids(off)
    for repository, tag, expected in (
        ("host:5000/lab/x", None, ids(on, off)), ("host:5000/lab/x", "2", ids(off)), ("host:5000/lab/x", "3", set()),
        ("lab/x", None, set()), ("host", "5000/lab/x", set()),
    ):  # fmt: skip
        assert found(desk, PlanQuery(image=(repository, tag))) == expected
    for texts, expected in (
        (["a:1"], ids(on, off)), (["a:1", "b:1"], ids(on)), (["a:1", "c:1"], set()), (["never:1"], set()),
        (["a:1", "never:1"], set()), (["knit#transient:failed"], set()),
    ):  # fmt: skip
        assert found(desk, PlanQuery(in_tags=some_tags(*texts))) == expected
    for texts, expected in (
        (["d:1"], ids(on, off)), (["d:1", "f:1"], ids(off)), (["e:1", "f:1"], set()), (["knit#id:x"], set()),
        (["never:1"], set()),
    ):  # fmt: skip
        assert found(desk, PlanQuery(out_tags=some_tags(*texts))) == expected
    assert found(desk, PlanQuery(active=True, in_tags=some_tags("a:1"), out_tags=some_tags("d:1"))) == ids(on)
    assert found(desk, PlanQuery(in_tags=(Tag("knit#colour", "red"),))) == set()


def test_find_by_pins(desk: Desk) -> None:
    """One input must carry the user's tags, one the system tags; instants are compared, not texts."""
    pinned = desk.apply({"/1": "a:1 knit#timestamp:2026-01-31T09:00:00+09:00", "/2": "knit#id:x"})
    assert found(desk, PlanQuery(in_tags=some_tags("knit#timestamp:2026-01-31T00:00:00Z", "a:1"))) == ids(pinned)
    assert found(desk, PlanQuery(in_tags=some_tags("knit#id:x", "a:1"))) == ids(pinned)
    assert found(desk, PlanQuery(in_tags=some_tags("knit#id:y"))) == set()


def test_switching(desk: Desk) -> None:
    """A Plan can be switched again and again; built-in ones and those that are not there are not found.

    (scenario 49)
    """
    plan = desk.apply({"/in": "a:1"})
    desk.push("a:1")
    for active in (False, False, True, True):
        assert plans.set_active(desk.ctx, plan.plan.plan_id, active).plan.active is active
        assert {run.run.status.value for run in desk.runs(plan)} == {"waiting" if active else "deactivated"}
    (uploads,) = (view for view in plans.find(desk.ctx, PlanQuery()) if view.plan.spec is None)
    assert plans.show(desk.ctx, uploads.plan.plan_id) == uploads
    for plan_id, told in ((uploads.plan.plan_id, "is built in"), ("ghost", "there is no Plan ghost")):
        with pytest.raises(NotFound, match=told):
            plans.set_active(desk.ctx, plan_id, False)
    with pytest.raises(NotFound, match=f"Plan {uploads.plan.plan_id} is built in"):
        plans.set_active(desk.ctx, uploads.plan.plan_id, True)
    for act in (plans.show, plans.details):
        with pytest.raises(NotFound, match="there is no Plan ghost"):
            act(desk.ctx, "ghost")


@pytest.mark.parametrize(
    "switch",
    [
        lambda desk, plan_id: plans.set_active(desk.ctx, plan_id, False),
        lambda desk, plan_id: plan_changes.archive(desk.ctx, plan_id),
    ],
)
def test_switching_forgets_notes(desk: Desk, switch: Callable[[Desk, str], object]) -> None:
    """A Run that waits for a reason and is switched off says no more what it waited for."""
    plan = desk.apply({"/in": "a:1"})
    desk.push("a:1")
    (run,) = desk.runs(plan)
    lifecycle.note(desk.ctx, run.run.run_id, "a hook refuses")
    switch(desk, plan.plan.plan_id)
    assert runs.details(desk.ctx, run.run.run_id)["note"] is None


def test_neighbours(desk: Desk) -> None:
    """What a Plan can be fed by and can feed is shown when it is registered and afterwards, from both sides."""
    source = desk.apply({"/in": "a:1"}, {"/out": "b:1 x:1"}, log=("l:1",))
    target = desk.apply({"/b": "b:1", "/l": "l:1"}, {"/out": "c:1"})
    assert [[each.plan.plan_id for each in side] for side in target.upstreams] == [[source.plan.plan_id]] * 2
    assert target == plans.show(desk.ctx, target.plan.plan_id)
    shown = plans.show(desk.ctx, source.plan.plan_id)
    assert [[(each.plan.plan_id, each.input.path) for each in side] for side in shown.downstreams] == [
        [(target.plan.plan_id, "/b")], [(target.plan.plan_id, "/l")],
    ]  # fmt: skip
    graph = lineage.plan_graph(desk.ctx, target.plan.plan_id, None, None).graph
    assert [plan.plan_id for plan in graph.plans] == [target.plan.plan_id, source.plan.plan_id]
    assert {(edge.output, edge.input) for edge in graph.edges} == {("/out", "/b"), (None, "/l")}
    with pytest.raises(NotFound):
        lineage.plan_graph(desk.ctx, "ghost", None, None)
