"""From a configuration to what the engine takes. In a file of its own: the engine loads the server's libraries."""

from __future__ import annotations

from typing import Any

from knit_server.config.effective import Configuration
from knit_server.config.table import SETTINGS
from knit_server.engine import Settings
from knit_server.hooks.extra import ExtraApi
from knit_server.hooks.settings import HookSettings
from knit_server.service.context import Limits


def engine_settings(found: Configuration) -> Settings:
    """Return the settings of an engine; limits and retention become its `Limits`."""
    hooks = _section(found, "hooks")
    return Settings(
        home=found["home"], database_url=found["database_url"], store_url=found["store_url"], sandbox=found["sandbox"],
        overcommit=found["overcommit"], max_cpu=found["max_cpu"], max_memory=found["max_memory"],
        limits=Limits(**_section(found, "limits"), **_section(found, "retention")),
        hooks=HookSettings(before=hooks["before"], after=hooks["after"], timeout=hooks["timeout"] / 1000),
        extra_apis=tuple(ExtraApi(path, target) for path, target in found["extra_apis"]),
    )  # fmt: skip


def _section(found: Configuration, name: str) -> dict[str, Any]:
    return {each.name: found[each.key] for each in SETTINGS if each.section == name}
