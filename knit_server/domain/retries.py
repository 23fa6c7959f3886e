"""How often a Run is tried, and how long an attempt may take: what a Plan says about it, and what follows.

Rules: docs/rules.md, "Retry and time-out". Durations are milliseconds.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from knit_server.domain import times
from knit_server.domain.errors import InvalidInput


class End(enum.Enum):
    """How an attempt ended badly. Each is a word of a policy's `on`."""

    EXIT = "exit"  #: its program ended with a code other than 0, or was killed
    LOST = "lost"  #: its program vanished, perhaps together with its server
    STUCK = "stuck"  #: its program could not be started
    TIMEOUT = "timeout"  #: its program ran longer than the Plan allows


DEFAULT_ON = (End.LOST.value, End.STUCK.value)
"""What a policy is for that does not say it: the machine's failures rather than the program's."""
MAX_TRIES = 100
"""Attempts of one Run by itself; more is a slip of the keyboard."""
MAX_WAIT = 7 * 24 * 3600 * 1000
"""Longest pause before the next attempt: a week."""
MIN_TIMEOUT = 1000
"""Shortest time-out: in less, no container starts."""

_CODE = re.compile(r"exit:([1-9][0-9]{0,2})")
_WORDS = "exit, exit:CODE, lost, stuck and timeout"


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How often a Run is tried in all, the pause before each further attempt, and after which ends there is one.

    The pause is always the same. A normal `on` is sorted, and without what `exit` says already.
    """

    tries: int
    wait: int = 0
    on: tuple[str, ...] = DEFAULT_ON

    def covers(self, end: End, code: int = 0) -> bool:
        """Whether there is another attempt after one that ended so; `code` is the program's own (`End.EXIT`)."""
        return end.value in self.on or (end is End.EXIT and f"exit:{code}" in self.on)


@dataclass(frozen=True, kw_only=True)
class NextAttempt:
    """That a Run is tried again: the `number`-th attempt of `tries`, after a pause of `wait`."""

    number: int
    tries: int
    wait: int


def next_attempt(policy: RetryPolicy | None, end: End, code: int, failed: int) -> NextAttempt | None:
    """Return what follows an attempt that ended badly, after `failed` others had; None if it was the last."""
    if policy is None or failed + 1 >= policy.tries or not policy.covers(end, code):
        return None
    return NextAttempt(number=failed + 2, tries=policy.tries, wait=policy.wait)


def failed_before(policy: RetryPolicy | None, tries: int, losses: int) -> int:
    """Return how many attempts count against a policy: `tries` that it repeated, and `losses` if it is about them."""
    return tries + (losses if policy is not None and policy.covers(End.LOST) else 0)


def given_up(policy: RetryPolicy | None, *, tries: int, losses: int, limit: int) -> str | None:
    """Return why a Run whose server died is not begun anew, None if it is.

    A policy about `lost` counts for itself; without one, more than `limit` losses are too many.
    """
    if policy is None or not policy.covers(End.LOST):
        too_often = f"lost {losses} times together with the server; it may be what brings the server down"
        return too_often if losses > limit else None
    if not losses or tries + losses < policy.tries:
        return None
    return f"lost together with the server, at attempt {tries + losses} of {policy.tries}"


def check_policy(policy: RetryPolicy) -> RetryPolicy:
    """Return `policy` in normal form. Raises `InvalidInput` (docs/rules.md, "Retry and time-out")."""
    if not 1 <= policy.tries <= MAX_TRIES:
        raise InvalidInput(
            f"retry.tries is {policy.tries}", advice=f"Write how often a Run is tried in all, from 1 to {MAX_TRIES}."
        )
    if not 0 <= policy.wait <= MAX_WAIT:
        raise InvalidInput("retry.wait is out of range", advice="Write a pause like 30s or 10m; a week is the longest.")
    words = {_word(text) for text in policy.on}
    if not words:
        raise InvalidInput(
            "retry.on is empty", advice=f"Write after which ends a Run is tried again: {_WORDS}; or leave `on` out."
        )
    if End.EXIT.value in words:
        words = {word for word in words if not word.startswith("exit:")}
    return replace(policy, on=tuple(sorted(words, key=_order)))


def check_timeout(timeout: int) -> int:
    """Return `timeout`. Raises `InvalidInput` for one that is too short."""
    if timeout < MIN_TIMEOUT:
        raise InvalidInput("timeout is too short", advice="Write how long an attempt may run, from 1s, like 10m or 2h.")
    return timeout


def exceeded(timeout: int) -> str:
    """Return the exit message of an attempt that ran longer than `timeout`."""
    return f"timed out after {times.format_duration(timeout)}"


def _word(text: str) -> str:
    if text in (end.value for end in End):
        return text
    found = _CODE.fullmatch(text)
    if found is None or int(found[1]) > 255:
        raise InvalidInput(
            f"retry.on: unknown word {text[:40]!r}", advice=f"Known are {_WORDS}, with a CODE from 1 to 255."
        )
    return text


def _order(word: str) -> tuple[str, int]:
    kind, _, code = word.partition(":")
    return kind, int(code or 0)


def words() -> Iterable[str]:
    """Return the words of `on` that stand for themselves, for whoever completes them."""
    return [end.value for end in End]
