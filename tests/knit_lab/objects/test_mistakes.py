"""What people get wrong is told as an error of Knit with what to do, never as a traceback or as nothing found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from knit_lab.objects import asking
from knit_lab.objects.by_path import ByPath
from knit_lab.objects.drafts import PlanDraft
from knit_lab.objects.runs import Run
from knit_lab.session import Session
from knit_server.domain.errors import InvalidInput, NotFound

Draft = Callable[..., PlanDraft]


def test_runs_of_what_is_not_there(session: Session) -> None:
    """Nobody takes a slip of the pen for a Plan without Runs."""
    with pytest.raises(NotFound, match=r"no Plan has the name zzzz.*\nSee all: knit.plans.find"):
        session.runs.find(plan="zzzz")
    with pytest.raises(NotFound, match="there is no Plan with the image none:1"):
        session.runs.find(plan="none:1")
    for member in ("input", "output"):
        with pytest.raises(NotFound):
            session.runs.find(**{member: "zzzz"})  # type: ignore[arg-type]  # mypy takes each key for any
        with pytest.raises(NotFound, match="there is no usable Data with no:such"):
            session.runs.find(**{member: "no:such"})  # type: ignore[arg-type]  # as above


def test_runs_by_names_and_tags(session: Session, ran: Callable[..., Run], case: str) -> None:
    """A Plan by its name, a Data by its tag."""
    name = case.removeprefix("case:")
    run = ran({"a.txt": "a"}, annotations=[f"knit-cell={name}"])
    assert list(session.runs.find(plan=name)) == [run]
    assert list(session.runs.find(input=case)) == [run]
    assert list(session.runs.find(output=case.replace("case:", "made:"))) == [run]


def test_unknown_members_of_a_plan(session: Session) -> None:
    """The nearest spelling is told, or all that there are."""
    with pytest.raises(InvalidInput, match=r"a Plan has no 'imge'\nDid you mean image\?"):
        session.plan(imge="a:1")
    with pytest.raises(InvalidInput, match=r"a Plan has no 'xyzzy'\nThere are annotations, image, .*inputs"):
        session.plan(xyzzy=None)


@pytest.mark.parametrize("what", [42, None, "", ["a"]])
def test_why_of_what_is_nothing_of_knit(session: Session, what: Any) -> None:
    """It says how to ask."""
    with pytest.raises(InvalidInput, match=r"neither an id nor a tag\nWrite knit.why"):
        session.why(what)


def test_why_of_what_is_not_there(session: Session) -> None:
    """It is not found."""
    with pytest.raises(NotFound):
        session.why("zzzz")


@pytest.mark.parametrize("member", ["plan", "input", "output"])
def test_runs_of_what_is_no_id(session: Session, member: str) -> None:
    """A number names nothing."""
    with pytest.raises(InvalidInput, match="asked by 5, which is neither an id nor a tag"):
        session.runs.find(**{member: 5})  # type: ignore[arg-type]  # that is the mistake


@pytest.mark.parametrize("limit", ["a", -1, True, 1.5])
def test_limits(session: Session, limit: Any) -> None:
    """A limit is a number of things."""
    for find in (session.data.find, session.runs.find, session.find):
        with pytest.raises(InvalidInput, match=r"not a number to list at most: .*\nWrite limit=20"):
            find(limit=limit)
    assert len(session.data.find(limit=1)) <= 1


def test_times_durations_and_tags_of_other_types() -> None:
    """What is not even a text is refused, too."""
    for read, wrong, told in (
        (asking.instant, 5, "not a time: 5\nWrite 2026"),
        (asking.span, [1], r"not a duration: \[1\]\nWrite seconds"),
        (asking.texts, 5, "not a tag: 5\nWrite each as a text"),
        (asking.texts, ["a:b", None], "not a tag: None"),
    ):
        asked: Any = read
        with pytest.raises(InvalidInput, match=told):
            asked(wrong)


def test_paths_of_a_run(ran: Callable[..., Run]) -> None:
    """The nearest path is told, or all; it stays a dict."""
    run = ran({"a.txt": "a"})
    with pytest.raises(NotFound, match=r"nothing is at the path '/nix' here\nThe paths are /out/made."):
        _ = run.outputs["/nix"]
    with pytest.raises(NotFound, match=r"'/in/rwa' here\nDid you mean /in/raw\?"):
        _ = run.plan.inputs["/in/rwa"]
    assert run.outputs.get("/nix") is None
    assert "/nix" not in run.inputs
    with pytest.raises(NotFound, match="There is none at all"):
        _ = ByPath[int]()["/x"]
