"""Which lifecycle hooks there are, and how long each may take."""

from __future__ import annotations

import math
from dataclasses import dataclass
from urllib.parse import urlsplit

from knit_server.domain.errors import InvalidInput

MAX_TIMEOUT = 3600.0
"""Longest time, in seconds, that one hook may take."""


@dataclass(frozen=True, kw_only=True)
class HookSettings:
    """URLs that are told before and after each change of a Run's status, in this order; `timeout` is in seconds."""

    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    timeout: float = 30.0

    @property
    def is_empty(self) -> bool:
        """Whether there is no hook at all."""
        return not self.before and not self.after


def checked(settings: HookSettings, *, name: str = "hooks") -> HookSettings:
    """Return `settings` if they can be used; `name` is what they are called where they were written.

    Raises `InvalidInput` that names the setting, such as `hooks.before`, and says what it should be.
    """
    for member, urls in (("before", settings.before), ("after", settings.after)):
        for url in urls:
            reason = what_is_wrong_with(url)
            if reason:
                raise InvalidInput(
                    f"{name}.{member}: {url!r} {reason}",
                    advice="Give the absolute URL of the hook, such as http://localhost:8000/hook.",
                )
    if not (math.isfinite(settings.timeout) and 0 < settings.timeout <= MAX_TIMEOUT):
        raise InvalidInput(
            f"{name}.timeout: {settings.timeout:g} is no time that a hook could be given",
            advice=f"Give a number of seconds above 0, and at most {MAX_TIMEOUT:g}.",
        )
    return settings


def what_is_wrong_with(url: str) -> str:
    """Say why `url` cannot be asked; an empty text if it can."""
    if not url.isascii() or any(not char.isprintable() or char == " " for char in url):
        return "has characters that no URL has"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as err:
        return f"is no URL ({err})"
    if parts.scheme not in ("http", "https"):
        return "does not begin with http:// or https://"
    if not host or port == 0:
        return "names no host" if not host else "has no usable port"
    return "has a fragment, which is never sent" if parts.fragment else ""
