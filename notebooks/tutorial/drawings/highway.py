"""A highway seen from a bridge, with cars in both directions. The film ends where it begins."""

from __future__ import annotations

import math

from drawings.canvas import Canvas, Picture, Point, arc, mix

WIDTH, HEIGHT, FRAMES = 640, 360, 40
HORIZON, VANISH = 132, 320
#: Height of the eye over the road and half its width, in pixels at depth 1 (the lower edge of the picture).
EYE, HALF_ROAD = 228, 400
#: Depth of the farthest car, and one car each: lane centre (share of the half road, left is oncoming), start, colour.
FAR = 9.0
CARS = (
    (-0.74, 0.02, "#d64541"), (-0.74, 0.52, "#3a7ca5"), (-0.30, 0.28, "#f2b134"), (-0.30, 0.80, "#e8e8e4"),
    (0.30, 0.10, "#2f9e77"), (0.30, 0.62, "#c0487d"), (0.74, 0.38, "#e8e8e4"), (0.74, 0.88, "#e07b39"),
)  # fmt: skip
INK = "#1c2430"


def draw(frame: int) -> Picture:
    """Frame number `frame` (from 0) of `highway.mov`; every car drives the whole road once."""
    phase = frame / FRAMES
    canvas = Canvas(WIDTH, HEIGHT)
    _land(canvas, phase)
    _road(canvas)
    moves = ((lane, (start + (-phase if lane < 0 else phase)) % 1, colour) for lane, start, colour in CARS)
    cars = sorted(((FAR ** (share * 1.25 - 0.25), lane, colour) for lane, share, colour in moves), reverse=True)
    gantry = 4.2
    for depth, lane, colour in cars:
        if depth > gantry:
            _car(canvas, depth, lane, colour)
    _gantry(canvas, gantry)
    for depth, lane, colour in cars:
        if depth <= gantry:
            _car(canvas, depth, lane, colour)
    return canvas.picture()


def _at(across: float, depth: float, height: float = 0) -> Point:
    """Where a point of the road appears; `across` in half roads, `height` in pixels at depth 1."""
    return VANISH + across * HALF_ROAD / depth, HORIZON + (EYE - height) / depth


def _land(canvas: Canvas, phase: float) -> None:
    canvas.gradient((0, 0, WIDTH, HORIZON + 4), "#4aa0dc", "#d9effa")
    canvas.ellipse((556, 42), (25, 25), "#ffe27a", edge="#f2b134", width=2)
    for cloud, (x, y, size) in enumerate(((90, 44, 1.0), (300, 28, 0.8), (450, 70, 0.65))):
        drift = x + 14 * math.sin(2 * math.pi * (phase + cloud / 3))
        for dx, dy, radius in ((-30, 4, 16), (-6, -7, 23), (22, 1, 19)):
            canvas.ellipse((drift + dx * size, y + dy * size), (radius * 1.4 * size, radius * 0.75 * size), "#ffffff")
    canvas.blob(
        [(-60, 150), (40, 92), (130, 112), (210, 78), (300, 120), (330, 150)], "#6c9bb0", edge="#4d7488", width=2
    )
    canvas.blob([(300, 150), (390, 96), (470, 116), (560, 84), (700, 150)], "#7ba9b8", edge="#4d7488", width=2)
    canvas.gradient((0, HORIZON, WIDTH, HEIGHT), "#9cc777", "#4c8a3d")
    for side, nearest in ((-1, 0.86), (1, 1.02)):
        for index in reversed(range(9)):
            depth = nearest * 1.34**index
            foot = _at(side * (1.42 + 0.25 * (index % 3)), depth)
            _tree(canvas, foot, 70 / depth)


def _tree(canvas: Canvas, foot: Point, size: float) -> None:
    x, y = foot
    trunk = size * 0.08
    canvas.polygon([(x - trunk, y), (x + trunk, y), (x + trunk, y - size), (x - trunk, y - size)], "#6b4a2b")
    canvas.ellipse((x, y - size * 1.2), (size * 0.48, size * 0.62), "#2f7a3c", edge="#174a22", width=1.5)


def _road(canvas: Canvas) -> None:
    near, far = 0.8, 60.0
    canvas.polygon([_at(-1.08, far), _at(1.08, far), _at(1.08, near), _at(-1.08, near)], "#565d66")
    for edge in (-1.0, 1.0):
        canvas.polygon(
            [_at(edge - 0.015, far), _at(edge + 0.015, far), _at(edge + 0.015, near), _at(edge - 0.015, near)],
            "#f4f4ef",
        )
    for lane in (-0.52, 0.52):
        for dash_number in range(14):
            start = 0.7 + dash_number * 0.8
            end = start + 0.4
            dash = (_at(lane - 0.014, start), _at(lane + 0.014, start), _at(lane + 0.014, end), _at(lane - 0.014, end))
            canvas.polygon(dash, "#f4f4ef")
    canvas.polygon(
        [_at(-0.07, far), _at(0.07, far), _at(0.07, near), _at(-0.07, near)], "#7fae5d", edge="#3f5d31", width=1.5
    )
    canvas.polygon([_at(0, far, 26), _at(0, near, 26), _at(0, near, 44), _at(0, far, 44)], "#cfd4d8", edge=INK, width=1)
    for index in range(20):
        depth = 0.8 + index * 0.7
        canvas.line([_at(0, depth), _at(0, depth, 44)], "#5b6268", width=max(1.0, 4 / depth))


def _gantry(canvas: Canvas, depth: float) -> None:
    for side in (-1.16, 1.16):
        canvas.line([_at(side, depth), _at(side, depth, 330)], INK, width=6)
        canvas.line([_at(side, depth), _at(side, depth, 330)], "#aeb6bd", width=3)
    canvas.line([_at(-1.16, depth, 320), _at(1.16, depth, 320)], INK, width=6)
    canvas.line([_at(-1.16, depth, 320), _at(1.16, depth, 320)], "#aeb6bd", width=3)
    left, top = _at(0.16, depth, 400)
    right, bottom = _at(0.98, depth, 240)
    canvas.rounded((left, top, right, bottom), 4, "#1f7a4d", edge="#f4f4ef", width=2)
    middle = (top + bottom) / 2
    canvas.line([(left + 9, middle - 7), (right - 30, middle - 7)], "#f4f4ef", width=3)
    canvas.line([(left + 9, middle + 6), (right - 42, middle + 6)], "#f4f4ef", width=3)
    canvas.line([(right - 14, bottom - 8), (right - 14, top + 9)], "#f4f4ef", width=3)
    canvas.polygon([(right - 21, top + 14), (right - 14, top + 5), (right - 7, top + 14)], "#f4f4ef")


def _car(canvas: Canvas, depth: float, lane: float, colour: str) -> None:
    """A car seen from the front (left lanes, oncoming) or from behind (right lanes)."""
    x, y = _at(lane, depth)
    unit = 62 / depth
    oncoming = lane < 0
    line = max(0.6, 2.4 / depth)

    def box(left: float, top: float, right: float, bottom: float) -> tuple[float, float, float, float]:
        return (x + left * unit, y - top * unit, x + right * unit, y - bottom * unit)

    canvas.ellipse((x, y), (1.12 * unit, 0.16 * unit), "#2b3036", alpha=0.6)
    for side in (-0.95, 0.55):
        canvas.rounded(box(side, 0.5, side + 0.4, -0.06), 0.08 * unit, "#14181d")
    roof = [(-0.78, 0.86), (-0.56, 1.42), (-0.44, 1.5), (0.44, 1.5), (0.56, 1.42), (0.78, 0.86)]
    canvas.polygon([(x + a * unit, y - b * unit) for a, b in roof], mix(colour, "#000000", 0.12), edge=INK, width=line)
    glass = [(-0.64, 0.9), (-0.47, 1.38), (0.47, 1.38), (0.64, 0.9)]
    canvas.polygon(
        [(x + a * unit, y - b * unit) for a, b in glass], "#bfe3f2" if oncoming else "#5c7c8c", edge=INK, width=line
    )
    canvas.rounded(box(-1.0, 0.92, 1.0, 0.16), 0.18 * unit, colour, edge=INK, width=line)
    for side in (-0.92, 0.52):
        lamp = "#fff6c4" if oncoming else "#d3222a"
        canvas.rounded(box(side, 0.74, side + 0.4, 0.5), 0.08 * unit, lamp, edge=INK, width=line)
    canvas.rounded(box(-0.36, 0.5, 0.36, 0.26), 0.04 * unit, "#2b3036" if oncoming else "#f4f4ef", edge=INK, width=line)
    canvas.line(arc((x, y - 0.86 * unit), (0.9 * unit, 0.06 * unit), 180, 360), mix(colour, "#ffffff", 0.5), width=line)
