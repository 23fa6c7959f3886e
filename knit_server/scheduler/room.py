"""How much of the machine is taken: Runs start while their Plans' cores and memory fit into what is left."""

from __future__ import annotations

from knit_server.executors.base import Capacity
from knit_server.service.lifecycle import Needs

_GIB = 1 << 30


class Room:
    """What an executor offers, and who takes it now."""

    def __init__(self, capacity: Capacity, *, overcommit: bool = False) -> None:
        self._capacity = capacity
        self._overcommit = overcommit
        self._taken: dict[str, Needs] = {}
        self._promised: list[Needs] = []
        self._turned_away = False

    def choose(self, needs: Needs) -> bool | str:
        """Say whether a Run fits now (True), later (False), or never (why, for people).

        What fits is promised until `settle`. A Run that has to wait is not overtaken by smaller ones, so none starves.
        """
        if needs.cpu > self._capacity.cpu or needs.memory > self._capacity.memory:
            if not self._overcommit:
                return self._too_large(needs)
            fits = not self._taken and not self._promised
        else:
            fits = self._fits(needs)
        if fits:
            self._promised.append(needs)
        else:
            self._turned_away = True
        return fits

    def settle(self, taken: dict[str, Needs]) -> None:
        """Turn promises into Runs that take their room, by id."""
        self._promised.clear()
        self._taken.update(taken)

    def forget(self) -> None:
        """Take promises back."""
        self._promised.clear()

    def free(self, run_id: str) -> bool:
        """Give back what a Run took; says whether a Run was turned away since the last time, and may fit now."""
        self._taken.pop(run_id, None)
        waiting, self._turned_away = self._turned_away, False
        return waiting

    def _fits(self, needs: Needs) -> bool:
        used = [*self._taken.values(), *self._promised]
        cpu = sum(each.cpu for each in used) + needs.cpu
        memory = sum(each.memory for each in used) + needs.memory
        return cpu <= self._capacity.cpu and memory <= self._capacity.memory

    def _too_large(self, needs: Needs) -> str:
        return (
            f"asks for {_cores(needs.cpu)} and {needs.memory / _GIB:.3g} GiB, but this machine has "
            f"{_cores(self._capacity.cpu)} and {self._capacity.memory / _GIB:.3g} GiB; start the server on a "
            "larger one, or with --overcommit"
        )


def _cores(count: float) -> str:
    return f"{count:g} core{'' if count == 1 else 's'}"
