"""Data: their effective tags."""

from __future__ import annotations

import pytest

from knit_server.domain import data, tags
from knit_server.domain.data import Data
from knit_server.domain.ids import KnitId, RunId
from knit_server.domain.runs import Status
from knit_server.domain.tags import Tag


def a_data(status: Status, timestamp: int | None = None, *user: Tag) -> Data:
    return Data(
        knit_id=KnitId("id-1"),
        tags=tags.normal(user),
        run_id=RunId("r"),
        path="/out",
        status=status,
        timestamp=timestamp,
    )


@pytest.mark.parametrize("status", Status)
def test_transient(status: Status) -> None:
    """Done Data have no `knit#transient`; failed and deleted ones say failed, all others processing."""
    expected = {Status.DONE: None, Status.FAILED: "failed", Status.INVALIDATED: "failed"}.get(status, "processing")
    assert data.transient(status) == expected
    shown = [tag.value for tag in data.effective_tags(a_data(status)) if tag.key == tags.TRANSIENT]
    assert shown == ([] if expected is None else [expected])


def test_effective_tags() -> None:
    """User's and derived tags come in one sorted list; the timestamp is there once the Run has ended."""
    raw = Tag("type", "raw")
    assert data.effective_tags(a_data(Status.WAITING, None, raw)) == (
        Tag("knit#id", "id-1"), Tag("knit#transient", "processing"), raw
    )  # fmt: skip
    assert data.effective_tags(a_data(Status.DONE, 1500, raw, Tag("a", "b"))) == (
        Tag("a", "b"), Tag("knit#id", "id-1"), Tag("knit#timestamp", "1970-01-01T00:00:01.5+00:00"), raw
    )  # fmt: skip
