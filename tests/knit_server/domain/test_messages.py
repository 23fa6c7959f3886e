"""What the rules of the domain say when they are broken: the words, and that there is advice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from knit_server.domain import plans, resources, retries, runs, tags, times
from knit_server.domain.errors import Conflict
from knit_server.domain.ids import PlanId, RunId
from knit_server.domain.images import ImageName
from knit_server.domain.plans import Input, Output, PlanSpec, Preference
from knit_server.domain.retries import RetryPolicy
from knit_server.domain.runs import Run, Status
from knit_server.domain.tags import Tag

Said = Callable[..., str]
PLAN = PlanSpec(image=ImageName("x", "1"), inputs=(Input(path="/in", tags=(Tag("a", "b"),)),))
ID, OTHER = (Tag("knit#id", f"{digit * 8}-0000-0000-0000-000000000000") for digit in "12")
RUN = Run(run_id=RunId("r"), plan_id=PlanId("p"), key="", status=Status.DONE, updated_at=0)


def asking(path: str, *asked: Tag) -> PlanSpec:
    return replace(PLAN, inputs=(Input(path=path, tags=asked or (Tag("a", "b"),)),))


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (replace(PLAN, image=ImageName("x", "")), "image has no name or no tag"),
        (replace(PLAN, inputs=()), "the Plan has no inputs"),
        (asking("/" + "d" * 256), f"input path '/{'d' * 79}' is too long"),
        (asking("in"), "input path 'in' is not an absolute, clean path"),
        (asking("/in", ID, OTHER), "input /in asks for two different knit#id"),
        (asking("/in", Tag("knit#transient", "failed")), "input /in asks for knit#transient:failed"),
        (replace(PLAN, outputs=(Output(path="/o", tags=(ID,)),)), f"output /o gives the system tag {ID}"),
        (replace(PLAN, args=("\0",)), "args '\\x00' holds a NUL character"),
        (replace(PLAN, args=("\ud800",)), "args '\\ud800' is not valid Unicode text"),
    ],
)
def test_plans(said: Said, spec: PlanSpec, told: str) -> None:
    """A Plan is refused for the first rule that it breaks, in the words of plan files."""
    assert said(lambda: plans.check(spec)) == told


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: plans.parse_wish(Preference.MUST, "gpu"), "on_node.must: not a label: 'gpu'"),
        (lambda: plans.parse_annotation("alone"), "not an annotation: 'alone'"),
        (lambda: resources.parse("many"), "not a quantity: 'many'"),
        (lambda: resources.parse("2Ei"), "the quantity '2Ei' is out of range"),
        (lambda: resources.checked({"c p u": "1"}), "not a resource name: 'c p u'"),
        (lambda: tags.check(Tag("k" * 9999, "v")), f"the tag {'k' * 60}... is too long"),
        (lambda: tags.check(Tag("k", "\ud800")), "the tag 'k:\\ud800' is not valid Unicode text"),
        (lambda: tags.check(Tag("a:b", "c")), "the tag key 'a:b' would be read as another one"),
        (lambda: tags.check(Tag("a", "\0")), "the tag 'a:\\x00' holds a NUL character"),
        (lambda: tags.check(Tag("knit#transient", "x")), "knit#transient is not 'x'"),
        (lambda: times.parse_duration("9999999h"), "the duration '9999999h' is too long"),
        (
            lambda: times.parse_instant("2026-01-01T00:00:61Z"),
            "not a date and time: '2026-01-01T00:00:61Z' (second 61)",
        ),
        (
            lambda: times.parse_instant("2026-13-01T00:00:00Z"),
            "not a date and time: '2026-13-01T00:00:00Z' (month must be in 1..12)",
        ),
        (lambda: times.parse_instant("0001-01-01T00:00:00Z"), "out of range: '0001-01-01T00:00:00Z'"),
    ],
)
def test_values(said: Said, call: Callable[[], object], told: str) -> None:
    """A value is repeated as it was given, with what is wrong about it."""
    assert said(call) == told


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        (RetryPolicy(tries=0), "retry.tries is 0"),
        (RetryPolicy(tries=2, wait=-1), "retry.wait is out of range"),
        (RetryPolicy(tries=2, on=()), "retry.on is empty"),
        (RetryPolicy(tries=2, on=("sometimes",)), "retry.on: unknown word 'sometimes'"),
    ],
)
def test_retry_policies(said: Said, policy: RetryPolicy, told: str) -> None:
    """A policy names the key that is wrong."""
    assert said(lambda: retries.check_policy(policy)) == told


def test_timeout(said: Said) -> None:
    """An attempt has at least a second."""
    assert said(lambda: retries.check_timeout(1)) == "timeout is too short"


@pytest.mark.parametrize("what", ["upload", "import"])
def test_retry_of_what_has_no_program(said: Said, what: str) -> None:
    """Bytes from outside cannot be made again here."""

    def refuse() -> None:
        raise runs.refuse_retry_of_upload(RUN, what)

    assert said(refuse, Conflict) == f"Run r is an {what}; there is no program that could be run again"
