"""Passing signals on."""

from __future__ import annotations

import pytest

from knit_server.service.signals import LAUNCH, Signals, Topics


def test_a_subscriber_that_fails_does_not_fail_the_announcer(caplog: pytest.LogCaptureFixture) -> None:
    """What was committed stays acknowledged, and the other subscribers hear of it."""
    signals, heard = Signals(), list[Topics]()

    def broken(topics: Topics) -> None:
        raise RuntimeError("broken")

    signals.subscribe(broken)
    signals.subscribe(heard.append)
    signals.announce(frozenset({LAUNCH}))
    assert heard == [{LAUNCH}]
    assert "a subscriber failed to take launch" in caplog.text


def test_deferred_topics_come_at_the_end_and_once() -> None:
    """Nobody wakes before all of a piece of work is done."""
    signals, heard = Signals(), list[Topics]()
    signals.subscribe(heard.append)
    with signals.deferred():
        signals.announce(frozenset({LAUNCH}))
        signals.announce(frozenset({"finish", LAUNCH}))
        assert heard == []
    assert heard == [{LAUNCH, "finish"}]


def test_ended_subscriptions_hear_nothing() -> None:
    """Who has unsubscribed is left alone."""
    signals, heard = Signals(), list[Topics]()
    end = signals.subscribe(heard.append)
    end()
    signals.announce(frozenset({LAUNCH}))
    assert heard == []
