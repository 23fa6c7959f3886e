"""What objects show without a kernel: MIME bundles, saved notebooks, plain terminals, and without the widgets."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from markup import Page, drawing  # found by conftest.py
from server import Server

from knit_lab.display import cards, code, progress
from knit_lab.display.shown import Shown
from knit_lab.objects.drafts import PlanDraft
from knit_lab.objects.runs import Run
from knit_lab.session import Session
from knit_server.domain.errors import KnitError
from knit_server.wire import shapes

SCRIPT = """
import sys
for name in ("ipywidgets", "ipycytoscape", "pandas", "IPython"):
    sys.modules[name] = None
import knit_lab as knit
run = knit.runs["{run}"]
for each in (
    run, run.plan, run.plan.runs, run.outputs["/out/made"], run.outputs["/out/made"].files, run.why(), run.lineage(),
    run.plan.graph(), run.logs(), knit.find(), knit.plan({{"image": "a:1"}}).dry_run(), knit.push({{"a": "a"}}),
):
    print(each)
    bundle = each._repr_mimebundle_()
    assert bundle["text/plain"], each
try:
    run.lineage().explore()
except knit.KnitError as err:
    print("REASON", err.reason, "ADVICE", err.advice)
"""


class Both(Shown):
    def as_text(self) -> str:
        return "text"

    def as_html(self) -> str:
        return "<b>html</b>"


@pytest.mark.parametrize(
    ("include", "exclude", "kinds"),
    [
        (None, None, ["text/plain", "text/html"]),
        (["text/html"], None, ["text/html"]),
        (None, ["text/html"], ["text/plain"]),
        (["image/png"], None, []),
        ([], [], ["text/plain", "text/html"]),
    ],
)
def test_the_forms_that_are_wanted(include: Any, exclude: Any, kinds: list[str]) -> None:
    """IPython may ask for some forms only; forms that there are not are left out."""
    assert list(Both()._repr_mimebundle_(include=include, exclude=exclude)) == kinds
    assert repr(Both()) == "text"


def test_every_object_has_its_forms(
    session: Session, ran: Callable[..., Run], upper: Callable[..., PlanDraft], case: str
) -> None:
    """A text for terminals always; a page or a picture that is whole and holds nothing that acts."""
    run = ran({"a.txt": "a"})
    made = run.outputs["/out/made"]
    with_page = [
        run,
        run.plan,
        made,
        made.files,
        run.plan.runs,
        session.find(case),
        run.why(),
        upper(),
        upper().dry_run(),
    ]
    for each in with_page:
        bundle = each._repr_mimebundle_()
        assert set(bundle) == {"text/plain", "text/html"}
        assert Page(bundle["text/html"]).text.strip()
        assert bundle["text/plain"] == repr(each)
    for graph in (made.lineage(), run.plan.graph(), run.lineage()):
        bundle = graph._repr_mimebundle_()
        assert set(bundle) == {"text/plain", "image/svg+xml"}
        assert drawing(bundle["image/svg+xml"])


def test_a_card_says_what_matters(session: Session, ran: Callable[..., Run], case: str) -> None:
    """Tags, state, origin and takers of a Data; status, exit and ends of a Run; ports of a Plan."""
    run = ran({"a.txt": "a", "fail": ""})
    data = Page(session.data[case].as_html()).text
    for words in (case, "✔ usable", "since 20", "UTC", "knit#uploaded", "/upload", "1 Run"):
        assert words in data
    told = Page(run.as_html()).text
    for words in ("✖ failed", "exit code 3", "upper:1", "in /in/raw", "out /out/made", "log"):
        assert words in told
    plan = Page(run.plan.as_html()).text
    for words in ("upper:1", "✔ active", "in /in/raw", case, "out /out/made"):
        assert words in plan
    why = Page(run.why().as_html()).text
    for words in ("failed", "exit code 3", "cannot go on", "knit run retry", "Decided then"):
        assert words in why


def test_an_instant_is_shown_with_its_zone() -> None:
    """UTC by name, other zones by their offset."""
    assert cards._since("2026-11-22T10:30:05.123+00:00") == "since 2026-11-22 10:30:05 UTC"
    assert cards._since("2026-11-22T10:30:05+09:00") == "since 2026-11-22 10:30:05 +09:00"


def test_yaml_has_its_keys_in_bold_and_not_its_tags() -> None:
    """A tag has no blank after its colon."""
    shown = code.yaml("inputs:\n- path: /in\n  tags:\n  - type:raw\n")
    assert "<b>path</b>: /in" in shown
    assert "<b>type</b>" not in shown
    assert "- type:raw" in shown


def test_a_terminal_without_the_libraries_of_notebooks(knit_server: Server, ran: Callable[..., Run]) -> None:
    """Where neither widgets nor pandas nor IPython are installed, everything still prints; widgets say what to do."""
    run = ran({"a.txt": "a"})
    environ = {**os.environ, "KNIT_PROFILE_FILE": str(knit_server.handout), "HOME": str(knit_server.user_home)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT.format(run=run.id)], capture_output=True, text=True, check=False,
        env=environ,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "REASON the graph widgets are not installed: " in done.stdout
    assert "ADVICE Install them: pip install" in done.stdout
    assert f"Run {run.id}  done  upper:1" in done.stdout


def test_a_saved_notebook_reads_in_html(session: Session, ran: Callable[..., Run], case: str, tmp_path: Path) -> None:
    """Outputs as a kernel saves them come out of nbconvert with cards, tables and pictures in them."""
    import nbformat
    from nbconvert import HTMLExporter

    run = ran({"a.txt": "a"})
    shown = [run, run.plan.runs, run.why(), run.lineage(), session.data[case]]
    cell = nbformat.v4.new_code_cell("shown")
    cell.outputs = [nbformat.v4.new_output("display_data", data=each._repr_mimebundle_()) for each in shown]
    page, _ = HTMLExporter().from_notebook_node(nbformat.v4.new_notebook(cells=[cell]))
    for words in ("Run</b> <code>", "1 Run</caption>", "data:image/svg+xml", case.partition(":")[2], "✔ done"):
        assert words in page


# --- progress ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """IPython runs; what it displays, and displays in its place later."""
    from IPython import display
    from IPython.core import getipython

    lines: list[str] = []

    class Handle:
        def update(self, content: dict[str, str], *, raw: bool) -> None:
            lines.append(content["text/plain"])

    def shown(content: dict[str, str], *, raw: bool, display_id: bool) -> Handle:
        lines.append(content["text/plain"])
        return Handle()

    monkeypatch.setattr(getipython, "get_ipython", lambda: object())
    monkeypatch.setattr(display, "display", shown)
    return lines


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    now = time.monotonic()
    monkeypatch.setattr(progress.time, "monotonic", lambda: now + seconds)


def test_a_long_push_shows_how_far_it_is(notebook: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """One line, written over again, and taken away at the end; a short one shows nothing."""
    with progress.shown(True, 200) as tell:
        tell(50, "a.bin")
        assert notebook == []
        later(monkeypatch, 1)
        tell(100, "b\x1b.bin")
        tell(150, "c.bin")  # too soon after the one before
        later(monkeypatch, 3)
        tell(200, "d.bin")
    assert notebook == [
        "pushed 100 B of 200 B (50 %)  b\N{REPLACEMENT CHARACTER}.bin",
        "pushed 200 B of 200 B (100 %)  d.bin",
        "",
    ]


def test_of_what_size_is_unknown(notebook: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Then there is no share."""
    with progress.shown(True, 0) as tell:
        later(monkeypatch, 1)
        tell(100, "a")
    assert notebook == ["pushed 100 B  a", ""]


def test_progress_that_nobody_wants(notebook: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """`progress=False` shows nothing."""
    with progress.shown(False, 10) as tell:
        later(monkeypatch, 1)
        tell(5, "a")
    assert notebook == []


def test_waiting_for_a_run_shows_how_it_stands(
    notebook: list[str], session: Session, upper: Callable[..., PlanDraft], case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cell that waits says for what; the line goes in the end."""
    monkeypatch.setattr(progress, "AFTER", 0)
    upper().apply()
    session.push({"a.txt": "a", "hang": ""}, [case], progress=False)
    (plan,) = session.plans.find(in_tags=case)
    run = plan.runs.latest
    with pytest.raises(KnitError, match="is still"):
        run.wait(1.5)
    assert notebook[0].startswith(f"Run {run.id[:8]} ")
    assert " s" in notebook[0]
    assert notebook[-1] == ""
    run.stop()


def test_all_that_a_plan_says() -> None:
    """The card of a Plan shows how it is run, where, with what, and what was remarked; nothing that it does not say."""
    detail = {
        "planId": "p", "image": "clean:1", "active": True, "inputs": [], "outputs": [],
        "entrypoint": ["python", "a b.py"],
        "args": ["--fast"], "resources": {"cpu": "2"}, "on_node": {"must": ["gpu=yes"]}, "service_account": "robot",
        "annotations": ["owner=ann"],
    }  # fmt: skip
    shown = cards.plan(cast("shapes.PlanDetail", detail))
    for words in ("python &#x27;a b.py&#x27;", "--fast", "cpu=2", "on node: must", "gpu=yes", "robot", "owner=ann"):
        assert words in shown
    bare = {name: detail[name] for name in ("planId", "image", "active", "inputs", "outputs")}
    assert "args" not in cards.plan(cast("shapes.PlanDetail", bare))
