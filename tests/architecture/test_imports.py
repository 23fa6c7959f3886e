"""What importing each part loads, and that everything can be imported. (Directions of imports: `make lint`.)"""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("knit_server", "knit_lab", "knit_cli")
HEAVY = {
    "alembic", "blake3", "dockerfile_parse", "fsspec", "httpx", "ipycytoscape", "ipywidgets", "isal", "jupyter_server",
    "kubernetes", "psutil", "psycopg", "rich", "s3fs", "sqlalchemy", "tornado", "yaml", "zstandard",
}  # fmt: skip
"""Libraries that cost start-up time, or that a laptop does not have."""


def sources(*packages: str) -> list[Path]:
    return [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path) -> Iterator[str]:
    """Give the top-level names of all absolute imports in a file, those inside functions included."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def loaded_by(statement: str) -> set[str]:
    """Give the top-level modules that a fresh interpreter has after `statement`."""
    program = (
        f"{statement}\nimport sys, json\nprint(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("module", ["knit_cli.main", "knit_server", "knit_lab"])
def test_cold_imports_load_nothing_heavy(module: str) -> None:
    """The command, and what Jupyter imports to look for extensions, start without the libraries they may need later."""
    assert loaded_by(f"import {module}") & HEAVY == set()


@pytest.mark.parametrize("package", ["content", "wire", "client"])
def test_what_the_command_may_reach_loads_nothing_heavy(package: str) -> None:
    """Every module that the command shares with the server imports its libraries only where they are used."""
    modules = [module_of(path) for path in sources(f"knit_server/{package}")]
    assert modules
    assert loaded_by("\n".join(f"import {module}" for module in modules)) & HEAVY == set()


def test_the_domain_is_the_standard_library_alone() -> None:
    """Domain modules import the standard library and each other, nothing else, not even inside functions."""
    files = sources("knit_server/domain")
    assert len(files) > 10
    foreign = {(path.name, name) for path in files for name in imported(path)} - {
        (path.name, name) for path in files for name in {*sys.stdlib_module_names, "knit_server"}
    }
    assert foreign == set()


def test_every_module_can_be_imported() -> None:
    """No module is broken on its own, in whatever order they are imported."""
    for path in sources(*PACKAGES):
        name = module_of(path)
        if "versions" in name.split("."):  # migrations are loaded by Alembic, by file
            continue
        importlib.import_module(name)


def test_imports_are_absolute() -> None:
    """Names of modules are written in full, so that a search finds every use."""
    relative = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sources(*PACKAGES)
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


def test_every_library_has_a_door() -> None:
    """Each third-party library that is imported anywhere has a contract that says who may, and is declared."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    guarded = {
        module.partition(".")[0]
        for contract in project["tool"]["importlinter"]["contracts"]
        if contract["type"] == "protected"
        for module in contract["protected_modules"]
    }
    used = {name for path in sources(*PACKAGES) for name in imported(path)}
    third_party = used - set(sys.stdlib_module_names) - set(PACKAGES)
    without_door = third_party - guarded - {"jupyter_core", "traitlets"}  # parts of Jupyter's own interface
    assert without_door == set()
