"""Which part of a drawing a canvas shows: all of it if that can be read, else the surroundings of one card. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from knit_lab.graph.layout import Box

READABLE = 9 / 11
"""The least zoom at which the 11 px letters of cards are 9 px high."""
LARGEST = 1.15
MARGIN = 16.0


class Frame(NamedTuple):
    """A zoom, and where on the canvas the origin of the drawing lies, in pixels."""

    zoom: float
    x: float
    y: float


def framed(boxes: Mapping[str, Box], around: str | None, width: float, height: float, zoom: float = 0.0) -> Frame:
    """Return what a canvas of this size shows: all, if readable, else the surroundings of the card `around`.

    `zoom` is used if it is not 0. As much is shown as there is room for.
    """
    if not boxes:
        return Frame(zoom or 1.0, width / 2, height / 2)
    left = min(box.x - box.width / 2 for box in boxes.values()) - MARGIN
    right = max(box.x + box.width / 2 for box in boxes.values()) + MARGIN
    top = min(box.y - box.height / 2 for box in boxes.values()) - MARGIN
    bottom = max(box.y + box.height / 2 for box in boxes.values()) + MARGIN
    fitting = min(width / (right - left), height / (bottom - top))
    chosen = zoom or min(LARGEST, max(READABLE, fitting))
    centre = boxes.get(around or "") or Box((left + right) / 2, (top + bottom) / 2, 0, 0)
    return Frame(
        chosen,
        _shift(left * chosen, right * chosen, centre.x * chosen, width),
        _shift(top * chosen, bottom * chosen, centre.y * chosen, height),
    )


def _shift(first: float, last: float, centre: float, room: float) -> float:
    """Return how far to move a span so that `centre` is in the middle, unless that leaves room empty at an end."""
    if last - first <= room:
        return (room - first - last) / 2
    return min(-first, max(room - last, room / 2 - centre))
