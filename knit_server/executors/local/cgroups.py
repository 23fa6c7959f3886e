"""Limits by control groups, of version 2 where a part of the tree is ours to use, else of version 1.

Each server has a folder `knit-<pid>-<start>` per tree, and in it one per attempt; by that name a later server knows
what a dead one left, and removes it. Whether limits work is found out by trying, never by looking alone.
"""

from __future__ import annotations

import errno
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from knit_server.executors.local.processes import kill_all, watch

CONTROLLERS = ("memory", "cpu", "pids")
# Writes itself into each group whose file is named before "--", then becomes what follows.
JOIN = 'while [ "$1" != -- ]; do echo 0 >"$1" || exit 125; shift; done; shift; exec "$@"'
_MOST_PROCESSES = 16384  # threads included: a guard for the machine, not a limit for people
_PERIOD = 100_000  # microseconds
_LEAST_QUOTA = 1_000  # microseconds per period; the kernel takes no less
_FOLDER = re.compile(r"knit-(\d+)-(\d+)")
_PATIENCE = 2.0  # seconds for killed processes to be gone
_TEST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Tree:
    """Where groups can be made: the folder per controller (all the same in version 2)."""

    version: Literal[1, 2]
    folders: Mapping[str, Path]

    @property
    def name(self) -> str:
        """As people read it."""
        return f"cgroup-v{self.version}"


class Group:
    """The control group of one attempt."""

    def __init__(self, version: Literal[1, 2], folders: Mapping[str, Path]) -> None:
        self._version = version
        self._folders = folders
        self._distinct = sorted(set(folders.values()))

    @property
    def joins(self) -> list[str]:
        """The files into which a process writes itself."""
        return [str(folder / "cgroup.procs") for folder in self._distinct]

    @property
    def limits_memory(self) -> bool:
        """Whether a memory limit is the kernel's business here."""
        return "memory" in self._folders

    def oom_kills(self) -> int:
        """How many of its processes the kernel has killed for memory."""
        memory = self._folders.get("memory")
        if memory is None:
            return 0
        return _counter(memory / ("memory.events" if self._version == 2 else "memory.oom_control"), "oom_kill")

    def kill(self, patience: float = 0.0) -> None:
        """Kill every process in it, and those that they start meanwhile; wait `patience` seconds for their end."""
        for folder in self._distinct:
            if self._version == 2 and (folder / "cgroup.kill").exists():
                _write(folder / "cgroup.kill", "1")
            kill_all(lambda folder=folder: watch(_members(folder)), patience)  # type: ignore[misc]

    def remove(self) -> bool:
        """Remove the empty group; False where the kernel still holds on to it: try again later."""
        for folder in self._distinct:
            try:
                folder.rmdir()
            except FileNotFoundError:
                continue
            except OSError:
                return False
        return True


class Cgroups:
    """This server's groups in one tree."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self._own = f"knit-{os.getpid()}-{_start_time(os.getpid())}"
        self._left: list[Group] = []

    def create(self, attempt: str, *, cpu: float | None, memory: int | None) -> Group:
        """A group with these limits, in cores and bytes. Raises `OSError`."""
        folders = {name: folder / self._own / attempt for name, folder in self.tree.folders.items()}
        for folder in set(folders.values()):
            if not folder.parent.is_dir():
                self._make_own(folder.parent)
            folder.mkdir(exist_ok=True)
        group = Group(self.tree.version, folders)
        try:
            for file, value in _settings(self.tree.version, folders, cpu, memory):
                _set(file, value)
        except OSError:
            group.remove()
            raise
        return group

    def _make_own(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        if self.tree.version == 2:
            enable = " ".join(f"+{name}" for name in self.tree.folders)
            (folder / "cgroup.subtree_control").write_text(enable)

    def remove(self, group: Group) -> None:
        """Remove a group that has no processes any more, now or with one of the next."""
        self._left = [left for left in (*self._left, group) if not left.remove()]

    def of(self, attempt: str) -> list[Group]:
        """The groups of an attempt, whichever server made them."""
        found = []
        for own in {folder.name for base in set(self.tree.folders.values()) for folder in base.glob("knit-*-*")}:
            folders = {name: base / own / attempt for name, base in self.tree.folders.items()}
            if any(folder.is_dir() for folder in folders.values()):
                found.append(Group(self.tree.version, folders))
        return found

    def sweep(self) -> None:
        """Kill and remove what servers that are dead have left."""
        for base in set(self.tree.folders.values()):
            for own in base.glob("knit-*-*"):
                name = _FOLDER.fullmatch(own.name)
                if name is None or _start_time(int(name[1])) == int(name[2]):
                    continue
                for folder in own.iterdir():
                    if folder.is_dir():
                        group = Group(self.tree.version, {"any": folder})
                        group.kill(_PATIENCE)
                        self.remove(group)
                _remove_folder(own)

    def close(self) -> None:
        """Remove this server's own folder, if all its groups are gone."""
        self._left = [left for left in self._left if not left.remove()]
        for base in set(self.tree.folders.values()):
            _remove_folder(base / self._own)


def find() -> tuple[Cgroups | None, list[str]]:
    """Groups that work, tried by making one with limits and running a program in it; and why others do not."""
    reasons = []
    for tree in (*_version_2(), *_version_1()):
        groups = Cgroups(tree)
        try:
            _try(groups)
        except OSError as err:
            reasons.append(f"{tree.name} cannot be used: {err.strerror or err} ({err.filename or 'test program'})")
            groups.close()
            continue
        return groups, reasons
    return None, reasons or ["control groups: there is none here that this user may divide"]


def _try(groups: Cgroups) -> None:
    group = groups.create("test", cpu=1.0, memory=_TEST_BYTES)
    try:
        done = subprocess.run(
            ["/bin/sh", "-c", JOIN, "knit", *group.joins, "--", "/bin/sh", "-c", "exit 7"], check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        if done.returncode != 7:
            raise OSError("a program could not join its group")
    finally:
        groups.remove(group)


def _settings(
    version: int, folders: Mapping[str, Path], cpu: float | None, memory: int | None
) -> Iterator[tuple[Path, str]]:
    """The files to write, in an order that the kernel accepts."""
    if memory is not None and "memory" in folders:
        limit, swap = ("memory.max", "memory.swap.max") if version == 2 else (
            "memory.limit_in_bytes", "memory.memsw.limit_in_bytes")  # fmt: skip
        yield folders["memory"] / limit, str(memory)
        if (folders["memory"] / swap).exists():
            yield folders["memory"] / swap, "0" if version == 2 else str(memory)
    if cpu is not None and "cpu" in folders:
        quota = max(_LEAST_QUOTA, int(cpu * _PERIOD))
        if version == 2:
            yield folders["cpu"] / "cpu.max", f"{quota} {_PERIOD}"
        else:
            yield folders["cpu"] / "cpu.cfs_period_us", str(_PERIOD)
            yield folders["cpu"] / "cpu.cfs_quota_us", str(quota)
    if "pids" in folders:
        yield folders["pids"] / "pids.max", str(_MOST_PROCESSES)


def _set(file: Path, value: str) -> None:
    try:
        file.write_text(value)
    except OSError as err:
        if err.errno != errno.EINVAL or not file.name.startswith("cpu."):
            raise  # the cores asked for may exceed what a group above allows: then that one is the limit


def memberships() -> list[tuple[tuple[str, ...], Path, Path]]:
    """(controllers, this process' folder, the tree's root), one per mounted tree; version 2 names no controllers."""
    try:
        mounted = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        mine = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    except OSError:
        return []
    found = []
    for _, controllers, path in mine:
        wanted = tuple(name for name in controllers.split(",") if name)
        for fields in mounted:
            kind, options = fields[fields.index("-") + 1], fields[-1].split(",")
            if kind == ("cgroup" if wanted else "cgroup2") and all(name in options for name in wanted):
                root = Path(fields[4])
                shown = path.removeprefix(fields[3]) if fields[3] != "/" else path
                folder = root / shown.strip("/")
                found.append((wanted, folder if folder.is_dir() else root, root))
                break
    return found


def _version_1() -> Iterator[Tree]:
    folders = {name: own for names, own, _ in memberships() for name in names if name in CONTROLLERS}
    if "memory" in folders or "cpu" in folders:
        yield Tree(1, folders)


def _version_2() -> Iterator[Tree]:
    """The nearest folder above this process whose children get the memory controller and may be made by us."""
    for names, own, root in memberships():
        if names:
            continue
        for folder in (own, *own.parents):
            if not folder.is_relative_to(root):
                break
            given = _words(folder / "cgroup.subtree_control")
            if "memory" in given and os.access(folder, os.W_OK):
                yield Tree(2, {name: folder for name in CONTROLLERS if name in given})
                return


def _words(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:
        return []


def _counter(file: Path, name: str) -> int:
    words = _words(file)
    return int(words[words.index(name) + 1]) if name in words else 0


def _members(folder: Path) -> list[int]:
    return [int(pid) for pid in _words(folder / "cgroup.procs")]


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text)
    except OSError:
        return  # the group is gone


def _remove_folder(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return  # not there, or a group in it is still on its way out: a later sweep takes it


def _start_time(pid: int) -> int | None:
    """When a process started, in clock ticks since boot: with its number, this tells processes apart."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return int(status.rpartition(")")[2].split()[19])
