"""The explorer without a browser: what clicks, searches and changes do to what is shown. A real server answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import ipywidgets as widgets
import pytest

from knit_lab.components.details import Details
from knit_lab.components.explorer import Explorer
from knit_lab.graph.exploring import STEP
from knit_lab.graph.model import Kind
from knit_lab.graph.views import LineageView
from knit_lab.objects.data import Data
from knit_lab.objects.drafts import PlanDraft
from knit_lab.objects.runs import Run
from knit_lab.session import Session
from knit_server.client.streams import Event
from knit_server.wire import shapes

Upper = Callable[..., PlanDraft]
NOTE = 'note:<script>alert("x")</script>'


@pytest.fixture
def made(session: Session, case: str, upper: Upper) -> Run:
    """A Run of `upper` on a Data with a hostile tag, which the next test's Plans can follow."""
    session.push({"a.txt": "alpha"}, [case, NOTE])
    return upper().apply().runs.latest.wait(60)


@pytest.fixture
def explorer(session: Session, made: Run) -> Iterator[Explorer]:
    """The lineage of what went into that Run."""
    opened = Explorer(session, made.inputs["/in/raw"].lineage())
    yield opened
    opened.close()


def run_event(run_id: str, status: str) -> Event:
    return Event(id=1, kind="run", data={"runId": run_id, "status": status, "planId": "p"})


def drawn(explorer: Explorer) -> dict[str, Any]:
    """The cards on the canvas by id, as the browser is told of them."""
    return {node.data["id"]: node for node in explorer._canvas.children[0].graph.nodes}


def details(explorer: Explorer) -> str:
    """All markup in the details."""
    found: list[str] = []

    def collect(widget: Any) -> None:
        if isinstance(widget, widgets.HTML):
            found.append(widget.value)
        for child in getattr(widget, "children", ()):
            collect(child)

    collect(explorer._details)
    return "\n".join(found)


def test_opens_around_the_root(explorer: Explorer, made: Run) -> None:
    """It begins with the root chosen, and shows what hangs on it: upload, Run, output and log."""
    assert explorer.selected == made.inputs["/in/raw"].id
    assert len(explorer.explored.shown) == 5
    assert drawn(explorer).keys() == explorer.explored.shown


def test_hostile_tags_stay_texts(explorer: Explorer) -> None:
    """A tag that is a script is escaped in the panel and in the picture, and a text on the canvas."""
    assert "<script>" not in details(explorer)
    assert "&lt;script&gt;" in details(explorer)
    assert explorer.selected is not None
    assert "<script>" in drawn(explorer)[explorer.selected].data["label"]
    bundle = explorer._repr_mimebundle_()
    assert "<script" not in bundle["image/svg+xml"]


def test_click(explorer: Explorer, made: Run) -> None:
    """A click on a Run shows its log and what can be done; one on the background lets go of it."""
    explorer.click(made.id)
    assert made.id in details(explorer)
    assert explorer._details._run is not None
    assert "made a.txt" in explorer._details._run.log_view.text
    assert "selected-card" in drawn(explorer)[made.id].classes
    explorer.click(None)
    assert "Click a card" in details(explorer)
    assert "selected-card" not in drawn(explorer)[made.id].classes


def test_choosing_by_keys(explorer: Explorer, made: Run) -> None:
    """The list names what is shown, and choosing there is as good as a click."""
    assert [value for _, value in explorer._names.options] == [node.id for node in explorer.explored.view.nodes]
    explorer._names.value = made.id
    assert explorer.selected == made.id


def test_unfolding(explorer: Explorer, made: Run) -> None:
    """What comes from the root is hidden and shown again."""
    explorer.unfold("without_down")
    assert made.id not in explorer.explored.shown
    explorer.unfold("down")
    assert made.id in explorer.explored.shown
    explorer.unfold("down")
    assert "no more to show" in explorer._said.value
    explorer.everything()
    assert len(explorer.explored.shown) == 5


def test_search(explorer: Explorer, made: Run) -> None:
    """The first card that holds the words is chosen; "next" goes on; what finds nothing says so."""
    explorer.search("upper:1")
    assert explorer.selected == made.id
    explorer.search("nothing at all like this")
    assert "no card holds" in explorer._said.value
    explorer.search("")
    assert explorer._said.value == ""
    explorer.next_hit()
    explorer.search("data")
    first = explorer.selected
    explorer.next_hit()
    assert explorer.selected != first


def test_statuses_come_from_events_alone(explorer: Explorer, made: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change of a status recolours the Run and what it makes, and asks the server for nothing but the chosen card."""

    def refused(*_: object, **__: object) -> object:
        raise AssertionError("the graph was fetched for a status")

    monkeypatch.setattr(type(explorer._session.client), "data_outline", refused)
    before = explorer._canvas.children
    explorer.changed([run_event(made.id, "running")])
    output = made.outputs["/out/made"].id
    assert "status-running" in drawn(explorer)[made.id].classes
    assert "▶ running" in drawn(explorer)[made.id].data["label"]
    assert "status-processing" in drawn(explorer)[output].classes
    assert explorer._canvas.children == before
    explorer.changed([run_event(made.id, "done"), Event(id=None, kind="open", data={})])
    assert "status-done" in drawn(explorer)[made.id].classes


def test_growth_is_fetched(explorer: Explorer, session: Session, case: str, upper: Upper) -> None:
    """A new Run on a Data of the graph appears beside it; a Run elsewhere changes nothing."""
    before = explorer.explored.shown
    elsewhere = session.push({"b.txt": "b"}, ["elsewhere:" + case.partition(":")[2]])
    explorer.changed([run_event(elsewhere.detail["upstream"]["run"]["runId"], "done"), run_event("no-run", "done")])
    assert explorer.explored.shown == before
    second = upper(args=["/in/raw", "/out/made", "again"]).apply().runs.latest.wait(60, check=False)
    explorer.changed([run_event(second.id, "done")])
    assert second.id in explorer.explored.shown
    explorer.changed([Event(id=None, kind="reset", data={})])
    assert second.id in explorer.explored.shown


def test_new_tags_are_shown(explorer: Explorer, made: Run) -> None:
    """Tags that are given meanwhile stand on the card."""
    root = made.inputs["/in/raw"]
    root.tag("fresh:tag")
    explorer.changed([Event(id=1, kind="data", data={"knitId": root.id, "change": "tags"})])
    assert "fresh:tag" in drawn(explorer)[root.id].data["label"]


def test_around_another(explorer: Explorer, made: Run) -> None:
    """The lineage of another Data takes the place of the first; one that is gone is said."""
    output = made.outputs["/out/made"].id
    explorer.around(output)
    assert explorer.explored.graph.root == output
    explorer.around("no-such-data")
    assert "no Data no-such-data" in explorer._said.value


def test_files(explorer: Explorer) -> None:
    """SVG and DOT are offered as links that hold them."""
    for kind in ("svg", "dot"):
        explorer.save(kind)
        assert f'download="knit-graph.{kind}"' in explorer._said.value


def test_view(explorer: Explorer) -> None:
    """Zoom, height and the whole component: all without another widget in the page."""
    zoom = explorer._canvas.zoom
    explorer._canvas.zoom_by(2)
    assert explorer._canvas.zoom > zoom
    explorer._canvas.fit()
    explorer._canvas.centre()
    explorer._tall.value = True
    assert explorer._canvas.layout.height == explorer._details.layout.height == "980px"
    explorer._whole.value = True
    assert isinstance(explorer._view, LineageView)
    assert explorer._view.is_whole


def test_plan_graph(session: Session, made: Run) -> None:
    """A Plan's card names paths and tags; the details say more; a Plan that follows appears."""
    explorer = Explorer(session, made.plan.graph())
    try:
        assert "in /in/raw" in drawn(explorer)[made.plan.id].data["label"]
        assert made.plan.id in details(explorer)
        explorer._details.why()
        tag = next(iter(made.plan.detail["outputs"]))["tags"][0]
        after = session.plan(image="upper:1", args=["/in/raw", "/out/made"], inputs={"/in/raw": tag},
                             outputs={"/out/made": tag + "-2"}).apply()  # fmt: skip
        explorer.changed([Event(id=1, kind="plan", data={"planId": after.id, "change": "applied"})])
        assert after.id in explorer.explored.shown
        explorer._whole.value = True
        assert after.id in explorer.explored.shown
    finally:
        explorer.close()


class _Fan(LineageView):
    """A lineage of very many Runs, as a server would tell it."""

    def __init__(self, session: Session, outline: shapes.LineageOutline) -> None:
        self._session, self.outline, self.is_whole = session, outline, False
        self._asked = ("all", "all")


@pytest.fixture
def fanned(session: Session, made: Run) -> Iterator[Explorer]:
    """A Data that 300 Runs took."""
    runs: list[Any] = [
        {"runId": f"r{at}", "status": "failed" if at % 50 == 3 else "done", "updatedAt": "2026-11-22T10:00:00+00:00",
         "plan": 0}
        for at in range(300)
    ]  # fmt: skip
    root = made.inputs["/in/raw"].id
    data: list[Any] = [{"knitId": root, "tags": [], "timestamp": None, "transient": None, "plan": 1, "path": "/up"}]
    edges: list[Any] = [{"from": root, "to": f"r{at}", "label": "/in"} for at in range(300)]
    plans: list[Any] = [{"planId": "p", "image": "i:1"}, {"planId": "u", "name": "knit#uploaded"}]
    opened = Explorer(
        session, _Fan(session, {"root": root, "plans": plans, "data": data, "runs": runs, "edges": edges})
    )
    yield opened
    opened.close()


def test_groups_open_in_steps(fanned: Explorer) -> None:
    """Very many Runs are one card with counts; some are taken out at a time, failed ones first; all can go back."""
    group = next(node for node in fanned.explored.view.nodes if node.kind is Kind.RUN_GROUP)
    assert group.statuses == {"done": 294, "failed": 6}
    fanned.click(group.id)
    assert "294" in details(fanned)
    fanned.take_out(group.id)
    assert len(fanned.explored.shown) == 2 + STEP
    assert "done 288" in drawn(fanned)[group.id].data["label"]
    assert fanned.selected == group.id
    fanned.put_back(group.id)
    assert len(fanned.explored.shown) == 2
    fanned.take_out("no such group")


def test_search_within_groups(fanned: Explorer) -> None:
    """A card that is found within a group is taken out of it."""
    fanned.search("r77")
    assert "r77" in fanned.explored.shown
    fanned._by_plan.value = False
    assert len(fanned.explored.shown) > 40
    assert "of 301 cards" in fanned._count.value


def test_a_picture_of_too_many_is_refused(fanned: Explorer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody could read it; what helps is said."""
    monkeypatch.setattr("knit_lab.components.explorer.MOST", 10)
    fanned.save("png")
    assert "would not be readable" in fanned._said.value
    assert "SVG" in fanned._said.value


def test_group_statuses_are_live(fanned: Explorer) -> None:
    """Counts of a group follow the events of its members."""
    group = next(node for node in fanned.explored.view.nodes if node.is_group)
    fanned.changed([run_event(f"r{at}", "running") for at in range(10)])
    assert "running 10" in drawn(fanned)[group.id].data["label"]


def test_a_run_without_data_has_no_lineage(session: Session, made: Run) -> None:
    """What has no Data cannot be drawn around; that is said where it was asked."""
    asked: list[str] = []
    panel = Details(session, 300, around=asked.append)
    panel._show_run(made.detail)
    assert panel._run is not None
    panel._run.lineage()
    assert asked == [made.outputs["/out/made"].id]
    bare: Any = {**made.detail, "outputs": [], "inputs": [], "log": None}
    panel._run.show(bare)
    panel._run.lineage()
    assert "has no Data" in panel._run._said.value
    panel.close()


def test_saved_notebooks_have_a_picture(explorer: Explorer) -> None:
    """Where no kernel is, the picture and the tree are there."""
    bundle = explorer._repr_mimebundle_()
    assert bundle["image/svg+xml"].startswith("<svg")
    assert "taken by" in bundle["text/plain"]
    json.dumps(bundle)


def test_views(made: Run, session: Session) -> None:
    """Views are trees, DOT and pictures from the outline; the answer in full is there for who wants it."""
    root: Data = made.inputs["/in/raw"]
    view = root.lineage()
    assert NOTE in "".join(view.as_text().splitlines())
    assert view.graph["root"] == root.id
    assert f"r{made.id}" in view.dot
    whole = view.wholly()
    assert {node.id for node in view.cards.nodes} <= {node.id for node in whole.again().cards.nodes}
