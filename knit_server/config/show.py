"""A configuration as TOML that can be saved and read again; the comments say where each value comes from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from knit_server.config.effective import Configuration, Source
from knit_server.config.kinds import Proxies, Urls
from knit_server.config.secrets import masked
from knit_server.config.table import SETTINGS, Setting

_COLUMN = 44


def shown(found: Configuration) -> str:
    """Return the whole configuration as TOML, with secrets masked; it ends with a newline."""
    return "\n".join(_lines(found)) + "\n"


def _lines(found: Configuration) -> Iterator[str]:
    yield "# The configuration of Knit, and where each value comes from. Saved to a file, it can be read again."
    yield f"# The file that was read: {_comment(str(found.file))}" if found.file else "# No file was read."
    section = ""
    yield ""
    for setting in SETTINGS:
        if setting.section != section:
            section = setting.section
            yield from ("", f"[{section}]")
        value, origin = found[setting.key], found.origins[setting.key]
        value = str(value) if setting.key == "home" else value
        safe = _without_secrets(setting, value) if setting.secret else value
        note = "the file" if origin.source is Source.FILE else origin.where
        if safe != value:
            note += f"; masked: write it in, or set {setting.variable}"
        yield f"{setting.name} = {setting.kind.write(safe)}".ljust(_COLUMN) + f"  # {_comment(note)}"


def _without_secrets(setting: Setting, value: Any) -> Any:
    if isinstance(setting.kind, Urls):
        return tuple(masked(each) for each in value)
    if isinstance(setting.kind, Proxies):
        return tuple((path, masked(target)) for path, target in value)
    return masked(value)


def _comment(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)
