"""The Plan editor and the list of Plans without a browser: both sides in step, live checks, Apply; hostile words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knit_lab.components import plan_editing, plan_verdict
from knit_lab.components.plan_editing import Editing, Foreseen
from knit_lab.components.plan_editor import PlanEditor
from knit_lab.components.plan_list import PlanList
from knit_lab.session import Session
from knit_server.domain.errors import InvalidInput
from knit_server.wire import planfile

WAIT = 30.0
HOSTILE = "<script>alert(1)</script>\"' \N{RIGHT-TO-LEFT OVERRIDE}"

PLAN = """# a comment
image: upper:1
args: [/in/raw, /out/made]
inputs:
- path: /in/raw
  tags: ['{case}']
outputs:
- path: /out/made
  tags: ['{made}']
on_node:
  may: [accelerator=gpu]
"""


async def until(what: str, look: Callable[[], Any]) -> Any:
    """Look again after each turn of the loop until there is something to see."""
    async with asyncio.timeout(WAIT):
        while not (found := look()):  # noqa: ASYNC110 - any trait of many widgets may be what changes
            await asyncio.sleep(0.02)
    assert found, what
    return found


async def closed(widget: Any) -> None:
    """Close a widget, and wait for what it has asked: the session is closed next."""
    widget.close()
    await widget.idle()


@pytest.fixture
def text(case: str) -> str:
    return PLAN.format(case=case, made=case.replace("case:", "made:", 1))


@pytest.fixture
async def editor(session: Session, text: str) -> AsyncIterator[PlanEditor]:
    """An editor with the plan file of this test in it."""
    made = PlanEditor(session, text)
    yield made
    await closed(made)


# --- both sides in step -----------------------------------------------------------------------------------------------


def test_keeps_the_members_while_the_yaml_is_broken() -> None:
    """YAML that cannot be read says where, and the members of before stay."""
    editing = Editing("image: a:1\n")
    assert not editing.write("image: a:1\ninputs: [\n")
    assert isinstance(editing.error, InvalidInput)
    assert "plan:3:1" in editing.error.reason
    assert editing.spec == {"image": "a:1"}
    assert editing.write("image: b:1\n")
    assert editing.error is None


def test_keeps_what_the_form_does_not_show() -> None:
    """A change of the form leaves members in place that only the YAML has."""
    editing = Editing("image: a:1\non_node: {must: [disk=ssd]}\nservice_account: ann\n")
    editing.fill({"image": "b:1", "args": [], "log": None})
    assert editing.spec == {"image": "b:1", "on_node": {"must": ["disk=ssd"]}, "service_account": "ann"}
    assert editing.beside == ["on_node", "service_account"]
    assert planfile.read(editing.text, "again")[0] == editing.spec


def test_tells_what_has_no_effect() -> None:
    """Keys that Knit does not know are told with their line."""
    assert "unknown key 'resouces'" in Editing("image: a:1\nresouces: {memory: 5Gi}\n").warnings[0]


WORDS = st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12), max_size=6)


@given(WORDS)
def test_words_are_read_as_they_were_written(texts: list[str]) -> None:
    """Arguments of any form survive the way through their field."""
    assert plan_editing.words(plan_editing.line(texts)) == texts


@pytest.mark.parametrize(
    ("given_", "told"), [("cpu", "not a resource: "), ("=1", "not a resource: "), ("'a", "No closing")]
)
def test_refuses_amounts_that_are_none(given_: str, told: str) -> None:
    """A resource is a name with an amount."""
    with pytest.raises(InvalidInput, match=told):
        plan_editing.amounts(given_)


async def test_form_follows_the_yaml(editor: PlanEditor, case: str) -> None:
    """What is written as YAML stands in the form, soon after the last key."""
    form = editor._form
    assert form.image.value == "upper:1"
    assert form._inputs.value == [{"path": "/in/raw", "tags": [case]}]
    assert "on_node" in form._beside.value
    editor.yaml.value = editor.yaml.value.replace("upper:1", "other:2") + "active: no\nlog: {tags: ['type:log']}\n"
    await until("followed", lambda: form.image.value == "other:2")
    assert (form._active.value, form._keeps_log.value, form._log.value) == (False, True, ("type:log",))
    assert editor.yaml.value.startswith("# a comment"), "the text stays as it was typed"


async def test_yaml_follows_the_form(editor: PlanEditor, case: str) -> None:
    """What is written into the form stands in the YAML at once, beside what only the YAML shows."""
    form = editor._form
    form._args.value = "/in/raw '/out/my made'"
    form._inputs.add()
    form._inputs._rows.children[1].children[1].add(["type:extra"])
    form._outputs._rows.children[0].children[0].value = "/out/else"
    form._resources.value = "memory=2Gi"
    form._annotations.value = "owner=ann"
    form._keeps_log.value = True
    spec, told = planfile.read(str(editor.yaml.value), "the YAML")
    assert told == []
    assert spec["args"] == ["/in/raw", "/out/my made"]
    assert [each["tags"] for each in spec["inputs"]] == [[case], ["type:extra"]]
    assert spec["outputs"][0]["path"] == "/out/else"
    assert (spec["resources"], spec["annotations"], spec["log"]) == ({"memory": "2Gi"}, ["owner=ann"], {"tags": []})
    assert spec["on_node"] == {"may": ["accelerator=gpu"]}
    form._inputs.remove(form._inputs._rows.children[1])
    assert len(planfile.read(str(editor.yaml.value), "")[0]["inputs"]) == 1


async def test_what_cannot_be_read_is_said(editor: PlanEditor) -> None:
    """Broken YAML shows its place and switches Apply off; the form stays, and mends it. So do broken words."""
    editor.yaml.value = "image: a:1\ninputs: [\n"
    await until("said", lambda: "plan:3:1" in editor._wrong.value)
    assert editor._apply.disabled
    assert editor._form.image.value == "upper:1"
    editor._form.image.value = "upper:2"
    assert not editor._apply.disabled
    assert "image: upper:2" in editor.yaml.value
    editor._form._args.value = "'open"
    assert "Close the quotes" in editor._wrong.value
    editor._form._args.value = "open"
    assert editor._wrong.value == ""


# --- what applying would do -------------------------------------------------------------------------------------------


async def test_shows_what_applying_would_do(editor: PlanEditor, session: Session, case: str) -> None:
    """The check follows what is typed: the Data that fit, the Runs that would be made."""
    data = [await asyncio.to_thread(session.push, {"a.txt": bytes([65 + at])}, [case]) for at in range(2)]
    editor._form._resources.value = "cpu=1"
    await until("checked", lambda: editor.foreseen and "2 Runs" in editor._verdict.value)
    assert all(each.id[:8] in editor._verdict.value for each in data)
    assert "It can be applied" in editor._verdict.value
    editor._form._inputs._rows.children[0].children[0].value = "not/absolute"
    await until("refused", lambda: "It cannot be applied" in editor._verdict.value)


async def test_draws_a_cycle(editor: PlanEditor, case: str) -> None:
    """A Plan that feeds itself shows the way round."""
    editor._form._outputs._rows.children[0].children[1].add([case])
    await until("a cycle", lambda: "knit-cycle" in editor._verdict.value)


async def test_apply_is_idempotent(editor: PlanEditor, session: Session) -> None:
    """Apply registers the Plan; a second time it is the same one, which the check says before."""
    await until("checked", lambda: editor.foreseen)
    editor.apply()
    await until("applied", lambda: "is registered" in editor._said.value)
    plan = editor.plan
    assert plan is not None
    await until("known", lambda: "The same Plan is there already" in editor._verdict.value)
    editor.apply()
    await until("again", lambda: "was there already" in editor._said.value)
    assert editor.plan == plan
    editor._open(plan.monitor())
    editor._open(plan.graph().explore())
    assert len(editor._made.children) == 3


async def test_applies_what_was_typed_last(editor: PlanEditor) -> None:
    """Apply takes the YAML as it stands, even if the form has not followed yet; what is broken is not applied."""
    editor.yaml.value = str(editor.yaml.value) + "annotations: [typed=last]\n"
    editor.apply()
    await until("applied", lambda: editor.plan is not None)
    assert editor.plan is not None
    assert editor.plan.detail["annotations"] == ["typed=last"]
    editor.plan = None
    editor.yaml.value = "inputs: ["
    editor.apply()
    await editor.idle()
    assert editor.plan is None


async def test_refusals_are_said(editor: PlanEditor) -> None:
    """What the server refuses is said with its advice."""
    editor._form._inputs.show([])
    editor._form_changed()
    editor.apply()
    await until("said", lambda: "alert" in editor._said.value)


# --- where it begins, where it ends -----------------------------------------------------------------------------------


async def test_saves_and_opens_files(editor: PlanEditor, session: Session, tmp_path: Path, text: str) -> None:
    """The plan file is saved as it stands, comments included, and opened again; a broken one is opened as well."""
    editor.save()
    assert "which file?" in editor._said.value
    path = tmp_path / "a.plan.yaml"
    editor._path.value = str(path)
    editor.save()
    assert path.read_text() == text
    editor._path.value = str(tmp_path / "missing" / "a.yaml")
    editor.save()
    assert "alert" in editor._said.value
    path.write_text("image: [\n")
    opened = PlanEditor(session, str(path))
    assert str(path) in opened._wrong.value
    assert opened._path.value == str(path)
    await closed(opened)
    with pytest.raises(InvalidInput, match="does not exist"):
        PlanEditor(session, str(tmp_path / "nothing.yaml"))


async def test_begins_with_what_there_is(session: Session, upper: Callable[..., Any], here: Session) -> None:
    """It begins with a draft, with a registered Plan (which it would find again), or with a template."""
    import knit_lab as knit

    draft = upper(resources={"cpu": "1"}, annotations=["owner=ann"])
    plan = await asyncio.to_thread(draft.apply)
    edited = plan.edit()
    await until("found again", lambda: edited.foreseen and edited.foreseen.answer.get("equivalent") == plan.id)
    await closed(edited)
    opened = knit.plan_editor(draft)
    assert opened.editing.spec["image"] == "upper:1"
    await closed(opened)
    empty = knit.plan_editor()
    assert "path: /in" in str(empty.yaml.value)
    await empty.idle()
    assert "upper:1" in empty._form.image.options
    await closed(empty)


async def test_template_of_an_image(editor: PlanEditor) -> None:
    """A template is what the image says of itself; an image that is not there is an error."""
    editor._form.image.value = "no/such:image"
    editor.load_template()
    await until("said", lambda: "the server has no image" in editor._said.value)
    editor._form.image.value = "upper:1"
    editor.load_template()
    await until("loaded", lambda: "upper.py" in str(editor.yaml.value))
    assert editor._form._entrypoint.value == "python upper.py"


async def test_still_shows_without_a_kernel(editor: PlanEditor) -> None:
    """A saved notebook has the plan file."""
    bundle = editor._repr_mimebundle_()
    assert "upper:1" in bundle["text/html"]
    assert bundle["text/plain"].startswith("# a comment")


def test_hostile_words_are_escaped() -> None:
    """Whatever a reason, a path or a tag says, it reaches the page as text."""
    data: Any = {"knitId": HOSTILE, "tags": [f"a:{HOSTILE}"]}
    runs = {"status": "waiting", "count": 9, "fitting": {HOSTILE: 8}, "first": [[{"path": HOSTILE, "knitId": HOSTILE}]]}
    answer: Any = {"applicable": False, "valid": True, "reason": HOSTILE, "advice": HOSTILE, "cycle": [HOSTILE]}
    for each in (answer | {"runs": runs}, answer | {"equivalent": HOSTILE}):
        shown = plan_verdict.html(Foreseen(each, {HOSTILE: [data]}), [HOSTILE])
        assert "<script" not in shown
        assert "&lt;script" in shown
    assert "and 8 more" in plan_verdict.html(Foreseen({"applicable": True, "valid": True, "runs": runs}, {}))


# --- the list ---------------------------------------------------------------------------------------------------------


def ids(plans: PlanList) -> list[str]:
    return [each["id"] for each in plans._grid.rows]


async def test_lists_switches_and_archives(session: Session, upper: Callable[..., Any], case: str) -> None:
    """Plans are found by their filters, switched and archived; what others do is seen."""
    plan = await asyncio.to_thread(lambda: upper().apply())
    plans = PlanList(session, in_tags=case, image="upper:1")
    assert ids(plans) == [plan.id]
    plans.choose(plan.id)
    assert plan.id in plans._card.value
    plans.switch(False)
    await until("inactive", lambda: plans._grid.rows[0]["cells"][0]["text"] == "‖ inactive")
    plans._activity.value = "active"
    await until("filtered", lambda: not ids(plans))
    assert "No Plan fits" in plans._grid.empty
    await asyncio.to_thread(plan.activate)
    await until("seen", lambda: ids(plans) == [plan.id])
    plans._activity.value = "any"
    plans.archive()
    await until("archived", lambda: not ids(plans))
    plans._archived.value = True
    await until("in the archive", lambda: ids(plans) == [plan.id])
    assert plans._grid.rows[0]["cells"][0]["text"] == "▣ archived"
    plans.archive(undo=True)
    await until("taken out", lambda: plans._grid.rows[0]["cells"][0]["text"] == "▶ active")
    await closed(plans)


async def test_opens_what_belongs_to_a_plan(session: Session, upper: Callable[..., Any], case: str) -> None:
    """Monitor, graph, editor and reasons open below the chosen Plan, one at a time."""
    plan = await asyncio.to_thread(lambda: upper().apply())
    plans = PlanList(session, in_tags=case)
    plans.choose(plan.id)
    for at in range(2, 6):
        plans._buttons.children[at].click()
        assert len(plans._more.children) == 1, plans._said.value
    plans.choose("")
    assert not plans._more.children
    assert plans._card.value == ""
    await closed(plans)


async def test_pages_of_plans(session: Session) -> None:
    """Many Plans are shown page by page."""
    plans = PlanList(session, image="no/such")
    one: Any = {"image": HOSTILE, "inputs": [], "outputs": [], "active": True}
    plans.plans = [{**one, "planId": f"plan-{at:03}"} for at in range(40)]
    plans.draw()
    assert plans._place.value == "1–15 of 40"
    plans.turn(9)
    assert ids(plans)[0] == "plan-030"
    plans.choose("plan-030")
    assert "<script" not in plans._card.value
    await closed(plans)
