"""Runs the code of a notebook cell as a program; pushed beside it as `run.py`.

    python run.py --in raw=/in/raw --out made=/out/made --arg rate=0.5

The cell finds `inputs.raw` and `outputs.made` (paths of directories) and `args.rate` (a text). Only the standard
library is used, of any Python from 3.8 on: this runs in images that have no Knit.
"""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any, Dict, Iterator, List  # noqa: UP035 - for old Pythons

CELL = "cell.py"


class Names:
    """Names with a value each: `inputs.raw`, or `inputs["raw"]`; iterated over, the names."""

    def __init__(self, noun: str, values: Dict[str, Any]) -> None:  # noqa: UP006
        self.__dict__.update(values)
        self._noun = noun
        self._values = dict(values)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        known = ", ".join(self._values) or "none"
        raise AttributeError(f"there is no {self._noun} {name!r}; there are: {known}")

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<{self._noun}s: {', '.join(f'{name}={value}' for name, value in self._values.items()) or 'none'}>"


def bound(inputs: Dict[str, Path], outputs: Dict[str, Path], args: Dict[str, str]) -> Dict[str, Names]:  # noqa: UP006
    """Return the names that a cell finds."""
    return {
        "inputs": Names("input", dict(inputs)),
        "outputs": Names("output", dict(outputs)),
        "args": Names("arg", dict(args)),
    }


def main(words: List[str]) -> None:  # noqa: UP006
    """Bind the names, and run the cell that lies beside this file."""
    values: Dict[str, Dict[str, str]] = {"--in": {}, "--out": {}, "--arg": {}}  # noqa: UP006
    for flag, word in zip(words[::2], words[1::2]):  # noqa: B905 - Python 3.8 has no strict
        name, _, value = word.partition("=")
        values[flag][name] = value
    paths = [{name: Path(value) for name, value in values[flag].items()} for flag in ("--in", "--out")]
    place = Path(__file__).with_name(CELL)
    module = types.ModuleType("__main__")
    module.__dict__.update(__file__=str(place), **bound(paths[0], paths[1], values["--arg"]))
    code = compile(place.read_text(encoding="utf-8"), str(place), "exec")
    sys.argv = [str(place)]
    sys.modules["__main__"] = module
    exec(code, module.__dict__)  # noqa: S102 - it is what this program is for


if __name__ == "__main__":
    main(sys.argv[1:])
