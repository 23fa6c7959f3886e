"""What the server finds out about itself, on both databases."""

from __future__ import annotations

from collections import namedtuple
from pathlib import Path

import pytest
from desk import Desk

from knit_server.service import checks

Usage = namedtuple("Usage", "total used free")


def levels(desk: Desk) -> dict[str, str]:
    return {each.name: each.level for each in checks.checks(desk.ctx)}


def test_all_is_well(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """With nothing stored and with something."""
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda place: Usage(100 << 30, 0, 50 << 30))  # type: ignore[attr-defined]
    assert levels(desk) == {"database": "ok", "store": "ok", "disk": "ok"}
    desk.push("a:1")
    told = {each.name: each.told for each in checks.checks(desk.ctx)}
    assert told["store"] == "what was stored last can be read"
    assert told["disk"] == f"50.0 GiB of 100.0 GiB are free at {desk.ctx.home}"


@pytest.mark.parametrize(("free", "level"), [(3 << 30, "ok"), (1 << 30, "warn"), (1 << 20, "fail")])
def test_disk(desk: Desk, monkeypatch: pytest.MonkeyPatch, free: int, level: str) -> None:
    """Little room is a warning, too little a failure."""
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda place: Usage(100 << 30, 0, free))  # type: ignore[attr-defined]
    assert levels(desk)["disk"] == level


def test_a_store_that_lost_something(desk: Desk) -> None:
    """What cannot be read is told, with advice, and the other parts are still looked at."""
    desk.push("a:1")
    for file in Path(desk.ctx.home, "store", "manifests").rglob("*"):
        if file.is_file():
            file.unlink()
    found = {each.name: each for each in checks.checks(desk.ctx)}
    assert found["store"].level == "fail"
    assert found["store"].advice
    assert "disk" in found
