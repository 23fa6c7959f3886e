"""Values come back as they went in, whatever users put into them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from stored import HOSTILE, Keeper

from knit_server.domain import plans as rules
from knit_server.domain.errors import InvalidTransition, NotFound
from knit_server.domain.ids import CauseId, KnitId
from knit_server.domain.matching import Reason, anchor, probes
from knit_server.domain.plans import Annotation, OnNode, Output, Plan, Preference
from knit_server.domain.runs import Assignment, Exit, Status
from knit_server.domain.tags import Tag, digest, normal
from knit_server.persistence import Database, causes, contents, data, nominations, plans, runs, tags
from knit_server.persistence.causes import Decision
from knit_server.persistence.nominations import Nomination
from knit_server.persistence.runs import Execution
from knit_server.testing import a_plan

NOBODY = ("ghost", "", "x" * 5000, "a\0b", "\ud800", "😀", "' OR 1=1 --")
"""What users may send in the place of an id."""

HOSTILE_TAGS = normal(
    [*(Tag("key", value) for value in HOSTILE), *(Tag(f"k{n}", "v") for n in range(700)), Tag("", "")]
)


def test_tags_of_data(db: Database, keep: Keeper) -> None:
    """Hundreds of odd tags, one of 100 KB, are kept, found, taken away and given back (scenario 7)."""
    made = keep.done(*HOSTILE_TAGS)
    with db.write() as tx:
        assert data.get(tx, made.knit_id).tags == HOSTILE_TAGS
        assert set(tags.find(tx, HOSTILE_TAGS)) == set(HOSTILE_TAGS)
        data.retag(tx, made.knit_id, (), 1)
        assert data.get(tx, made.knit_id).tags == ()
        data.retag(tx, made.knit_id, HOSTILE_TAGS, 1)
    with db.read() as tx:
        assert data.get(tx, made.knit_id) == made
        for tag in HOSTILE_TAGS[:20]:
            assert data.find(tx, (tag,), None, None) == [made]
        assert data.find(tx, HOSTILE_TAGS[:300], None, None) == [made]


def test_tags_that_look_alike(db: Database, keep: Keeper) -> None:
    """Keys and values are told apart byte by byte: case, blanks, composed and decomposed letters, where to cut."""
    alike = [Tag("a", "b"), Tag("A", "b"), Tag("a", "B"), Tag("a ", "b"), Tag("a", " b"), Tag("a", "b:c"),
             Tag("ab", ""), Tag("", "ab"), Tag("k", "\u00e9"), Tag("k", "e\u0301"), Tag("k", "ss")]  # fmt: skip
    made = {tag: keep.done(tag) for tag in alike}
    with db.read() as tx:
        assert {tag: data.find(tx, (tag,), None, None) for tag in alike} == {tag: [made[tag]] for tag in alike}


def test_a_tag_is_kept_once(db: Database, keep: Keeper) -> None:
    """Data share the row of a tag; giving a tag twice is no error; counting stops where it is told to."""
    first, second = keep.done(Tag("a", "1")), keep.done(Tag("a", "1"))
    with db.write() as tx:
        tags.attach(tx, [(first.knit_id, Tag("a", "1")), (second.knit_id, Tag("a", "1"))])
        assert tags.ensure(tx, [Tag("a", "1"), Tag("b", "1")]) == tags.ensure(tx, [Tag("b", "1"), Tag("a", "1")])
        assert tags.uses(tx, Tag("a", "1")) == 2
        assert tags.uses(tx, Tag("a", "1"), at_most=1) == 1
        assert tags.uses(tx, Tag("never", "seen")) == 0


def test_data_before_and_after(db: Database, keep: Keeper) -> None:
    """A Data has its output's tags from the start; content and time come when its Run ends."""
    plan = keep.plan()
    waiting, failed, done = (keep.run(plan, status) for status in (Status.WAITING, Status.FAILED, Status.DONE))
    stored = [keep.data(waiting, tags=(Tag("t", "1"),)), keep.data(failed, at=7), keep.data(done, None, at=9)]
    with db.read() as tx:
        assert data.many(tx, [each.knit_id for each in stored]) == {each.knit_id: each for each in stored}
        assert stored[2].content is not None
        assert stored[2].content.size == 5 << 40


def test_what_a_run_made(db: Database, keep: Keeper) -> None:
    """Outputs come by path, in the order of bytes wherever the database was made, and the log last."""
    run = keep.run(keep.plan())
    paths = ["/out/b", "/out-a", "/OUT", "/out/a", "/é", "/z"]
    made = [keep.data(run, path) for path in (None, *paths)]
    other = keep.data(keep.run(keep.plan()), "/x")
    with db.read() as tx:
        found = data.made_by(tx, [run.run_id, other.run_id, "ghost"])
    assert [each.path for each in found[run.run_id]] == [*sorted(paths), None]
    assert found[run.run_id][-1] == made[0]
    assert found.keys() == {run.run_id, other.run_id}


def test_plans(db: Database, keep: Keeper) -> None:
    """Every part of a Plan is kept, with odd texts in all of them."""
    odd = tuple(text for text in HOSTILE if text)
    inputs = {"/in/1": ("a:1",), "/in/10": ("knit#timestamp:2026-01-31T00:00:00.5Z",)}
    given = normal(Tag("k", text) for text in odd)
    spec = rules.check(
        replace(
            a_plan("host:5000/lab/image:v1.0", inputs),
            outputs=(Output(path="/out \" ' データ", tags=given), Output(path="/o2", tags=())),
            log=Output(path=None, tags=()),
            entrypoint=odd,
            args=("", *odd),
            on_node=(OnNode(Preference.MUST, "zone/a", "b"), OnNode(Preference.MAY, "x", "y")),
            resources={"cpu": "500m", "memory": "1Gi", "nvidia.com/gpu": "1"},
            annotations=(Annotation("k", "v"), Annotation("k", "w"), *(Annotation("odd", text) for text in odd)),
            service_account="robot",
            active=False,
        )
    )  # fmt: skip
    plan = keep.plan(spec)
    with db.read() as tx:
        assert plans.get(tx, plan.plan_id) == Plan(plan_id=plan.plan_id, spec=spec)
        assert plans.every(tx) == [plan]
        assert plans.equivalent(tx, spec) == plan.plan_id
        assert plans.equivalent(tx, replace(spec, active=True, resources={}, annotations=())) == plan.plan_id
        assert plans.equivalent(tx, replace(spec, args=())) is None
    with db.write() as tx:
        plans.set_active(tx, plan.plan_id, True)
        assert plans.get(tx, plan.plan_id).active


def test_runs(db: Database, keep: Keeper) -> None:
    """A Run comes back with its exit, cause and hops; what is recorded of its execution is filled in bit by bit."""
    plan = keep.plan()
    with db.write() as tx:
        causes.insert(tx, CauseId("cause"), "push", "x", 1)
    run = keep.run(plan)
    ended = replace(run, status=Status.ABORTING, updated_at=9, exit=Exit(42, HOSTILE[5] + "\0\ud800" + HOSTILE[-1]))
    with db.write() as tx:
        runs.move(tx, run, ended)
        runs.record(tx, run.run_id, Execution(note="it waits", executor="local"))
        runs.record(tx, run.run_id, Execution(sandbox="none", losses=2))
    with db.read() as tx:
        assert runs.get(tx, run.run_id) == ended
        assert runs.execution(tx, run.run_id) == Execution(
            executor="local", sandbox="none", note="it waits", losses=2, tries=0
        )
        assert runs.count_by_status(tx) == {"aborting": 1}


def test_a_run_that_moved_on(db: Database, keep: Keeper) -> None:
    """A change from a status or an attempt that is past is refused, and changes nothing (scenario 46)."""
    run = keep.run(keep.plan())
    with db.write() as tx:
        runs.move(tx, run, replace(run, status=Status.READY))
    for seen in (run, replace(run, status=Status.READY, attempt=1)):
        with pytest.raises(InvalidTransition, match=f"knit run show {run.run_id}"), db.write() as tx:
            runs.move(tx, seen, replace(seen, status=Status.ABORTING))
    with db.read() as tx:
        assert runs.get(tx, run.run_id).status is Status.READY


def test_switching_a_plans_runs(db: Database, keep: Keeper) -> None:
    """Only Runs of that Plan in that status are switched, and their time stays (scenario 49)."""
    plan, other = keep.plan(), keep.plan()
    kept = {status: keep.run(plan, status) for status in Status}
    stranger = keep.run(other)
    with db.write() as tx:
        assert runs.move_plan(tx, plan.plan_id, Status.WAITING, Status.DEACTIVATED, 99) == 1
        found = runs.many(tx, [run.run_id for run in kept.values()])
    wanted = {status: Status.DEACTIVATED if status is Status.WAITING else status for status in Status}
    assert {status: found[kept[status].run_id].status for status in Status} == wanted
    assert {run.updated_at for run in found.values()} == {1000}
    with db.read() as tx:
        assert runs.get(tx, stranger.run_id) == stranger


def test_assignments(db: Database, keep: Keeper) -> None:
    """A Run may take several Data at one path, and one Data at several; consumers come oldest first."""
    one, two = keep.done(), keep.done()
    taken = (Assignment(path="/in/2", knit_id=one.knit_id), Assignment(path="/in-1", knit_id=one.knit_id),
             Assignment(path="/in-1", knit_id=two.knit_id))  # fmt: skip
    plan = keep.plan()
    first, second = keep.run(plan, inputs=taken), keep.run(plan, inputs=taken[:1])
    gone = keep.run(plan, Status.INVALIDATED, inputs=taken[:1])
    with db.read() as tx:
        assert runs.inputs_of(tx, [first.run_id, gone.run_id, "ghost"]) == {
            first.run_id: (taken[1], taken[2], taken[0]), gone.run_id: taken[:1],
        }  # fmt: skip
        assert runs.consumers(tx, [one.knit_id]) == [
            (one.knit_id, "/in-1", first.run_id), (one.knit_id, "/in/2", first.run_id),
            (one.knit_id, "/in/2", second.run_id),
        ]  # fmt: skip
        assert runs.known_keys(tx, [first.key, gone.key, "ghost"]) == {first.key, gone.key}


def test_nominations(db: Database, keep: Keeper) -> None:
    """A nomination owes Runs until it is settled; adding it again changes nothing; removing it is final."""
    plan, made = (
        keep.plan(a_plan("i", {"/b": ("a:1", "b:1"), "/a": ("b:1",)})),
        [keep.done(Tag("b", "1")) for _ in "123"],
    )
    with db.write() as tx:
        refs = nominations.inputs_of(tx, plan.plan_id)
        assert [ref.path for ref in refs] == ["/a", "/b"]
        new = [Nomination(input=refs[0], knit_id=each.knit_id, hops=3) for each in made]
        nominations.add(tx, new)
        nominations.settle(tx, new[:2])
        nominations.add(tx, new[:1])
        assert nominations.pending(tx, 10) == new[2:]
        assert nominations.settled_for(tx, plan.plan_id, "/a") == [each.knit_id for each in made[:2]]
        assert nominations.settled_for(tx, plan.plan_id, "/b") == []
        assert nominations.of_data(tx, [made[0].knit_id, "ghost"]) == {made[0].knit_id: [refs[0]]}
        nominations.remove(tx, made[2].knit_id, [refs[0].input_id, 999])
        nominations.remove(tx, made[0].knit_id, [])
        assert nominations.pending(tx, 10) == []
        assert nominations.settled_for(tx, plan.plan_id, "/a") == [each.knit_id for each in made[:2]]


def test_anchors(db: Database, keep: Keeper) -> None:
    """An input is found by its anchor from every Data that it can fit."""
    made = keep.done(Tag("a", "1"), Tag("b", "1"))
    pinned = f"knit#id:{made.knit_id}"
    plan = keep.plan(a_plan("i", {"/a": ("a:1", "b:1"), "/p": (pinned, "c:1"), "/n": ("c:1", "d:1")}))
    with db.read() as tx:
        assert [ref.path for ref in nominations.anchored(tx, probes(made))] == ["/a", "/p"]
        assert nominations.anchored(tx, []) == []
        assert [ref.path for ref in nominations.anchored(tx, [Tag("c", "1")])] == ["/n"]
    assert digest(anchor(plan.inputs[0], lambda tag: 0)) == digest(Tag("a", "1"))


def test_contents(db: Database, keep: Keeper) -> None:
    """Trees and chunks are noted once; what is known stays where it is."""
    content = keep.content("x")
    chunks = {f"c{n}": ("p1" if n % 2 else "p2", n << 33, 7, n % 3 == 0) for n in range(1200)}
    with db.write() as tx:
        contents.add(tx, content, 1)
        contents.add(tx, replace(content, manifest="m/other"), 2)
        contents.add_chunks(tx, chunks)
        contents.add_chunks(tx, {"c1": ("p3", 0, 1, False)})
        contents.add_chunks(tx, {})
    with db.read() as tx:
        assert contents.manifest(tx, content.content_id) == content.manifest
        assert contents.manifest(tx, "tree:y") is None
        assert contents.places(tx, [*chunks, "ghost"]) == chunks
        assert contents.known_packs(tx, ["p1", "p2", "ghost"]).keys() == {"p1", "p2"}
        assert contents.known_manifests(tx, ["m/x", "m/other"]) == {"m/x"}


def test_receipts(db: Database) -> None:
    """Decisions come newest first, by Data, by Plan or both; old ones are trimmed, their causes stay."""
    with db.write() as tx:
        causes.insert(tx, CauseId("c"), "push", "d1", 1)
        for number in range(5):
            decision = Decision(
                knit_id=f"d{number % 2}", plan_id="p", path="/in", reason=Reason.LACKS_TAG, count=number + 1,
                detail={"missing": [HOSTILE[number]]},
            )  # fmt: skip
            causes.record(tx, CauseId("c"), [decision], now=number)
        causes.record(tx, CauseId("c"), [], now=9)
    with db.write() as tx:
        assert [each.count for each in causes.about(tx, knit_id="d0")] == [5, 3, 1]
        assert [each.detail["missing"] for each in causes.about(tx, plan_id="p", limit=2)] == [
            [HOSTILE[4]],
            [HOSTILE[3]],
        ]
        assert causes.about(tx, knit_id="d1", plan_id="q") == []
        assert causes.trim(tx, before=3) == 3
        assert [each.count for each in causes.about(tx)] == [5, 4]
        causes.insert(tx, CauseId("c2"), "plan", "p", 1)


@pytest.mark.parametrize("id_", NOBODY)
def test_ids_that_are_none(db: Database, keep: Keeper, id_: str) -> None:
    """Whatever text is asked for as an id is just not found, also one that no database can hold."""
    keep.done(Tag("a", "1"))
    with db.read() as tx:
        for get in (data.get, plans.get, runs.get, runs.lock):
            with pytest.raises(NotFound):
                get(tx, id_)
        assert data.find(tx, (Tag("knit#id", id_),), None, None) == []


def test_nothing_is_asked_for(db: Database) -> None:
    """Empty lists are empty answers."""
    with db.write() as tx:
        assert (data.many(tx, []), data.made_by(tx, []), plans.many(tx, []), runs.many(tx, [])) == ({}, {}, {}, {})
        assert (tags.find(tx, []), tags.ensure(tx, []), tags.of(tx, []), contents.places(tx, [])) == ({}, {}, {}, {})
        data.insert(tx, [], 1)
        runs.insert(tx, [], 1)
        runs.assign(tx, [])
        tags.attach(tx, [])
        tags.detach(tx, "x", [])
        tags.detach(tx, "x", [Tag("never", "seen")])
        nominations.add(tx, [])
        nominations.settle(tx, [])


def test_long_lists(db: Database, keep: Keeper) -> None:
    """Tens of thousands of ids at once are more than one statement takes, and no problem."""
    kept = [keep.done(Tag("n", str(n))) for n in range(3)]
    ghosts = [KnitId(f"ghost-{n}") for n in range(40_000)]
    with db.read() as tx:
        assert data.many(tx, [*ghosts, *(each.knit_id for each in kept)]) == {each.knit_id: each for each in kept}
        assert runs.known_keys(tx, ghosts) == set()
        assert len(tags.find(tx, [Tag("n", str(n)) for n in range(40_000)])) == 3
