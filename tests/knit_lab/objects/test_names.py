"""Plans of cells have names: shown before the image wherever that stands for a Plan, and taken as a key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from knit_lab.components import monitoring
from knit_lab.display import cards, html
from knit_lab.graph import elements
from knit_lab.objects.drafts import PlanDraft
from knit_lab.objects.runs import RunFailed
from knit_lab.session import Session
from knit_server.domain.errors import Conflict, NotFound

Draft = Callable[..., PlanDraft]


@pytest.fixture
def name(case: str) -> str:
    """A name that no other test has."""
    return case.removeprefix("case:")


@pytest.fixture
def named(name: str) -> list[str]:
    """What `%%knit plan NAME` writes into its Plan."""
    return ["by=me", f"knit-cell={name}"]


def test_the_words_for_a_plan() -> None:
    """The name comes first; without one it is the image, or the name of a built-in Plan."""
    assert html.plan_name({"planId": "p", "image": "a:1", "annotations": ["x=y", "knit-cell=clean"]}) == "clean (a:1)"
    assert html.plan_name({"planId": "p", "image": "a:1", "annotations": ["knit-cellar=clean"]}) == "a:1"
    assert html.plan_name({"planId": "p", "name": "knit#uploaded"}) == "knit#uploaded"
    hostile: Any = {
        "planId": "p", "image": "a:1", "annotations": ["knit-cell=<i>"], "active": True, "inputs": [], "outputs": [],
    }  # fmt: skip
    assert "&lt;i&gt; (a:1)" in cards.plan(hostile)


def test_the_name_is_shown(session: Session, upper: Draft, case: str, name: str, named: list[str]) -> None:
    """In lines, cards and tables of Plans and Runs, and on the cards of both graphs; a DataFrame has the image."""
    session.push({"a.txt": "a"}, [case])
    plan = upper(annotations=named).apply()
    run = plan.runs.latest.wait(60)
    shown = f"{name} (upper:1)"
    made = run.outputs["/out/made"]
    for each in (plan, run):
        assert shown in each.as_text()
        assert shown in each.as_html()
    assert shown in made.as_html()
    for listing in (plan.runs, session.plans.listed([plan])):
        assert name in listing.as_text()
        assert shown in listing.as_html()
        assert list(listing.df["image"]) == ["upper:1"]
    graph = session.client.plan_graph(plan.id, upstream="all", downstream="all")
    assert shown in elements.of_plan_graph(graph).by_id[plan.id].lines
    assert shown in made.lineage().cards.by_id[run.id].lines
    assert (plan.image, run.image) == ("upper:1", "upper:1")


def test_a_failed_run_is_told_by_name(session: Session, upper: Draft, case: str, name: str, named: list[str]) -> None:
    """The error of a Run that was waited for names the Plan as everything else does."""
    session.push({"a.txt": "a", "fail": ""}, [case])
    run = upper(annotations=named).apply().runs.latest
    with pytest.raises(RunFailed, match=rf"\({name} \(upper:1\)\) failed with exit code"):
        run.wait(60)


def test_a_name_is_a_key(session: Session, upper: Draft, name: str, named: list[str]) -> None:
    """The active Plan of that name; an inactive one if there is no other; several are told apart by their ids."""
    first = upper(annotations=named).apply()
    assert session.plans[name] == first
    assert session.why(name).answer == first.why().answer
    assert monitoring.asked(session, name, "", "", "", "").plans == (first.id,)
    assert name in session.plans._ipython_key_completions_()
    second = upper(annotations=named, args=["other"]).apply()
    with pytest.raises(Conflict, match=f"several Plans have the name {name}: .*\nChoose one of them by its id."):
        _ = session.plans[name]
    first.deactivate()
    assert session.plans[name] == second
    second.archive()
    assert session.plans[name] == first
    assert session.plans[second.id] == second


def test_a_name_that_no_plan_has(session: Session) -> None:
    """What is missing is said, with how to see what there is."""
    with pytest.raises(NotFound, match=r"no Plan has the name zzzz, or an id that begins so\nSee all: knit.plans.find"):
        _ = session.plans["zzzz"]
    with pytest.raises(NotFound, match="no Plan has the name 00000000-"):
        _ = session.plans["00000000-0000-4000-8000-000000000000"]
