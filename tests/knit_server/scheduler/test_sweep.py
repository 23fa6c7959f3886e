"""Tidying up: what is deleted, what stays, and what is stuck."""

from __future__ import annotations

import dataclasses
import logging
import os
from pathlib import Path

import pytest
from scheduler_world import World

from knit_server.domain.errors import Unavailable
from knit_server.scheduler import sweep
from knit_server.storage import Store
from knit_server.testing import ManualClock


def idle(run_id: str) -> bool:
    """No Run is worked on."""
    return False


class Stuck(Store):
    """A store that cannot delete what is in `stuck` now."""

    stuck: frozenset[str] = frozenset()

    def delete_pack(self, pack: str) -> None:
        if pack in self.stuck:
            raise Unavailable("the store does not answer")
        super().delete_pack(pack)


def orphans(store: Store, folder: Path) -> set[str]:
    """Store three trees that nobody asked for; returns the names of their packs."""
    for number in range(3):
        place = folder / f"orphan-{number}"
        place.mkdir()
        (place / "file").write_text(f"nobody needs {number}")
        with store.writer() as writer:
            writer.add_directory(place)
    return {name for name, _ in store.packs()}


def test_scenario_73_what_nobody_needs_goes(world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Old orphans go, what Data need stays; what cannot be deleted now holds up nothing and goes the next time."""
    pushed = world.push("a:b")
    needed = {name for name, _ in world.ctx.store.packs()}
    store = Stuck(str(world.ctx.home / "store"))
    clock = ManualClock(world.ctx.now())
    ctx = dataclasses.replace(world.ctx, store=store, now=clock)
    lost = orphans(store, tmp_path) - needed
    sweep.sweep_store(ctx)
    assert {name for name, _ in store.packs()} == needed | lost, "what is young may be part of a transfer"
    clock.advance(ctx.limits.orphan_age + 60_000)
    store.stuck = frozenset({min(lost)})
    with caplog.at_level(logging.WARNING, "knit.scheduler"):
        sweep.sweep_store(ctx)
    assert {name for name, _ in store.packs()} == needed | store.stuck
    assert f"pack {min(lost)} stays" in caplog.text
    store.stuck = frozenset()
    sweep.sweep_store(ctx)
    sweep.sweep_store(ctx)  # what is gone already is fine
    assert {name for name, _ in store.packs()} == needed
    assert world.pull(pushed.data.knit_id) == {"a.txt": "a"}
    store.close()


def test_scenario_73_folders(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Folders of Runs that are over, or of none, go; those of others stay; what is no folder holds up nothing."""
    plan = world.apply("copy:1", {"/in": ("a:b",)}, "c:d")
    world.push("a:b")
    waiting = world.run(plan).run.run_id
    place = world.ctx.home / "runs"
    (place / "a-1").write_text("a file in the place of a folder")
    for name in ("b-1", f"{waiting}-1"):
        (place / name / "out").mkdir(parents=True)
    (world.ctx.home / "uploads" / "old").mkdir()
    (world.ctx.home / "uploads" / "new").mkdir()
    os.utime(world.ctx.home / "uploads" / "old", (0, 0))
    with caplog.at_level(logging.WARNING, "knit.scheduler"):
        sweep.sweep(world.ctx, idle)
    assert world.folders() == sorted(["a-1", f"{waiting}-1"])
    assert [path.name for path in (world.ctx.home / "uploads").iterdir()] == ["new"]
    assert "a-1 stays, since it cannot be deleted now" in caplog.text
