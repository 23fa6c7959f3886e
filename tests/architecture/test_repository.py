"""What the repository holds: its top level, sizes, docstrings, extras, and no trace of a workplace."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOP_LEVEL = {
    "pyproject.toml", "knit_server", "knit_lab", "knit_cli", "tests", "docs", "notebooks", "binder", "README.md",
    "LICENSE", "Makefile", "CHANGELOG.md",
}  # fmt: skip
CODE_LINES, TEST_LINES, FUNCTION_LINES = 400, 600, 40
MANY_LONG_FUNCTIONS = 10
FIXED = {"fsspec", "ipycytoscape", "ipywidgets", "jupyter-server", "kubernetes", "s3fs", "sqlalchemy", "tornado"}
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def tracked(*patterns: str) -> list[Path]:
    """Give the files that git knows; skips where this is no checkout (an unpacked archive) or there is no git."""
    if shutil.which("git") is None:
        pytest.skip("there is no git")
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--", *patterns]  # CI often runs as another user
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [path for name in done.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def definitions(tree: ast.Module | ast.ClassDef, prefix: str = "") -> Iterator[tuple[str, Definition]]:
    """Give functions and classes of a module, and the methods of its classes, with their dotted names."""
    for node in tree.body:
        if isinstance(node, Definition):
            yield prefix + node.name, node
        if isinstance(node, ast.ClassDef):
            yield from definitions(node, f"{prefix}{node.name}.")


def speaks_for_itself(node: Definition) -> bool:
    """Whether a definition only overrides another, or only declares an attribute of a protocol."""
    if isinstance(node, ast.ClassDef):
        return False
    names = {each.id for each in node.decorator_list if isinstance(each, ast.Name)}
    body = node.body[-1]
    is_empty = isinstance(body, ast.Expr) and isinstance(body.value, ast.Constant) and body.value.value is ...
    return bool(names & {"overload", "override"}) or ("property" in names and is_empty)


def test_top_level() -> None:
    """Beside the packages the top level has only what a repository needs."""
    names = {path.relative_to(ROOT).parts[0] for path in tracked()}
    assert {name for name in names if not name.startswith(".")} <= TOP_LEVEL
    assert names >= {"pyproject.toml", "knit_server", "knit_lab", "knit_cli", "tests", "docs", "notebooks", "README.md"}


def test_files_have_one_job() -> None:
    """A longer file has two jobs: it is to be split."""
    long = {}
    for path in tracked("*.py"):
        lines = path.read_text().count("\n")
        if lines > (TEST_LINES if path.is_relative_to(ROOT / "tests") else CODE_LINES):
            long[str(path.relative_to(ROOT))] = lines
    assert long == {}


def test_functions_are_short() -> None:
    """Functions have 40 lines at most, but for a few; if these become many, all are named."""
    long = {
        f"{path.relative_to(ROOT)}:{node.lineno} {name}": size
        for path in tracked("knit_*.py")
        for name, node in definitions(ast.parse(path.read_bytes()))
        if not isinstance(node, ast.ClassDef)
        and (size := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES
    }
    assert len(long) <= MANY_LONG_FUNCTIONS, long


def test_everything_public_says_what_it_is() -> None:
    """Every module, and every public class, function and method has a docstring."""
    silent = []
    for path in tracked("knit_*.py"):
        tree = ast.parse(path.read_bytes())
        if ast.get_docstring(tree) is None:
            silent.append(str(path.relative_to(ROOT)))
        for name, node in definitions(tree):
            private = any(part.startswith("_") for part in name.split("."))
            if not private and not speaks_for_itself(node) and ast.get_docstring(node) is None:
                silent.append(f"{path.relative_to(ROOT)}:{node.lineno} {name}")
    assert silent == []


def test_every_package_opens_with_its_promise() -> None:
    """A package's docstring says more than its name (the folder of migrations only holds them)."""
    short = [
        str(path.relative_to(ROOT))
        for path in tracked("knit_*/__init__.py", "knit_*/**/__init__.py")
        if path.parent.name != "versions" and len(ast.get_docstring(ast.parse(path.read_bytes())) or "") < 40
    ]
    assert short == []


def test_nothing_names_a_workplace() -> None:
    """No file knows where it was written: no paths of a machine, no private index of packages."""
    split = "/wor|k/main /wor|k/sha|red sha|red/spec sha|red/design pypi|-more /opt/|pypi"  # for this file itself
    words = split.replace("|", "").split()
    pattern = re.compile("|".join(map(re.escape, words)))
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in tracked()
        if (match := pattern.search(path.read_bytes().decode(errors="replace")))
    ]
    assert found == []


def test_extras_name_the_fixed_libraries() -> None:
    """The libraries that Knit is built on are all declared, each by an extra, and `all` names those extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = {
        extra: {re.split(r"[\[<>=!~ ]", requirement, maxsplit=1)[0] for requirement in requirements}
        for extra, requirements in project["optional-dependencies"].items()
        if extra != "dev"
    }
    homes = {name: [extra for extra, names in extras.items() if name in names] for name in FIXED}
    assert all(homes.values()), homes
    (everything,) = project["optional-dependencies"]["all"]
    included = set(everything.partition("[")[2].rstrip("]").split(","))
    assert {extra for found in homes.values() for extra in found} <= included


def test_no_work_is_left_undone_in_comments() -> None:
    """Nothing is marked for later in the code."""
    marks = re.compile(r"\b(TO[D]O|FIX[M]E|XX[X]|HA[C]K)\b")
    assert [str(path) for path in tracked("*.py", "*.md") if marks.search(path.read_text())] == []
