"""A small drawing surface over OpenCV: logical coordinates, hex colours, smooth edges."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
Point = tuple[float, float]
Box = tuple[float, float, float, float]

#: Pictures are drawn at twice their size and shrunk at the end: edges come out smooth.
ZOOM = 2
#: Binary digits after the point in the coordinates given to OpenCV: slow motion stays smooth.
FRACTION_BITS = 4


def bgr(colour: str) -> tuple[int, int, int]:
    """The colour `#rrggbb` in OpenCV's order: blue, green, red."""
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return blue, green, red


def mix(first: str, second: str, share: float) -> str:
    """The colour that lies `share` (0 to 1) of the way from `first` to `second`."""
    pairs = zip(bgr(first)[::-1], bgr(second)[::-1], strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def smooth(points: Sequence[Point], *, closed: bool = True, steps: int = 12) -> list[Point]:
    """A Catmull-Rom curve through the points, as a polygon with `steps` corners for each point."""
    corners = list(points) if closed else [points[0], *points, points[-1]]
    count = len(corners)
    curve: list[Point] = []
    for index in range(count if closed else count - 3):
        start = index - 1 if closed else index
        before, here, there, after = (np.asarray(corners[(start + offset) % count]) for offset in range(4))
        for t in np.linspace(0, 1, steps, endpoint=False):
            at = (
                2 * here
                + (there - before) * t
                + (2 * before - 5 * here + 4 * there - after) * t**2
                + (3 * here - before - 3 * there + after) * t**3
            ) / 2
            curve.append((float(at[0]), float(at[1])))
    return curve if closed else [*curve, points[-1]]


class Canvas:
    """A picture in the making; coordinates are pixels of the finished picture, y growing downwards."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.pixels: Picture = np.zeros((height * ZOOM, width * ZOOM, 3), np.uint8)

    def gradient(self, box: Box, top: str, bottom: str) -> None:
        """Fill the box (left, top, right, bottom) from one colour down to another."""
        left, upper, right, lower = (round(edge * ZOOM) for edge in box)
        share = np.linspace(0, 1, lower - upper)[:, None]
        column = np.asarray(bgr(top)) * (1 - share) + np.asarray(bgr(bottom)) * share
        self.pixels[upper:lower, left:right] = np.rint(column).astype(np.uint8)[:, None, :]

    def polygon(
        self, points: Iterable[Point], fill: str, *, edge: str | None = None, width: float = 2, alpha: float = 1
    ) -> None:
        """Fill a polygon and, with `edge`, outline it; `alpha` below 1 lets the ground show through."""
        corners = self._fixed(points)
        ground = self.pixels.copy() if alpha < 1 else None
        cv2.fillPoly(self.pixels, [corners], bgr(fill), cv2.LINE_AA, FRACTION_BITS)
        if edge is not None:
            cv2.polylines(self.pixels, [corners], True, bgr(edge), self._thick(width), cv2.LINE_AA, FRACTION_BITS)
        if ground is not None:
            cv2.addWeighted(self.pixels, alpha, ground, 1 - alpha, 0, dst=self.pixels)

    def line(self, points: Iterable[Point], colour: str, *, width: float = 2) -> None:
        """Draw an open line through the points."""
        cv2.polylines(
            self.pixels, [self._fixed(points)], False, bgr(colour), self._thick(width), cv2.LINE_AA, FRACTION_BITS
        )

    def curve(self, points: Sequence[Point], colour: str, *, width: float = 2) -> None:
        """Draw an open smooth line through the points."""
        self.line(smooth(points, closed=False), colour, width=width)

    def blob(
        self, points: Sequence[Point], fill: str, *, edge: str | None = None, width: float = 2, alpha: float = 1
    ) -> None:
        """Fill the smooth shape through the points."""
        self.polygon(smooth(points), fill, edge=edge, width=width, alpha=alpha)

    def ellipse(
        self,
        centre: Point,
        radii: Point,
        fill: str,
        *,
        turn: float = 0,
        edge: str | None = None,
        width: float = 2,
        alpha: float = 1,
    ) -> None:
        """Fill an ellipse turned by `turn` degrees."""
        self.polygon(arc(centre, radii, 0, 360, turn=turn)[:-1], fill, edge=edge, width=width, alpha=alpha)

    def rounded(self, box: Box, radius: float, fill: str, *, edge: str | None = None, width: float = 2) -> None:
        """Fill a rectangle (left, top, right, bottom) with round corners."""
        left, top, right, bottom = box
        corners = [
            (right - radius, bottom - radius, 0.0),
            (left + radius, bottom - radius, 90.0),
            (left + radius, top + radius, 180.0),
            (right - radius, top + radius, 270.0),
        ]
        points = [point for x, y, start in corners for point in arc((x, y), (radius, radius), start, start + 90)]
        self.polygon(points, fill, edge=edge, width=width)

    def picture(self) -> Picture:
        """The finished picture, in OpenCV's colour order."""
        small = cv2.resize(self.pixels, (self.width, self.height), interpolation=cv2.INTER_AREA)
        return np.asarray(small, np.uint8)

    def _fixed(self, points: Iterable[Point]) -> npt.NDArray[np.int32]:
        """The points as OpenCV wants them: whole numbers with `FRACTION_BITS` digits after the point."""
        return np.asarray(np.rint(np.asarray(list(points), float) * ZOOM * 2**FRACTION_BITS), np.int32)

    def _thick(self, width: float) -> int:
        return max(1, round(width * ZOOM))


def arc(centre: Point, radii: Point, start: float, end: float, *, turn: float = 0) -> list[Point]:
    """Points along an ellipse from `start` to `end` degrees, clockwise as seen, in steps of about 5 degrees."""
    angles = np.radians(np.linspace(start, end, max(2, int(abs(end - start) / 5) + 1)))
    cos, sin = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    xs, ys = radii[0] * np.cos(angles), radii[1] * np.sin(angles)
    return [
        (float(centre[0] + x * cos - y * sin), float(centre[1] + x * sin + y * cos))
        for x, y in zip(xs, ys, strict=True)
    ]
