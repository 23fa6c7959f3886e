"""The table of settings as flags of `knit serve`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from knit_server.config import SETTINGS, Setting
from knit_server.config.kinds import YesNo

_F = TypeVar("_F", bound=Callable[..., Any])


class Value(click.ParamType):  # type: ignore[type-arg] # generic in newer versions only
    """A text that the setting understands; it stays a text, which the configuration reads."""

    def __init__(self, setting: Setting) -> None:
        self.name = setting.metavar
        self._setting = setting

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse what the setting would refuse, as a wrong command line."""
        try:
            self._setting.kind.parse(value)
        except ValueError:
            self.fail(f"{value!r} is not allowed. Write {self._setting.kind.allowed}.", param, ctx)
        return value


def configurable(command: _F) -> _F:
    """Declare a flag for each setting that has one, in the order of the table."""
    for setting in reversed(SETTINGS):
        if setting.flag:
            command = _option(setting)(command)
    return command


def _option(setting: Setting) -> Callable[[_F], _F]:
    if isinstance(setting.kind, YesNo):
        negative = setting.flag.replace("--", "--no-", 1)
        return click.option(f"{setting.flag}/{negative}", setting.key, default=None, help=setting.help)
    return click.option(
        setting.flag, setting.key, metavar=setting.metavar, type=Value(setting),
        help=f"{setting.help} Default: {setting.shown_default.strip(chr(34))}.",
    )  # fmt: skip
