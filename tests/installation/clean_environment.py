"""A virtual environment as a user makes one, with Knit's libraries in it but not Knit, without asking any index.

The libraries are those of the environment that the tests run in: their files are linked, not copied, where that can be.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
_OWN = shutil.ignore_patterns("__editable__*", "_editable_impl_*", "knit_platform-*", "knit_server.json", "__pycache__")


def make(folder: Path, python: str = sys.executable) -> Path:
    """Make the environment in `folder`; returns its Python."""
    subprocess.run([python, "-m", "venv", "--without-pip", str(folder)], check=True)
    library = Path("lib", f"python{sys.version_info[0]}.{sys.version_info[1]}", "site-packages")
    for part in (library, Path("share"), Path("etc")):
        if (Path(sys.prefix) / part).is_dir():
            shutil.copytree(
                Path(sys.prefix) / part, folder / part, symlinks=True, ignore=_OWN, dirs_exist_ok=True,
                copy_function=_linked,
            )  # fmt: skip
    return folder / "bin" / "python"


def wheel(folder: Path) -> Path:
    """Build Knit's wheel into `folder`."""
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    (found,) = folder.glob("*.whl")
    return found


def install(python: Path, *words: str) -> None:
    """Install into the environment of `python` what lies here already."""
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-index", "--no-deps"]
    done = subprocess.run([*command, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _linked(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:  # another file system, or links are not allowed
        shutil.copy2(source, target)
    return target
