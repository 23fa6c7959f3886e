"""A friendly robot that waves from a workshop."""

from __future__ import annotations

import math

from drawings.canvas import Canvas, Picture, Point, arc

WIDTH, HEIGHT = 640, 480
STEEL, STEEL_LIGHT, STEEL_DARK, INK = "#8fa9bd", "#c3d4e0", "#607b91", "#1e2f3d"
GLOW, AMBER, RED = "#5ff0e4", "#ffc247", "#e4572e"


def draw() -> Picture:
    """The picture `robot.jpg`."""
    canvas = Canvas(WIDTH, HEIGHT)
    _workshop(canvas)
    _legs(canvas)
    _arms(canvas)
    _body(canvas)
    _head(canvas)
    return canvas.picture()


def _workshop(canvas: Canvas) -> None:
    canvas.gradient((0, 0, WIDTH, 380), "#f7e3c3", "#eec48d")
    canvas.gradient((0, 380, WIDTH, HEIGHT), "#a8744a", "#7c5030")
    for x in range(-300, 941, 80):
        canvas.line([(320 + (x - 320) * 0.72, 380), (x, HEIGHT)], "#6b4427", width=2)
    canvas.line([(0, 380), (WIDTH, 380)], "#5c391f", width=3)
    _gear(canvas, (112, 130), 54, 12, "#d59a55", "#8a5a25")
    _gear(canvas, (178, 202), 32, 9, "#e3b06d", "#8a5a25")
    canvas.rounded((498, 330, 628, 342), 4, "#8a5a35", edge="#4a2d16")
    books = (
        (508, 66, "#3f7d8c"),
        (527, 80, "#c8553d"),
        (546, 60, "#e8b04a"),
        (565, 74, "#5b6f9e"),
        (584, 54, "#7a9e54"),
    )
    for left, height, colour in books:
        canvas.rounded((left, 330 - height, left + 17, 330), 3, colour, edge="#3a2514", width=1.5)
        canvas.line([(left + 4, 342 - height), (left + 13, 342 - height)], "#f7e3c3", width=2)


def _gear(canvas: Canvas, centre: Point, radius: float, teeth: int, fill: str, edge: str) -> None:
    points: list[Point] = []
    for tooth in range(teeth):
        for part, reach in ((0.0, 1.0), (0.22, 1.0), (0.32, 1.22), (0.78, 1.22), (0.9, 1.0)):
            angle = 2 * math.pi * (tooth + part) / teeth
            points.append((centre[0] + radius * reach * math.cos(angle), centre[1] + radius * reach * math.sin(angle)))
    canvas.polygon(points, fill, edge=edge, width=2.5)
    canvas.ellipse(centre, (radius * 0.42, radius * 0.42), "#f3d5a8", edge=edge, width=2.5)


def _legs(canvas: Canvas) -> None:
    for reach in (1.0, 0.93, 0.86):
        canvas.ellipse((320, 446), (126 * reach, 17 * reach), "#3c2616", alpha=0.25)
    for side in (-1, 1):
        x = 320 + side * 46
        canvas.rounded((x - 19, 352, x + 19, 426), 8, STEEL_DARK, edge=INK, width=2.5)
        for y in (372, 386, 400):
            canvas.line([(x - 17, y), (x + 17, y)], INK, width=1.5)
        foot = [(x - 34, 444), *arc((x, 436), (34, 22), 180, 360), (x + 34, 444)]
        canvas.polygon(foot, STEEL, edge=INK, width=2.5)


def _arms(canvas: Canvas) -> None:
    _arm(canvas, [(216, 250), (178, 282), (158, 322), (164, 360)], hand_turn=90)
    _arm(canvas, [(424, 250), (468, 236), (496, 196), (502, 150)], hand_turn=-90)


def _arm(canvas: Canvas, joints: list[Point], *, hand_turn: float) -> None:
    canvas.curve(joints, INK, width=27)
    canvas.curve(joints, STEEL_DARK, width=22)
    for x, y in joints[1:-1]:
        canvas.ellipse((x, y), (16, 16), STEEL_LIGHT, edge=INK, width=2.5)
    x, y = joints[-1]
    heading = math.radians(hand_turn)
    palm = (x + 18 * math.cos(heading), y + 18 * math.sin(heading))
    claw = arc(palm, (29, 29), hand_turn + 40, hand_turn + 320)
    inner = arc(palm, (15, 15), hand_turn + 320, hand_turn + 40)
    canvas.polygon([*claw, *inner], AMBER, edge=INK, width=2.5)
    canvas.ellipse((x, y), (14, 14), STEEL, edge=INK, width=2.5)


def _body(canvas: Canvas) -> None:
    canvas.rounded((296, 190, 344, 226), 6, STEEL_DARK, edge=INK, width=2.5)
    for y in (200, 209):
        canvas.line([(298, y), (342, y)], INK, width=1.5)
    canvas.rounded((212, 218, 428, 368), 26, STEEL, edge=INK, width=3)
    canvas.polygon([*arc((236, 242), (16, 16), 180, 270), (404, 226), (404, 236), (236, 236)], STEEL_LIGHT)
    for x, y in ((230, 236), (410, 236), (230, 350), (410, 350)):
        canvas.ellipse((x, y), (5, 5), STEEL_DARK, edge=INK, width=1.5)
    canvas.rounded((250, 250, 390, 342), 12, "#22384a", edge=INK, width=2.5)
    canvas.polygon([*arc((286, 294), (26, 26), 180, 360), (312, 298), (260, 298)], "#f4f1e4", edge=INK, width=1.5)
    canvas.line([(286, 294), (302, 276)], RED, width=3)
    for step in range(5):
        angle = math.radians(190 + step * 40)
        inside, outside = 18, 23
        canvas.line([(286 + r * math.cos(angle), 294 + r * math.sin(angle)) for r in (inside, outside)], INK, width=1.5)
    for index, height in enumerate((16, 30, 22, 36)):
        left = 328 + index * 14
        canvas.rounded((left, 304 - height, left + 9, 304), 2, GLOW if index % 2 else AMBER)
    for index, colour in enumerate((RED, AMBER, GLOW)):
        canvas.ellipse((272 + index * 22, 324), (7, 7), colour, edge="#0e1a24", width=1.5)
    canvas.rounded((334, 316, 380, 332), 5, "#3d5a70", edge="#0e1a24", width=1.5)


def _head(canvas: Canvas) -> None:
    canvas.line([(320, 92), (320, 48)], INK, width=6)
    canvas.line([(320, 92), (320, 48)], STEEL_LIGHT, width=3)
    canvas.ellipse((320, 40), (14, 14), RED, edge=INK, width=2.5)
    canvas.ellipse((316, 35), (4, 3), "#ffd0c2")
    for side in (-1, 1):
        x = 320 + side * 98
        canvas.rounded((x - 14, 120, x + 14, 164), 7, AMBER, edge=INK, width=2.5)
    canvas.rounded((230, 84, 410, 198), 30, STEEL_LIGHT, edge=INK, width=3)
    canvas.rounded((246, 102, 394, 156), 24, "#22384a", edge=INK, width=2.5)
    for x in (284, 356):
        canvas.ellipse((x, 129), (19, 19), GLOW, edge="#0e1a24", width=2)
        canvas.ellipse((x, 129), (10, 10), "#0b3b46")
        canvas.ellipse((x + 4, 124), (4, 4), "#ffffff")
    canvas.rounded((278, 167, 362, 187), 9, STEEL_DARK, edge=INK, width=2)
    for x in range(290, 360, 12):
        canvas.line([(x, 169), (x, 185)], INK, width=1.5)
