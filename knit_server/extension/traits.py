"""The table of settings as traits of the extension."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from traitlets import Any as AnyTrait
from traitlets import Dict, TraitType
from traitlets.config import Configurable

from knit_server.config.table import BY_KEY, SECTIONS, SETTINGS


def trait(key: str) -> TraitType[Any, Any]:
    """Make the trait of a setting, None where it is left to the environment, the file and the default.

    What it may be is checked together with those (`config.resolve`), so that Jupyter starts in any case.
    """
    setting = BY_KEY[key]
    return AnyTrait(None, allow_none=True, help=f"{setting.help} Default: {setting.shown_default}.").tag(config=True)


def section(name: str) -> TraitType[Any, Any]:
    """Make the trait of a section of the file: a dictionary of what differs."""
    keys = ", ".join(each.name for each in SETTINGS if each.section == name)
    return Dict(help=f"Any of {keys}; as [{name}] in the file.").tag(config=True)


def given(extension: Configurable) -> dict[str, Any]:
    """Return the settings that the traits of `extension` hold, by dotted key; None is nothing."""
    found: dict[str, Any] = {}
    for setting in SETTINGS:
        if setting.in_jupyter and not setting.section:
            found[setting.key] = getattr(extension, setting.key)
    for name in SECTIONS:
        held: Mapping[str, Any] = getattr(extension, name)
        found |= {f"{name}.{inner}": value for inner, value in held.items()}
    return found
