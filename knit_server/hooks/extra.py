"""Which extra APIs there are: paths beside Knit's own API that are answered by other servers.

Rules: docs/extra-apis.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from knit_server.domain.errors import InvalidInput
from knit_server.hooks.settings import what_is_wrong_with

OWN = "/api"
"""What is Knit's own, and everything below it."""

_SEGMENT = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@-]+", re.ASCII)  # RFC 3986 pchar, without escapes


@dataclass(frozen=True)
class ExtraApi:
    """Requests for `path` and below, seen from where `/api` is Knit's own, go to `proxy_to` and below."""

    path: str
    proxy_to: str


def checked(apis: Iterable[ExtraApi], *, name: str = "extra_apis") -> tuple[ExtraApi, ...]:
    """Return `apis` if all of them can be served; `name` is what they are called where they were written.

    Of paths that lie in each other, the longest that fits a request counts. Raises `InvalidInput` that names the entry,
    such as `extra_apis[0].path`, and says what it should be.
    """
    found: dict[str, int] = {}
    everything = tuple(apis)
    for at, api in enumerate(everything):
        if reason := _wrong_path(api.path):
            raise InvalidInput(
                f"{name}[{at}].path: {api.path!r} {reason}",
                advice="Give an absolute path that is not Knit's own, such as /my-api.",
            )
        if api.path in found:
            raise InvalidInput(
                f"{name}[{at}].path: {api.path!r} is that of {name}[{found[api.path]}] too",
                advice="Give each extra API a path of its own.",
            )
        if reason := _wrong_target(api.proxy_to):
            raise InvalidInput(
                f"{name}[{at}].proxy_to: {_shown(api.proxy_to)!r} {reason}",
                advice="Give the absolute URL of the server that answers, such as http://localhost:8000/v1.",
            )
        found[api.path] = at
    return everything


def _wrong_path(path: str) -> str:
    """Say why `path` can be no extra API's; an empty text if it can."""
    if not path.startswith("/"):
        return "is not absolute"
    segments = path[1:].split("/")
    if any(segment in ("", ".", "..") for segment in segments):
        return "covers everything" if path == "/" else "is not clean: it has an empty part, `.` or `..`, or ends in /"
    if not all(_SEGMENT.fullmatch(segment) for segment in segments):
        return "has characters that cannot stand in a path as they are"
    if segments[0].lower() == OWN[1:]:  # in either case: nobody should mistake the one for the other
        return f"is Knit's own: {OWN} and what lies below it"
    return ""


def _wrong_target(url: str) -> str:
    """Say why nothing can be sent on to `url`; an empty text if it can."""
    if reason := what_is_wrong_with(url):
        return reason
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        return "names a user, which would be told to everybody who sees the settings"
    return "has a query; what the client asks is put there" if "?" in url else ""


def _shown(url: str) -> str:
    """Leave out the user and password of a URL that is refused."""
    return re.sub(r"//[^/@]*@", "//***@", url)
