"""Importing the package costs next to nothing, and its names are what the documents promise."""

from __future__ import annotations

import importlib.resources
import subprocess
import sys

import pytest

import knit_lab

HEAVY = {
    "IPython", "blake3", "fsspec", "httpx", "ipycytoscape", "ipywidgets", "isal", "pandas", "polars", "pyarrow", "rich",
    "tornado", "traitlets", "yaml", "zstandard",
}  # fmt: skip


def in_a_fresh_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "use", ["import knit_lab", "import knit_lab; knit_lab.Session; knit_lab.connect; knit_lab.find; dir(knit_lab)"]
)
def test_import_loads_nothing_heavy(use: str) -> None:
    """Neither the package nor its functions load widgets, DataFrames, HTTP or codecs before they are used."""
    loaded = set(in_a_fresh_python(f"{use}\nimport sys\nprint(*sys.modules)").split())
    assert not HEAVY & loaded


def test_import_is_fast() -> None:
    """Under 300 ms of CPU time beyond Python's own, all of the API included; the best of three."""

    def spent(code: str) -> float:
        told = in_a_fresh_python(f"import time\nat = time.process_time()\n{code}\nprint(time.process_time() - at)")
        return float(told)

    assert min(spent("import knit_lab; knit_lab.Session, knit_lab.connect") for _ in range(3)) < 0.3


def test_names() -> None:
    """All names are there to be completed; one that there is not is an AttributeError, as of any module."""
    assert set(dir(knit_lab)) == set(knit_lab.__all__)
    of_the_session = {"data", "plans", "runs"}
    magics = {"load_ipython_extension", "unload_ipython_extension"}
    for name in set(knit_lab.__all__) - of_the_session - magics:
        assert getattr(knit_lab, name).__doc__
    with pytest.raises(AttributeError, match="module 'knit_lab' has no attribute 'pusch'"):
        knit_lab.pusch  # noqa: B018


def test_typed() -> None:
    """Type checkers are told that the package has annotations."""
    assert importlib.resources.files("knit_lab").joinpath("py.typed").is_file()
