"""A statue with a torch and a crown, on its island at daybreak."""

from __future__ import annotations

import math

from drawings.canvas import Canvas, Picture, arc

WIDTH, HEIGHT = 480, 640
COPPER, COPPER_LIGHT, COPPER_DARK, INK = "#74b5a1", "#9ad2bd", "#4d8c7c", "#21443f"
STONE, STONE_DARK, STONE_INK = "#d9c39c", "#b79d72", "#5e4b31"


def draw() -> Picture:
    """The picture `liberty.jpg`."""
    canvas = Canvas(WIDTH, HEIGHT)
    _harbour(canvas)
    _pedestal(canvas)
    _raised_arm(canvas)
    _robe(canvas)
    _tablet(canvas)
    _head(canvas)
    return canvas.picture()


def _harbour(canvas: Canvas) -> None:
    canvas.gradient((0, 0, WIDTH, 300), "#1f4e8c", "#8fb8d8")
    canvas.gradient((0, 300, WIDTH, 480), "#8fb8d8", "#ffd9a8")
    canvas.ellipse((372, 432), (58, 58), "#fff0c9")
    for x, y, size in ((70, 120, 1.0), (400, 190, 0.8), (96, 300, 0.7)):
        for dx, dy, radius in ((-34, 4, 18), (-8, -8, 26), (24, 0, 21), (46, 7, 13)):
            canvas.ellipse((x + dx * size, y + dy * size), (radius * 1.5 * size, radius * 0.7 * size), "#eef4f8")
    tops = (40, 66, 30, 88, 52, 104, 44, 70, 36, 58, 92, 48, 64, 34, 78, 50)
    for index, top in enumerate(tops):
        left = index * 30
        canvas.polygon([(left, 482), (left, 482 - top), (left + 26, 482 - top), (left + 26, 482)], "#6f86a5")
        for window in range(int(top) // 16):
            canvas.polygon(_box(left + 8, 474 - window * 14, 10, 4), "#ffe2a6")
    canvas.gradient((0, 480, WIDTH, HEIGHT), "#4f86a6", "#173a56")
    for index in range(26):
        x, y = (index * 137) % WIDTH, 490 + (index * 53) % 145
        canvas.line([(x, y), (x + 18 + y / 40, y)], "#9cc3d6", width=1)


def _box(left: float, top: float, width: float, height: float) -> list[tuple[float, float]]:
    return [(left, top), (left + width, top), (left + width, top + height), (left, top + height)]


def _pedestal(canvas: Canvas) -> None:
    canvas.blob(
        [(40, 640), (70, 598), (150, 582), (240, 578), (330, 582), (415, 598), (445, 640)], "#4f7f4a", edge="#27472a"
    )
    for left, right, top, bottom, lean in ((158, 322, 560, 606, 6), (176, 304, 486, 560, 10), (164, 316, 468, 486, 0)):
        canvas.polygon(
            [(left + lean, top), (right - lean, top), (right, bottom), (left, bottom)], STONE, edge=STONE_INK, width=2
        )
        shade = left + (right - left) * 0.66
        canvas.polygon(
            [(shade, top + 2), (right - lean - 2, top + 2), (right - 2, bottom - 2), (shade, bottom - 2)], STONE_DARK
        )
    for y, left in ((506, 184), (524, 182), (542, 179), (582, 163)):
        canvas.line([(left, y), (480 - left, y)], STONE_INK, width=1)
    for x in (208, 232, 256):
        canvas.polygon(
            [*arc((x + 8, 506), (8, 10), 180, 360), (x + 16, 552), (x, 552)], "#6d5737", edge=STONE_INK, width=1
        )


def _raised_arm(canvas: Canvas) -> None:
    flame = [(166, 18), (182, 44), (184, 66), (170, 76), (155, 68), (152, 48), (160, 38)]
    for radius in (50, 42, 34, 27):
        canvas.ellipse((168, 50), (radius, radius), "#ffe9b8", alpha=0.22)
    canvas.blob(flame, "#ffb52e", edge="#b5590f")
    canvas.blob([(168, 40), (176, 58), (169, 72), (160, 62)], "#fff1a8")
    canvas.polygon([(148, 76), (188, 76), (182, 90), (154, 90)], COPPER_LIGHT, edge=INK)
    canvas.polygon([(158, 90), (178, 90), (173, 132), (166, 132)], COPPER, edge=INK)
    arm = [(216, 262), (198, 222), (176, 168), (160, 134), (162, 122), (178, 118), (186, 128), (206, 166), (236, 232)]
    canvas.polygon(arm, COPPER_LIGHT, edge=INK)
    sleeve = [(246, 236), (222, 196), (204, 172), (180, 184), (190, 214), (204, 262), (226, 280)]
    canvas.blob(sleeve, COPPER, edge=INK)
    canvas.curve([(192, 186), (206, 222), (222, 262)], COPPER_DARK, width=2)
    canvas.curve([(204, 182), (218, 212), (236, 246)], COPPER_DARK, width=2)
    for y in (121, 126, 131):
        canvas.line([(162, y), (172, y + 1)], INK, width=1)


def _robe(canvas: Canvas) -> None:
    robe = [
        (226, 226), (254, 226), (282, 238), (294, 270), (290, 320), (300, 390), (312, 468),
        (168, 468), (180, 390), (196, 330), (202, 280), (204, 246),
    ]  # fmt: skip
    canvas.polygon(robe, COPPER, edge=INK, width=2.5)
    canvas.polygon([(262, 240), (288, 262), (286, 320), (296, 392), (308, 466), (276, 466), (272, 380)], COPPER_DARK)
    canvas.blob(
        [(204, 262), (230, 296), (268, 330), (292, 342), (288, 366), (252, 356), (216, 326), (200, 300)],
        COPPER_LIGHT,
        edge=INK,
    )
    folds = (
        [(208, 330), (200, 396), (190, 466)],
        [(224, 344), (218, 400), (212, 466)],
        [(242, 358), (240, 410), (236, 466)],
        [(260, 366), (262, 410), (262, 466)],
        [(278, 370), (284, 416), (288, 466)],
    )
    for fold in folds:
        canvas.curve(fold, INK, width=1.5)
    for start, end in (((222, 240), (236, 286)), ((238, 238), (250, 296)), ((256, 238), (264, 300))):
        canvas.curve([start, ((start[0] + end[0]) / 2 + 4, (start[1] + end[1]) / 2), end], COPPER_DARK, width=2)


def _tablet(canvas: Canvas) -> None:
    canvas.blob([(268, 240), (292, 248), (306, 282), (310, 318), (294, 326), (284, 300), (270, 268)], COPPER, edge=INK)
    canvas.polygon([(286, 262), (326, 254), (338, 330), (298, 340)], COPPER_LIGHT, edge=INK, width=2.5)
    for row in range(4):
        canvas.line([(296 + row * 2.4, 276 + row * 14), (322 + row * 2.4, 271 + row * 14)], COPPER_DARK, width=2)
    canvas.blob([(284, 318), (306, 308), (316, 316), (308, 328), (288, 334)], COPPER, edge=INK)


def _head(canvas: Canvas) -> None:
    canvas.polygon([(228, 212), (252, 212), (256, 236), (224, 236)], COPPER_DARK, edge=INK)
    for degrees in range(-158, -21, 23):
        angle = math.radians(degrees)
        side = math.radians(degrees + 90)
        root = (240 + 24 * math.cos(angle), 180 + 24 * math.sin(angle))
        tip = (240 + 62 * math.cos(angle), 180 + 62 * math.sin(angle))
        wide = (5 * math.cos(side), 5 * math.sin(side))
        canvas.polygon(
            [(root[0] + wide[0], root[1] + wide[1]), tip, (root[0] - wide[0], root[1] - wide[1])],
            COPPER_LIGHT,
            edge=INK,
            width=1.5,
        )
    canvas.ellipse((240, 190), (27, 31), COPPER_DARK, edge=INK)
    canvas.ellipse((240, 195), (20, 26), COPPER_LIGHT, edge=INK, width=1.5)
    band = [*arc((240, 186), (28, 18), 190, 350), *reversed(arc((240, 178), (28, 20), 190, 350))]
    canvas.polygon(band, COPPER, edge=INK, width=2)
    for x in (232, 249):
        canvas.line([(x - 4, 192), (x + 3, 192)], INK, width=1.5)
        canvas.ellipse((x, 196), (2.4, 1.8), INK)
    canvas.line([(241, 194), (238, 206), (243, 207)], INK, width=1.2)
    canvas.line([(234, 213), (247, 213)], INK, width=1.5)
