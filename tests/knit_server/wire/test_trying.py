"""`retry` and `timeout` in plan files: read as they are written, told where they are wrong."""

from __future__ import annotations

import pytest

from knit_server.domain import plans
from knit_server.domain.errors import InvalidInput
from knit_server.domain.retries import RetryPolicy
from knit_server.wire import planfile, requests

PLAN = "image: lab/x:1\ninputs: [{path: /in, tags: ['a:b']}]\n"


def spec_of(text: str) -> plans.PlanSpec:
    json, warnings = planfile.read(PLAN + text, "f")
    assert warnings == []
    return plans.check(requests.plan_spec(json))


@pytest.mark.parametrize(
    ("text", "retry", "timeout"),
    [
        ("", None, None),
        ("retry:\ntimeout:", None, None),
        ("retry: {tries: 3}", RetryPolicy(tries=3), None),
        ("retry: {tries: '3', wait: 30s, on: }", RetryPolicy(tries=3, wait=30_000), None),
        ("retry: {tries: 2, on: [exit]}\ntimeout: 1h30m", RetryPolicy(tries=2, on=("exit",)), 5_400_000),
        (
            "retry:\n  tries: 3\n  wait: 1.5m\n  on: [stuck, exit:137, lost, exit:9, timeout]\ntimeout: 90s",
            RetryPolicy(tries=3, wait=90_000, on=("exit:9", "exit:137", "lost", "stuck", "timeout")),
            90_000,
        ),
    ],
)
def test_plan_files(text: str, retry: RetryPolicy | None, timeout: int | None) -> None:
    """From the file to the checked Plan: `on` is a key here and not YAML's word for true."""
    spec = spec_of(text)
    assert (spec.retry, spec.timeout) == (retry, timeout)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("retry: 3", "f:3:8: retry must be a mapping"),
        ("retry: {tries: many}", "f:3:16: retry.tries must be a number, not 'many'"),
        ("retry: {tries: -1}", "f:3:16: retry.tries must be a number, not '-1'"),
        ("retry: {on: exit}", "f:3:13: retry.on must be a list"),
        ("timeout: [1h]", "f:3:10: timeout must be a text"),
        ("retry: {wait: 1s}", "retry.tries is missing"),
        ("retry: {tries: 2, wait: 30}", "retry.wait: not a duration: '30'"),
        ("timeout: 2d", "timeout: not a duration: '2d'"),
    ],
)
def test_what_is_wrong(text: str, told: str) -> None:
    """What has no form is told with its place; what is no value, with its key."""
    with pytest.raises(InvalidInput) as caught:
        spec_of(text)
    assert caught.value.reason.startswith(told)


def test_misspelt_keys() -> None:
    """They have no effect, which is told."""
    _, warnings = planfile.read(PLAN + "retry: {tires: 3}\ntimeuot: 3s", "f")
    assert warnings == [
        "f:3: unknown key 'tires' in retry is ignored; did you mean tries?",
        "f:4: unknown key 'timeuot' is ignored; did you mean timeout?",
    ]
