"""The notebooks: executed twice on one home, as git holds them, and as the docs show them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from nbformat import NotebookNode, validate

sys.path.insert(0, str(Path(__file__).parent))  # tests are no packages
sys.path.insert(0, str(Path(__file__).parents[1] / "acceptance"))
sys.path.insert(0, str(Path(__file__).parents[1] / "docs"))

from notebook_runs import executed, laid_out, outputs, stripped
from pages import IMAGES, WIDGET
from server import Server

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LINK = re.compile(r"\]\(([^)#:]+)\)")

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all notebooks, as one user has it."""
    with Server(tmp_path_factory.mktemp("notebooks")) as running:
        yield running


@pytest.fixture(scope="module")
def run(home: Server) -> Callable[[str], NotebookNode]:
    """`run("01")`: execute the notebook whose name begins so, in a folder of the user's."""
    folder = laid_out(ROOT / "notebooks", home.folder / "knit-notebooks")
    return lambda start: executed(next(folder.glob(f"{start}-*.ipynb")), home)


def counted(home: Server) -> tuple[int, int, int]:
    """How many Data, Plans and Runs there are."""
    return len(home.get("/data")), len(home.get("/plans")), len(home.get("/runs"))


def text(notebook: NotebookNode, cell: str) -> str:
    """All that a cell has printed, and the last thing it has shown, as text."""
    made = outputs(notebook)[cell]
    printed = "".join(each.text for each in made if each.output_type == "stream")
    return printed + "".join(each.data.get("text/plain", "") for each in made if "data" in each)


def check_shown(notebook: NotebookNode, warned: tuple[str, ...] = ()) -> None:
    """Everything reads without a kernel: text for terminals, a picture for widgets; only `warned` cells warn."""
    for cell, made in outputs(notebook).items():
        rich = [each.data for each in made if "data" in each]
        assert all("text/plain" in each for each in rich), cell
        assert all(each.keys() & IMAGES.keys() for each in rich if WIDGET in each), cell
        complaints = [each.text for each in made if each.get("name") == "stderr"]
        assert bool(complaints) == (cell in warned), (cell, complaints)


# --- executed ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_first_steps(run: Callable[[str], NotebookNode], home: Server) -> None:
    """Two Plans made of cells run on two days; again, they are the same Plans, and nothing more comes to be."""
    first = run("01")
    check_shown(first)
    assert "clean ran here" in text(first, "plan-clean")
    assert "clean is Plan" in text(first, "plan-clean")
    assert "10.0" in text(first, "result")
    assert text(first, "tuesday").count("done") == 4
    before = counted(home)
    again = run("01")
    assert "as before" in text(again, "plan-clean")
    assert "as before" in text(again, "plan-summary")
    assert counted(home) == before


@pytest.mark.slow
def test_tutorial(run: Callable[[str], NotebookNode], home: Server) -> None:
    """The seven Plans, from unmodified plan files, make the page; again, nothing more comes to be."""
    first = run("02")
    check_shown(first, warned=("draft",))
    assert "unknown key 'resouces'" in text(first, "draft")
    assert text(first, "wait").count("done") == 7
    assert "index.html" in text(first, "page-files")
    assert text(first, "lineage").count("lbliii/image_tracer:1.0.8") >= 1
    before = counted(home)
    check_shown(run("02"), warned=("draft",))
    assert counted(home) == before


@pytest.mark.slow
def test_model(run: Callable[[str], NotebookNode], home: Server) -> None:
    """Two models, trained in two weeks and tested on both, are compared; the best one is traced to its digits."""
    first = run("03")
    check_shown(first)
    assert text(first, "push-new").count("done") == 2 + 4 + 8, "each model on each test set"
    table = text(first, "compare")
    assert re.search(r"forest +1 +0\.\d+ +0\.[78]\d+", table), "hands that it does not know are hard for it"
    assert len(re.findall(r"^ +2 +0\.9\d+ +0\.9\d+$", table, re.MULTILINE)) == 2, "both learn them"
    assert "stage:chosen" in text(first, "best")
    assert "week:2" in text(first, "trace")
    assert text(first, "affected").count("digits:metrics") == 6, "of 8; two are of the second week alone"
    before = counted(home)
    check_shown(run("03"))
    assert counted(home) == before
    assert len(home.data("stage:chosen")) == 1


@pytest.mark.slow
def test_graphs_and_why(run: Callable[[str], NotebookNode], home: Server) -> None:
    """A slip in a tag, a Run that fails and a missing input are explained and mended; the story can be told again."""
    told = []
    for _ in range(2):
        notebook = run("04")
        check_shown(notebook)
        assert "it lacks type:invoices; it has type:invoice" in text(notebook, "why-data")
        assert "failed" in text(notebook, "retag")
        assert "could not convert string to float: '1 250.00'" in text(notebook, "why-run")
        assert "done" in text(notebook, "retry")
        assert 'no Data fits "/in/rates"' in text(notebook, "why-plan")
        assert "1032.0" in text(notebook, "rates")
        assert text(notebook, "tuesday").count("done") == 4
        told.append(counted(home))
    assert told[0] == told[1], "what an earlier execution made is put away"


# --- in git, and in the docs ------------------------------------------------------------------------------------------


@each_notebook
def test_stripped_in_git(path: Path) -> None:
    """No outputs, no counts, nothing of the editor's; each cell has an id of its own, which the format allows."""
    written = path.read_text(encoding="utf-8")
    assert stripped(written) == written, "run `make notebooks`"
    notebook = NotebookNode(json.loads(written))
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    validate(json.loads(written))


def test_stripping() -> None:
    """Outputs, counts and metadata go; what people write stays."""
    cell = {
        "cell_type": "code", "id": "a", "metadata": {"scrolled": True}, "execution_count": 3, "source": "x = 1\nx",
        "outputs": [{"output_type": "stream", "name": "stdout", "text": "1"}],
    }  # fmt: skip
    note = {"cell_type": "markdown", "id": "b", "metadata": {}, "source": ["# A\n", "b"], "attachments": {}}
    made = stripped(
        json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {"widgets": {}}, "cells": [cell, note]})
    )
    code, words = json.loads(made)["cells"]
    assert code == {
        "cell_type": "code", "id": "a", "metadata": {}, "execution_count": None, "source": ["x = 1\n", "x"],
        "outputs": [],
    }  # fmt: skip
    assert words == {"cell_type": "markdown", "id": "b", "metadata": {}, "source": ["# A\n", "b"]}
    assert stripped(made) == made


@each_notebook
def test_links_lead_somewhere(path: Path) -> None:
    """A notebook links only to what `knit notebooks` puts beside it."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    links = {
        link for cell in cells if cell["cell_type"] == "markdown" for link in LINK.findall("".join(cell["source"]))
    }
    assert all((path.parent / link).exists() for link in links), links


def test_shown_in_the_docs() -> None:
    """Each notebook has a page that shows it as it is now, with all its pictures and no others."""
    script = ROOT / "tests" / "docs" / "notebooks.py"
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@each_notebook
def test_page_links(path: Path) -> None:
    """Links and pictures of a page lead to files that are there."""
    page = ROOT / "docs" / "notebooks" / f"{path.stem}.md"
    links = set(LINK.findall(re.sub(r"^(`{3,}).*?^\1$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)))
    assert links
    assert all((page.parent / link).exists() for link in links), links
