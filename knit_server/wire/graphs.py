"""What DOT and text make of a graph's JSON alike: which tag is which, and times in the viewer's zone."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo
from typing import NamedTuple

from knit_server.domain import tags, times
from knit_server.domain.errors import InvalidInput
from knit_server.wire import shapes


class DataTags(NamedTuple):
    """The tags of a Data by what they are for: local time and transient state, then the user's (key, value)."""

    timestamp: str | None
    transient: str | None
    others: list[tuple[str, str]]


def data_tags(texts: Iterable[str], zone: tzinfo | None) -> DataTags:
    """Sort the tags of a Data; its id tag is left out."""
    timestamp = transient = None
    others = []
    for text in texts:
        key, _, value = text.partition(":")
        if key == tags.TIMESTAMP:
            timestamp = local_time(value, zone)
        elif key == tags.TRANSIENT:
            transient = text
        elif key != tags.ID:
            others.append((key, value))
    return DataTags(timestamp, transient, others)


def local_time(text: str, zone: tzinfo | None) -> str:
    """Write a timestamp in `zone`, None for the viewer's own; what is no timestamp stays as it is."""
    try:
        instant = times.parse_instant(text)
        here = zone or datetime.fromtimestamp(instant / 1000, UTC).astimezone().tzinfo
        return times.format_instant(instant, here or UTC)
    except (InvalidInput, OverflowError, ValueError, OSError):
        return text


def image_of(plan: shapes.PlanSummary) -> str:
    """Return what a Plan runs: its image, or the name of a built-in one."""
    image = plan.get("image")
    return plan.get("name", "") if image is None else f"image = {image}"
