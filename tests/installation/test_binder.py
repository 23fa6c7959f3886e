"""`binder/` does what Binder does with it: built and started by an ordinary user, without bubblewrap or any rights.

Only the index is left out: the libraries lie in the environment already, as pip would have put them there.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import clean_environment
import pytest
from clean_environment import ROOT
from jupyter_lab import JupyterLab

BINDER = ROOT / "binder"
NOTEBOOK = ROOT / "notebooks" / "01-first-steps.ipynb"


class Binder(JupyterLab):
    """What runs on Binder: the user's home is the repository, and everything is done by that user."""

    def __init__(self, folder: Path, python: str) -> None:
        super().__init__(folder)
        self.notebooks = folder / "repository"
        self.home = self.user_home / ".local" / "share" / "knit"
        self.python = clean_environment.make(folder / "venv", python)
        self.program = (*unprivileged(), str(self.notebooks / "binder" / "start"), str(self.python), "-m", "jupyterlab")

    def environ(self) -> dict[str, str]:
        """As ever, but programs are found through a folder that has no bubblewrap."""
        return super().environ() | {"PATH": f"{self.python.parent}:{self.folder / 'bin'}"}

    def build(self) -> None:
        """Check the repository out, hide bubblewrap, give everything to the user, and run postBuild as that user."""
        command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for name in filter(lambda name: (ROOT / name).is_file(), listed.split("\0")):
            target = self.notebooks / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
        hide_bubblewrap(self.folder / "bin")
        give_away(self.folder)
        no_index = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0"}  # 0: none; the backend is there already
        done = subprocess.run(
            [*unprivileged(), str(BINDER / "postBuild")], cwd=self.notebooks, env=self.environ() | no_index,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr


def unprivileged() -> list[str]:
    """What makes of root the user nobody, for good; nothing where the tests run as an ordinary user.

    setpriv itself still has root's rights while it starts a program, so that is env, which has none.
    """
    if os.getuid() != 0:
        return []
    nobody = pwd.getpwnam("nobody")
    return ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups",
            "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", "--", "env"]  # fmt: skip


def hide_bubblewrap(folder: Path) -> None:
    """Make a folder for PATH with all of the system's programs but that one."""
    folder.mkdir()
    for place in ("/bin", "/usr/bin", "/usr/local/bin"):
        for program in Path(place).iterdir():
            if program.name != "bwrap" and not os.path.lexists(folder / program.name):
                (folder / program.name).symlink_to(program)


def give_away(folder: Path) -> None:
    """Make the user the owner of all folders, and of all files that are nobody else's too."""
    if os.getuid() != 0:
        return
    nobody = pwd.getpwnam("nobody")
    for place in (folder, *folder.parents[:4]):  # pytest's own folders let only root in
        place.chmod(place.stat().st_mode | 0o711)
    for path in (folder, *folder.rglob("*")):
        if path.is_dir() or path.lstat().st_nlink == 1:
            os.chown(path, nobody.pw_uid, nobody.pw_gid, follow_symlinks=False)


def python_for_all() -> str:
    """A Python like ours that the user may run; skips where there is none."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("this is no checkout")
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    for found in (os.path.realpath(sys.executable), f"/usr/bin/python{version}"):
        tried = subprocess.run([*unprivileged(), found, "-m", "venv", "--help"], capture_output=True, check=False)
        if tried.returncode == 0:
            return found
    pytest.skip(f"no Python {version} that an ordinary user may run")


@pytest.fixture(scope="module")
def binder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Binder]:
    """The session of somebody who has clicked the link."""
    server = Binder(tmp_path_factory.mktemp("binder"), python_for_all())
    server.build()
    with server:
        yield server


@pytest.mark.slow
class TestSession:
    def test_it_is_unprivileged(self, binder: Binder) -> None:
        """The server runs as an ordinary user who can gain no rights, and finds no bubblewrap."""
        status = Path(f"/proc/{binder.process.pid}/status").read_text()
        found = dict(re.findall(r"^(\w+):\s+(\w+)", status, re.MULTILINE))
        assert found["Uid"] != "0"
        assert int(found["CapEff"], 16) == 0
        (where,) = binder.execute("import shutil; print(shutil.which('bwrap'))")
        assert where.strip() == "None"

    def test_knit_works(self, binder: Binder) -> None:
        """A kernel finds the server; the sandbox is one that needs nothing; an image is built, a Plan is run."""
        assert binder.get("/health")["executor"]["sandbox"] == "substitution"
        binder.build_act()
        binder.execute("import knit_lab as knit\nknit.push({'a.txt': b'a'}, ['from:binder'])")
        text = "image: act:1\nargs: [copy, /in, /out]\nresources: {cpu: '100', memory: 1Ti}\n"
        text += "inputs: [{path: /in, tags: [from:binder]}]\noutputs: [{path: /out, tags: [made:here]}]\n"
        assert binder.run_of(binder.apply(text)["planId"])["status"] == "done"
        assert (binder.user_home / ".local" / "share" / "knit" / "knit.db").is_file()

    @pytest.mark.skipif(not NOTEBOOK.is_file(), reason="there is no such notebook")
    def test_the_first_notebook(self, binder: Binder) -> None:
        """All cells of the notebook that the link opens run."""
        cells = json.loads(NOTEBOOK.read_text())["cells"]
        folder = f"import os; os.chdir({str(binder.notebooks / 'notebooks')!r})"
        sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        binder.execute(folder, *sources, seconds=180)


def test_requirements_are_ours() -> None:
    """What Binder installs first are requirements of Knit's own extra `notebooks`, in the same versions."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    lines = (BINDER / "requirements.txt").read_text().splitlines()
    assert {line for line in lines if not line.startswith("#")} <= set(extras["notebooks"])


def test_the_readme_links_to_it() -> None:
    """The link opens the first notebook."""
    (link,) = re.findall(r"https://mybinder\.org/v2/\S+?urlpath=lab/tree/(\S+?)\)", (ROOT / "README.md").read_text())
    assert link == NOTEBOOK.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("name", ["postBuild", "start"])
def test_programs_of_binder(name: str) -> None:
    """They can be executed, and are shell scripts without mistakes of syntax."""
    assert os.access(BINDER / name, os.X_OK)
    assert subprocess.run(["bash", "-n", str(BINDER / name)], check=False).returncode == 0
