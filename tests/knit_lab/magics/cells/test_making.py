"""`%%knit plan` on a real server: a cell is tried here, becomes Data, and runs there as it ran here."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from knit_lab.magics.cells import base, making, reading
from knit_lab.magics.cells.trying import Trial
from knit_lab.objects.drafts import DryRun
from knit_lab.objects.plans import Plan
from knit_lab.session import Session
from knit_server.domain.errors import Conflict, InvalidInput, KnitError, NotFound, Unsupported

Cell = Callable[[str], Any]

UPPER = """
for file in inputs.raw.iterdir():
    (outputs.made / file.name).write_text(file.read_text().upper() + args.end)
    print("made", file.name)
"""


@pytest.fixture
def words(case: str) -> str:
    """The words of the Plan of these tests: takes what has the tag of the test, and gives what has another."""
    return f"{case.replace('case:', '')[:40]} --in raw={case} --out made={case.replace('case:', 'made:')} --arg end=!"


def test_trying(cell: Cell, session: Session, case: str, words: str, shell: InteractiveShell) -> None:
    """Alone, a cell only runs here, on the newest Data; its names stay, and nothing is sent."""
    session.push({"a.txt": "old"}, [case])
    data = session.push({"a.txt": "alpha"}, [case])
    for flags in ("", "--local"):
        done = cell(f"%%knit plan {words} {flags}\n{UPPER}")
        assert isinstance(done.result, Trial)
        assert "made a.txt" in done.out
        assert done.result.inputs == {"raw": data}
        assert done.result.files == [("made", "a.txt", 6)]
    assert (shell.user_ns["outputs"].made / "a.txt").read_text() == "ALPHA!"
    assert cell("file.name").result == "a.txt"
    assert making.find_code(session, reading.read(UPPER)) is None
    assert not [each for each in session.plans.find() if words.split()[0] in str(each.detail)]


def test_it_shows_what_was_tried(cell: Cell, session: Session, case: str, words: str) -> None:
    """A trial tells its files and outputs that stayed empty; hostile names are escaped."""
    data = session.push({"a.txt": "alpha"}, [case])
    done = cell(f"%%knit plan {words} --out none=x:y\n(outputs.made / '<b>&.txt').write_text('x')")
    told = done.result.as_text()
    assert f"raw = Data {data.id[:8]}" in told
    assert "nothing was written into outputs.none" in told
    assert "<b>&.txt" in told
    assert "&lt;b&gt;&amp;.txt" in done.result.as_html()
    assert "<b>&.txt" not in done.result.as_html()


def test_errors_of_the_cell_are_its_own(
    cell: Cell, session: Session, case: str, words: str, shell: InteractiveShell
) -> None:
    """What the cell raises here looks as in any cell, with its line, and nothing is applied."""
    session.push({"a.txt": "alpha"}, [case])
    done = cell(f"%%knit plan {words} --apply\nx = 1\nprint(x / 0)")
    assert isinstance(done.error, ZeroDivisionError)
    assert "print(x / 0)" in done.out
    assert "knit_lab" not in done.out
    assert "run_cell_magic" not in done.out
    count = shell.execution_count - 1
    assert f"Cell In[{count}], line 2" in done.out
    assert f"In[{count + 1}]" not in done.out
    assert "knit_lab" not in cell("%tb").out
    deep = cell(f"%%knit plan {words}\ndef mine():\n    [][1]\ntry:\n    mine()\nexcept IndexError:\n    1/0").out
    assert deep.index("mine()") < deep.index("During handling") < deep.index("ZeroDivisionError: ")
    assert "knit_lab" not in deep
    assert not session.plans.find(in_tags=case)


@pytest.mark.parametrize("flag", ["--apply", "--dry-run --local"])
def test_what_the_cell_does_not_find_is_its_error(
    cell: Cell, session: Session, case: str, words: str, flag: str
) -> None:
    """Something that the cell itself does not find is an error of the cell, not a trial that lacks its Data."""
    session.push({"a.txt": "alpha"}, [case])
    missing = f"import knit_lab as knit\nknit.data.newest('{case}-nowhere')"
    done = cell(f"%%knit plan {words} {flag} --image upper:1\n{missing}")
    assert isinstance(done.error, NotFound)
    assert "not tried here" not in done.out
    assert done.result is None
    missing = f"import fsspec\nfsspec.open('knit://{case}/none.csv').open()"
    done = cell(f"%%knit plan {words} {flag} --image upper:1\n{missing}")
    assert isinstance(done.error, FileNotFoundError)
    assert not session.plans.find(in_tags=case)


def test_applying(cell: Cell, session: Session, case: str, words: str) -> None:
    """Applied, it runs on every Data that fits, as it ran here; and the same cell again is the same Plan."""
    data = session.push({"a.txt": "alpha"}, [case])
    first = cell(f"%%knit plan {words} --apply --to mine\n{UPPER}")
    plan = first.result
    assert cell("mine").result is plan
    assert isinstance(plan, Plan), first.out
    run = plan.runs.latest.wait(120)
    assert (run.outputs["/out/made"] / "a.txt").read_text() == "ALPHA!"
    assert run.logs() == "made a.txt\n"
    assert set(run.inputs) == {"/in/raw", making.CODE}
    assert run.inputs["/in/raw"] == data
    assert (run.inputs[making.CODE] / "cell.py").read_text() == reading.read(UPPER).source
    again = cell(f"%%knit plan {words} --apply\n{UPPER}")
    assert again.result == plan
    assert "as before" in again.out
    assert len(plan.runs) == 1
    assert len(session.find(f"{making.TAG}:{reading.read(UPPER).hash}")) == 1, "equal code is pushed once"


def test_restart_and_run_all(session: Session, case: str, words: str, shell: InteractiveShell) -> None:
    """In a fresh kernel the same notebook makes the same Plan."""
    from knit_lab.magics.cells.words import CellWords

    session.push({"a.txt": "alpha"}, [case])
    wishes = CellWords(name="again", action="apply", locally=False, inputs={"raw": [case]}, image="upper:1", log=None)
    plans = {making.Workshop({}, lambda source: None).make(session, wishes, "print(1)").id for _ in range(2)}  # type: ignore[union-attr]
    assert len(plans) == 1


def test_a_changed_cell(cell: Cell, session: Session, case: str, words: str) -> None:
    """A changed cell is a new Plan; the older one goes on beside it, until `--replace` switches it off, and back."""
    session.push({"a.txt": "alpha"}, [case])
    flags = f"{words} --image upper:1 --no-local --apply"
    first = cell(f"%%knit plan {flags}\nprint(1)").result
    second = cell(f"%%knit plan {flags}\nprint(2)")
    assert second.result != first
    assert f"older Plans of this name still run on new Data as well: {first.id[:8]}" in second.out
    third = cell(f"%%knit plan {flags} --replace\nprint(2)")
    assert third.result == second.result
    assert f"the older Plan {first.id[:8]} of this name is switched off" in third.out
    assert not first.refresh().active
    quiet = cell(f"%%knit plan {flags}\nprint(1)")
    assert quiet.result == first
    assert "the Plan is switched off: --replace" in quiet.out
    back = cell(f"%%knit plan {flags} --replace\nprint(1)").result
    assert back.active
    assert not second.result.refresh().active


def test_another_name_and_other_resources(cell: Cell, session: Session, case: str, words: str) -> None:
    """They are no part of what a Plan is: they are changed where the Plan is there already."""
    flags = f"--in raw={case} --image upper:1 --apply --no-local --no-log"
    one = cell(f"%%knit plan one-{case[5:25]} {flags} --cpu 1\npass").result
    two = cell(f"%%knit plan two-{case[5:25]} {flags} --cpu 2 --memory 2Gi\npass").result
    assert one == two
    assert two.detail["resources"] == {"cpu": "2", "memory": "2Gi"}
    assert {f"{making.TAG}={name}-{case[5:25]}" for name in ("one", "two")} <= set(two.detail["annotations"])
    assert "log" not in two.detail


@pytest.mark.parametrize(
    ("flags", "kind", "told"),
    [("--in raw={} --out made={}", Conflict, "cycle"), ("--in raw={} --out made=a:b --cpu much", InvalidInput, "much")],
)
def test_what_is_refused_leaves_nothing(
    cell: Cell, session: Session, case: str, flags: str, kind: type[KnitError], told: str
) -> None:
    """A Plan that cannot be is refused before its code becomes Data."""
    code = f"print('{case}')"
    done = cell(f"%%knit plan loop {flags.format(case, case)} --apply --no-local --image upper:1\n{code}")
    assert isinstance(done.error, kind)
    assert told in done.error.reason
    assert done.error.advice
    assert making.find_code(session, reading.read(code)) is None
    assert not session.plans.find(in_tags=case)


def test_dry_runs(cell: Cell, session: Session, case: str, words: str) -> None:
    """A dry run tells what would be; neither code nor image nor Plan comes of it."""
    session.push({"a.txt": "alpha"}, [case])
    cell_text = f"{UPPER}\n# {case}"
    done = cell(f"%%knit plan {words} --dry-run\n{cell_text}")
    assert isinstance(done.result, DryRun)
    assert done.result.ok
    assert done.result.run_count == 1
    assert making.find_code(session, reading.read(cell_text)) is None
    cell(f"%%knit plan {words} --apply --image upper:1\n{cell_text}")
    known = cell(f"%%knit plan {words} --dry-run --local --image upper:1\n{cell_text}").result
    assert "equivalent" in known.answer


def test_without_inputs(cell: Cell, case: str) -> None:
    """A cell that needs nothing runs once: on its own code."""
    done = cell(f"%%knit plan source --out made={case} --apply\n(outputs.made / 'x').write_text('made of nothing')")
    assert "source ran here" in done.out
    run = done.result.runs.latest.wait(120)
    assert (run.outputs["/out/made"] / "x").read_text() == "made of nothing"


def test_nothing_to_try_on(cell: Cell, case: str, words: str) -> None:
    """Without a fitting Data a trial says so; a Plan is applied nevertheless, for the Data to come."""
    done = cell(f"%%knit plan {words}\n{UPPER}")
    assert isinstance(done.error, NotFound)
    assert "the input raw has nothing to try on" in done.out
    applied = cell(f"%%knit plan {words} --apply --image upper:1\n{UPPER}")
    assert isinstance(applied.result, Plan)
    assert "not tried here: the input raw" in applied.out


def test_nothing_is_sent_that_cannot_run(cell: Cell, session: Session, case: str, words: str) -> None:
    """Names of the notebook are named before anything happens; `args`, `inputs` of an earlier cell are none of them."""
    session.push({"a.txt": "alpha"}, [case])
    cell("rate = 0.5")
    done = cell(f"%%knit plan {words} --apply\nprint(rate, inputs)")
    assert isinstance(done.error, InvalidInput)
    assert "rate is not defined in the cell, only in the notebook" in done.out
    assert not session.plans.find(in_tags=case)
    assert "is not plain Python: !ls" in cell(f"%%knit plan {words}\n!ls").out


def test_code_that_only_says_it_is_the_same(session: Session, case: str) -> None:
    """A Data with the tag of the code but other content is not taken for it."""
    code = reading.read(f"print('{case}')")
    session.push({"cell.py": "print('something else')", "run.py": ""}, [f"{making.TAG}:{code.hash}"])
    session.push({"cell.py": code.source}, [f"{making.TAG}:{code.hash}"])
    assert making.find_code(session, code) is None
    right = session.push({"cell.py": code.source, "run.py": "x"}, [f"{making.TAG}:{code.hash}"])
    assert making.find_code(session, code) == right


class Images:
    """A server as far as images go: `python` is what it runs, None if it has no images of its own."""

    def __init__(self, python: str | None) -> None:
        self.python = python
        self.built: list[str] = []

    def find_images(self) -> list[dict[str, Any]]:
        if self.python is None:
            raise Unsupported("the executor kubernetes has no local images", advice="Use a registry.")
        return [{"names": [name], "python": self.python} for name in self.built]

    def build_image(self, context: str, name: str) -> dict[str, Any]:
        assert Path(context, "Dockerfile").read_text() == "FROM knit/environment\n"
        self.built.append(name)
        return {"names": [name], "python": self.python}


def test_the_image_is_made_once() -> None:
    """Its name follows from the packages, so the second cell finds it."""
    told: list[str] = []
    images = Images(".".join(map(str, sys.version_info[:3])))
    for _ in range(2):
        base.ensure(images, base.name(), told.append)  # type: ignore[arg-type]
    assert images.built == [base.name()]
    assert len(told) == 1
    assert base.name().startswith("knit/environment:")


@pytest.mark.parametrize(
    ("python", "told"),
    [("3.2.1", "the server runs Python 3.2, this notebook"), (None, "this server cannot lend its Python environment")],
)
def test_servers_that_cannot_lend_theirs(python: str | None, told: str) -> None:
    """Another Python, or no images at all: it is said, and that `--image` helps."""
    with pytest.raises(Unsupported) as caught:
        base.ensure(Images(python), base.name(), lambda line: None)  # type: ignore[arg-type]
    assert told in caught.value.reason
    assert "--image" in (caught.value.advice or "")


def test_images_that_are_not_there_yet(cell: Cell, case: str) -> None:
    """A Plan may come before its image; that there is none yet is said, and nothing where that cannot be known."""
    flags = f"early --in raw={case} --apply --no-local --replace"
    assert "the server has no image not-built:latest yet" in cell(f"%%knit plan {flags} --image not-built\npass").out
    assert "has no image" not in cell(f"%%knit plan {flags} --image upper:1\npass").out
    told: list[str] = []
    base.tell_missing(Images(None), "any:1", told.append)  # type: ignore[arg-type]
    base.tell_missing(Images("3.11.2"), "NO NAME", told.append)  # type: ignore[arg-type]
    assert told == []


def test_what_was_written_goes(cell: Cell, session: Session, case: str, words: str, shell: InteractiveShell) -> None:
    """Outputs of a trial stay until the next one of that name, or until the magics go."""
    session.push({"a.txt": "alpha"}, [case])
    cell(f"%%knit plan {words}\n{UPPER}")
    first: Path = shell.user_ns["outputs"].made
    assert first.is_dir()
    cell(f"%%knit plan {words}\n{UPPER}")
    second: Path = shell.user_ns["outputs"].made
    assert second.is_dir()
    assert not first.exists()
    cell("%unload_ext knit_lab")
    assert not second.exists()


def test_what_was_written_cannot_go(
    cell: Cell, session: Session, case: str, words: str, shell: InteractiveShell
) -> None:
    """If what was written before is something else now, that is said, and it stays."""
    session.push({"a.txt": "alpha"}, [case])
    cell(f"%%knit plan {words}\n{UPPER}")
    place: Path = shell.user_ns["outputs"].made.parent
    shutil.rmtree(place)
    place.write_text("mine")
    assert "cannot remove what the cell wrote before: Not a directory" in cell(f"%%knit plan {words}\n{UPPER}").out
    assert place.read_text() == "mine"
    place.unlink()
