"""What feeds what: edges between Plans, cycles, and the plan graph, against the plainest possible ways to find them."""

from __future__ import annotations

import itertools
from random import Random

import pytest
from domain_world import tag_set
from hypothesis import given
from hypothesis import strategies as st

from knit_server.domain import graphs, plans, tags
from knit_server.domain.errors import NotFound
from knit_server.domain.ids import PlanId
from knit_server.domain.images import ImageName
from knit_server.domain.plans import Input, Output, Plan, PlanSpec
from knit_server.domain.tags import Tag, Tags

PIN = Tag(tags.ID, "some-data")
STAMP = Tag(tags.TIMESTAMP, "2026-01-01T00:00:00Z")


def a_plan(name: str, inputs: list[Tags], outputs: list[Tags], log: Tags | None = None, active: bool = True) -> Plan:
    return Plan(
        plan_id=PlanId(name),
        spec=PlanSpec(
            image=ImageName(name, "1"),
            active=active,
            inputs=tuple(Input(path=f"/in/{n}", tags=each) for n, each in enumerate(inputs)),
            outputs=tuple(Output(path=f"/out/{n}", tags=each) for n, each in enumerate(outputs)),
            log=None if log is None else Output(path=None, tags=log),
        ),
    )


def simple(name: str, asks: str, gives: str, *, active: bool = True) -> Plan:
    return a_plan(name, [tag_set(asks)], [tag_set(gives)], active=active)


few_tags = st.sets(st.sampled_from([Tag("a", "1"), Tag("a", "2"), Tag("b", "1"), Tag("c", "1")]), max_size=3).map(
    tags.normal
)
asked_tags = few_tags.filter(bool) | few_tags.map(lambda some: tags.normal([*some, PIN]))


@st.composite
def several_plans(draw: st.DrawFn, most: int = 5) -> list[Plan]:
    count = draw(st.integers(1, most))
    return [
        a_plan(
            f"p{number}",
            draw(st.lists(asked_tags, min_size=1, max_size=2)),
            draw(st.lists(few_tags, max_size=2)),
            draw(st.none() | few_tags),
            draw(st.booleans()),
        )
        for number in range(count)
    ]


def can_feed(source: Plan, target: Plan) -> set[graphs.PlanEdge]:
    """Find the edges from one Plan to another the slow way."""
    return {
        graphs.PlanEdge(source.plan_id, product.path, target.plan_id, asked.path)
        for product in source.products
        for asked in target.inputs
        if asked.tags and set(asked.tags) <= set(product.tags) and not {PIN, STAMP} & set(asked.tags)
    }


def closes_cycle(new: Plan, others: list[Plan]) -> bool:
    """Ask whether a chain of feeding Plans leads from `new` to itself, by trying every chain."""
    return any(
        all(can_feed(source, target) for source, target in itertools.pairwise([new, *chain, new]))
        for length in range(len(others) + 1)
        for chain in itertools.permutations(others, length)
    )


# --- cycles -----------------------------------------------------------------------------------------------------------


def test_a_plan_may_not_feed_itself() -> None:
    """An output that has all tags of its own Plan's input closes a cycle (scenario 17), and so does a log."""
    plan = simple("p", "type:raw", "type:raw extra:yes")
    assert plans.find_cycle(plan, []) == ["p", "p"]
    assert plans.find_cycle(a_plan("p", [tag_set("type:log")], [], tag_set("type:log")), []) == ["p", "p"]
    assert plans.find_cycle(simple("p", "type:raw extra:yes", "type:raw"), []) is None


def test_a_cycle_through_others() -> None:
    """A feeds B; a C that is fed by B and feeds A is refused (scenario 18), and the way is told."""
    others = [simple("a", "t:1", "t:2"), simple("b", "t:2", "t:3")]
    assert plans.find_cycle(simple("c", "t:3", "t:1"), others) == ["c", "a", "b", "c"]


@pytest.mark.parametrize("pin", [PIN, STAMP])
def test_a_pinned_input_closes_no_cycle(pin: Tag) -> None:
    """An input that names one Data or one instant is fed by no Plan (scenario 19)."""
    others = [simple("a", "t:1", "t:2"), simple("b", "t:2", "t:3")]
    assert plans.find_cycle(a_plan("c", [tags.normal([Tag("t", "3"), pin])], [tag_set("t:1")]), others) is None


def test_inactive_plans_close_cycles_too() -> None:
    """Activity does not matter: a Plan may be switched on at any time."""
    assert plans.find_cycle(simple("c", "t:2", "t:1"), [simple("a", "t:1", "t:2", active=False)]) == ["c", "a", "c"]


@given(several_plans())
def test_cycles_against_brute_force(given_plans: list[Plan]) -> None:
    """A cycle is found exactly where one exists, and the way told is a way."""
    new, *others = given_plans
    way = plans.find_cycle(new, others)
    assert (way is not None) == closes_cycle(new, others)
    if way is not None:
        by_id = {plan.plan_id: plan for plan in given_plans}
        assert way[0] == way[-1] == new.plan_id
        assert len(set(way)) == len(way) - 1
        assert all(can_feed(by_id[source], by_id[target]) for source, target in itertools.pairwise(way))


def test_long_chains_are_no_problem() -> None:
    """A chain of two thousand Plans is walked without recursion."""
    chain = [simple(f"p{n}", f"step:{n}", f"step:{n + 1}") for n in range(2000)]
    assert plans.find_cycle(chain[0], chain[1:]) is None
    closing = plans.find_cycle(simple("last", "step:2000", "step:0"), chain)
    assert closing is not None
    assert len(closing) == 2002


# --- the plan graph ---------------------------------------------------------------------------------------------------


def within(root: Plan, plans_: list[Plan], depth: int | None, *, up: bool) -> set[PlanId]:
    """Find the Plans whose shortest way to or from `root` has at most `depth` steps."""
    reached, frontier = {root.plan_id}, [root]
    steps = len(plans_) if depth is None else depth
    for _ in range(steps):
        frontier = [
            plan
            for plan in plans_
            if plan.plan_id not in reached
            and any((can_feed(plan, near) if up else can_feed(near, plan)) for near in frontier)
        ]
        reached |= {plan.plan_id for plan in frontier}
    return reached


depths = st.none() | st.integers(0, 3)


@given(several_plans(), depths, depths)
def test_plan_graph_against_brute_force(given_plans: list[Plan], up: int | None, down: int | None) -> None:
    """The graph has the Plans within reach of the root in each direction, and every edge between two of them, once."""
    root = given_plans[0]
    graph = graphs.plan_graph(root.plan_id, graphs.Neighbours(given_plans), upstream=up, downstream=down)
    found = [plan.plan_id for plan in graph.plans]
    expected = within(root, given_plans, up, up=True) | within(root, given_plans, down, up=False)
    assert graph.root == found[0] == root.plan_id
    assert set(found) == expected
    assert len(found) == len(expected)
    chosen = [plan for plan in given_plans if plan.plan_id in expected]
    edges = set().union(*(can_feed(source, target) for source in chosen for target in chosen))
    assert set(graph.edges) == edges
    assert len(graph.edges) == len(edges)


@given(several_plans(), st.randoms(use_true_random=False))
def test_plan_graph_is_the_same_in_any_order(given_plans: list[Plan], random: Random) -> None:
    """The order in which Plans come from a database changes nothing, not even the order of discovery."""
    root = given_plans[0].plan_id
    mixed = sorted(given_plans, key=lambda _: random.random())
    one, other = (
        graphs.plan_graph(root, graphs.Neighbours(each), upstream=None, downstream=None)
        for each in (given_plans, mixed)
    )
    assert one == other


def test_logs_feed() -> None:
    """A log that carries an input's tags is an edge without an output path."""
    source, target = a_plan("s", [tag_set("x:1")], [], tag_set("type:log")), simple("t", "type:log", "y:1")
    graph = graphs.plan_graph(PlanId("s"), graphs.Neighbours([source, target]), downstream=1)
    assert graph.edges == [graphs.PlanEdge(PlanId("s"), None, PlanId("t"), "/in/0")]


def test_uploads_feed_nothing() -> None:
    """The built-in Plan's output has no tags, so it has no edges."""
    upload = Plan(plan_id=PlanId("u"), name=plans.UPLOADED)
    graph = graphs.plan_graph(PlanId("u"), graphs.Neighbours([upload, simple("t", "a:1", "b:1")]), downstream=None)
    assert ([plan.plan_id for plan in graph.plans], graph.edges) == (["u"], [])


def test_unknown_root() -> None:
    """A Plan that does not exist has no graph."""
    with pytest.raises(NotFound, match="no Plan nowhere"):
        graphs.plan_graph(PlanId("nowhere"), graphs.Neighbours([]))
