"""Plans in a notebook: drafted, tried, applied again and again, switched, archived, explained."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from knit_lab.objects.drafts import PlanDraft
from knit_lab.session import Session
from knit_server.domain.errors import Conflict, CyclicPlan, InvalidInput, NotFound

Draft = Callable[..., PlanDraft]

FILE = """\
image: upper:1
args: [/in/raw, /out/made]
inputs:
  - path: /in/raw
    tags: [{asks}]
outputs:
  - path: /out/made
    tags: [{gives}]
"""


# --- drafts -----------------------------------------------------------------------------------------------------------


def test_from_a_file_its_text_or_members(session: Session, case: str, tmp_path: Path) -> None:
    """All ways to the same Plan; members stand in place of those of the file."""
    text = FILE.format(asks=case, gives="a:b")
    (tmp_path / "a.plan.yaml").write_text(text)
    by_file = session.plan(tmp_path / "a.plan.yaml")
    by_members = session.plan(
        image="upper:1", args=["/in/raw", "/out/made"], inputs={"/in/raw": [case]}, outputs={"/out/made": "a:b"}
    )
    assert session.plan(str(tmp_path / "a.plan.yaml")).spec == by_file.spec
    assert session.plan(text).spec == by_file.spec
    assert {name: by_file.spec[name] for name in by_members.spec} == by_members.spec
    assert session.plan(text, image="upper:2").spec["image"] == "upper:2"
    assert session.plan(by_members.spec, log=True).spec["log"] == {"tags": []}
    assert "log" not in session.plan(by_members.spec | {"log": True}, log=False).spec
    assert "outputs" not in session.plan(text, outputs=None).spec
    assert session.plan(by_members.spec, log=["type:log"]).spec["log"] == {"tags": ["type:log"]}
    assert session.plan(text, inputs=[{"path": "/in/raw", "tags": ["x:y"]}]).spec["inputs"][0]["tags"] == ["x:y"]


def test_a_draft_is_a_plan_file(session: Session, upper: Draft, tmp_path: Path) -> None:
    """What is saved is read again as the same draft; it shows itself as that file."""
    draft = upper()
    place = draft.save(tmp_path / "mine.plan.yaml")
    assert session.plan(place).dry_run().ok
    assert draft.as_text() == draft.yaml == place.read_text()
    assert "<b>image</b>" in draft.as_html()


def test_plan_files_that_cannot_be_read(session: Session, tmp_path: Path, said: Callable[..., str]) -> None:
    """The name of the file is in what is said, the place in it, too."""
    with pytest.raises(NotFound, match=r"there is no plan file none.yaml\nGive its path, or its text."):
        session.plan("none.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    assert said(lambda: session.plan(tmp_path / "bytes.yaml")).startswith("cannot read the plan file ")
    with pytest.raises(InvalidInput, match=r"the text:3:1"):
        session.plan("image: a:1\ninputs: [\n")


def test_keys_without_effect_are_warned_about(session: Session, case: str) -> None:
    """A typing error in a plan file is seen at once, in the cell that made it."""
    with pytest.warns(UserWarning, match="imagee") as told:
        session.plan(FILE.format(asks=case, gives="a:b") + "imagee: x\n")
    assert {each.filename for each in told} == {__file__}, "the caller's file is named, not one of Knit's"


# --- dry runs ---------------------------------------------------------------------------------------------------------


def test_dry_run(session: Session, upper: Draft, case: str) -> None:
    """It tells the Runs that there would be, and changes nothing."""
    session.push({"a": "a"}, [case])
    session.push({"b": "b"}, [case])
    told = upper().dry_run()
    assert told
    assert told.run_count == 2
    assert "2 Runs would be made" in told.as_text()
    assert "/in/raw: 2 fitting Data" in told.as_text()
    assert not [each for each in session.plans.find(image="upper:1") if each.inputs == {"/in/raw": [case]}]


def test_dry_run_of_what_cannot_be_applied(upper: Draft, case: str) -> None:
    """A wrong Plan is no error here: the verdict says why, and what to do."""
    upper().apply()
    again = upper().dry_run()
    assert not again
    assert again.run_count == 0
    assert "cannot be applied: there is an equivalent Plan already" in again.as_text()
    wrong = upper(outputs={"/out/made": case}).dry_run()
    assert not wrong
    assert "cycle" in wrong.as_text()


# --- applying ---------------------------------------------------------------------------------------------------------


def test_applying_again_gives_the_same_plan(session: Session, upper: Draft, case: str) -> None:
    """Restart and Run All: the Plan is there already, its Runs are not made twice."""
    session.push({"a": "a"}, [case])
    plan = upper().apply()
    plan.runs.latest.wait(60)
    again = upper().apply()
    assert again == plan
    assert len(again.runs) == 1
    assert hash(again) == hash(plan)


def test_an_archived_plan_is_not_silently_used(upper: Draft) -> None:
    """It would match nothing: the error says how to take it out of the archive."""
    plan = upper().apply()
    assert plan.archive() is plan
    with pytest.raises(Conflict, match="archived"):
        upper().apply()
    plan.archive(undo=True)
    assert upper().apply() == plan


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"image": ""}, "image"),
        ({"inputs": {}}, "input"),
        ({"inputs": {"in/raw": "a:b"}}, "in/raw"),
        ({"inputs": [{"tags": ["a:b"]}]}, "path"),
        ({"resources": {"cpu": "many"}}, "many"),
    ],
)
def test_wrong_plans(upper: Draft, members: dict[str, Any], words: str) -> None:
    """What breaks a rule is named, and nothing is registered."""
    with pytest.raises(InvalidInput, match=words):
        upper(**members).apply()


def test_a_plan_that_feeds_itself(upper: Draft, case: str) -> None:
    """The cycle is told."""
    with pytest.raises(Conflict, match="cycle") as info:
        upper(outputs={"/out/made": case}).apply()
    assert isinstance(info.value, CyclicPlan | Conflict)


def test_tags_that_are_none(upper: Draft) -> None:
    """They are refused when the Plan is drafted."""
    with pytest.raises(InvalidInput):
        upper(inputs={"/in/raw": "untagged"})


# --- registered Plans -------------------------------------------------------------------------------------------------


def test_a_plan_says_what_it_is(session: Session, upper: Draft, case: str) -> None:
    """Its members, its graph, why it waits; found by id, by tags and as a list."""
    plan = upper().apply()
    assert plan.image == "upper:1"
    assert plan.inputs == {"/in/raw": [case]}
    assert plan.outputs == {"/out/made": [case.replace("case:", "made:")]}
    assert session.plans[plan.id[:12]] == plan
    assert list(session.plans.find(in_tags=case)) == [plan]
    assert list(session.plans.find(out_tags=[case.replace("case:", "made:")], image="upper:1", active=True)) == [plan]
    assert plan in list(session.plans)
    assert plan.id in plan.graph().as_text() or "upper:1" in plan.graph().as_text()
    assert plan.why().codes
    assert plan.refresh() is plan
    assert plan.id in session.plans._ipython_key_completions_()
    assert "upper:1" in session.plans._ipython_key_completions_()


def test_a_plan_that_is_switched_off_makes_runs_that_wait(session: Session, upper: Draft, case: str) -> None:
    """Switched on again, they go on."""
    plan = upper().apply().deactivate()
    assert not plan.active
    assert "inactive" in plan.as_text()
    session.push({"a": "a"}, [case])
    assert plan.runs.latest.status == "deactivated"
    assert plan.activate().active
    assert plan.runs.latest.wait(60).status == "done"


def test_plans_by_image(session: Session, upper: Draft, case: str) -> None:
    """One of that image is found; of several, one must be chosen; none is told."""
    plan = upper(image=f"{case.replace(':', '-').lower()}:1", active=False).apply()
    assert session.plans[plan.image] == plan
    upper(image=plan.image, active=False, args=["other"], log=None).apply()
    with pytest.raises(Conflict, match=f"several Plans have the image {plan.image}: .*\nChoose one of them by its id."):
        session.plans[plan.image]
    with pytest.raises(NotFound, match="there is no Plan with the image none:1"):
        session.plans["none:1"]
    with pytest.raises(NotFound):
        session.plans["0000dead"]
    with pytest.raises(InvalidInput, match="which is neither an id nor a tag"):
        session.plans[7]  # type: ignore[index]


def test_archived_plans_are_hidden(session: Session, upper: Draft, case: str) -> None:
    """They are found on demand."""
    plan = upper().apply().archive()
    assert list(session.plans.find(in_tags=case)) == []
    assert list(session.plans.find(in_tags=case, archived=True)) == [plan]


def test_no_warning_for_a_good_file(session: Session, case: str) -> None:
    """A plan file without fault is read in silence."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        session.plan(FILE.format(asks=case, gives="a:b"))
