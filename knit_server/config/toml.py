"""The TOML file: which one, and what stands in it, by the keys of the table. Nothing unknown is passed over."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from knit_server.config.table import BY_KEY, DOCUMENT, SECTIONS
from knit_server.domain.errors import InvalidInput, NotFound

NAME = "knit.toml"
"""The file in the home folder that is read if no other is named."""
VARIABLE = "KNIT_CONFIG"
"""Names another file."""

_MOST = 1 << 20  # bytes; a configuration is a page or two


def named(given: str | None, environ: Mapping[str, str]) -> Path | None:
    """Return the file that was asked for: `given`, else KNIT_CONFIG; None if none was."""
    chosen = given or environ.get(VARIABLE, "")
    return Path(os.path.abspath(os.path.expanduser(chosen))) if chosen else None


def load(path: Path) -> dict[str, Any]:
    """Return the values in a file by their keys, as TOML has them. Raises `InvalidInput` and `NotFound`."""
    try:
        with path.open("rb") as file:
            content = file.read(_MOST + 1)
        if len(content) > _MOST:
            raise InvalidInput(f"{path} is too large for a configuration", advice=_advice())
        return flattened(tomllib.loads(content.decode("utf-8")), str(path))
    except FileNotFoundError as err:
        raise NotFound(
            f"there is no configuration file {path}", advice="Make one: knit serve --show-config > knit.toml"
        ) from err
    except OSError as err:
        raise InvalidInput(
            f"{path} cannot be read ({err.strerror})", advice=f"Name another with --config FILE or {VARIABLE}."
        ) from err
    except UnicodeDecodeError as err:
        raise InvalidInput(f"{path} is no TOML: it is not in UTF-8", advice=_advice()) from err
    except (tomllib.TOMLDecodeError, RecursionError) as err:
        raise InvalidInput(f"{path} is no TOML: {err}", advice=_advice()) from err


def flattened(document: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the values of a TOML document by dotted keys. Raises `InvalidInput`; `where` says where it stands."""
    found: dict[str, Any] = {}
    for name, value in document.items():
        if name not in SECTIONS:
            _known(name, where)
            found[name] = value
        elif isinstance(value, dict):
            for inner in value:
                _known(f"{name}.{inner}", where)
            found |= {f"{name}.{inner}": each for inner, each in value.items()}
        else:
            raise InvalidInput(f"{where}: {name} is a section, not a value", advice=f"Write [{name}], then its keys.")
    return found


def _known(key: str, where: str) -> None:
    if key not in BY_KEY:
        raise unknown(key, where)


def unknown(key: str, where: str) -> InvalidInput:
    """Make the error for a setting that does not exist, with the one that was meant perhaps."""
    near = nearest(key)
    hint = f"Did you mean {near}? " if near else ""
    shown = key if key.isprintable() else repr(key)
    return InvalidInput(f"{where}: there is no setting {shown[:80]}", advice=hint + _advice())


def nearest(key: str) -> str | None:
    """Return the setting that is spelled most like `key`; one whose name is the same in another section comes first."""
    spelled = key.replace("-", "_").lower()
    for each in BY_KEY.values():
        if spelled == each.key or spelled.rpartition(".")[2] == each.name:
            return each.key
    near = difflib.get_close_matches(spelled, BY_KEY, n=1, cutoff=0.6)
    inner = {each.name: each.key for each in BY_KEY.values()}
    return near[0] if near else next((inner[it] for it in difflib.get_close_matches(spelled, inner, n=1)), None)


def _advice() -> str:
    return f"{DOCUMENT} lists all settings."
