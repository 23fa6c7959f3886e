"""Ids for short, through the client."""

from __future__ import annotations

import pytest
from double import Double

from knit_server.client.api import KnitClient
from knit_server.domain.errors import Conflict

ID = "3f0c1234-0000-4000-8000-000000000001"


def candidates(count: int) -> list[dict[str, str]]:
    return [{"kind": "run", "id": ID[:-1] + str(at), "about": f"done image:{at}"} for at in range(count)]


def test_one(knit: KnitClient, server: Double) -> None:
    """One request: beginning, kind, and one more than are shown."""
    server.on("GET /resolve", candidates(1))
    assert knit.full_id("run", "3f0c") == candidates(1)[0]["id"]
    assert server.last.query == [("prefix", "3f0c"), ("kind", "run"), ("limit", "6")]
    assert len(server.asked) == 1


@pytest.mark.parametrize("word", [ID, "3f0", "run1", "", "-", "latest"])
def test_no_request(knit: KnitClient, server: Double, word: str) -> None:
    """Whole ids and words that cannot be short ones are taken as they are, without asking."""
    assert knit.full_id("data", word) == word
    assert server.asked == []


def test_none(knit: KnitClient, server: Double) -> None:
    """What nothing begins with stays: the command itself says that it is not found. So with a server that cannot."""
    server.on("GET /resolve", [])
    assert knit.full_id("plan", "abcd") == "abcd"
    server.answers.clear()
    assert knit.full_id("plan", "abcd") == "abcd"


@pytest.mark.parametrize(("count", "shown", "more"), [(2, 2, False), (5, 5, False), (6, 5, True)])
def test_several(knit: KnitClient, server: Double, count: int, shown: int, more: bool) -> None:
    """Up to five are listed, with what they are."""
    server.on("GET /resolve", candidates(count))
    with pytest.raises(Conflict) as caught:
        knit.full_id("run", "3f0c")
    lines = caught.value.reason.splitlines()
    assert lines[0] == "several ids of Runs begin with 3f0c:"
    assert lines[1] == f"  {ID[:-1]}0  done image:0"
    assert lines[1 : 1 + shown] == [f"  {each['id']}  {each['about']}" for each in candidates(shown)]
    assert (lines[-1] == "  ...") is more
    assert caught.value.advice == "Write more of the one that you mean."
