"""A cat that breathes in its sleep below a window at night. The film ends where it begins."""

from __future__ import annotations

import math

from drawings.canvas import Canvas, Picture, Point, arc, mix, smooth

WIDTH, HEIGHT, FRAMES = 640, 360, 36
FUR, FUR_LIGHT, FUR_DARK, INK = "#ec9a48", "#fbd7a0", "#c36a24", "#3f2413"
WALL = "#6b5a86"


def draw(frame: int) -> Picture:
    """Frame number `frame` (from 0) of `cat-sleeping.mov`; one breath lasts the whole film."""
    phase = frame / FRAMES
    canvas = Canvas(WIDTH, HEIGHT)
    _room(canvas, phase)
    _cushion(canvas)
    breath = (1 - math.cos(2 * math.pi * phase)) / 2
    _body(canvas, breath)
    _tail(canvas, phase)
    _head(canvas, breath, twitch=max(0.0, math.sin(2 * math.pi * (phase * 4 - 2.0))) if 0.5 < phase < 0.75 else 0.0)
    _snores(canvas, phase)
    return canvas.picture()


def _room(canvas: Canvas, phase: float) -> None:
    canvas.gradient((0, 0, WIDTH, 272), "#54466f", WALL)
    canvas.gradient((0, 272, WIDTH, HEIGHT), "#8c5f45", "#6a4432")
    canvas.line([(0, 272), (WIDTH, 272)], "#40293a", width=4)
    canvas.rounded((386, 24, 594, 196), 8, "#e9dcc6", edge="#40293a", width=2.5)
    canvas.gradient((398, 36, 582, 184), "#0f1738", "#2b3f78")
    for index, (x, y) in enumerate(((420, 60), (462, 96), (436, 138), (560, 122), (522, 160), (478, 52), (410, 104))):
        glow = 0.5 + 0.5 * math.sin(2 * math.pi * (phase * 2 + index / 7))
        size = 2 + 2.5 * glow
        star = [(x, y - size), (x + size / 3, y), (x, y + size), (x - size / 3, y)]
        canvas.polygon(star, mix("#8796c8", "#ffffff", glow))
        canvas.polygon([(b - y + x, a - x + y) for a, b in star], mix("#8796c8", "#ffffff", glow))
    canvas.polygon([*arc((538, 74), (26, 26), 20, 300), *arc((549, 68), (22, 22), 285, 45)], "#fdf3c7")
    canvas.line([(490, 30), (490, 190)], "#e9dcc6", width=7)
    canvas.line([(392, 110), (588, 110)], "#e9dcc6", width=7)
    canvas.rounded((374, 192, 606, 206), 4, "#f4ead8", edge="#40293a", width=2)
    canvas.rounded((56, 44, 176, 134), 4, "#b98d52", edge="#40293a", width=2.5)
    canvas.gradient((66, 54, 166, 124), "#bfe0dd", "#8fc2a8")
    fish = [(84, 90), (104, 74), (128, 78), (142, 90), (156, 78), (154, 102), (142, 92), (126, 104), (104, 104)]
    canvas.blob(fish, "#e2725b", edge=INK, width=1.5)
    canvas.ellipse((100, 87), (3, 3), INK)


def _cushion(canvas: Canvas) -> None:
    for reach in (1.0, 0.95, 0.9):
        canvas.ellipse((322, 326), (258 * reach, 30 * reach), "#2b1a16", alpha=0.25)
    cushion: list[Point] = [
        (80, 300), (110, 264), (220, 250), (420, 250), (532, 264),
        (562, 300), (530, 332), (420, 342), (220, 342), (112, 332),
    ]  # fmt: skip
    canvas.blob(cushion, "#a63d4f", edge="#4c1622", width=3)
    canvas.curve([(92, 306), (200, 326), (322, 330), (444, 326), (550, 306)], "#7a2737", width=2.5)
    for x in (160, 240, 400, 480):
        canvas.curve([(x, 336), (x + 3, 328), (x + 2, 322)], "#7a2737", width=2)


def _body(canvas: Canvas, breath: float) -> None:
    rise = 15 * breath
    back = [
        (196, 290), (206, 236 - rise * 0.4), (262, 184 - rise), (340, 164 - rise * 1.15), (420, 180 - rise),
        (474, 232 - rise * 0.5), (484, 284), (440, 312), (330, 318), (238, 314),
    ]  # fmt: skip
    canvas.blob(back, FUR, edge=INK, width=3)
    for x, top, length, lean in ((300, 176, 42, -6), (340, 170, 50, 2), (380, 174, 46, 9), (416, 190, 38, 15)):
        lift = rise * (1.05 - abs(x - 340) / 400)
        stripe: list[Point] = [(x - 9, top - lift), (x + 9, top - lift), (x + lean, top + length - lift * 0.5)]
        canvas.blob(stripe, FUR_DARK)
    haunch = [
        (392, 302),
        (394, 252 - rise * 0.3),
        (434, 222 - rise * 0.5),
        (474, 250 - rise * 0.3),
        (480, 288),
        (448, 310),
    ]
    canvas.curve(haunch[:4], INK, width=2)
    canvas.blob(
        [(372, 312), (380, 294), (416, 290), (446, 300), (440, 318), (398, 322)], FUR_LIGHT, edge=INK, width=2.5
    )
    for x in (388, 402):
        canvas.line([(x, 308), (x - 2, 318)], INK, width=1.5)


def _tail(canvas: Canvas, phase: float) -> None:
    wag = 9 * math.sin(2 * math.pi * phase * 2)
    path: list[Point] = [
        (474, 272),
        (510, 288),
        (504, 318),
        (440, 328),
        (366, 326),
        (318, 316 - wag * 0.4),
        (286, 298 - wag),
    ]
    canvas.curve(path, INK, width=29)
    canvas.curve(path, FUR, width=24)
    ring = smooth(path, closed=False)
    for start in (18, 30, 42, 54):
        canvas.line(ring[start : start + 4], FUR_DARK, width=22)
    canvas.line(ring[-8:], FUR_LIGHT, width=22)
    canvas.ellipse(ring[-1], (11, 11), FUR_LIGHT)


def _head(canvas: Canvas, breath: float, *, twitch: float) -> None:
    lift = 3.5 * breath
    x, y = 214, 258 - lift
    for side, flick in ((-1, 0.0), (1, twitch * 10)):
        tip = (x + side * 50 + flick, y - 74 + flick * 0.5)
        canvas.polygon([(x + side * 12, y - 42), tip, (x + side * 62, y - 16)], FUR, edge=INK, width=3)
        canvas.polygon([(x + side * 24, y - 42), (tip[0] - side * 3, tip[1] + 14), (x + side * 54, y - 24)], "#f2b5a2")
    canvas.ellipse((x, y), (68, 53), FUR, edge=INK, width=3)
    for dx, length in ((-16, 18), (0, 24), (16, 18)):
        canvas.blob([(x + dx - 5, y - 50), (x + dx + 5, y - 50), (x + dx * 0.7, y - 50 + length)], FUR_DARK)
    canvas.ellipse((x, y + 24), (34, 23), FUR_LIGHT)
    for side in (-1, 1):
        canvas.line(arc((x + side * 31, y - 6), (15, 10), 15, 165), INK, width=3)
        canvas.line(arc((x + side * 9, y + 24), (9, 8), 0, 180), INK, width=2)
        for slope in (-5, 2, 9):
            canvas.line(
                [(x + side * 34, y + 18 + slope * 0.5), (x + side * 84, y + 14 + slope * 1.6)], "#fff3df", width=1.5
            )
    canvas.blob([(x - 8, y + 12), (x + 8, y + 12), (x, y + 21)], "#d8646a", edge=INK, width=1.5)
    canvas.blob(
        [(190, 312), (198, 292), (232, 290), (252, 304), (244, 320), (210, 324)], FUR_LIGHT, edge=INK, width=2.5
    )
    for dx in (212, 226):
        canvas.line([(dx, 308), (dx - 2, 319)], INK, width=1.5)


def _snores(canvas: Canvas, phase: float) -> None:
    for index in range(3):
        age = (phase + index / 3) % 1
        size = 7 + 15 * age
        x, y = 272 + 62 * age + 8 * math.sin(2 * math.pi * age), 190 - 150 * age
        ink = mix(WALL, "#ffffff", math.sin(math.pi * age) * 0.95)
        canvas.line([(x, y), (x + size, y), (x, y + size), (x + size, y + size)], ink, width=1.5 + 1.8 * age)
