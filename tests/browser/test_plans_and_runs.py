"""Plans and Runs in a real browser: write a Plan, see its Run turn green by itself, follow a log, stop, retry."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lab_page import App, LabPage
from playwright.sync_api import Locator, expect

CONNECT = "import knit_lab as knit\nsession = knit.connect()"

ACT = """image: act:1
args: {args}
inputs:
- path: /in/raw
  tags: ['{case}']
outputs:
- path: /out/made
  tags: ['made:{name}']
log:
  tags: ['log:{name}']
"""


def monitor(lab: LabPage) -> Locator:
    return lab.page.locator(".knit-monitor").first


@pytest.fixture
def applied(lab: LabPage, case: str, tmp_path: Path) -> Callable[..., Any]:
    """`applied(args)`: a Plan of `act:1` on Data with the tag `case`, and a Data that it takes."""

    def made(args: str) -> Any:
        plan = lab.jupyter.apply(ACT.format(args=args, case=case, name=case.partition(":")[2]))
        push(lab, tmp_path, case)
        return plan

    return made


def push(lab: LabPage, folder: Path, case: str, count: int = 1) -> None:
    """Push so many small Data with the tag `case`."""
    for at in range(count):
        source = folder / f"data-{at}"
        source.mkdir()
        (source / "a.txt").write_text(f"alpha {at}")
        lab.jupyter.push(source, case)


@pytest.mark.parametrize(("app", "dark"), [("lab", False), ("lab", True), ("notebook", False)])
def test_watch_follow_stop_and_retry(
    lab: LabPage, case: str, applied: Callable[..., Any], app: App, dark: bool
) -> None:  # fmt: skip
    """A Run appears by itself; chosen by keys, its log follows; it is stopped as failed, and tried again."""
    plan = applied("[forever, /out/made]")
    watching = f"session.plans['{plan['planId']}'].monitor()"
    lab.open(CONNECT, watching, name=f"watch-{app}-{dark}.ipynb", app=app, dark=dark)
    page = lab.page
    row = monitor(lab).locator("tbody tr").first
    expect(row).to_contain_text("▶ running")
    row.focus()
    page.keyboard.press("Enter")
    panel = monitor(lab).locator(".knit-run-panel")
    expect(panel.get_by_role("log")).to_contain_text("I have begun")
    expect(panel).to_contain_text("▶ following")
    lab.screenshot(f"monitor-running{'-dark' if dark else ''}", of=monitor(lab))
    panel.get_by_role("button", name="Stop, fail").click()
    expect(row).to_contain_text("✖ failed")
    expect(panel).to_contain_text("the log ends here")
    panel.get_by_role("button", name="Why").click()
    expect(panel).to_contain_text("Next:")
    lab.screenshot(f"monitor-failed{'-dark' if dark else ''}", of=monitor(lab))
    panel.get_by_role("button", name="Retry").click()
    expect(row).to_contain_text("▶ running")
    panel.get_by_role("button", name="Stop, keep").click()
    expect(row).to_contain_text("✔ done")
    panel.get_by_role("button", name="Delete").click()
    expect(panel).to_contain_text("Nothing was made from it")
    panel.get_by_role("button", name="Yes, do it").click()
    expect(panel).to_contain_text("was deleted")
    expect(monitor(lab).locator(".knit-grid-empty")).to_be_visible()
    assert not lab.errors


def test_many_runs_are_paged_and_reached_by_keys(lab: LabPage, case: str, tmp_path: Path) -> None:
    """Many Runs are shown page by page; arrow keys move through them, and filters choose among them."""
    copies = ACT.format(args="[copy, /in/raw, /out/made]", case=case, name="many")
    plan = lab.jupyter.apply(copies)
    lab.open(
        CONNECT,
        f"for at in range(45):\n    session.push({{f'{{at}}.txt': b'x'}}, ['{case}'], progress=False)",
        f"session.plans['{plan['planId']}'].monitor()",
        name="many.ipynb",
    )
    place = monitor(lab).locator(".knit-grid + div")
    expect(monitor(lab).get_by_role("button", name="✔ done 45")).to_be_visible(timeout=60_000)
    expect(place).to_contain_text("1–20 of 45")
    rows = monitor(lab).locator("tbody tr")
    rows.first.focus()
    for _ in range(3):
        lab.page.keyboard.press("ArrowDown")
    lab.page.keyboard.press("Enter")
    expect(rows.nth(3)).to_have_attribute("aria-selected", "true")
    lab.screenshot("monitor-many", of=monitor(lab))
    monitor(lab).get_by_role("button", name="older").click()
    expect(place).to_contain_text("21–40 of 45")
    monitor(lab).get_by_role("button", name="✔ done 45").click()
    expect(place).to_contain_text("1–20 of 45")
    monitor(lab).get_by_role("button", name="Filters").click()
    expect(monitor(lab).get_by_label("Since")).to_be_visible()
    monitor(lab).get_by_label("Since").fill("yesterday-ish")
    monitor(lab).get_by_label("Since").press("Enter")
    expect(monitor(lab).get_by_role("alert")).to_be_visible()
    lab.screenshot("monitor-filters", of=monitor(lab))
    assert not lab.errors


@pytest.mark.parametrize("app", ["notebook", "lab"])
def test_write_a_plan_and_see_its_run(lab: LabPage, case: str, tmp_path: Path, app: App) -> None:
    """A Plan is written in the form, the YAML follows and the other way round; applied, its Run turns green."""
    push(lab, tmp_path, case, 2)
    lab.open(CONNECT, "knit.plan_editor()", name=f"editor-{app}.ipynb", app=app)
    page, editor = lab.page, lab.page.locator(".knit-plan-editor").first
    expect(editor).to_contain_text("It cannot be applied")
    lab.screenshot("editor-empty", of=editor)
    editor.get_by_placeholder("name:tag").fill("act:1")
    editor.get_by_placeholder("words, such as").fill("copy /in/raw /out/made")
    mounts = editor.get_by_placeholder("/absolute/path")
    mounts.nth(0).fill("/in/raw")
    mounts.nth(1).fill("/out/made")
    tags = editor.get_by_placeholder("key:value, then Enter")
    tags.nth(0).fill(case)
    tags.nth(0).press("Enter")
    tags.nth(1).fill("made:in-a-form")
    tags.nth(1).press("Enter")
    yaml = editor.locator(".knit-yaml textarea")
    expect(yaml).to_have_value(re.compile(r"- /out/made\n"))
    expect(editor).to_contain_text("2 Runs would be made")
    before = yaml.input_value()
    yaml.fill(before.replace("image: act:1", "image: [act:1"))
    expect(editor.get_by_role("alert")).to_contain_text("plan:")
    lab.screenshot("editor-broken", of=editor)
    yaml.fill(before + "log: {}\n")
    expect(editor.get_by_label("Keep a log")).to_be_checked()
    expect(editor).to_contain_text("2 Runs would be made")
    lab.screenshot("editor", of=editor)
    editor.get_by_role("button", name="Apply").click()
    expect(editor).to_contain_text("is registered")
    editor.get_by_role("button", name="Watch its Runs").click()
    expect(monitor(lab).get_by_role("button", name="✔ done 2")).to_be_visible(timeout=60_000)
    assert not lab.errors
    page.keyboard.press("Escape")


def test_cycle_in_the_dark(lab: LabPage, case: str) -> None:
    """A Plan that feeds itself shows the way round, readable on a dark page."""
    text = ACT.format(args="[copy, /in/raw, /out/made]", case=case, name="x").replace("made:x", case)
    lab.open(CONNECT, f"knit.plan_editor({text!r})", name="cycle.ipynb", dark=True)
    editor = lab.page.locator(".knit-plan-editor").first
    expect(editor.get_by_role("img", name="cycle")).to_be_visible()
    lab.screenshot("editor-cycle-dark", of=editor)
    assert not lab.errors


def test_list_of_plans(lab: LabPage, case: str) -> None:
    """A Plan is found by a tag, chosen by keys, and switched off."""
    long = "x" * 180
    lab.jupyter.apply(ACT.format(args="[copy, /in/raw, /out/made]", case=case, name=long))
    lab.open(CONNECT, f"knit.plan_list(in_tags='{case}')", name="plans.ipynb")
    plans = lab.page.locator(".knit-plan-list").first
    row = plans.locator("tbody tr").first
    row.focus()
    lab.page.keyboard.press("Enter")
    plans.get_by_role("button", name="Deactivate").click()
    expect(row).to_contain_text("inactive")
    lab.screenshot("plans", of=plans)
    assert not lab.errors
