"""What the scheduler asks of lifecycle hooks. Who they are, and how they are reached, is somebody else's matter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from knit_server.domain.views import RunView


class Hooks(Protocol):
    """Outsiders that are told of each change of a Run's status that the scheduler makes.

    Called in the scheduler's own loop, never within a transaction. Each call may take its time; one that is cancelled
    ends at once.
    """

    @property
    def wanted(self) -> bool:
        """Whether there is anybody to tell; if not, Runs take the short way."""
        ...

    async def before(self, run: RunView) -> Mapping[str, str]:
        """Ask all, with the Run as it stands before the change; returns the environment that they give its program.

        Raises `Unavailable` if one of them refuses or cannot be asked: then nothing changes for now.
        """
        ...

    async def after(self, run: RunView) -> None:
        """Tell all, with the Run as it stands after the change. What comes of it is no matter."""
        ...

    async def close(self) -> None:
        """Let go of everything; to be called in the same loop."""
        ...


class NoHooks:
    """Nobody wants to know."""

    wanted = False

    async def before(self, run: RunView) -> Mapping[str, str]:
        """Agree."""
        return {}

    async def after(self, run: RunView) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""
