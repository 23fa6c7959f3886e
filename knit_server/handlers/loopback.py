"""Who may come in where no token is asked for (`knit serve --anonymous-loopback`): programs of this machine, no pages.

A browser on this machine reaches the loopback for whatever page it shows. What gives such requests away: browsers name
the page's site in `Origin` or say in `Sec-Fetch-Site` that it is another one, and a name that was bound to the loopback
to get around that (DNS rebinding) is in `Host`.
"""

from __future__ import annotations

from tornado import web
from tornado.httputil import HTTPHeaders

SETTING = "knit_anonymous_port"
"""Where a web application keeps the port at which it asks for no token; without it, it asks."""
NAMES = ("127.0.0.1", "localhost", "[::1]")
"""The names of the loopback, as they stand in `Host`."""

_OWN = ("", "none", "same-origin")  # no browser, an address typed by a person, a page of this very server
_STANDARD_PORTS = {"http": 80, "https": 443}


class NotFromHere(web.HTTPError):
    """A request that does not come from a program of this machine: 403, told with its reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(403)
        self.told = reason


def admit(headers: HTTPHeaders, protocol: str, port: int) -> None:
    """Let a request over `protocol` (http, https) in. Raises `NotFromHere`."""
    if "Origin" in headers:
        raise NotFromHere("this server asks for no token, so it takes no requests from web pages (Origin is set)")
    if headers.get("Sec-Fetch-Site", "").strip().lower() not in _OWN:
        raise NotFromHere("this server asks for no token, so it takes no requests from other sites (Sec-Fetch-Site)")
    hosts = {f"{name}:{port}" for name in NAMES}
    if port == _STANDARD_PORTS.get(protocol):
        hosts.update(NAMES)
    if headers.get("Host", "").strip().lower() not in hosts:
        raise NotFromHere(f"this server asks for no token, so it answers as {NAMES[0]}:{port} or localhost:{port} only")
