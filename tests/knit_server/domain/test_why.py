"""Why: every code has a scenario, and what is said of a combination is what matching does with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from domain_world import World, spec, tag_set
from hypothesis import given, settings
from hypothesis import strategies as st

from knit_server.domain import matching, why
from knit_server.domain.data import Data
from knit_server.domain.ids import KnitId, PlanId, RunId
from knit_server.domain.matching import Reason
from knit_server.domain.notes import held_by_hook
from knit_server.domain.plans import Input, Plan
from knit_server.domain.runs import Assignment, Exit, Run, Status
from knit_server.domain.tags import Tag
from knit_server.domain.why import MEANINGS, Code, DataFacts, Explanation, Happened, Made, PlanFacts, Point, Room
from knit_server.domain.why.points import lookalike
from knit_server.domain.why.runs import RunFacts, Source

GIB = 1 << 30
ROOMY = Room(asked=(1, GIB), capacity=(4, 8 * GIB), free=(4, 8 * GIB))


def a_plan(inputs: dict[str, str] | None = None, plan_id: str = "p1", *, active: bool = True, log: str = "l:1") -> Plan:
    made = spec("lab/x:1", inputs or {"/in": "type:raw"}, {"/out": "type:made"}, log)
    return Plan(plan_id=PlanId(plan_id), spec=replace(made, active=active))


def a_data(text: str = "type:raw", status: Status = Status.DONE, knit_id: str = "d1") -> Data:
    return Data(
        knit_id=KnitId(knit_id), tags=tag_set(text), run_id=RunId("r-of-" + knit_id), path="/out", status=status
    )


def a_run(status: Status, exit_: Exit | None = None, **more: object) -> Run:
    found = Run(
        run_id=RunId("r1"), plan_id=PlanId("p1"), key="k", status=status, updated_at=0, exit=exit_, attempt=1
    )  # fmt: skip
    return replace(found, **more)  # type: ignore[arg-type]


def made(**counts: int) -> Made:
    found = {Status(name): count for name, count in counts.items()}
    return Made(counts=found, newest={status: RunId(f"r-{status.value}") for status in found})


def of_data(data: Data, *plans: Plan, **facts: object) -> Explanation:
    survey = why.survey(data, plans, lambda tag: 1)
    return why.explain_data(DataFacts(data=data, survey=survey, **facts))  # type: ignore[arg-type]


def of_run(run: Run, plan: Plan | None = None, **facts: object) -> Explanation:
    return why.explain_run(RunFacts(run=run, plan=plan or a_plan(), **facts))  # type: ignore[arg-type]


def of_plan(plan: Plan, **facts: object) -> Explanation:
    return why.explain_plan(PlanFacts(plan=plan, **facts))  # type: ignore[arg-type]


def ended(code: int, message: str) -> Run:
    return a_run(Status.FAILED, Exit(code, message))


AT = (PlanId("p1"), "/in")
HOOKED = held_by_hook("hook http://h/ answered 500", 2.0, 58_000)
PAIR = a_plan({"/in": "type:raw", "/more": "type:extra"})

SCENARIOS: dict[Code, Callable[[], Explanation]] = {
    Code.MATCHED: lambda: of_data(a_data(), a_plan(), made={AT: made(done=1)}),
    Code.FITS: lambda: of_data(a_data(), a_plan()),
    Code.LACKS_TAG: lambda: of_data(a_data("type:rwa"), a_plan()),
    Code.NOT_DONE: lambda: of_data(a_data(status=Status.RUNNING), a_plan()),
    Code.NO_PARTNER: lambda: of_data(a_data(), PAIR, fitting={AT: 1}),
    Code.DONE_ALREADY: lambda: of_data(a_data(), a_plan(), made={AT: made(invalidated=1)}),
    Code.PLAN_INACTIVE: lambda: of_data(a_data(), a_plan(active=False), made={AT: made(deactivated=1)}),
    Code.PLAN_ARCHIVED: lambda: of_plan(replace(a_plan(), archived=True)),
    Code.HELD_LIMIT: lambda: of_data(a_data(), a_plan(), pending={AT}),
    Code.NO_PLAN: lambda: of_data(a_data("other:thing"), a_plan()),
    Code.NO_DATA: lambda: of_plan(a_plan(), nearest={"/in": [a_data("type:rwa")]}),
    Code.CAUSED: lambda: of_run(a_run(Status.RUNNING), cause=Happened(kind="push", subject="d1", at=0)),
    Code.MADE_BY: lambda: of_run(
        a_run(Status.DONE),
        sources=(Source(path="/in", knit_id=KnitId("d1"), run=a_run(Status.DONE, run_id=RunId("r0")), plan=a_plan()),),
    ),
    Code.WAITING_FOR_ROOM: lambda: of_run(a_run(Status.WAITING), room=replace(ROOMY, free=(0.5, GIB)), ahead=3),
    Code.HELD_BY_HOOK: lambda: of_run(a_run(Status.WAITING), room=ROOMY, note=HOOKED),
    Code.TOO_LARGE: lambda: of_run(a_run(Status.READY), room=replace(ROOMY, asked=(8, 16 * GIB)), note="held"),
    Code.IMAGE_MISSING: lambda: of_run(a_run(Status.WAITING), room=ROOMY, has_image=False),
    Code.RUNNING: lambda: of_run(a_run(Status.RUNNING)),
    Code.PUT_OFF: lambda: of_run(a_run(Status.RUNNING), again_at=60_000, tries=1, note="attempt 1 of 3 failed"),
    Code.STORING: lambda: of_run(a_run(Status.COMPLETING)),
    Code.UNATTENDED: lambda: of_run(a_run(Status.RUNNING), attended=False),
    Code.DONE: lambda: of_run(a_run(Status.DONE, Exit(0)), made=(KnitId("d2"),)),
    Code.EXIT: lambda: of_run(ended(3, "(container main) Error"), log=("I leave now",)),
    Code.OOM: lambda: of_run(ended(137, "(container main) OOMKilled"), room=ROOMY),
    Code.ABORTED: lambda: of_run(ended(253, "aborted by user")),
    Code.VANISHED: lambda: of_run(ended(254, "gone"), losses=3),
    Code.STUCK: lambda: of_run(ended(255, "there is no image lab/x:1"), has_image=False),
    Code.TIMED_OUT: lambda: of_run(ended(252, "timed out after 10m")),
    Code.DELETED: lambda: of_run(a_run(Status.INVALIDATED)),
}


def every(points: tuple[Point, ...]) -> Iterator[Point]:
    for each in points:
        yield each
        yield from every(each.below)


# --- the codes --------------------------------------------------------------------------------------------------------


def test_every_code_is_used_and_explained() -> None:
    """A code without a scenario, or without a meaning in the docs, is one too many."""
    assert set(SCENARIOS) == set(Code) == set(MEANINGS)


def test_receipts_have_the_same_codes() -> None:
    """What matching files is told by the same word now."""
    assert {each.value for each in Reason} <= {each.value for each in Code}


@pytest.mark.parametrize("code", SCENARIOS, ids=lambda code: code.value)
def test_a_scenario_gives_its_code(code: Code) -> None:
    """Each scenario says what it is there for, and what to do next."""
    found = SCENARIOS[code]()
    assert code in {each.code for each in every(found.points)}
    assert 1 <= len(found.steps) <= 3
    assert all(each.startswith("knit ") for each in found.steps)


# --- a Data -----------------------------------------------------------------------------------------------------------


def test_a_wrong_tag() -> None:
    """The tag that is missing, the one that was probably meant for it, and the command that mends it."""
    (point,) = of_data(a_data("type:rwa", knit_id="d1"), a_plan()).points
    assert point.text == 'does not fit "/in" of Plan p1 (lab/x:1): it lacks type:raw; it has type:rwa'
    assert (point.tags, point.step) == (tag_set("type:raw"), "knit data tag --add type:raw d1")


def test_words_of_commands_are_quoted() -> None:
    """A tag with blanks is one word of the command line."""
    data = Data(knit_id=KnitId("d1"), tags=(Tag("name", "a dog; $y"),), run_id=RunId("r"), path="/out")
    plan = a_plan()
    assert plan.spec is not None
    odd = replace(plan, spec=replace(plan.spec, inputs=(Input(path="/in", tags=(Tag("name", "a dog; $x"),)),)))
    assert of_data(data, odd).steps == ("knit data tag --add 'name:a dog; $x' d1",)


def test_the_nearest_inputs_come_first_and_are_five() -> None:
    """First what was meant, then by the rarest tag that is shared; never more than five."""
    common = [a_plan({"/in": f"project:x kind:{n}"}, f"common{n}") for n in range(9)]
    rare = a_plan({"/in": "batch:7 kind:z"}, "rare")
    meant = a_plan({"/in": "project:x type:raw"}, "meant")
    data = a_data("project:x batch:7 type:rwa")
    survey = why.survey(data, [*common, rare, meant], lambda tag: 1 if tag.key == "batch" else 1000)
    assert [each.plan.plan_id for each in survey.near] == ["meant", "rare", "common0", "common1", "common2"]


def test_of_lookalikes_the_most_alike_comes_first() -> None:
    """A letter that is missing is more likely a slip than half a word that differs, whatever the ids."""
    close, distant = a_plan({"/in": "case:mended-tag"}, "zzz"), a_plan({"/in": "case:mended-far-off"}, "aaa")
    survey = why.survey(a_data("case:mended-ta"), [distant, close], lambda tag: 1)
    assert survey.near[0].plan.plan_id == "zzz"


def test_what_lacks_two_tags_or_is_pinned_is_not_near() -> None:
    """Nobody is told of inputs that are far away, but of every input when the Plan was named."""
    far, pinned = a_plan({"/in": "a:1 b:2 type:raw"}), a_plan({"/in": "knit#id:else type:raw"}, "p2")
    survey = why.survey(a_data(), [far, pinned], lambda tag: 1)
    assert (survey.fits, survey.near) == ((), ())
    named = why.survey(a_data(), [far, pinned], lambda tag: 1, every_input=True)
    assert {each.plan.plan_id for each in named.near} == {"p1", "p2"}


def test_the_missing_partner_and_what_comes_near() -> None:
    """Which other input is empty, which Data is on its way to it, which lacks a tag."""
    coming, near = a_data("type:extra", Status.RUNNING, "d8"), a_data("type:extar", knit_id="d9")
    failed = a_data("type:extra", Status.FAILED, "d7")
    found = of_data(a_data(), PAIR, fitting={AT: 1}, nearest={(PlanId("p1"), "/more"): [failed, near, coming]})
    (point,) = found.points
    assert point.text == 'fits "/in" of Plan p1 (lab/x:1): no Run, since "/more" has no Data'
    (empty,) = point.below
    assert [(each.code, each.knit_id) for each in empty.below] == [
        (Code.NOT_DONE, "d8"), (Code.NOT_DONE, "d7"), (Code.LACKS_TAG, "d9"),
    ]  # fmt: skip
    assert found.steps == ("knit why r-of-d8", "knit why r-of-d7", "knit data tag --add type:extra d9")


def test_what_failed_is_not_mended_by_tags() -> None:
    """What a failed Run left is no candidate, and comes near nothing, for the lack of a tag."""
    lost = a_data("type:extar", Status.FAILED, "d7")
    (empty,) = of_data(a_data(), PAIR, fitting={AT: 1}, nearest={(PlanId("p1"), "/more"): [lost]}).points[0].below
    assert empty.below == ()
    found = of_data(a_data("type:rwa", Status.FAILED), a_plan())
    assert [each.code for each in found.points] == [Code.NOT_DONE]
    assert found.steps == ("knit why r-of-d1",)


def test_an_empty_input_asks_for_a_push() -> None:
    """With nothing near, the next step is to push what is asked for."""
    assert of_data(a_data(), PAIR, fitting={AT: 1}).steps == ("knit data push -t type:extra DIR",)


def test_a_failed_run_is_the_next_step() -> None:
    """Where Runs were made, the one that failed is looked at first."""
    (point,) = of_data(a_data(), a_plan(), made={AT: made(done=2, failed=1)}).points
    assert point.text.endswith("3 Runs: 2 done, 1 failed")
    assert point.step == "knit why r-failed"


def test_lookalikes() -> None:
    """Half of a tag is the same, and the other half is nearly so."""
    have = tag_set("type:rwa project:x")
    assert lookalike(Tag("type", "raw"), have) == Tag("type", "rwa")
    assert lookalike(Tag("projekt", "x"), have) == Tag("project", "x")
    assert lookalike(Tag("type", "mask"), have) is None


# --- a Plan and a Run -------------------------------------------------------------------------------------------------


def test_a_plan() -> None:
    """Each input with how many Data fit, and how the Runs stand."""
    found = of_plan(PAIR, fitting={"/in": 2}, made=made(done=1, waiting=1), room=ROOMY)
    assert [each.code for each in found.points] == [Code.FITS, Code.NO_DATA, Code.MATCHED]
    assert found.points[0].text == '2 Data fit "/in" (type:raw)'


def test_too_large_tells_how_to_lower_it() -> None:
    """The step asks for what the machine has."""
    found = of_plan(a_plan(), fitting={"/in": 1}, room=replace(ROOMY, asked=(8, 16 * GIB)))
    assert found.steps == ("knit plan resource --set cpu=4 --set memory=8192Mi p1",)


def test_an_exit_shows_the_log() -> None:
    """Code, message, attempts, image and sandbox, and where to read on."""
    found = of_run(ended(3, "(container main) Error"), image_digest="sha256:x", sandbox="bwrap", losses=1)
    (point,) = found.points
    assert (
        point.text
        == "its program failed: exit code 3, (container main) Error (attempt 1, 1 lost together with a server)"
    )
    assert point.detail == {
        "exit": {"code": 3, "message": "(container main) Error"}, "attempt": 1, "losses": 1,
        "tries": 0, "imageDigest": "sha256:x", "sandbox": "bwrap",
    }  # fmt: skip
    assert found.steps == ("knit run show --log r1", "knit run retry r1")


def test_a_broken_upload() -> None:
    """An upload has no program, no log and no second try."""
    upload = Plan(plan_id=PlanId("p0"), name="knit#uploaded")
    found = of_run(ended(255, "the upload was cut off"), upload)
    (point,) = found.points
    assert point.text == "its upload did not come to its end: exit code 255, the upload was cut off"
    assert found.steps == ("knit run show r1",)


@pytest.mark.parametrize("code", [253, 254, 255])
def test_programs_may_use_our_exit_codes(code: int) -> None:
    """A program that exits with 253 to 255 failed; only Knit's own messages mean more."""
    (point,) = of_run(ended(code, "(container main) Error")).points
    assert point.code is Code.EXIT


def test_out_of_memory_suggests_twice_as_much() -> None:
    """The log is of little help; more memory is."""
    found = SCENARIOS[Code.OOM]()
    assert found.points[0].text.startswith("its program was killed: it took more than 1 GiB: exit code 137")
    assert found.steps == ("knit plan resource --set memory=2048Mi p1", "knit run retry r1")


def test_a_missing_image_comes_before_the_retry() -> None:
    """First build, then try again."""
    assert SCENARIOS[Code.STUCK]().steps == ("knit image build -t lab/x:1 DIR", "knit run retry r1")


def test_where_nobody_schedules() -> None:
    """A process that leaves scheduling to another says so."""
    (point,) = of_run(a_run(Status.WAITING), room=replace(ROOMY, here=False)).points
    assert "another process of this home schedules" in point.text
    assert point.detail["here"] is False


@pytest.mark.parametrize(
    ("status", "step"),
    [
        (Status.WAITING, "knit run rm r1"), (Status.READY, "knit run stop --fail r1"),
        (Status.STARTING, "knit run stop --fail r1"), (Status.COMPLETING, "knit why r1"),
    ],
)  # fmt: skip
def test_a_hook_that_refuses(status: Status, step: str) -> None:
    """Which hook, when it is asked again, and how to do without the Run; nothing of cores that are free."""
    found = of_run(a_run(status), room=ROOMY, note=HOOKED)
    (point,) = found.points
    assert point.code is Code.HELD_BY_HOOK
    assert point.text == (
        "a lifecycle hook holds it: hook http://h/ answered 500; asked again at 1970-01-01T00:01:00+00:00; "
        "look at the hook: the Run goes on once it agrees"
    )
    assert found.steps == (step,)


def test_a_hook_and_then_the_queue() -> None:
    """A Run that gave its room away while a hook refused it may have to wait for room next."""
    found = of_run(a_run(Status.WAITING), room=replace(ROOMY, free=(0, 0)), note=HOOKED)
    assert [each.code for each in found.points] == [Code.HELD_BY_HOOK, Code.WAITING_FOR_ROOM]
    assert "note" not in found.points[1].text


def test_a_hook_of_a_server_that_is_gone() -> None:
    """Nobody asks the hook again until another server takes the Run over."""
    (point,) = of_run(a_run(Status.COMPLETING), note=HOOKED, attended=False).points
    assert point.code is Code.UNATTENDED


def test_archived_plans_are_told_where_no_other_is() -> None:
    """A Data that fits nothing but a Plan in the archive is told how to take it out; older versions are no news."""
    old = replace(a_plan(plan_id="old"), archived=True)
    found = of_data(a_data(), old)
    assert [(each.code, each.plan_id) for each in found.points] == [(Code.PLAN_ARCHIVED, "old")]
    assert found.steps == ("knit plan archive --undo old",)
    assert [each.plan_id for each in of_data(a_data(), old, a_plan()).points] == ["p1"]
    assert [each.code for each in of_data(a_data("type:rwa"), old).points] == [Code.NO_PLAN]


# --- agreement with matching ------------------------------------------------------------------------------------------

tag_texts = st.sampled_from(["", "a:1", "b:1", "a:1 b:1", "c:1", "a:1 c:1", "a:2"])
plan_inputs = st.dictionaries(
    st.sampled_from(["/1", "/2"]), st.sampled_from(["a:1", "b:1", "a:1 b:1", "c:1"]), min_size=1, max_size=2
)


def facts_of(world: World, data: Data) -> DataFacts:
    """Look up in a world what the service looks up in the database."""
    counts: dict[tuple[PlanId, str], dict[Status, int]] = {}
    for run_id, links in world.made.items():
        for each in links.inputs:
            if each.knit_id == data.knit_id:
                run = world.runs[run_id]
                found = counts.setdefault((run.plan_id, each.path), {})
                found[run.status] = found.get(run.status, 0) + 1
    return DataFacts(
        data=data,
        survey=why.survey(data, list(world.plans.values()), lambda tag: 1),
        made={at: Made(counts=found, newest={}) for at, found in counts.items()},
        pending={(plan_id, each.path) for plan_id, each in world.pending if each.knit_id == data.knit_id},
        fitting={at: len(found) for at, found in world.nominated.items() if found},
    )


@settings(max_examples=150)
@given(st.lists(plan_inputs, min_size=1, max_size=3), st.lists(tag_texts, max_size=5), st.integers(0, 6))
def test_what_is_owed_is_what_matching_makes(plans: list[dict[str, str]], pushes: list[str], steps: int) -> None:
    """Where why says that a Data fits, with all partners and no Run, matching makes one; without partners, none."""
    world = World()
    for number, inputs in enumerate(plans):
        world.apply(spec(f"image:{number}", inputs, {}))
    for text in pushes:
        world.push(text)
    for _ in range(min(steps, len(world.pending))):
        world.project()
    for data in list(world.data.values()):
        for point in why.explain_data(facts_of(world, data)).points:
            if point.plan_id is None or point.path is None or point.code is Code.LACKS_TAG:
                continue
            plan = world.plans[point.plan_id]
            nominated = {each.path: world.nominated.get((plan.plan_id, each.path), []) for each in plan.inputs}
            trigger = Assignment(path=point.path, knit_id=data.knit_id)
            keys = {run.key for run in world.runs.values()}
            new = matching.project(plan, trigger, nominated, lambda asked: keys & set(asked), limit=9).new  # noqa: B023
            assert data.knit_id in nominated[point.path]
            if point.code in (Code.FITS, Code.HELD_LIMIT) and not point.runs:
                assert new
            if point.code is Code.NO_PARTNER:
                assert not new
