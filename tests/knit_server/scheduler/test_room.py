"""Runs start while their cores and memory fit, in the order in which they were made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scheduler_programs import PROGRAMS
from scheduler_world import World, a_world, scheduling

from knit_server.domain.editing import ResourceChange
from knit_server.domain.runs import Status
from knit_server.executors.base import AttemptId, Capacity
from knit_server.scheduler.room import Room
from knit_server.service import plan_changes
from knit_server.service.lifecycle import Needs
from knit_server.testing import FakeExecutor

GIB = 1 << 30


@pytest.fixture
def small(tmp_path: Path) -> Iterator[World]:
    """A Knit on a machine of 4 cores and 4 GiB, without a scheduler."""
    with a_world(tmp_path / "home", PROGRAMS, executor=FakeExecutor(cpu=4, memory=4 * GIB)) as opened:
        yield opened


def a_run(world: World, key: str, **resources: str) -> str:
    """Make a Run that goes on until it is told to end; returns its id."""
    plan = world.apply("wait:1", {"/in": (f"only:{key}",)}, f"made:{key}", resources=resources)
    world.push(f"only:{key}")
    return world.run(plan).run.run_id


def running(world: World) -> set[str]:
    return {run.run.run_id for run in world.runs() if run.run.status is Status.RUNNING}


def end(world: World, run_id: str) -> None:
    world.executor.end(AttemptId(run_id, world.show(run_id).run.attempt))
    world.until_status(run_id, Status.DONE)


def test_runs_wait_for_cores_and_memory(small: World) -> None:
    """As many run as fit, oldest first; each end makes room for the next (scenario 69)."""
    ids = [a_run(small, str(index), cpu="2", memory="1Gi") for index in range(4)]
    ids += [a_run(small, "m", cpu="1", memory="3Gi")]
    with scheduling(small.ctx):
        small.until(lambda: running(small) == set(ids[:2]), "two run")
        end(small, ids[0])
        small.until(lambda: running(small) == set(ids[1:3]), "the third runs")
        end(small, ids[1])
        end(small, ids[2])
        small.until(lambda: running(small) == set(ids[3:]), "the last two fit together")
        end(small, ids[3])
        end(small, ids[4])
    started = [attempt.run_id for attempt in small.executor.started]
    assert sorted(started) == sorted(ids)
    assert set(started[:2]) == set(ids[:2]), "claimed in order; which of two is staged faster is anybody's guess"
    assert started[2] == ids[2]


def test_a_large_run_is_not_starved(small: World) -> None:
    """A large Run that waits is not overtaken by small ones behind it, however many come."""
    first = a_run(small, "first", cpu="1")
    large = a_run(small, "large", cpu="4")
    small_ones = [a_run(small, str(index), cpu="1") for index in range(3)]
    with scheduling(small.ctx):
        small.begun(first)
        small.push("nobody:asks")  # a further look
        assert running(small) == {first}
        end(small, first)
        small.begun(large)
        assert running(small) == {large}
        end(small, large)
        small.until(lambda: running(small) == set(small_ones), "the small ones run")


@pytest.mark.parametrize("resources", [{"cpu": "5"}, {"memory": "5Gi"}])
def test_too_large(small: World, resources: dict[str, str]) -> None:
    """A Run that never fits stays ready, says why and what to do, and holds nobody up (scenario 69)."""
    large = a_run(small, "large", **resources)
    other = a_run(small, "other", cpu="4", memory="4Gi")
    with scheduling(small.ctx):
        small.begun(other)
        assert small.show(large).run.status is Status.READY
        note = small.note(large)
        assert note is not None
        assert "this machine has 4 cores and 4 GiB" in note
        assert "--overcommit" in note


def test_too_large_until_the_plan_asks_for_less(small: World) -> None:
    """Runs that were held back begin once their Plan asks for less, one after the other as they fit."""
    plan = small.apply("wait:1", {"/in": ("big:one",)}, "big:made", resources={"cpu": "5"})
    for _ in range(3):
        small.push("big:one")
    with scheduling(small.ctx):
        small.until(lambda: all(small.note(run.run.run_id) for run in small.runs(plan)), "all are held back")
        plan_changes.edit(small.ctx, plan.plan.plan_id, ResourceChange(set={"cpu": "3"}))
        for _ in range(3):
            small.until(lambda: len(running(small)) == 1, "one runs")
            end(small, *running(small))


def test_many_too_large(small: World) -> None:
    """More Runs that never fit than are looked at in one step do not hide those that do."""
    plan = small.apply("wait:1", {"/in": ("big:one",)}, "big:made", resources={"cpu": "5"})
    for _ in range(70):
        small.push("big:one")
    other = a_run(small, "other", cpu="4")
    with scheduling(small.ctx):
        small.begun(other)
        assert small.statuses(plan) == {"ready": 70}


def test_overcommit(small: World) -> None:
    """With `overcommit`, a Run larger than the machine runs, but alone; what was held back is asked again."""
    large = a_run(small, "large", cpu="5")
    with scheduling(small.ctx):
        small.until_status(large, Status.READY)
    first = a_run(small, "first", cpu="1")
    with scheduling(small.ctx, overcommit=True):
        small.begun(large)
        assert running(small) == {large}
        assert small.note(large) is None
        end(small, large)
        small.begun(first)
        second = a_run(small, "second", cpu="5")
        third = a_run(small, "third", cpu="1")
        assert running(small) == {first}
        end(small, first)
        small.begun(second)
        assert running(small) == {second}
        end(small, second)
        small.begun(third)


NEEDS = st.builds(Needs, cpu=st.integers(0, 6).map(float), memory=st.integers(0, 6))


@given(st.lists(st.tuples(NEEDS, st.booleans())), st.booleans())
def test_room_is_never_exceeded(asked: list[tuple[Needs, bool]], overcommit: bool) -> None:
    """Whatever is asked and given back, what runs fits the machine; or it is one Run alone, with `overcommit`."""
    room = Room(Capacity(cpu=4, memory=4), overcommit=overcommit)
    taken: dict[str, Needs] = {}
    for index, (needs, give_back) in enumerate(asked):
        if room.choose(needs) is True:
            taken[str(index)] = needs
            room.settle({str(index): needs})
        cpu, memory = sum(each.cpu for each in taken.values()), sum(each.memory for each in taken.values())
        assert (cpu <= 4 and memory <= 4) or (overcommit and len([n for n in taken.values() if n.cpu or n.memory]) == 1)
        if give_back and taken:
            gone = next(iter(taken))
            del taken[gone]
            room.free(gone)
