"""One started attempt: what it is made of, and what its end means."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from knit_server.executors.base import AttemptId, Observation, Phase
from knit_server.executors.local.cgroups import Group
from knit_server.executors.local.processes import Watched, has_mark, kill_marked
from knit_server.executors.local.program import refusal

_BY_SIGNAL = 128  # exit codes above this say which signal ended a program, as in a shell
_PATIENCE = 5.0  # seconds for killed processes to be gone
_KILLED = _BY_SIGNAL + signal.SIGKILL


@dataclass
class Running:
    """A process of this server, and everything that must be let go of when it ends."""

    id: AttemptId
    process: subprocess.Popen[bytes]
    watched: Watched
    root: Path
    image: int  # a descriptor that keeps the image from being deleted
    status: int | None  # where bubblewrap tells of itself
    group: Group | None
    stopped: bool = False
    over_memory: bool = False  # the watchdog's verdict
    _told: list[dict[str, int]] | None = None
    _inner: list[Watched] = field(default_factory=list)

    def kill(self) -> None:
        """Kill all of it, without waiting. Bubblewrap takes its process namespace with it."""
        if self.group is not None:
            self.group.kill()
        self.process.kill()

    def rest(self) -> list[Watched]:
        """What ends after the process itself has ended: the first process of bubblewrap's namespace, if any.

        It is killed: where bubblewrap was killed while it started, that process would wait for ever.
        """
        if self._told is None:
            self._told = self._read_status()
            for told in self._told:
                pid = told.get("child-pid")
                try:
                    inner = None if pid is None else Watched(pid)
                except ProcessLookupError:
                    continue
                if inner is not None:
                    (self._inner.append if has_mark(inner.pid, str(self.id)) else Watched.close)(inner)
        left = [inner for inner in self._inner if not inner.ended]
        for inner in left:
            inner.kill()
        return left

    @property
    def ended(self) -> bool:
        """Whether nothing of it lives, background children of a plain process aside."""
        return self.watched.ended and not self.rest()

    async def wait(self) -> None:
        """Return when it has ended."""
        await self.watched.wait()
        for inner in self.rest():
            await inner.wait()

    def settle(self) -> Observation:
        """After the end: make sure that nothing is left, let go of everything, and say how it ended."""
        code = self.process.wait()
        if self.group is not None:
            self.group.kill(_PATIENCE)
        elif not self._told_the_end:
            kill_marked(str(self.id), _PATIENCE, session=self.process.pid)
        observation = self._meaning(code)
        self._close()
        return observation

    def _meaning(self, returned: int) -> Observation:
        code = _BY_SIGNAL - returned if returned < 0 else returned
        if code == 0:
            return Observation(phase=Phase.SUCCEEDED, code=0)
        return Observation(phase=Phase.FAILED, code=code, reason=f"(container main) {self._reason(code)}")

    def _reason(self, code: int) -> str:
        # The kernel's own count: a program may hide how its child died behind any exit code. An OOM kill that the
        # program survives (exit code 0) is its own business, as it is on Kubernetes.
        if self.over_memory or (self.group is not None and self.group.oom_kills() > 0):
            return "OOMKilled"
        if self.stopped:
            return "Stopped"
        if code in {126, 127} and (said := refusal(self.root)) is not None:
            return f"ContainerCannotRun: {said}"
        if self.status is not None and code != _KILLED and not self._told_the_end:
            return "ContainerCannotRun: the sandbox could not be made; its log says why"
        try:
            return f"Error: killed by {signal.Signals(code - _BY_SIGNAL).name}" if code > _BY_SIGNAL else "Error"
        except ValueError:
            return "Error"

    @property
    def _told_the_end(self) -> bool:
        """Whether bubblewrap has seen the program end, and so the namespace with it."""
        return any("exit-code" in told for told in self._told or ())

    def _read_status(self) -> list[dict[str, int]]:
        if self.status is None:
            return []
        try:
            text = os.read(self.status, 65536).decode()
        except BlockingIOError:
            return []
        return [json.loads(line) for line in text.splitlines() if line.endswith("}")]

    def _close(self) -> None:
        for watched in (self.watched, *self._inner):
            watched.close()
        for descriptor in (self.image, self.status):
            if descriptor is not None:
                os.close(descriptor)
