"""Knit installed from its wheel into an environment of a user's: nothing has to be switched on or set."""

from __future__ import annotations

import json
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import clean_environment
import pytest
from jupyter_lab import JupyterLab

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Path:
    """The Python of an environment into which the wheel was installed."""
    made = clean_environment.make(tmp_path_factory.mktemp("clean") / "venv")
    clean_environment.install(made, str(wheel))
    return made


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory, python: Path) -> Iterator[JupyterLab]:
    """JupyterLab as it is there after the installation."""
    server = JupyterLab(tmp_path_factory.mktemp("lab"))
    server.program = (str(python), "-m", "jupyterlab")
    with server:
        yield server


def test_what_is_in_it(wheel: Path) -> None:
    """Packages, what switches the extension on, licence and notebooks; no tests, and nothing of this checkout."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0].split("-")[0] for name in names}
    assert tops == {"knit_server", "knit_lab", "knit_cli", "knit_platform"}
    assert any(name.endswith("etc/jupyter/jupyter_server_config.d/knit_server.json") for name in names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert "knit_cli/_notebooks/tutorial/make_media.py" in names
    assert {"knit_lab/py.typed", "knit_server/py.typed", "knit_cli/py.typed"} <= set(names)
    assert not [name for name in names if "__pycache__" in name or "checkpoints" in name]


def test_the_extension_is_on(python: Path, tmp_path: Path) -> None:
    """Jupyter lists it as enabled, and as one that works."""
    command = [str(python), "-m", "jupyter_server", "extension", "list"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=tmp_path, env={"HOME": str(tmp_path), "PATH": ""}
    )
    told = done.stdout + done.stderr
    line = next(each for each in told.splitlines() if "knit_server" in each and "OK" not in each)
    assert "enabled" in line
    assert any("knit_server" in each and "OK" in each for each in told.splitlines()), told


def test_a_kernel_needs_no_configuration(jupyter: JupyterLab) -> None:
    """In a kernel of that JupyterLab, Knit is the installed one and finds the server by itself."""
    root, where, count = jupyter.execute(
        "import knit_lab as knit\nprint(knit.connect().client.api_root)",
        "print(knit.__file__)",
        "print(len(knit.push({'a.txt': b'a'}, ['from:kernel']).files))",
    )
    assert root.strip() == jupyter.profile["apiRoot"]
    assert "site-packages" in where
    assert str(clean_environment.ROOT) not in where
    assert count.strip() == "1"


def test_the_command_in_a_terminal(jupyter: JupyterLab, python: Path) -> None:
    """What a terminal of that JupyterLab inherits is enough for the command, too."""
    listed = 'import subprocess; print(subprocess.run(["{}", "data", "find"], capture_output=True, text=True).stdout)'
    (told,) = jupyter.execute(listed.format(python.with_name("knit")))
    assert isinstance(json.loads(told), list)


def test_the_notebooks(python: Path, tmp_path: Path) -> None:
    """`knit notebooks` takes them out of the installation."""
    command = [str(python.with_name("knit")), "notebooks", "mine"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for name in json.loads(done.stdout):
        assert (tmp_path / name).is_file()
    assert (tmp_path / "mine" / "tutorial" / "make_media.py").is_file()
