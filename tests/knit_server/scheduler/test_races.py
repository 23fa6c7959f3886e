"""Retries, deletions and stops race with finishing Runs, switches, archives, pushes, tags; nothing is lost or doubled.

In virtual time, where the seed of each history decides who is next, and with real threads and transactions.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest
from race_checks import check
from race_history import AnyImage, play
from race_users import Programs, Users
from scheduler_world import World, scheduling

from knit_server.service import plan_changes, plans
from knit_server.service.context import Limits
from knit_server.testing import FakeExecutor, Trouble, temp_knit

HISTORIES = int(os.environ.get("KNIT_RACES", "60"))
"""How many are played; `make races` plays thousands."""
SEED = os.environ.get("KNIT_RACE", "")
"""The one to play again."""
ROUNDS = min(HISTORIES, 1000)
"""What each thread does in real time."""
MATTER = 4
CHUNKS = 4
ALL = {"retry", "remove", "abort", "tearoff", "switch", "archive", "push", "retag"}


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_histories(chunk: int) -> None:
    """Whatever happens in whatever order: in the end every rule holds, and no wake-up was missed (virtual time)."""
    seeds = [SEED] if SEED else [str(number) for number in range(chunk, HISTORIES, CHUNKS)]
    done: Counter[str] = Counter()
    for seed in seeds:
        done += play(seed).users.done
    assert SEED or done.keys() >= ALL


def test_a_history_is_a_function_of_its_seed() -> None:
    """What failed once fails again: the same seed gives the same history, also in another process."""
    script = "from race_history import play; print(*play('7').users.trace, sep='\\n')"
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "PYTHONHASHSEED": "1"}
    again = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True).stdout
    assert again.splitlines() == play("7").users.trace


@pytest.mark.postgres
@pytest.mark.parametrize("seed", ["a", "b", "c"])
def test_histories_on_postgresql(postgres_url: str, seed: str) -> None:
    """On PostgreSQL, too, every rule holds in the end. In which order Runs are made it is free to choose."""
    assert play(seed, url=postgres_url).users.done


@pytest.mark.slow
def test_real_threads(tmp_path: Path, db_url: str) -> None:
    """The same with threads that nobody orders, on databases whose transactions are as concurrent as they can be."""
    fates = random.Random(1)
    programs = Programs(fates, lambda act: threading.Timer(fates.choice((0.001, 0.01)), act).start(), endless=False)
    executor = programs.executor = FakeExecutor(AnyImage(programs), cpu=8)
    trouble = Trouble()
    with temp_knit(
        tmp_path / "home", url=db_url, executor=executor, limits=Limits(runs_per_step=3), trouble=trouble
    ) as ctx:
        world = World(ctx, trouble)
        first = Users(world, random.Random(0), most=MATTER)
        first.register()
        people = [first, *(Users(world, random.Random(seed), most=MATTER) for seed in range(1, 4))]
        failures: list[BaseException] = []

        def act(user: Users) -> None:
            try:
                for _ in range(ROUNDS):
                    user.act()
            except BaseException as err:
                failures.append(err)

        with scheduling(ctx) as scheduler:
            for user in people:
                user.plans = first.plans
                for tags in (("a:1",), ("b:1",)):
                    user.push(tags)
            threads = [threading.Thread(target=act, args=(user,)) for user in people]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert failures == []
            for plan in first.plans:
                plan_changes.unarchive(ctx, plan.plan.plan_id)
                plans.set_active(ctx, plan.plan.plan_id, True)
            for name, run_ids in first.stopped.items():
                run_ids.update(*(user.stopped[name] for user in people))
            try:
                world.until(lambda: is_over(world), "the end")
            except AssertionError as err:
                err.add_note(f"{world.counts()}, {world.folders()}, owing: {world.owing()}")
                raise
            assert scheduler.alive
            check(world, first, programs.fates, programs.words)
        assert sum((user.done for user in people), Counter()).keys() >= ALL


def is_over(world: World) -> bool:
    """Whether every Run has ended and is tidied up after, and no Run is owed."""
    return world.counts().keys() <= {"done", "failed", "invalidated"} and not world.folders() and not world.owing()
