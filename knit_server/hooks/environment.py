"""The environment variables that a hook may give a program, as `{"knitfabExtension": {"env": {...}}}`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

# Shells drop any other name on the way to the program: better refused than lost.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

LONGEST = 128 * 1024 - 1
"""Most bytes of one `NAME=value` that Linux passes on to a program (MAX_ARG_STRLEN, with its NUL)."""
MOST = 1 << 20
"""Most bytes of all of them together: a program's arguments need room beside them."""


def environment_of(answer: bytes) -> dict[str, str]:
    """Return the variables in the JSON `answer` of a hook. Raises `ValueError`, which says what is wrong.

    JSON without the member gives none.
    """
    try:
        found = json.loads(answer)
    except (ValueError, RecursionError) as err:
        raise ValueError("its answer is not JSON, although it says so") from err
    extension = found.get("knitfabExtension") if isinstance(found, dict) else None
    if extension is None:
        return {}
    if not isinstance(extension, dict):
        raise ValueError("its knitfabExtension is no object")
    env = extension.get("env")
    if env is None:
        return {}
    if not isinstance(env, dict):
        raise ValueError("its knitfabExtension.env is no object of strings")
    for name, value in env.items():
        _check(name, value)
    return env


def merged(env: Mapping[str, str], more: Mapping[str, str]) -> dict[str, str]:
    """Return both, `more` having the last word. Raises `ValueError` if no program could be given all that."""
    both = {**env, **more}
    if sum(_size(name, value) for name, value in both.items()) > MOST:
        raise ValueError(f"together with the hooks before it, these are more than {MOST} bytes")
    return both


def _check(name: str, value: object) -> None:
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"{name!r:.100} is no name of a variable (letters, digits and _, not beginning with a digit)")
    if not isinstance(value, str):
        raise ValueError(f"the value of {name:.100} is no string")
    try:
        size = _size(name, value)
    except UnicodeError:
        raise ValueError(f"the value of {name:.100} is broken text") from None
    if "\0" in value:
        raise ValueError(f"the value of {name:.100} contains a NUL")
    if size > LONGEST:
        raise ValueError(f"the value of {name:.100} has more than {LONGEST} bytes with its name")


def _size(name: str, value: str) -> int:
    return len(name.encode()) + 1 + len(value.encode())
