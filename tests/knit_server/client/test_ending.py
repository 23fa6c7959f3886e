"""A stream that is ended from another thread ends at once, and without an error."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from double import Answer, Asked, Double  # found by conftest.py

from knit_server.client.api import KnitClient
from knit_server.client.streams import Ending
from knit_server.domain.errors import Unavailable

EVENT = b"event: data\nid: 7\ndata: {}\n\n"


@pytest.fixture
def silent(server: Double) -> Iterator[Double]:
    """A server whose change stream says one thing and then nothing, until the test is over."""
    over = threading.Event()

    def blocks() -> Iterator[bytes]:
        yield EVENT
        over.wait(30)

    def answer(asked: Asked) -> Answer:
        return Answer(chunks=blocks())  # type: ignore[arg-type]

    server.on("GET /events", answer)
    yield server
    over.set()


def test_ended_while_it_waits(knit: KnitClient, silent: Double) -> None:
    """Whoever reads is woken at once and sees the end of the stream."""
    ending, kinds = Ending(), []
    for event in knit.events(greet=True, ending=ending):
        kinds.append(event.kind)
        if event.kind == "data":
            threading.Timer(0.05, ending.ask).start()
    assert kinds == ["open", "data"]
    assert ending.wait(0)


def test_ended_before_it_began(knit: KnitClient, silent: Double) -> None:
    """It gives nothing that has to be read first."""
    ending = Ending()
    ending.ask()
    ending.ask()
    assert len(list(knit.events(ending=ending))) <= 1


def test_cut_off_by_the_server(knit: KnitClient, server: Double) -> None:
    """That is an error as ever, with or without the means to end it."""
    server.on("GET /events", chunks=[EVENT], cut=True)
    with pytest.raises(Unavailable, match="cut off or garbled"):
        list(knit.events(ending=Ending()))
