"""Limits and what a machine offers: control groups found by trying, left ones removed, and the watchdog."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from knit_server.executors.local import cgroups, machine
from knit_server.executors.local.cgroups import Cgroups, Group, Tree
from knit_server.executors.local.processes import Watched
from knit_server.executors.local.watchdog import Watchdog

MIB = 1024 * 1024


@pytest.fixture
def groups() -> Iterator[Cgroups]:
    """Control groups that work, where they do."""
    found, reasons = cgroups.find()
    if found is None:
        pytest.skip(f"no control groups: {'; '.join(reasons)}")
    yield found
    found.close()


def folders(groups: Cgroups) -> list[Path]:
    """All folders of Knit servers in the tree of `groups`."""
    return [own for base in set(groups.tree.folders.values()) for own in base.glob("knit-*-*")]


def test_a_group_comes_and_goes(groups: Cgroups) -> None:
    """A group has its limits while it lives, and leaves no folder behind."""
    group = groups.create("attempt-1", cpu=0.5, memory=64 * MIB)
    assert group.oom_kills() == 0
    assert all(Path(file).exists() for file in group.joins)
    groups.remove(group)
    groups.close()
    assert [own for own in folders(groups) if f"knit-{os.getpid()}-" in own.name] == []


def test_more_cores_than_there_are(groups: Cgroups) -> None:
    """A Run may ask for more cores than a group above allows: that one is then the limit."""
    groups.remove(groups.create("attempt-1", cpu=100_000.0, memory=None))


def test_kill_reaches_everyone(groups: Cgroups) -> None:
    """All members of a group die, also those of other sessions and without a mark in their environment."""
    group = groups.create("attempt-1", cpu=None, memory=None)
    script = "env -i setsid sleep 1000 & env -i sleep 1000 & echo ready; wait"
    join = ["/bin/sh", "-c", cgroups.JOIN, "knit", *group.joins, "--", "/bin/sh", "-c", script]
    with subprocess.Popen(join, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        group.kill(10)
        assert process.wait() == -9
    assert [Path(file).read_text() for file in group.joins] == [""] * len(group.joins)
    assert group.remove()


def test_sweep(groups: Cgroups) -> None:
    """What a dead server left is removed; the folder of a living one stays."""
    script = """
from knit_server.executors.local import cgroups
groups = cgroups.find()[0]
groups.create("left", cpu=None, memory=None)
"""
    mine = groups.create("mine", cpu=None, memory=None)
    subprocess.run([sys.executable, "-c", script], check=True)
    assert groups.of("left") != []
    groups.sweep()
    assert groups.of("left") == []
    assert groups.of("mine") != []
    groups.remove(mine)


def test_version_2_files(tmp_path: Path) -> None:
    """In version 2 all limits go into one folder, by that version's names."""
    groups = Cgroups(Tree(2, dict.fromkeys(cgroups.CONTROLLERS, tmp_path)))
    groups.create("a", cpu=1.5, memory=100)
    (folder,) = (own / "a" for own in tmp_path.iterdir())
    written = {file.name: file.read_text() for file in folder.iterdir()}
    assert written == {"memory.max": "100", "cpu.max": "150000 100000", "pids.max": "16384"}
    assert (folder.parent / "cgroup.subtree_control").read_text() == "+memory +cpu +pids"


@pytest.mark.parametrize(("version", "file"), [(1, "memory.oom_control"), (2, "memory.events")])
def test_oom_kills(tmp_path: Path, version: int, file: str) -> None:
    """The kernel's count is read, and not one of its neighbours."""
    (tmp_path / file).write_text("oom_kill_disable 0\nunder_oom 0\noom 7\noom_kill 3\noom_group_kill 5\n")
    assert Group(1 if version == 1 else 2, {"memory": tmp_path}).oom_kills() == 3


def test_capacity() -> None:
    """The machine is no larger than this process is allowed to use."""
    capacity = machine.capacity()
    assert 0 < capacity.cpu <= len(os.sched_getaffinity(0))
    assert 0 < capacity.memory <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 1.01


def test_affinity() -> None:
    """Cores that this process may not use are not offered."""
    script = "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\n"
    script += "from knit_server.executors.local.machine import capacity; print(capacity().cpu <= 1)"
    assert subprocess.run([sys.executable, "-c", script], check=True, capture_output=True).stdout == b"True\n"


def test_watchdog_adds_up_the_tree() -> None:
    """Memory of children counts; the call comes once, and the thread ends when nothing is watched."""
    exceeded = threading.Event()
    hold = "x = bytearray(b'x') * 60000000; print(flush=True); input()"
    command = [
        sys.executable,
        "-c",
        f"import subprocess, sys; {hold[:-9]}; subprocess.run([sys.executable, '-c', {hold!r}])",
    ]
    watchdog = Watchdog()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        watchdog.watch("one", process.pid, 100_000_000, exceeded.set)
        assert exceeded.wait(20)
        process.communicate(b"\n")
    for thread in threading.enumerate():
        if thread.name == "knit-memory-watchdog":
            thread.join(10)
            assert not thread.is_alive()


def test_watchdog_forgets() -> None:
    """What is not watched any more is never called for."""
    watchdog, called = Watchdog(), threading.Event()
    watchdog.watch("one", os.getpid(), 10**15, called.set)
    watchdog.forget("one")
    watchdog.forget("one")
    assert not called.is_set()


def test_a_process_is_known_after_its_end() -> None:
    """An ended process is seen as ended, and killing it hits nobody."""
    with subprocess.Popen(["true"]) as process:
        watched = Watched(process.pid)
        assert watched.join(10)
        process.wait()
    watched.kill()
    assert watched.ended
    watched.close()
    watched.close()
