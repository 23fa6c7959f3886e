"""Naming everything that a cell would miss in a Run, at once and before anything is sent."""

from __future__ import annotations

import importlib.util
import site
import sys
import sysconfig
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from knit_lab.magics.cells.reading import Code
from knit_lab.objects.data import Data
from knit_server.domain.errors import InvalidInput


def check(code: Code, names: Mapping[str, Any], *, with_modules: bool) -> None:
    """Raise `InvalidInput` if `code` needs what no Run has: names of the notebook (`names`), or modules.

    Modules are looked at (`with_modules`) where the image has the packages of this Python's environment.
    """
    problems = [*_free(code, names), *(_missing(code) if with_modules else ())]
    if problems:
        told = "\n".join(f"  line {line}: {what}" for line, what, _ in problems)
        advice = "\n".join(dict.fromkeys(help_ for _, _, help_ in problems))
        raise InvalidInput(f"a Run of this cell would miss something; nothing was sent\n{told}", advice=advice)


def _free(code: Code, names: Mapping[str, Any]) -> Iterator[tuple[int, str, str]]:
    for name, line in code.free.items():
        if name in ("display", "get_ipython"):
            yield line, f"{name} is there in notebooks only", "Print, or write a file below outputs."
        elif name in names:
            kind, help_ = _described(name, names[name])
            yield line, f"{name} is not defined in the cell, only in the notebook: {kind}", help_
        else:
            yield line, f"{name} is not defined", f"Define or import {name} in the cell."


def _described(name: str, value: object) -> tuple[str, str]:
    """Return what kind of thing a name of the notebook is, and how a cell gets it."""
    if isinstance(value, types.ModuleType):
        as_name = "" if value.__name__ == name else f" as {name}"
        return "a module", f"Import it in the cell: import {value.__name__}{as_name}"
    if isinstance(value, type | types.FunctionType | types.BuiltinFunctionType):
        kind = "a class" if isinstance(value, type) else "a function"
        return kind, f"Define or import {name} in the cell."
    if isinstance(value, bool | int | float | str):
        return (
            f"a value ({type(value).__name__})",
            f"Write {name} into the cell, or give --arg {name}=... (args.{name})",
        )
    if isinstance(value, Data):
        return "a Data", f"Name it by --in {name}=knit#id:{value.id} (inputs.{name} in the cell), or by tags."
    return (
        f"a {type(value).__name__}",
        f"Push {name} as a Data (knit.push) and name it by --in, or make it in the cell.",
    )


def _missing(code: Code) -> Iterator[tuple[int, str, str]]:
    for module, line in code.modules.items():
        if module in sys.stdlib_module_names:
            continue
        spec = _spec(module)
        places = (
            [] if spec is None else [*(spec.submodule_search_locations or ()), *([spec.origin] if spec.origin else ())]
        )
        if spec is None:
            yield (
                line,
                f"there is no module {module}",
                f"Install what has {module}, or name an image that has it: --image",
            )
        elif not any(_is_installed(place) for place in places):
            where = next(iter(places), "this notebook")
            yield (
                line, f"{module} is no installed package but lies in {where}",
                f"Write what you need of {module} into the cell, install it as a package, or name an image: --image",
            )  # fmt: skip


def _spec(module: str) -> Any:
    try:
        return importlib.util.find_spec(module)
    except (ImportError, ValueError):  # a module that was made by hand has no place
        return None


def _is_installed(place: str) -> bool:
    """Whether `place` is among the packages that an image of this environment has."""
    if place in ("built-in", "frozen"):
        return True
    found = Path(place).resolve()
    return any(found.is_relative_to(folder) for folder in _packages())


def _packages() -> list[Path]:
    folders = [sysconfig.get_path(name) for name in ("purelib", "platlib")]
    if sys.prefix == sys.base_prefix:
        folders += site.getsitepackages()
    return [Path(folder).resolve() for folder in folders]
