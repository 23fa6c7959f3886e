"""What a server says that cannot listen, has an odd store, or stops: words and advice."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable

import pytest

from knit_server.domain.errors import Conflict, InvalidInput, KnitError, Unavailable
from knit_server.extension import headless
from knit_server.handlers.host import Host
from knit_server.handlers.workers import Workers
from knit_server.storage import remote

Said = Callable[..., str]


def refusal(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    ("err", "told", "kind"),
    [
        (socket.gaierror(-2, "Name or service not known"), "h is no address of this machine", InvalidInput),
        (refusal(errno.EADDRNOTAVAIL), "h is no address of this machine", InvalidInput),
        (refusal(errno.EADDRINUSE), "port 80 of h is taken", Conflict),
        (refusal(errno.EACCES), "port 80 is for root alone", InvalidInput),
        (refusal(errno.ENOBUFS), "cannot listen at h:80: No buffer space available", Unavailable),
    ],
)
def test_ports(said: Said, err: OSError, told: str, kind: type[KnitError]) -> None:
    """Each reason why a server cannot listen has its own way out."""

    def refuse() -> None:
        raise headless._cannot_listen(err, "h", 80)

    assert said(refuse, kind) == told


def test_a_store_without_times(said: Said) -> None:
    """A listing that does not tell when objects were written is of no use to whoever deletes what is old."""
    told = said(lambda: remote._time({"name": "x", "size": 1}), Unavailable)
    assert told == "the store's listing does not tell when objects were written"


async def test_a_server_that_stops() -> None:
    """Whoever comes too late is told to try again."""
    workers = Workers()
    workers.close()
    with pytest.raises(Unavailable, match="the server stops") as told:
        await workers.call(print)
    assert told.value.advice == "Try again when it is back."
    host = Host()
    host.close()
    with pytest.raises(Unavailable, match="the server stops"):
        await host.context()
