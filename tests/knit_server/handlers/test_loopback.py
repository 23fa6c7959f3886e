"""Whose requests come in where no token is asked for."""

from __future__ import annotations

import pytest
from tornado.httputil import HTTPHeaders

from knit_server.handlers import loopback
from knit_server.handlers.loopback import NotFromHere


def admit(port: int = 8787, protocol: str = "http", **headers: str) -> None:
    """Ask with these headers."""
    loopback.admit(HTTPHeaders({name.replace("_", "-"): text for name, text in headers.items()}), protocol, port)


@pytest.mark.parametrize("host", ["127.0.0.1:8787", "localhost:8787", "LocalHost:8787", "[::1]:8787"])
@pytest.mark.parametrize("site", [{}, {"Sec_Fetch_Site": "none"}, {"Sec_Fetch_Site": "same-origin"}])
def test_programs_of_this_machine(host: str, site: dict[str, str]) -> None:
    """Clients that are no browsers come in, under every name of the loopback, as does an address that was typed."""
    admit(Host=host, **site)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "", "http://127.0.0.1:8787", "http://localhost:1"])
def test_pages_do_not(origin: str) -> None:
    """Whatever a web page is, it stays out."""
    with pytest.raises(NotFromHere, match="403"):
        admit(Host="127.0.0.1:8787", Origin=origin)


@pytest.mark.parametrize("site", ["cross-site", "same-site", "Cross-Site", "anything new"])
def test_other_sites_do_not(site: str) -> None:
    """Requests that a browser makes for another site stay out, with or without an Origin."""
    with pytest.raises(NotFromHere):
        admit(Host="127.0.0.1:8787", Sec_Fetch_Site=site)


@pytest.mark.parametrize(
    "host",
    ["evil.example:8787", "evil.example", "127.0.0.1", "127.0.0.1:8788", "localhost", "127.0.0.1.evil.example:8787",
     "localhost:8787,evil.example", "10.0.0.1:8787", "127.0.0.2:8787", "::1:8787", "", "0.0.0.0:8787"],
)  # fmt: skip
def test_other_names_do_not(host: str) -> None:
    """A name that was bound to the loopback, another port or no name: it stays out."""
    with pytest.raises(NotFromHere):
        admit(Host=host)


def test_no_host() -> None:
    """Who does not say whom he wants to reach stays out."""
    with pytest.raises(NotFromHere):
        admit()


def test_standard_ports() -> None:
    """At the port of its protocol, clients leave the port out."""
    admit(80, Host="localhost")
    admit(443, "https", Host="localhost")
    with pytest.raises(NotFromHere):
        admit(80, "https", Host="localhost")
