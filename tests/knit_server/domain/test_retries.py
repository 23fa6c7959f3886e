"""How often a Run is tried, and how long: what policies say, and what follows each end of an attempt."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knit_server.domain import plans, retries, times
from knit_server.domain.editing import RetryChange, TimeoutChange
from knit_server.domain.errors import InvalidInput
from knit_server.domain.images import ImageName
from knit_server.domain.plans import Input, PlanSpec
from knit_server.domain.retries import End, RetryPolicy
from knit_server.domain.tags import Tag

ENDS = st.tuples(st.sampled_from(End), st.integers(1, 255))
WORDS = st.sampled_from([*retries.words(), "exit:1", "exit:137", "exit:255"])
POLICIES = st.builds(
    RetryPolicy,
    tries=st.integers(1, retries.MAX_TRIES),
    wait=st.integers(0, retries.MAX_WAIT),
    on=st.lists(WORDS, min_size=1).map(tuple),
)
SPEC = PlanSpec(image=ImageName("lab/x", "1"), inputs=(Input(path="/in", tags=(Tag("a", "b"),)),))


@given(POLICIES, st.lists(ENDS, min_size=retries.MAX_TRIES, max_size=retries.MAX_TRIES))
def test_a_run_is_tried_no_more_often_than_its_policy_says(policy: RetryPolicy, ends: list[tuple[End, int]]) -> None:
    """There is a next attempt until `tries` are used up or an end is not in `on`; they are numbered one by one."""
    failed = 0
    for end, code in ends:
        follows = retries.next_attempt(policy, end, code, failed)
        named = end.value in policy.on or (end is End.EXIT and f"exit:{code}" in policy.on)
        assert (follows is not None) == (named and failed + 1 < policy.tries)
        if follows is None:
            break
        failed += 1
        assert (follows.number, follows.tries, follows.wait) == (failed + 1, policy.tries, policy.wait)
    assert failed < policy.tries


@given(POLICIES, ENDS, st.integers(0, 5))
def test_the_normal_form_says_the_same(policy: RetryPolicy, end: tuple[End, int], failed: int) -> None:
    """Checking a policy changes no decision, and nothing the second time."""
    normal = retries.check_policy(policy)
    assert retries.next_attempt(normal, *end, failed) == retries.next_attempt(policy, *end, failed)
    assert retries.check_policy(normal) == normal


@given(POLICIES, st.integers(0, 120), st.integers(0, 120), st.integers(0, 10))
def test_losses_count_once(policy: RetryPolicy, tries: int, losses: int, limit: int) -> None:
    """A policy about `lost` counts losses like any other end; for any other, only Knit's own limit counts."""
    given_up = retries.given_up(policy, tries=tries, losses=losses, limit=limit)
    before = retries.failed_before(policy, tries, losses)
    if "lost" in policy.on:
        assert before == tries + losses
        assert (given_up is not None) == (losses > 0 and tries + losses >= policy.tries)
    else:
        assert before == tries
        assert (given_up is not None) == (losses > limit)


@given(ENDS, st.integers(0, 9))
def test_without_a_policy_nothing_is_tried_again(end: tuple[End, int], failed: int) -> None:
    """That is how it was before there were policies; lost attempts have Knit's limit."""
    assert retries.next_attempt(None, *end, failed) is None
    assert retries.failed_before(None, failed, failed) == failed
    assert retries.given_up(None, tries=0, losses=3, limit=3) is None
    assert "lost 4 times" in (retries.given_up(None, tries=0, losses=4, limit=3) or "")


@pytest.mark.parametrize(
    ("on", "normal"),
    [
        (("stuck", "lost", "lost"), ("lost", "stuck")),
        (("exit:9", "exit", "exit:137"), ("exit",)),
        (("exit:137", "exit:9", "timeout"), ("exit:9", "exit:137", "timeout")),
    ],
)
def test_normal_forms(on: tuple[str, ...], normal: tuple[str, ...]) -> None:
    """`on` is a set, in order; `exit` says all that `exit:N` says."""
    assert retries.check_policy(RetryPolicy(tries=2, on=on)).on == normal


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        (RetryPolicy(tries=0), "retry.tries is 0"),
        (RetryPolicy(tries=101), "retry.tries is 101"),
        (RetryPolicy(tries=2, wait=-1), "retry.wait is out of range"),
        (RetryPolicy(tries=2, wait=retries.MAX_WAIT + 1), "retry.wait is out of range"),
        (RetryPolicy(tries=2, on=()), "retry.on is empty"),
        *(
            (RetryPolicy(tries=2, on=(word,)), "unknown word")
            for word in ("", "exit:0", "exit:256", "exit:", "exit:01", "EXIT", "oom", "exit:1 ")
        ),
    ],
)
def test_what_is_no_policy(policy: RetryPolicy, told: str) -> None:
    """Each slip is told, when a Plan is registered and when it is changed."""
    with pytest.raises(InvalidInput, match=told):
        plans.check(replace(SPEC, retry=policy))
    with pytest.raises(InvalidInput, match=told):
        RetryChange(policy).of(SPEC)


def test_a_timeout_is_a_second_at_least() -> None:
    """In less, no program starts; zero and less make no sense at all."""
    assert TimeoutChange(1000).of(SPEC).timeout == 1000
    assert TimeoutChange(None).of(replace(SPEC, timeout=1000)).timeout is None
    for timeout in (999, 0, -1000):
        with pytest.raises(InvalidInput, match="timeout is too short"):
            plans.check(replace(SPEC, timeout=timeout))
        with pytest.raises(InvalidInput, match="timeout is too short"):
            TimeoutChange(timeout).of(SPEC)


def test_neither_is_identity() -> None:
    """Plans that differ in nothing else are the same Plan."""
    spec = plans.check(replace(SPEC, retry=RetryPolicy(tries=3), timeout=5000))
    assert plans.canonical(spec) == plans.canonical(plans.check(SPEC))
    assert plans.identity_hash(spec) == plans.identity_hash(plans.check(SPEC))


@given(st.integers(0, 10**13))
def test_durations_can_be_read_back(duration: int) -> None:
    """What is written of a duration is read as the same duration."""
    if duration <= 366 * 100 * 24 * 3_600_000:
        assert times.parse_duration(times.format_duration(duration)) == duration


def test_in_words() -> None:
    """What people read of a time-out."""
    assert retries.exceeded(600_000) == "timed out after 10m"
