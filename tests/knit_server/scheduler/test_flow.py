"""From a push to the last Run: what is made, kept, matched and tidied."""

from __future__ import annotations

from dataclasses import replace

import pytest
from scheduler_world import World, scheduling

from knit_server.domain.errors import NotFound
from knit_server.domain.plans import OnNode, Preference
from knit_server.domain.runs import Exit, Status
from knit_server.executors.base import Observation, Phase
from knit_server.service import data, plans, runs
from knit_server.service.data import DataQuery, TagChange
from knit_server.testing import a_plan, some_tags


def test_chain(knit: World) -> None:
    """Each Run of a chain starts by itself when the one before is done, and sees what that made."""
    for step in range(5):
        knit.apply("join:1", {"/in": (f"step:{step}",)}, f"step:{step + 1}", log=("kind:log",))
    knit.push("step:0", files={"a.txt": "seed"})
    knit.until(lambda: knit.counts() == {"done": 6}, "six Runs done")
    (last,) = data.find(knit.ctx, DataQuery(tags=some_tags("step:5")))
    expected = "seed"
    for step in range(5):
        expected = f"/in/{'a.txt' if step == 0 else 'joined.txt'}: {expected}"
    assert knit.pull(last.data.knit_id) == {"joined.txt": expected}
    assert [run.run.attempt for run in knit.runs()] == [1] * 5
    assert [run.run.hops for run in knit.runs()] == [0, 1, 2, 3, 4]
    knit.until_tidy()


def test_fan_out_of_200(knit: World) -> None:
    """200 Plans on one Data make 200 Runs, each once, and nothing is left lying about."""
    plans = [knit.apply("copy:1", {"/in": ("a:b",)}, f"made:{index}") for index in range(200)]
    knit.push("a:b")
    knit.until(lambda: knit.counts() == {"done": 201}, "200 Runs done")
    assert len({run.plan.plan_id for run in knit.runs()}) == len(plans)
    assert len(knit.executor.started) == len(set(knit.executor.started)) == len(plans)
    knit.until_tidy()


def test_fan_in_of_products(knit: World) -> None:
    """Combinations are all made, each once: 3 times 4 Data on two inputs are 12 Runs."""
    plan = knit.apply("join:1", {"/a": ("kind:a",), "/b": ("kind:b",)}, "kind:ab")
    for index in range(3):
        knit.push("kind:a", files={"a.txt": str(index)})
    for index in range(4):
        knit.push("kind:b", files={"b.txt": str(index)})
    knit.until(lambda: knit.statuses(plan) == {"done": 12}, "12 Runs done")
    texts = {knit.output(run)["joined.txt"] for run in knit.runs(plan)}
    assert texts == {f"/a/a.txt: {a}\n/b/b.txt: {b}" for a in range(3) for b in range(4)}


def test_more_runs_than_one_transaction_makes(knit: World, world: World) -> None:
    """Runs beyond the limit of one transaction are made by the step after it."""
    object.__setattr__(world.ctx.limits, "runs_per_step", 7)
    plan = knit.apply("silent:1", {"/a": ("kind:a",), "/b": ("kind:b",)}, "kind:ab")
    for _ in range(6):
        knit.push("kind:a")
        knit.push("kind:b")
    knit.until(lambda: knit.statuses(plan) == {"done": 36}, "36 Runs done")


def test_unknown_image(knit: World) -> None:
    """A Run whose image is not there fails with 255 and says how to build it; the push is not harmed (scenario 69)."""
    plan = knit.apply("nobody:1", {"/in": ("a:b",)}, "c:d", log=("kind:log",))
    knit.push("a:b")
    knit.until_ended()
    run = knit.run(plan)
    assert run.run.status is Status.FAILED
    assert run.run.exit is not None
    assert run.run.exit.code == 255
    assert "there is no image nobody:1" in run.run.exit.message
    assert "knit image build" in run.run.exit.message
    knit.until_tidy()


def test_failed_program(knit: World) -> None:
    """A failed Run keeps its code, its outputs and its log; they can be pulled, and nothing follows from them.

    (scenario 68)
    """
    plan = knit.apply("fail:1", {"/in": ("a:b",)}, "c:d", log=("kind:log",))
    after = knit.apply("copy:1", {"/in": ("c:d",)}, "e:f")
    after_log = knit.apply("copy:1", {"/in": ("kind:log",)}, "g:h")
    knit.push("a:b")
    knit.until_ended()
    run = knit.run(plan)
    assert run.run.status is Status.FAILED
    assert run.run.exit == Exit(42, "(container main) Error")
    assert knit.output(run) == {"names.txt": "a.txt"}
    assert run.log is not None
    assert knit.pull(run.log) == {"log": "1 files\n"}
    assert knit.runs(after) == []
    assert knit.runs(after_log) == []
    knit.until_tidy()


def test_failed_data_never_match(knit: World) -> None:
    """Neither a new Plan nor new tags make a Run of what a failed Run left."""
    plan = knit.apply("fail:1", {"/in": ("a:b",)}, "c:d")
    knit.push("a:b")
    knit.until_ended()
    left = knit.run(plan).outputs[0].knit_id
    after = knit.apply("copy:1", {"/in": ("c:d",)}, "e:f")
    other = knit.apply("copy:1", {"/in": ("x:y",)}, "e:f")
    data.retag(knit.ctx, left, TagChange(add=some_tags("x:y")))
    assert knit.runs(after) == []
    assert knit.runs(other) == []


def test_vanished_program(knit: World) -> None:
    """A program that is gone without a trace is a failure with 254 (scenario 66)."""
    plan = knit.apply("vanish:1", {"/in": ("a:b",)}, "c:d")
    knit.push("a:b")
    knit.until_ended()
    run = knit.run(plan).run
    assert run.status is Status.FAILED
    assert run.exit is not None
    assert run.exit.code == 254
    assert "vanished" in run.exit.message


@pytest.mark.parametrize("code", [0, None])
def test_failed_without_a_code(knit: World, code: int | None) -> None:
    """A program that failed, though nobody knows how, has neither the code of a good one nor an empty message."""
    knit.executor.images.programs["odd:1"] = lambda attempt: Observation(phase=Phase.FAILED, code=code)
    plan = knit.apply("odd:1", {"/in": ("a:b",)}, "c:d")
    knit.push("a:b")
    knit.until_ended()
    assert knit.run(plan).run.exit == Exit(1, "its program failed and left no exit code")


def test_plan_without_log(knit: World) -> None:
    """Without `log:` there is no log, no Data of it, and whoever asks for it is told so (scenario 70)."""
    plan = knit.apply("copy:1", {"/in": ("a:b",)}, "c:d")
    knit.push("a:b")
    knit.until_ended()
    run = knit.run(plan)
    assert run.log is None
    assert len(knit.everything()) == 2
    with pytest.raises(NotFound, match="has no log"):
        runs.open_log(knit.ctx, run.run.run_id)


def test_plan_without_outputs(knit: World) -> None:
    """A Plan may keep nothing but a log (scenario 70)."""
    plan = knit.apply("copy:1", {"/in": ("a:b",)}, log=("kind:log",))
    knit.push("a:b")
    knit.until_ended()
    run = knit.run(plan)
    assert run.run.status is Status.DONE
    assert run.outputs == ()
    assert run.log is not None
    assert knit.pull(run.log) == {"log": "1 files\n"}
    knit.until_tidy()


def test_plan_that_keeps_nothing(knit: World) -> None:
    """A Plan with neither outputs nor log runs all the same (scenario 70)."""
    plan = knit.apply("copy:1", {"/in": ("a:b",)})
    knit.push("a:b")
    knit.until_ended()
    assert knit.statuses(plan) == {"done": 1}
    knit.until_tidy()


def test_same_data_on_two_inputs(knit: World) -> None:
    """A Data that fits two inputs of a Plan is given to both of one Run (scenario 70)."""
    plan = knit.apply("join:1", {"/a": ("a:b",), "/b": ("c:d",)}, "e:f")
    knit.push("a:b", "c:d", files={"x": "1"})
    knit.until_ended()
    assert knit.output(knit.run(plan)) == {"joined.txt": "/a/x: 1\n/b/x: 1"}


@pytest.mark.parametrize("mode", Preference)
def test_scenario_70_wishes_of_a_cluster(knit: World, mode: Preference) -> None:
    """A service account and wishes for nodes are kept, and mean nothing to programs of this machine."""
    spec = a_plan("copy:1", {"/in": ("a:b",)}, {"/out": ("c:d",)})
    spec = replace(spec, service_account="robot", on_node=(OnNode(mode, "gpu", "yes"),))
    plan = plans.apply(knit.ctx, spec)
    knit.push("a:b")
    knit.until_ended()
    assert knit.statuses(plan) == {"done": 1}
    assert plan.plan.spec is not None
    assert (plan.plan.spec.service_account, plan.plan.spec.on_node) == ("robot", spec.on_node)


def test_scenario_71_outputs_begin_empty(world: World) -> None:
    """Whatever lies where an attempt's outputs will be, its program finds them empty, and it is not kept."""
    plan = world.apply("copy:1", {"/in": ("a:b",)}, "c:d", log=("kind:log",))
    world.push("a:b")
    place = world.ctx.home / "runs" / f"{world.run(plan).run.run_id}-1"
    for name in ("out/0", "log"):
        (place / name).mkdir(parents=True)
        (place / name / "stale").write_text("stale")
    with scheduling(world.ctx):
        world.until_ended()
    run = world.run(plan)
    assert world.output(run) == {"names.txt": "a.txt"}
    assert run.log is not None
    assert world.pull(run.log) == {"log": "1 files\n"}


def test_program_that_writes_nothing(knit: World) -> None:
    """Empty outputs and an empty log are Data like others, and Runs follow from them."""
    plan = knit.apply("silent:1", {"/in": ("a:b",)}, "c:d", log=("kind:log",))
    after = knit.apply("join:1", {"/in": ("c:d",)}, "e:f")
    knit.push("a:b")
    knit.until(lambda: knit.statuses(after) == {"done": 1}, "the Run after it is done")
    run = knit.run(plan)
    assert knit.output(run) == {}
    assert run.log is not None
    assert knit.pull(run.log) == {"log": ""}
    log = runs.open_log(knit.ctx, run.run.run_id)
    assert log.read(0, 100) == b""
    assert not log.is_live()
    log.close()
    assert knit.output(knit.run(after)) == {"joined.txt": ""}


def test_special_files_in_outputs(knit: World) -> None:
    """Pipes and sockets are left out, the Run is done, and its note names them."""
    plan = knit.apply("special:1", {"/in": ("a:b",)}, "c:d")
    knit.push("a:b")
    knit.until_ended()
    run = knit.run(plan)
    assert run.run.status is Status.DONE
    assert knit.output(run) == {"good.txt": "good"}
    note = knit.note(run.run.run_id)
    assert note is not None
    assert "pipe" in note
    assert "socket" in note
    assert not knit.cached(run.outputs[0].knit_id), "the folder is not what was stored"
    knit.until_tidy()


def test_program_that_removes_its_output(knit: World) -> None:
    """Where a program removes its output folder, the output is empty."""
    plan = knit.apply("remove:1", {"/in": ("a:b",)}, "c:d")
    knit.push("a:b")
    knit.until_ended()
    run = knit.run(plan)
    assert run.run.status is Status.DONE
    assert knit.output(run) == {}


def test_outputs_are_moved_into_the_cache(knit: World) -> None:
    """The output folder of a done Run becomes the cached tree that the next Run sees; its run folder is gone."""
    plan = knit.apply("join:1", {"/in": ("a:b",)}, "c:d")
    knit.push("a:b")
    knit.until_ended()
    knit.until_tidy()
    assert knit.cached(knit.run(plan).outputs[0].knit_id)


def test_log_can_be_read_at_every_moment(knit: World) -> None:
    """While the program runs its log grows; afterwards the same words come from the store."""
    plan = knit.apply("wait:1", {"/in": ("a:b",)}, "c:d", log=("kind:log",))
    knit.push("a:b")
    run_id = knit.run(plan).run.run_id
    attempt = knit.begun(run_id)
    log = runs.open_log(knit.ctx, run_id)
    assert log.is_live()
    assert log.read(0, 100) == b"1 files\n"
    knit.executor.end(attempt)
    knit.until_ended()
    assert not log.is_live()
    assert log.read(0, 100) == b"1 files\n"
    log.close()
    stored = runs.open_log(knit.ctx, run_id)
    assert stored.read(2, 5) == b"files"
    stored.close()
