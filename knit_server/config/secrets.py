"""Passwords in URLs: masked wherever a configuration is shown."""

from __future__ import annotations

import re

MASK = "***"
"""What stands for a secret."""

_PASSWORD = re.compile(r"(?P<before>://[^:/?#\s]*:)(?P<secret>.+)(?=@)")
"""A password ends at the last `@`: it may hold an `@` or a `/` itself. One such host would be masked too much."""
_QUERY = re.compile(
    r"(?P<before>[?&][^=&#\s]*(?:password|passwd|secret|token|key|signature)[^=&#\s]*=)(?P<secret>[^&#\s]+)", re.I
)


def masked(text: str) -> str:
    """Return `text`, a URL perhaps, without the password and the keys in it."""
    masking = _QUERY.sub(rf"\g<before>{MASK}", text)
    if "@" not in masking.partition("://")[2]:
        return masking
    scheme, _, rest = masking.partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if scheme in ("http", "https") and "@" in authority:  # a token may stand there without a colon
        return f"{scheme}://{MASK}@{authority.rpartition('@')[2]}{rest[len(authority) :]}"
    if re.fullmatch(r"[^:@]*:[0-9]*", authority):  # a port, and the @ is somewhere in the path
        return masking
    return _PASSWORD.sub(rf"\g<before>{MASK}", masking)


def is_masked(text: str) -> bool:
    """Whether a secret of this URL was replaced by its mask: nothing that could be used."""
    return f":{MASK}@" in text or f"//{MASK}@" in text or f"={MASK}" in text
