"""Matching: which Data fit, which Runs follow, each exactly once and in any order of events."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from dataclasses import replace

import pytest
from domain_world import World, derived_id, spec, tag_set
from hypothesis import given, settings
from hypothesis import strategies as st

from knit_server.domain import matching, tags, times
from knit_server.domain.data import Data
from knit_server.domain.ids import KnitId, PlanId, RunId
from knit_server.domain.images import ImageName
from knit_server.domain.matching import Reason, Verdict
from knit_server.domain.plans import Input, Plan, PlanSpec
from knit_server.domain.runs import Assignment, Status
from knit_server.domain.tags import Tag, Tags

NOON = times.parse_instant("2026-01-01T12:00:00.123Z")
NOON_TAGS = ["2026-01-01T12:00:00.123Z", "2026-01-01T21:00:00.1239+09:00"]


def a_data(name: str, text: str = "", status: Status = Status.DONE, timestamp: int | None = NOON) -> Data:
    return Data(
        knit_id=KnitId(name), tags=tag_set(text), run_id=RunId("r"), path="/out", status=status, timestamp=timestamp
    )


def asks(text: str) -> Input:
    return Input(path="/in", tags=tag_set(text))


def fits(text: str, data: Data) -> bool:
    return matching.judge(asks(text), data).fits


# --- one Data, one input ----------------------------------------------------------------------------------------------


def test_a_data_fits_when_it_has_all_tags() -> None:
    """All tags of the input must be there, others may (scenarios 21, 22, 27)."""
    assert fits("x:1", a_data("d", "x:1 y:2"))
    assert fits("x:1 y:2", a_data("d", "x:1 y:2"))
    assert not fits("x:1", a_data("d", "x:2"))
    assert matching.judge(asks("x:1 y:2 z:3"), a_data("d", "x:1")) == Verdict(Reason.LACKS_TAG, tag_set("y:2 z:3"))


@pytest.mark.parametrize("status", [each for each in Status if each is not Status.DONE])
def test_only_done_data_fit(status: Status) -> None:
    """Data of a Run in any of the nine other statuses do not fit, whatever their tags (scenario 23)."""
    assert matching.judge(asks("x:1"), a_data("d", "x:1", status)) == Verdict(Reason.NOT_DONE)


def test_an_input_may_name_a_data() -> None:
    """`knit#id` fits that Data alone, and other tags must hold as well (scenario 24)."""
    assert fits("knit#id:d", a_data("d"))
    assert not fits("knit#id:d", a_data("e"))
    assert not fits("knit#id:d x:1", a_data("d"))
    assert fits("knit#id:d x:1", a_data("d", "x:1"))


@pytest.mark.parametrize("text", NOON_TAGS)
def test_an_input_may_name_an_instant(text: str) -> None:
    """`knit#timestamp` fits the millisecond shown to people, in any zone (scenario 25)."""
    tag = f"knit#timestamp:{text}"
    assert fits(tag, a_data("d"))
    assert not fits(tag, a_data("d", timestamp=NOON + 1))
    assert not fits(tag, a_data("d", timestamp=None))


def test_id_and_instant_and_tags_all_hold() -> None:
    """Each of the three must hold by itself (scenario 26)."""
    everything = f"knit#id:d knit#timestamp:{NOON_TAGS[0]} x:1"
    assert fits(everything, a_data("d", "x:1"))
    for other in (a_data("e", "x:1"), a_data("d", "x:1", timestamp=NOON + 1), a_data("d", "x:2")):
        verdict = matching.judge(asks(everything), other)
        assert verdict.reason is Reason.LACKS_TAG
        assert len(verdict.missing) == 1


def test_an_input_without_tags_fits_nothing() -> None:
    """Validation prevents it; matching does not rely on that."""
    assert not matching.judge(Input(path="/in", tags=()), a_data("d", "x:1")).fits


# --- the index --------------------------------------------------------------------------------------------------------

some_tags = st.sets(st.sampled_from([Tag(key, value) for key in "abc" for value in "12"]), max_size=4)
system_tags = st.sets(
    st.sampled_from([Tag(tags.ID, "d0"), Tag(tags.ID, "d1"), *(Tag(tags.TIMESTAMP, text) for text in NOON_TAGS)]),
    max_size=2,
)
inputs = st.tuples(some_tags, system_tags).map(lambda parts: tags.normal(parts[0] | parts[1])).filter(bool)


@given(
    st.lists(inputs, max_size=8), st.lists(some_tags, max_size=4), st.lists(st.integers(0, 5), min_size=6, max_size=6)
)
def test_the_index_finds_what_brute_force_finds(
    asked: list[Tags], given_tags: list[set[Tag]], counts: list[int]
) -> None:
    """Whatever tag is taken as the rarest, the indexed candidates hold every input that fits, once."""
    uses = dict(zip([Tag(key, value) for key in "abc" for value in "12"], counts, strict=True))
    index = matching.Index(lambda tag: uses[tag])
    plans = [
        Plan(plan_id=PlanId(f"p{n}"), spec=PlanSpec(image=ImageName("x", "1"), inputs=(Input(path="/in", tags=each),)))
        for n, each in enumerate(asked)
    ]
    for plan in plans:
        index.add(plan)
    for number, user in enumerate(given_tags):
        data = replace(a_data(f"d{number}", timestamp=NOON + number), tags=tags.normal(user))
        found = [plan.plan_id for plan, each in index.candidates(data) if matching.judge(each, data).fits]
        brute = [plan.plan_id for plan in plans if matching.judge(plan.inputs[0], data).fits]
        assert sorted(found) == sorted(brute)
        assert list(index.candidates(data)) == list(index.candidates(data))


@given(inputs)
def test_anchors(asked: Tags) -> None:
    """A system tag is always the anchor; instants are looked up by their text in UTC."""
    anchor = matching.anchor(Input(path="/in", tags=asked), lambda tag: 0)
    assert anchor in {matching.anchor_of(tag) for tag in asked}
    assert anchor.is_system == any(tag.is_system for tag in asked)
    if any(tag.key == tags.ID for tag in asked):
        assert anchor.key == tags.ID
    if anchor.key == tags.TIMESTAMP:
        assert anchor.value == times.format_instant(NOON)


def test_the_rarest_tag_is_the_anchor() -> None:
    """Among user tags the one that the fewest Data carry is taken."""
    uses = {Tag("project", "p"): 10_000, Tag("type", "raw"): 3}
    assert matching.anchor(asks("project:p type:raw"), uses.__getitem__) == Tag("type", "raw")


# --- combinations -----------------------------------------------------------------------------------------------------

SHAPE = spec("x", {"/a": "a:1", "/b": "b:1", "/c": "c:1"}, {})
PLAN = Plan(plan_id=PlanId("plan"), spec=SHAPE)


def ids(*names: str) -> list[KnitId]:
    return [KnitId(name) for name in names]


def project(
    nominated: dict[str, list[KnitId]], known: Collection[str] = (), limit: int = 1000, plan: Plan = PLAN
) -> matching.Projection:
    def existing(keys: Collection[str]) -> Collection[str]:
        return [key for key in keys if key in known]

    return matching.project(plan, Assignment(path="/a", knit_id=KnitId("a1")), nominated, existing, limit=limit)


def key_of(*names: str) -> str:
    return matching.run_key(PLAN.plan_id, [Assignment(path=f"/{name[0]}", knit_id=KnitId(name)) for name in names])


def test_without_a_partner_there_is_no_run() -> None:
    """Every input needs a Data (scenario 34)."""
    found = project({"/b": ids("b1"), "/c": []})
    assert (found.new, found.complete, found.reasons) == ((), True, {Reason.NO_PARTNER: 1})


def test_all_combinations_with_the_trigger() -> None:
    """Two Data at each of two other inputs give four Runs, each with its inputs by path (scenarios 36, 37)."""
    found = project({"/b": ids("b1", "b2"), "/c": ids("c1", "c2")})
    names = {tuple(each.knit_id for each in combination) for combination in found.new}
    assert names == {("a1", b, c) for b in ("b1", "b2") for c in ("c1", "c2")}
    assert found.complete
    assert found.reasons == {Reason.MATCHED: 4}
    assert all([each.path for each in combination] == ["/a", "/b", "/c"] for combination in found.new)


def test_known_combinations_are_left_out() -> None:
    """One of four exists: three are new; all exist: none, with the reason. Others' keys do not count.

    (scenarios 38, 39)
    """
    nominated = {"/b": ids("b1", "b2"), "/c": ids("c1", "c2")}
    found = project(nominated, {key_of("a1", "b1", "c1"), "unrelated"})
    assert (len(found.new), found.reasons) == (3, {Reason.MATCHED: 3, Reason.DONE_ALREADY: 1})
    everything = {key_of("a1", b, c) for b in ("b1", "b2") for c in ("c1", "c2")}
    assert project(nominated, everything).reasons == {Reason.DONE_ALREADY: 4}


def test_an_inactive_plan_says_so() -> None:
    """Runs of a Plan that is switched off are made, deactivated (scenario 41)."""
    off = replace(PLAN, spec=replace(SHAPE, active=False))
    assert project({"/b": ids("b1"), "/c": ids("c1")}, plan=off).reasons == {Reason.PLAN_INACTIVE: 1}


@given(st.integers(0, 40), st.integers(1, 60), st.integers(1, 60), st.integers(1, 3000))
@settings(max_examples=40)
def test_limits(done: int, width: int, height: int, limit: int) -> None:
    """At most `limit` come back; `complete` says whether that was all; repeating gives each exactly once."""
    nominated = {"/b": ids(*(f"b{n}" for n in range(width))), "/c": ids(*(f"c{n}" for n in range(height)))}
    everything = [key_of("a1", b, c) for b, c in itertools.product(nominated["/b"], nominated["/c"])]
    known = set(everything[:done])
    found = project(nominated, known, limit)
    rest = len(everything) - len(known)
    assert len(found.new) == min(rest, limit)
    assert found.complete == (rest <= limit)
    assert (Reason.HELD_LIMIT in found.reasons) != found.complete
    steps = 0
    while not found.complete or steps == 0:
        keys = {matching.run_key(PLAN.plan_id, combination) for combination in found.new}
        assert len(keys) == len(found.new)
        assert not keys & known
        known |= keys
        steps += 1
        found = project(nominated, known, max(limit, 1000))
    known |= {matching.run_key(PLAN.plan_id, combination) for combination in found.new}
    assert known == set(everything)


def test_a_limit_ends_the_work() -> None:
    """Of a million combinations only as many are looked at as the limit needs."""
    asked: list[int] = []

    def nothing(keys: Collection[str]) -> Collection[str]:
        asked.append(len(keys))
        return ()

    nominated = {"/b": ids(*(f"b{n}" for n in range(1000))), "/c": ids(*(f"c{n}" for n in range(1000)))}
    trigger = Assignment(path="/a", knit_id=KnitId("a1"))
    assert len(matching.project(PLAN, trigger, nominated, nothing, limit=100).new) == 100
    assert sum(asked) <= 1000


def test_a_repeated_nomination_is_one() -> None:
    """A Data that is listed twice is combined once."""
    assert len(project({"/b": ids("b1", "b1"), "/c": ids("c1")}).new) == 1


def test_a_data_may_be_at_several_inputs() -> None:
    """The same Data can fit two inputs of one Run."""
    found = project({"/b": ids("a1"), "/c": ids("a1")})
    assert [each.knit_id for each in found.new[0]] == ["a1", "a1", "a1"]


@given(st.permutations(["a1", "b2", "c3"]))
def test_run_keys_do_not_depend_on_order(names: list[str]) -> None:
    """The key of a Run is that of its set of assignments."""
    assert key_of(*names) == key_of("a1", "b2", "c3")


def test_run_keys_tell_runs_apart() -> None:
    """Another Plan, path or Data is another key; paths and ids are not simply joined."""
    variants = [
        matching.run_key(PlanId(plan), [Assignment(path=path, knit_id=KnitId(name))])
        for plan, path, name in [
            ("p", "/a", "d"),
            ("q", "/a", "d"),
            ("p", "/ad", ""),
            ("p", "/", "ad"),
            ("p", '/a","d', ""),
        ]
    ]
    assert len(set(variants)) == len(variants)


def test_run_key_is_fixed() -> None:
    """Databases keep keys: they must never change, or everything would run again."""
    assert key_of("a1", "b1") == "32b96a938a6b915238d059ea41174d900c8cc9b75a5e502548f37ac527481d45"


# --- whole worlds -----------------------------------------------------------------------------------------------------

PIPELINE = [
    spec("one", {"/in": "t:raw"}, {"/out": "t:clean"}, "t:log"),
    spec("two", {"/in": "t:clean", "/model": "t:model"}, {"/out": "t:scored"}),
    spec("three", {"/l": "t:clean", "/r": "t:clean"}, {"/out": "t:pair"}),
    spec("four", {"/in": f"knit#id:{derived_id('data', derived_id('push', 'model'), '/upload')}"}, {}),
    spec("five", {"/in": "t:log"}, {"/out": "t:report"}),
]
PUSHES = [("first", "t:raw"), ("second", "t:raw extra:1"), ("model", "t:model"), ("both", "t:model t:clean")]
EVENTS: list[PlanSpec | tuple[str, str]] = [*PIPELINE, *PUSHES]


def play(events: list[PlanSpec | tuple[str, str]], world: World, data: st.DataObject | None) -> set[RunId]:
    """Let the events happen, with steps of Knit in between and after them, drawn at random."""
    choose = (lambda count: data.draw(st.integers(0, count - 1))) if data else (lambda count: 0)
    for event in events:
        if isinstance(event, PlanSpec):
            world.apply(event)
        else:
            world.push(event[1], event[0])
        for _ in range(data.draw(st.integers(0, 5)) if data else 0):
            world.step(choose)
    return set(world.settle(choose).runs)


EXPECTED = play(EVENTS, World(), None)


@given(st.permutations(EVENTS), st.integers(1, 5), st.booleans(), st.data())
@settings(max_examples=60)
def test_any_order_leads_to_the_same_runs(
    events: list[PlanSpec | tuple[str, str]], limit: int, settled_only: bool, data: st.DataObject
) -> None:
    """Pushes, Plans, projections and ends of Runs in any order, with any limit, lead to the same set of Runs.

    That none is made twice is asserted by the world itself.

    (scenario 40)
    """
    assert play(events, World(limit, settled_only=settled_only), data) == EXPECTED


def test_the_pipeline_has_the_runs_one_counts_by_hand() -> None:
    """4 uploads, 2 cleaned; 3 clean Data x 2 models; 3 x 3 pairs; 1 for the named model; 2 logs."""
    assert len(EXPECTED) == 4 + 2 + 3 * 2 + 3 * 3 + 1 + 2


@given(st.data())
@settings(max_examples=40)
def test_a_tag_taken_and_given_back_makes_nothing_new(data: st.DataObject) -> None:
    """Removing a tag ends a nomination, giving it back renews it, but every combination has its Run (scenario 29)."""
    world = World()
    assert play(EVENTS, world, None) == EXPECTED
    for _ in range(3):
        knit_id = data.draw(st.sampled_from(sorted(world.data)))
        before = world.data[knit_id].tags
        world.retag(knit_id, ())
        assert not any(
            knit_id in fitting
            for (plan_id, path), fitting in world.nominated.items()
            if all(tag.key != tags.ID for asked in world.plans[plan_id].inputs for tag in asked.tags)
        )
        world.settle()
        world.retag(knit_id, before)
        if before and any(set(asked.tags) <= set(before) for plan in world.plans.values() for asked in plan.inputs):
            assert world.pending, "re-nominated, so asked again"
        assert set(world.settle().runs) == EXPECTED


def test_saving_the_same_tags_again_asks_nothing() -> None:
    """Re-tagging without effect leaves nominations as they are (scenario 28)."""
    world = World()
    play(EVENTS, world, None)
    for knit_id, data in list(world.data.items()):
        world.retag(knit_id, data.tags)
    assert world.pending == []


def test_an_inactive_plan_makes_deactivated_runs() -> None:
    """Matching goes on while a Plan is switched off; its Runs wait for the switch (scenario 41)."""
    world = World()
    world.push("t:raw")
    plan = world.apply(replace(PIPELINE[0], active=False))
    world.settle()
    made = [run.status for run in world.runs.values() if run.plan_id == plan.plan_id]
    assert made == [Status.DEACTIVATED]
