"""Every combination exactly once: in any order of events, and with everything at the same time."""

from __future__ import annotations

import itertools
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from desk import Desk
from hypothesis import given, settings
from hypothesis import strategies as st

from knit_server.domain.matching import judge
from knit_server.domain.runs import Status
from knit_server.domain.views import PlanView
from knit_server.service import data, plans, runs
from knit_server.service.context import Limits
from knit_server.service.data import DataQuery
from knit_server.service.runs import RunQuery
from knit_server.testing import temp_knit

TAGS = ("a:1", "b:1", "c:1")
some = st.lists(st.sampled_from(TAGS), min_size=1, max_size=3, unique=True).map(" ".join)
events = st.lists(
    st.one_of(
        st.tuples(st.just("push"), some),
        st.tuples(st.just("apply"), st.lists(some, min_size=1, max_size=3)),
        st.tuples(st.just("tag"), st.integers(0, 9), st.sampled_from(TAGS), st.booleans()),
        st.tuples(st.just("switch"), st.integers(0, 3), st.booleans()),
        st.tuples(st.just("end"), st.booleans()),
        st.tuples(st.just("project")),
    ),
    max_size=12,
)


class Expected:
    """Keeps in mind which combinations were complete at some moment."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.plans: list[PlanView] = []
        self.combinations: dict[str, set[frozenset[tuple[str, str]]]] = {}

    def look(self) -> None:
        """Add what is complete now: everything by brute force."""
        every = [view.data for view in data.find(self.desk.ctx, DataQuery())]
        for view in self.plans:
            plan = view.plan
            fitting = [[(i.path, d.knit_id) for d in every if judge(i, d).fits] for i in plan.inputs]
            here = self.combinations.setdefault(plan.plan_id, set())
            here.update(frozenset(combination) for combination in itertools.product(*fitting))

    def check(self) -> None:
        """Compare with the Runs there are."""
        for plan in self.plans:
            found = self.desk.combinations(plan)
            assert len(found) == len(set(found))
            assert set(found) == self.combinations[plan.plan.plan_id]


def play(desk: Desk, event: tuple[object, ...], expected: Expected) -> None:
    match event:
        case ("push", str(texts)):
            desk.push(*texts.split())
        case ("apply", list(inputs)):
            outputs = {"/out": "made:1"} if len(inputs) == 1 else {}
            expected.plans.append(desk.apply({f"/{n}": text for n, text in enumerate(inputs)}, outputs))
        case ("tag", int(which), str(tag), bool(adds)):
            if every := desk.find():
                knit_id = every[which % len(every)]
                desk.tag(knit_id, tag) if adds else desk.tag(knit_id, remove=[tag])
        case ("switch", int(which), bool(active)):
            if expected.plans:
                plans.set_active(desk.ctx, expected.plans[which % len(expected.plans)].plan.plan_id, active)
        case ("end", bool(good)):
            for work in desk.start()[:1]:
                desk.end(work, code=0 if good else 1)
        case ("project",):
            desk.project()


@settings(max_examples=40)
@given(events)
def test_any_order(sequence: list[tuple[object, ...]]) -> None:
    """Whatever users do in whatever order: there is a Run for each combination that was ever complete, and no other."""
    with tempfile.TemporaryDirectory() as folder, temp_knit(Path(folder) / "home") as ctx:
        desk = Desk(ctx, Path(folder))
        expected = Expected(desk)
        for event in sequence:
            play(desk, event, expected)
            expected.look()
        expected.check()
        assert desk.owing() == 0


@settings(max_examples=25)
@given(events.map(lambda some: [event for event in some if event[0] not in ("tag", "project")]), st.integers(1, 4))
def test_any_limit(sequence: list[tuple[object, ...]], limit: int) -> None:
    """However few Runs fit into one transaction, the same come out in the end (scenario 40)."""
    with (
        tempfile.TemporaryDirectory() as folder,
        temp_knit(Path(folder) / "home", limits=Limits(runs_per_step=limit)) as ctx,
    ):
        desk = Desk(ctx, Path(folder))
        expected = Expected(desk)
        for event in sequence:
            play(desk, event, expected)
            expected.look()
        desk.project()
        expected.check()


def test_everything_at_once(desk: Desk) -> None:
    """Threads that push, apply, tag, switch and read together end with exactly the product; nobody sees an error.

    (scenario 45)
    """
    early = [desk.push("a:1") for _ in range(4)]
    waiting = [desk.push("c:1") for _ in range(4)]
    applied: list[PlanView] = []

    def switch(number: int) -> None:
        for plan in applied:
            plans.set_active(desk.ctx, plan.plan.plan_id, number % 2 == 0)

    def look(number: int) -> None:
        for view in data.find(desk.ctx, DataQuery()):
            assert view.producer.run.status is view.data.status
        runs.find(desk.ctx, RunQuery())

    work = [
        *((lambda: desk.push("b:1")) for _ in range(12)),
        *((lambda: desk.push("a:1", "b:1")) for _ in range(4)),
        *((lambda: applied.append(desk.apply({"/a": "a:1", "/b": "b:1"}, {"/out": "made:1"}))) for _ in range(4)),
        *((lambda each=each: desk.tag(each, "b:1")) for each in early),
        *((lambda each=each: desk.tag(each, "a:1", "b:1", keys=["c"])) for each in waiting),
        *((lambda each=each: (desk.tag(each, "x:1"), desk.tag(each, remove=["x:1"]))) for each in early),
        *((lambda n=n: switch(n)) for n in range(4)),
        *((lambda n=n: look(n)) for n in range(6)),
    ]
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(each) for each in [*work[::3], *work[1::3], *work[2::3]]]:
            done.result(120)
    a, b = desk.find("a:1"), desk.find("b:1")
    assert (len(a), len(b), desk.owing()) == (12, 24, 0)
    product = {frozenset({("/a", one), ("/b", two)}) for one in a for two in b}
    for plan in applied:
        found = desk.combinations(plan)
        assert len(found) == len(product)
        assert set(found) == product
        wanted = Status.WAITING if plans.show(desk.ctx, plan.plan.plan_id).plan.active else Status.DEACTIVATED
        assert {run.run.status for run in desk.runs(plan)} == {wanted}


def test_finishing_at_once(desk: Desk) -> None:
    """Runs that end in many threads, and their followers, make each combination of the next generation once.

    (scenario 45)
    """
    desk.apply({"/in": "raw:1"}, {"/out": "half:1"}, log=("log:1",))
    join = desk.apply({"/l": "half:1", "/r": "half:1"})
    logs = desk.apply({"/log": "log:1"})
    for _ in range(6):
        desk.push("raw:1")
    works = desk.start()
    with ThreadPoolExecutor(6) as pool:
        assert {run.status for run in pool.map(desk.end, works)} == {Status.DONE}
    made = desk.find("half:1")
    assert set(desk.combinations(join)) == {frozenset({("/l", one), ("/r", two)}) for one in made for two in made}
    assert (len(made), len(desk.runs(join)), len(desk.runs(logs))) == (6, 36, 6)


@pytest.mark.postgres
def test_first_pushes_at_once(tmp_path: Path, postgres_url: str) -> None:
    """The built-in Plan of uploads is registered once, however many first uploads there are."""
    with temp_knit(tmp_path / "home", url=postgres_url) as ctx:
        desk = Desk(ctx, tmp_path)
        with ThreadPoolExecutor(8) as pool:
            pushed = list(pool.map(lambda _: desk.push("a:1"), range(16)))
        assert set(desk.find("a:1")) == set(pushed)
        assert [view.plan.name for view in plans.find(ctx, plans.PlanQuery())] == ["knit#uploaded"]
