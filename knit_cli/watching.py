"""What is known of Runs that are watched: put together from how they stood and from what changed since."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from knit_cli.output import first_line
from knit_server.domain import times
from knit_server.domain.errors import NotFound
from knit_server.domain.runs import Status

Json = Mapping[str, Any]

_ENDED = (Status.DONE.value, Status.FAILED.value, Status.INVALIDATED.value)
_STANDING = Status.DEACTIVATED.value


@dataclass(frozen=True)
class Change:
    """One Run in a new status."""

    run: Json

    def __str__(self) -> str:
        """Write it as a line: when, which Run, its status, its image, and how it ended."""
        run = self.run
        plan, ended = run["plan"], run.get("exit")
        words = [run["updatedAt"], run["runId"], f"{run['status']:<11}", plan.get("image") or plan.get("name") or ""]
        if ended is not None and (ended["code"] or ended["message"]):
            words.append(f"(exit {ended['code']}{': ' if ended['message'] else ''}{first_line(ended['message'])})")
        return " ".join(map(str, words)).rstrip()


@dataclass
class Watched:
    """Runs that are watched: those `named`, else those of `plan`, else all."""

    named: Sequence[str] = ()
    plan: str | None = None
    failed: bool = False
    """Whether a watched Run has failed."""
    _runs: dict[str, Json] = field(default_factory=dict)
    _begun: bool = False
    _seen: bool = False

    @property
    def asked(self) -> tuple[str, ...]:
        """The statuses of Runs that are looked for at the beginning, if none are named: those that will change."""
        return tuple(each.value for each in Status if each.value not in _ENDED and each.value != _STANDING)

    @property
    def over(self) -> bool:
        """Whether there is nothing left to wait for."""
        waits = (each["status"] not in _ENDED and (self.named or each["status"] != _STANDING) for each in self._all())
        return self._begun and not any(waits)

    @property
    def is_empty(self) -> bool:
        """Whether no Run was ever seen."""
        return not self._seen

    def begin(self, present: Iterable[Json], show: Callable[[str], Any]) -> Iterator[Change]:
        """Take how the Runs stand now: at the beginning, or after the stream was cut off. Gives what is new of it.

        A Run that went on before, but does so no more, has changed unseen: `show` tells how.
        """
        standing = {str(each["runId"]): each for each in present}
        missed = [each for each, run in self._runs.items() if run["status"] not in _ENDED and each not in standing]
        for run_id in missed:
            try:
                standing[run_id] = dict(show(run_id))
            except NotFound:
                yield from self._drop(run_id, str(self._runs[run_id]["updatedAt"]))
        for run in standing.values():
            yield from self._note(run)
        self._begun = True

    def take(self, event: Json, show: Callable[[str], Any]) -> Iterator[Change]:
        """Take an event about a Run; `show` fetches one of which more must be known: a new one, or one that failed."""
        run_id, status = str(event["runId"]), str(event["status"])
        if self.named and run_id not in self.named:
            return
        if self.plan is not None and event.get("planId") != self.plan:
            return
        known = self._runs.get(run_id)
        if known is not None and _order(known) > times.parse_instant(str(event["at"])):
            return  # it was on its way when the Runs were fetched, and is known to be past that
        if status == Status.INVALIDATED.value:
            yield from self._drop(run_id, str(event["at"]))
        elif known is None or status == Status.FAILED.value:
            found = dict(show(run_id))
            yield from self._note({**found, "status": status, "updatedAt": event["at"]})
        else:
            yield from self._note({**known, "status": status, "updatedAt": event["at"]})

    def shown(self, most: int) -> tuple[list[Json], int]:
        """Return at most `most` Runs to show, those that go on first, then the latest; and how many are left out."""
        ordered = sorted(self._all(), key=lambda run: (run["status"] in _ENDED, -_order(run)))
        return ordered[: max(1, most)], max(0, len(ordered) - max(1, most))

    def _all(self) -> list[Json]:
        return list(self._runs.values())

    def _drop(self, run_id: str, at: str) -> Iterator[Change]:
        """Forget a Run that was deleted."""
        known = self._runs.pop(run_id, None)
        if known is not None:
            yield Change({**known, "status": "deleted", "updatedAt": at})

    def _note(self, run: Json) -> Iterator[Change]:
        before = self._runs.get(str(run["runId"]))
        self._runs[str(run["runId"])] = run
        self._seen = True
        self.failed = self.failed or run["status"] == Status.FAILED.value
        if before is None or before["status"] != run["status"]:
            yield Change(run)


def _order(run: Json) -> int:
    return times.parse_instant(str(run["updatedAt"]))
