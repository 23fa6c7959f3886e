"""The lineage explorer and the plan graph in a real browser: readable at once, live, by mouse and by keys."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from lab_page import App, LabPage
from playwright.sync_api import expect

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import filled  # found by the line above: tests are no packages

CHAIN = """
import knit_lab as knit
raw = knit.push({{"a.txt": b"alpha", "b.txt": b"beta"}}, ["{case}", "note:a <b>bold</b> \\"note\\" & more"])
for step, (asks, gives) in enumerate([("{case}", "{case}-b"), ("{case}-b", "{case}-c"), ("{case}-c", "{case}-d")]):
    plan = knit.plan(image="act:1", args=["copy", "/in/raw", "/out/made"], inputs={{"/in/raw": asks}},
                     outputs={{"/out/made": gives}}, log=["type:log", "step:" + str(step)]).apply()
    run = plan.runs.latest.wait(60, check=False)
run
"""


@pytest.mark.parametrize("app", ["notebook", "lab"])
def test_lineage(lab: LabPage, case: str, app: App) -> None:
    """Cards can be read when the graph opens, a click shows what a card is, and a hostile tag stays a text."""
    shown = "explorer = raw.lineage().explore()\nexplorer"
    lab.open(CHAIN.format(case=case), shown, name=f"lineage-{app}.ipynb", app=app)
    cards = lab.wait_for_graph(least=8)
    assert lab.node(cards[0])["zoom"] * 11 >= 9
    lab.click_node(cards[0])
    panel = lab.page.locator(".knit-details")
    expect(panel).to_contain_text("<b>bold</b>")
    expect(panel).to_contain_text("a.txt")
    assert panel.evaluate("panel => panel.scrollWidth <= panel.clientWidth + 1"), "the panel is cut off at the side"
    lab.screenshot("graph-lineage")
    lab.page.locator(".knit-explorer select").select_option(index=len(cards) - 1)  # as keys do
    expect(panel).to_contain_text("Run")
    expect(panel.get_by_role("button", name="Retry")).to_be_visible()
    lab.screenshot("graph-run")
    assert not lab.errors


@pytest.mark.parametrize("app", ["notebook", "lab"])
def test_plan_graph_in_the_dark(lab: LabPage, case: str, app: App) -> None:
    """A plan graph in the dark theme: cards tell paths and tags; Plans made meanwhile appear by themselves."""
    lab.open(CHAIN.format(case=case), "plan.graph().explore()", name=f"plans-{app}.ipynb", app=app, dark=True)
    cards = lab.wait_for_graph(least=3)
    assert all("out /out/made  case:" in lab.node(each)["data"]["label"] for each in cards)
    lab.click_node(cards[0])
    expect(lab.page.locator(".knit-details")).to_contain_text("act:1")
    lab.screenshot("graph-plans-dark")
    plan = {"image": "act:1", "args": ["copy", "/in/raw", "/out/made"], "inputs": {"/in/raw": f"{case}-d"}}
    lab.run_cell(f"knit.plan(**{plan!r}, outputs={{'/out/made': '{case}-e'}}).apply()")
    lab.until("the new Plan appears", lambda: len(lab.nodes()) == len(cards) + 1)
    assert not lab.errors


def test_very_many_runs(lab: LabPage) -> None:
    """A lineage of 1,050 Runs opens as a few cards; a group opens in steps, failed ones first; a monitor pages them."""
    made = filled.fill(lab.jupyter.home / "knit.db", 1050)
    lab.open(
        "import knit_lab as knit\nexplorer = knit.data[" + repr(made.settings) + "].lineage().explore()\nexplorer",
        name="many.ipynb",
    )
    cards = lab.wait_for_graph(least=7)
    assert len(cards) < 12
    group = next(each for each in cards if "350 Runs" in lab.node(each)["data"]["label"])
    assert "✖ failed 7" in lab.node(group)["data"]["label"]
    lab.click_node(group)
    lab.page.get_by_role("button", name="Take some out").click()
    lab.until("members stand alone", lambda: len(lab.nodes()) == len(cards) + 12)
    lab.wait_for_graph()
    alone = [each for each in lab.nodes() if each not in cards]
    assert sum("failed" in lab.node(each)["data"]["label"] for each in alone) == 7
    lab.screenshot("graph-many-runs")
    lab.run_cell("knit.monitor()")
    monitor = lab.page.locator(".knit-monitor").first
    expect(monitor.get_by_role("button", name=re.compile(r"✖ failed \d+"))).to_be_visible(timeout=30_000)
    expect(monitor).to_contain_text(re.compile(r"1–20 of 1,?\d{3}"))
    lab.screenshot("monitor-thousand-runs", of=monitor)
    assert not lab.errors
