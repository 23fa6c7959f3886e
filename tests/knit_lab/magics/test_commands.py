"""`%knit`: the commands of the command line in a notebook, state by state, on a real server."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from knit_lab.graph.views import LineageView, PlanGraphView
from knit_lab.magics import short
from knit_lab.magics.host import Texts
from knit_lab.magics.tree import TERMINAL_ONLY
from knit_lab.objects.data import Data
from knit_lab.objects.drafts import DryRun, PlanDraft
from knit_lab.objects.explanations import Explanation
from knit_lab.objects.listing import Listing
from knit_lab.objects.plans import Plan
from knit_lab.objects.runs import Run
from knit_lab.session import Session
from knit_server.domain.errors import KnitError, NotFound

Cell = Callable[[str], Any]


def test_push_and_find(cell: Cell, case: str, tmp_path: Path) -> None:
    """A push gives the Data, a search the list of what there is; both are the objects of the session in use."""
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.txt").write_text("alpha")
    done = cell(f"d = %knit data push -n -t {case} raw")
    assert done.error is None
    assert "sending... raw" in done.out
    assert "2026" not in done.out, "remarks carry no stamps in a notebook"
    found = cell(f"%knit data find -t {case}").result
    assert isinstance(found, Listing)
    assert found[0] == cell("d").result
    assert (found[0] / "a.txt").read_text() == "alpha"
    assert cell(f"%knit data ls {found[0].id}").result[0]["path"] == "a.txt"


def test_several_pushes_give_a_list(cell: Cell, case: str, tmp_path: Path) -> None:
    """Each source is a Data of its own."""
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
    found = cell(f"%knit data push -t {case} one two").result
    assert [each.files[0]["path"] for each in found] == ["one", "two"]


def test_expressions_become_words(cell: Cell, session: Session, case: str) -> None:
    """`{...}` is what IPython puts in its place, before the words are read."""
    data = session.push({"a.txt": "alpha"}, [case])
    cell(f"what = '{data.id}'")
    tagged = cell("%knit data tag --add 'note:two words' {what}")
    assert isinstance(tagged.result, Data)
    assert "note:two words" in tagged.result.tags
    assert "{" not in tagged.out


def test_plans_and_runs(cell: Cell, session: Session, upper: Callable[..., PlanDraft], case: str) -> None:
    """Applying gives the Plan, dry runs their verdict, runs and graphs what they are; `why` explains."""
    session.push({"a.txt": "alpha"}, [case])
    upper().save("upper.yaml")
    dry = cell("%knit plan apply --dry-run upper.yaml").result
    assert isinstance(dry, DryRun)
    assert dry.ok
    assert dry.run_count == 1
    plan = cell("%knit plan apply upper.yaml").result
    assert isinstance(plan, Plan)
    run = plan.runs.latest.wait(60)
    assert cell(f"%knit run find -p {plan.id}").result[0] == run
    shown = cell(f"%knit run show {run.id[:8]}").result
    assert isinstance(shown, Run)
    assert shown.status == "done"
    assert "made a.txt" in cell(f"%knit run show --log --follow {run.id}").out
    assert isinstance(cell(f"%knit why {run.id}").result, Explanation)
    assert isinstance(cell(f"%knit plan graph {plan.id}").result, PlanGraphView)
    assert isinstance(cell(f"%knit data lineage -u -n 1 {run.outputs['/out/made'].id}").result, LineageView)
    assert plan in cell("%knit plan find --image upper:1").result
    off = cell(f"%knit plan active no {plan.id}").result
    assert isinstance(off, Plan)
    assert not off.active
    assert cell(f"%knit plan resource --set cpu=2 {plan.id}").result.detail["resources"]["cpu"] == "2"


def test_refused_dry_runs_are_results(cell: Cell, upper: Callable[..., PlanDraft], case: str) -> None:
    """A Plan that could not be applied is the answer of a dry run, not an error."""
    upper(outputs={"/out/made": case}).save("loop.yaml")
    done = cell("%knit plan apply --dry-run loop.yaml")
    assert done.error is None
    assert not done.result


def test_images(cell: Cell, tmp_path: Path) -> None:
    """Images come as a list; a build tells its lines."""
    (tmp_path / "Dockerfile").write_text("FROM python:3\nLABEL a=b\n")
    built = cell("%knit image build -t mine:1 .")
    assert built.result[0]["names"] == ["mine:1"]
    assert "[OK] built: mine:1" in built.out
    assert any("upper:1" in each["names"] for each in cell("%knit image ls").result)


def test_texts_are_printed(cell: Cell, session: Session, case: str) -> None:
    """What was asked for as a table or a tree is printed; files are written, and give nothing."""
    data = session.push({"a.txt": "alpha"}, [case])
    table = cell(f"%knit data find --output table -t {case}")
    assert table.result is None
    assert data.id[:8] in table.out
    assert "upload" in cell(f"%knit data lineage --format text {data.id}").out
    cell(f"%knit data lineage -o graph.dot {data.id}")
    assert Path("graph.dot").read_text().startswith("digraph")
    assert cell(f"%knit data pull --file a.txt {data.id} -").out.endswith("alpha")
    assert "archive is not written to a notebook" in cell(f"%knit data pull {data.id} -").out
    assert "ok    server" in cell("%knit doctor").out


def test_explorers(cell: Cell, session: Session, case: str) -> None:
    """The short forms open the widgets, `--static` gives the pictures; tags name the newest Data."""
    first, second = (session.push({"a.txt": text}, [case]) for text in ("alpha", "beta"))
    assert cell(f"%knit lineage --static {case}").result.graph["root"] == second.id
    assert cell(f"%knit lineage --static {first.id[:13]}").result.graph["root"] == first.id
    assert cell("%knit lineage --static").result.graph["root"] == second.id
    explorer = cell(f"%knit lineage {case}").result
    assert type(explorer).__name__ == "Explorer"
    explorer.close()


def test_graph_of_the_newest_plan(cell: Cell, upper: Callable[..., PlanDraft]) -> None:
    """Without a Plan, it is the newest one."""
    plan = upper().apply()
    assert cell("%knit graph --static").result.graph["root"] == plan.id
    assert cell(f"%knit graph --static {plan.id[:8]}").result.graph["root"] == plan.id


def test_watch(cell: Cell, session: Session, upper: Callable[..., PlanDraft], case: str) -> None:
    """A monitor where widgets are; `run watch` prints lines until all have ended, and fails with the Run."""
    session.push({"fail": "x"}, [case])
    plan = upper().apply()
    watched = cell(f"%knit run watch {plan.runs.latest.id}")
    assert isinstance(watched.error, KnitError)
    assert "ended with exit code 1" in watched.out
    assert "failed" in watched.out
    monitor = cell(f"%knit watch {plan.id}").result
    assert type(monitor).__name__ == "Monitor"
    monitor.close()


def test_watch_without_widgets(cell: Cell, monkeypatch: pytest.MonkeyPatch, upper: Callable[..., PlanDraft]) -> None:
    """Where there are no widgets, changes are printed; explorers become pictures."""
    import sys

    plan = upper().apply()
    for name in ("knit_lab.components.monitor", "knit_lab.components.explorer"):
        monkeypatch.setitem(sys.modules, name, None)
    assert "no Run that goes on" in cell(f"%knit watch {plan.id}").out
    assert isinstance(cell(f"%knit graph {plan.id}").result, PlanGraphView)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("%knit data fnd", "unknown subcommand: fnd; did you mean find?"),
        ("%knit data push --tg x", "unknown flag: --tg; did you mean --tag?"),
        ("%knit data find -t", "value required: -t"),
        ("%knit run show", "not enough args"),
        ("%knit nonsense", "unknown subcommand: nonsense"),
        ("%knit data find -t 'open", "No closing quotation"),
    ],
)
def test_wrong_words(cell: Cell, line: str, told: str) -> None:
    """Wrong words show what is wrong and the help page, without a traceback; the cell has failed."""
    done = cell(line)
    assert told in done.out
    assert "Traceback" not in done.out
    assert type(done.error).__name__ == "WrongWords"


@pytest.mark.parametrize(
    ("words", "told", "page"),
    [
        ("plan a --aply", "unknown flag: --aply; did you mean --apply?", "%%knit plan?"),
        ("--profile other plan", "not enough args", "%%knit plan?"),
        ("pln a", "unknown subcommand: pln; did you mean plan?", "%%knit?"),
    ],
)
def test_wrong_words_above_a_cell(cell: Cell, words: str, told: str, page: str) -> None:
    """Above a cell, wrong words show what is wrong and how to get the help page, not the page."""
    done = cell(f"%%knit {words}\npass")
    assert type(done.error).__name__ == "WrongWords"
    assert told in done.error.reason
    assert done.error.advice == f"see: {page}"
    assert len(done.out.strip().splitlines()) == 3
    assert "Traceback" not in done.out


def test_what_is_for_terminals_only(cell: Cell) -> None:
    """A server would never come back; completion is for shells."""
    for name, advice in TERMINAL_ONLY.items():
        done = cell(f"%knit {name}")
        assert f"`knit {name}` is not for notebooks" in done.out
        assert advice in done.out


def test_refusals_of_the_server(cell: Cell) -> None:
    """What the server refuses is shown with its advice, and nothing else."""
    done = cell("%knit run show 00000000")
    assert isinstance(done.error, KnitError)
    assert "runId:00000000 is not found" in done.out
    assert "List the Runs" in done.out
    assert "Traceback" not in done.out


def test_files_that_are_not_there(cell: Cell) -> None:
    """An error of the system is told as one of Knit."""
    os.mkdir("gone")
    os.chdir("gone")
    os.rmdir("../gone")
    done = cell("%knit init knitprofile")
    os.chdir("/")
    assert isinstance(done.error, KnitError)
    assert "Traceback" not in done.out


def test_profiles_of_flags(cell: Cell, profile_file: Path, case: str, tmp_path: Path) -> None:
    """`--profile` means another server for that one command; what it finds stays usable."""
    (tmp_path / "store").mkdir()
    told = cell(f"%knit --profile other --profile-store {tmp_path}/store/profile init {profile_file}")
    assert told.error is None
    flags = f"--profile other --profile-store {tmp_path}/store/profile"
    Path("a.txt").write_text("alpha")
    pushed = cell(f"%knit {flags} data push -t {case} a.txt").result
    assert pushed._session is not cell(f"%knit data find -t {case}").result[0]._session
    assert (pushed / "a.txt").read_text() == "alpha"
    assert "config file is not found" in cell("%knit --profile nowhere data find").out


def test_extension_commands(cell: Cell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program knit-NAME runs beside the kernel, prints into the cell, and its failure is the cell's."""
    for name, body in (("greet", "echo hello $1; echo $KNIT_PROFILE_STORE"), ("fall", "echo oops >&2; exit 3")):
        program = tmp_path / f"knit-{name}"
        program.write_text(f"#!/bin/sh\n{body}\n")
        program.chmod(0o755)
    (tmp_path / "knit-broken").write_text("#!/nowhere/at/all\n")
    (tmp_path / "knit-broken").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert "hello you\n" in cell("%knit greet you").out
    fallen = cell("%knit fall")
    assert "oops" in fallen.out
    assert "knit-fall: ended with exit code 3" in fallen.out
    assert "cannot be started: No such file" in cell("%knit broken").out


def test_hostile_words(cell: Cell, session: Session, case: str) -> None:
    """Tags with markup, control characters and great lengths harm neither terminal nor page."""
    nasty = "x:<script>alert(1)</script>\x1b[31m"
    session.push({"a.txt": "alpha"}, [case, nasty, "long:" + "y" * 1000])
    found = cell(f"%knit data find -t {case}").result
    assert "<script>" not in found._repr_mimebundle_()["text/html"]
    assert "\x1b[31m" not in cell(f"%knit data find --output table -t {case}").out
    assert "\x1b[31m" not in cell("%knit data find -t '\x1b[31m'").out


def test_texts_cut_anywhere(capsys: pytest.CaptureFixture[str]) -> None:
    """Bytes come in blocks that may end within a character."""
    texts = Texts()
    assert texts.writable()
    for byte in "naïve ☃\n".encode():
        texts.write(bytes([byte]))
    assert capsys.readouterr().out == "naïve ☃\n"


def test_graph_without_plans() -> None:
    """On a server without Plans it is said how to make one."""

    class Empty:
        def resolve(self, prefix: str, kinds: tuple[str, ...], *, limit: int) -> list[Any]:
            return []

    with pytest.raises(NotFound, match="there is no Plan yet"):
        short.newest_plan(Empty())  # type: ignore[arg-type]
