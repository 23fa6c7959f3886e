"""LocalExecutor: attempts as processes of this machine."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections import OrderedDict
from functools import cached_property
from pathlib import Path
from typing import Literal

from knit_server.domain.errors import Conflict, Unavailable
from knit_server.executors.base import (
    Attempt,
    AttemptId,
    Capacity,
    Description,
    ImageStore,
    Observation,
    Phase,
    Started,
)
from knit_server.executors.local import cgroups, machine, trees
from knit_server.executors.local.bubblewrap import Bubblewrap
from knit_server.executors.local.images import LocalImageStore
from knit_server.executors.local.processes import Watched, kill_marked
from knit_server.executors.local.program import command_line
from knit_server.executors.local.running import Running
from knit_server.executors.local.sandbox import Command, Job, Sandbox
from knit_server.executors.local.substitution import Substitution
from knit_server.executors.local.watchdog import Watchdog

_REMEMBERED = 1000  # ended attempts whose exit code is still known
_PATIENCE = 5.0  # seconds for killed processes to be gone

SandboxChoice = Literal["auto", "bubblewrap", "substitution"]
LimitsChoice = Literal["auto", "watchdog"]


class LocalExecutor:
    """Runs attempts in a sandbox of this machine. Implements `Executor`.

    The calls that start, observe and stop belong to one long-lived thread: bubblewrap dies with the thread that started
    it. `overcommit` gives a Run that asks for more memory than the machine has all of it. `limits="watchdog"` leaves
    control groups alone.
    """

    staging: Literal["host", "self"] = "host"

    def __init__(
        self,
        images: LocalImageStore,
        *,
        overcommit: bool = False,
        sandbox: SandboxChoice = "auto",
        limits: LimitsChoice = "auto",
    ) -> None:
        self.images: ImageStore = images
        self._images = images
        self.overcommit = overcommit
        self._asked = sandbox
        self._limits = limits
        self._running: dict[AttemptId, Running] = {}
        self._ended: OrderedDict[AttemptId, Observation] = OrderedDict()
        self._watchdog = Watchdog()

    def describe(self) -> Description:
        """What it is and what it enforces, found out by trying. Raises `Unavailable` if the sandbox asked for fails."""
        sandbox, notes = self._sandbox
        groups, reasons = self._groups
        controllers = {} if groups is None else groups.tree.folders
        cgroup = "none" if groups is None else groups.tree.name
        if "memory" not in controllers:
            notes = [*notes, "memory: added up and watched every 0.2 s; a Run over its limit is killed"]
        if "cpu" not in controllers:
            notes = [*notes, "cpu: not limited; Runs are only counted against the machine's cores"]
        return Description(
            name="local",
            sandbox=sandbox.name,
            memory_limit=cgroup if "memory" in controllers else "watchdog",
            cpu_limit=cgroup if "cpu" in controllers else "none",
            notes=(*notes, *reasons),
        )

    def capacity(self) -> Capacity:
        """The machine as its control group and CPU affinity let this process see it."""
        return machine.capacity()

    def start(self, attempt: Attempt) -> Started:
        """Start the attempt. Raises `KnitError` if it cannot start at all; a missing program is a failed attempt."""
        if attempt.id in self._running:
            raise Conflict(f"attempt {attempt.id} is running already", advice="Wait for it, or stop it.")
        image = self._images.locate(attempt.image)
        if image.venv is not None and not (image.venv / "bin" / "python3").exists():
            raise Unavailable(
                f"the environment of the image {attempt.image}, or its Python {image.image.python}, is gone",
                advice=f"Build it again: knit image build -t {attempt.image} DIR",
            )
        sandbox, _ = self._sandbox
        line = command_line(image.image, attempt.entrypoint, attempt.args)
        job = Job(attempt, image, line, attempt.folder / "root")
        held = self._images.use(image)
        try:
            with trees.told("starting a Run"):
                self._start(job, sandbox.command(job), held)
        except BaseException:
            os.close(held)
            self._clean(job.root)
            raise
        return Started(image_digest=image.image.digest, sandbox=sandbox.name)

    async def wait(self, attempt: AttemptId) -> Observation:
        """Return when the attempt has ended and nothing of it is left.

        What an earlier server left of it is killed: its exit code is lost, so it is VANISHED.
        """
        running = self._running.get(attempt)
        if running is None:
            ended = self._ended.get(attempt)
            while ended is None or ended.phase is Phase.RUNNING:  # dying takes its time, for a disk perhaps
                ended = await asyncio.to_thread(self._vanish, attempt)
            return ended
        await running.wait()
        observation = self._settle(running)
        await asyncio.to_thread(self._clean, running.root)
        return observation

    def observe(self, attempt: AttemptId) -> Observation:
        """See how the attempt is doing. What an earlier server left of it is killed, and VANISHED."""
        running = self._running.get(attempt)
        if running is None:
            ended = self._ended.get(attempt)
            return ended if ended is not None else self._vanish(attempt)
        if not running.ended:
            return Observation(phase=Phase.RUNNING)
        observation = self._settle(running)
        self._clean(running.root)
        return observation

    def stop(self, attempt: AttemptId) -> None:
        """Kill whatever is left of the attempt, background children included. Unknown and ended ones are fine."""
        running = self._running.get(attempt)
        if running is not None:
            if not running.watched.ended:
                running.stopped = True
            running.kill()
        elif attempt not in self._ended:
            self._vanish(attempt)

    def close(self) -> None:
        """Stop everything that this process started, and wait until it is gone."""
        for running in self._running.values():
            running.stopped = True
            running.kill()
        for running in list(self._running.values()):
            running.watched.join(_PATIENCE)
            for inner in running.rest():
                inner.join(_PATIENCE)
            self._settle(running)
            self._clean(running.root)
        groups = self.__dict__.get("_groups", (None, ()))[0]
        if groups is not None:
            groups.close()

    @cached_property
    def _sandbox(self) -> tuple[Sandbox, list[str]]:
        """The sandbox that works here, and why it is not another."""
        if self._asked == "substitution":
            return Substitution(), ["sandbox: substitution, as asked"]
        bubblewrap = Bubblewrap()
        wrong = bubblewrap.check()
        if wrong is None:
            return bubblewrap, []
        if self._asked == "bubblewrap":
            raise Unavailable(wrong, advice="Install or allow bubblewrap, or choose the sandbox `auto`.")
        return Substitution(), [f"sandbox: substitution, because {wrong}"]

    @cached_property
    def _groups(self) -> tuple[cgroups.Cgroups | None, list[str]]:
        """Control groups that work here, cleared of what dead servers left, and why others do not."""
        if self._limits == "watchdog":
            return None, ["limits: by watchdog, as asked"]
        groups, reasons = cgroups.find()
        if groups is not None:
            groups.sweep()
        return groups, reasons

    def _start(self, job: Job, command: Command, held: int) -> None:
        attempt = job.attempt
        memory = attempt.memory
        if memory is not None and self.overcommit:
            memory = min(memory, self.capacity().memory)
        group = None
        log = None
        groups, _ = self._groups
        try:
            argv = command.argv
            if groups is not None:
                group = groups.create(str(attempt.id), cpu=attempt.cpu, memory=memory)
                argv = ["/bin/sh", "-c", cgroups.JOIN, "knit", *group.joins, "--", *argv]
            log = os.open(attempt.log or os.devnull, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            process = subprocess.Popen(
                argv, env=command.env, cwd=command.cwd, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                pass_fds=command.inherit, start_new_session=True,
            )  # fmt: skip
        except BaseException:
            if group is not None and groups is not None:
                groups.remove(group)
            if command.status is not None:
                os.close(command.status)
            raise
        finally:
            for descriptor in (*command.inherit, *([] if log is None else [log])):
                os.close(descriptor)
        try:
            watched = Watched(process.pid)
        except OSError:  # out of descriptors: what cannot be watched must not run
            process.kill()
            process.wait()
            raise
        running = Running(attempt.id, process, watched, job.root, held, command.status, group)
        self._running[attempt.id] = running
        if memory is not None and (group is None or not group.limits_memory):
            self._watchdog.watch(str(attempt.id), process.pid, memory, lambda: self._exceeded(running))

    def _exceeded(self, running: Running) -> None:
        """Called by the watchdog, in its thread."""
        running.over_memory = True
        running.kill()

    def _settle(self, running: Running) -> Observation:
        """Take an ended attempt off the list, once, whoever of several waiters comes first."""
        if running.id not in self._running:
            return self._ended[running.id]
        self._watchdog.forget(str(running.id))
        observation = running.settle()
        groups, _ = self._groups
        if running.group is not None and groups is not None:
            groups.remove(running.group)
        del self._running[running.id]
        self._ended[running.id] = observation
        while len(self._ended) > _REMEMBERED:
            self._ended.popitem(last=False)
        return observation

    def _clean(self, root: Path) -> None:
        """Remove the program's private files; outputs and log lie elsewhere."""
        trees.remove_tree(root)
        trees.remove_tree(root.with_name("inputs"))

    def _vanish(self, attempt: AttemptId) -> Observation:
        """Kill what another server left of the attempt."""
        name = str(attempt)
        groups, _ = self._groups
        left = [] if groups is None else groups.of(name)
        for group in left:
            group.kill(_PATIENCE)
        gone = kill_marked(name, _PATIENCE)
        for group in left:
            group.remove()
        if gone:
            return Observation(phase=Phase.VANISHED, reason="an earlier server started it; its end was not seen")
        return Observation(phase=Phase.RUNNING, reason="left by an earlier server, and being killed")
