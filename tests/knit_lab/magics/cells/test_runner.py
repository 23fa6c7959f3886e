"""The program that runs a cell in an image: it knows nothing of Knit."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from knit_lab.magics.cells import runner


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A pushed cell as a Run finds it."""
    (tmp_path / "run.py").write_text(Path(runner.__file__).read_text())
    return tmp_path


def run(place: Path, cell: str, *words: str) -> subprocess.CompletedProcess[str]:
    (place / "cell.py").write_text(cell)
    command = [sys.executable, "-I", str(place / "run.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_names_are_bound(place: Path) -> None:
    """Inputs and outputs are paths, arguments texts, whatever is in them."""
    cell = (
        "from pathlib import Path\n"
        "assert inputs.raw == Path('/in/raw') == inputs['raw'] and outputs.made == Path('/out/made')\n"
        "print(args.k, list(inputs), len(outputs), args)"
    )
    done = run(place, cell, "--in", "raw=/in/raw", "--out", "made=/out/made", "--arg", "k=a=b c", "--arg", "keys=1")
    assert done.stdout == "a=b c ['raw'] 1 <args: k=a=b c, keys=1>\n", done.stderr


def test_the_cell_is_the_program(place: Path) -> None:
    """It is `__main__`, has no other names, its classes can be pickled, and its exit code counts."""
    cell = (
        "import pickle, sys\nclass A: pass\nassert type(pickle.loads(pickle.dumps(A()))) is A\n"
        "assert __name__ == '__main__' and 'Names' not in globals() and sys.argv == [__file__]\nsys.exit(7)"
    )
    assert run(place, cell).returncode == 7


def test_errors_show_the_line(place: Path) -> None:
    """A traceback shows the line of the cell; a wrong name says which there are."""
    told = run(place, "x = 1\nprint(inputs.row)", "--in", "raw=/in/raw").stderr
    assert "there is no input 'row'; there are: raw" in told
    assert 'cell.py", line 2' in told
    assert "print(inputs.row)" in told
    assert not hasattr(runner.Names("input", {}), "__wrapped__")


def test_old_pythons_can_read_it() -> None:
    """It runs in images of any Python from 3.8 on."""
    ast.parse(Path(runner.__file__).read_text(), feature_version=(3, 8))
