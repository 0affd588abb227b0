"""Draws the objects that stand, swim or fly in a scene."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from canvas import BLOSSOMS, GROUND_COLOURS, OBJECT_LIGHT, PANS, Canvas, blend, shade
from scene import CENTRES, COLOURS, FEET, FLYING, HEIGHTS, SIZES, SWIMMING, Point, Rgb, Scene

BROWN: Rgb = (78, 50, 36)
SAND: Rgb = (226, 196, 130)
LAMP: Rgb = (255, 224, 120)
CREAM: Rgb = (246, 238, 220)
INK: Rgb = (40, 44, 56)


@dataclass(frozen=True)
class Placed:
    """Where and how the object is drawn: foot point (x, y), size z in pixels, its colours under this light.

    `side` is 1 for an object that looks to the right and -1 for one that looks to the left; `swing` is -1..1.
    """

    x: float
    y: float
    z: float
    main: Rgb
    dark: Rgb
    glass: Rgb
    side: int
    swing: float


def object_shift(scene: Scene, progress: float) -> Point:
    """How far the object has moved, as shares of the picture's width and height."""
    reach = 0.42 * progress
    pan = PANS.get(scene.motion, 0.0) * progress
    shifts = {"left": (-reach, 0.0), "right": (reach, 0.0), "up": (0.0, -reach), "down": (0.0, reach)}
    dx, dy = shifts.get(scene.motion, (pan, 0.0))
    return dx, dy


def draw_object(c: Canvas, rng: random.Random) -> None:
    """Draw the scene's object where the scene's motion has brought it."""
    scene = c.scene
    lit = scene.time in ("night", "sunset", "dusk")
    centre, foot, size = rng.uniform(-0.03, 0.03), rng.uniform(-0.02, 0.02), rng.uniform(0.95, 1.05)
    side = rng.choice((-1, 1))
    dx, dy = object_shift(scene, c.progress)
    x, base = (CENTRES[scene.place] + centre) * c.w, (FEET[scene.distance] + foot) * c.h
    placed = Placed(
        x=x + dx * c.w,
        y=((HEIGHTS[scene.distance] + foot) * c.h if scene.object in FLYING else base) + dy * c.h,
        z=size * SIZES[scene.distance] * c.unit,
        main=shade(COLOURS[scene.colour], OBJECT_LIGHT[scene.time]),
        dark=shade(BROWN, max(0.85, c.ground_light)),
        glass=LAMP if lit else (196, 226, 244),
        side={"left": -1, "right": 1}.get(scene.motion, side),
        swing=math.sin(2 * math.pi * c.progress) if scene.motion == "sway" else 0.0,
    )
    if scene.object not in FLYING:
        _draw_standing_place(c, placed.x if dy == 0 else x, base, placed.z)
    OBJECT_PAINTERS[scene.object](c, placed)


def _draw_standing_place(c: Canvas, x: float, y: float, z: float) -> None:
    """An island for what stands at sea, a lake for what swims on land, else a shadow."""
    scene = c.scene
    if scene.terrain == "sea" and scene.object not in SWIMMING:
        c.disc(x, y + 0.1 * z, 1.75 * z, 0.36 * z, shade(SAND, c.ground_light))
    elif scene.terrain != "sea" and scene.object in SWIMMING:
        c.disc(x, y, 1.75 * z, 0.5 * z, shade(GROUND_COLOURS["sea"], c.ground_light))
    elif scene.terrain != "sea":
        ground = (236, 240, 248) if scene.terrain == "mountains" else GROUND_COLOURS[scene.terrain]
        c.disc(x, y, 1.35 * z, 0.24 * z, shade(ground, c.ground_light * 0.78))


def _draw_house(c: Canvas, o: Placed) -> None:
    x, y, z = o.x, o.y, o.z
    c.box(x - z, y - 1.25 * z, x + z, y, o.main)
    c.polygon([(x - 1.25 * z, y - 1.2 * z), (x, y - 2.1 * z), (x + 1.25 * z, y - 1.2 * z)], o.dark)
    c.box(x - 0.24 * z, y - 0.78 * z, x + 0.24 * z, y, o.dark)
    for side in (-1, 1):
        middle = x + side * 0.62 * z
        c.box(middle - 0.21 * z, y - 0.85 * z, middle + 0.21 * z, y - 0.43 * z, o.glass)


def _draw_sailboat(c: Canvas, o: Placed) -> None:
    x, y, z, s = o.x, o.y, o.z, o.side
    hull = [(-1.25, -0.4), (1.25, -0.4), (0.85, 0.12), (-0.85, 0.12)]
    c.polygon([(x + dx * z, y + dy * z) for dx, dy in hull], o.dark)
    c.box(x - 0.07 * z, y - 2.45 * z, x + 0.07 * z, y - 0.4 * z, o.dark)
    for top, reach, fill in ((-2.4, 1.2 * s, o.main), (-2.1, -0.95 * s, shade(o.main, 0.86))):
        start = 0.07 * math.copysign(1, reach)
        sail = [(start, top), (start, -0.52), (reach, -0.52)]
        c.polygon([(x + dx * z, y + dy * z) for dx, dy in sail], fill)


def _draw_tree(c: Canvas, o: Placed) -> None:
    x, y, z = o.x, o.y, o.z
    c.box(x - 0.18 * z, y - 1.0 * z, x + 0.18 * z, y, o.dark)
    lean = 0.28 * o.swing
    for dx, dy, r in ((-0.5, -1.25, 0.62), (0.5, -1.25, 0.62), (0.0, -1.75, 0.72)):
        c.disc(x + (dx + lean * -dy / 1.5) * z, y + dy * z, r * z, r * z, o.main)


def _draw_balloon(c: Canvas, o: Placed) -> None:
    x, y, z = o.x, o.y, o.z * 1.1
    side = shade(o.main, 0.84)
    c.disc(x, y, 1.12 * z, 1.12 * z, side)
    skirt = [(-0.95, 0.58), (0.95, 0.58), (0.26, 1.5), (-0.26, 1.5)]
    c.polygon([(x + dx * z, y + dy * z) for dx, dy in skirt], side)
    c.disc(x, y, 0.55 * z, 1.12 * z, o.main)
    c.box(x - 0.3 * z, y + 1.62 * z, x + 0.3 * z, y + 2.05 * z, o.dark)


def _draw_lighthouse(c: Canvas, o: Placed) -> None:
    x, y, z = o.x, o.y, o.z
    band = shade((70, 84, 110) if c.scene.colour == "white" else (244, 244, 244), OBJECT_LIGHT[c.scene.time])

    def half(height: float) -> float:
        return (0.64 - 0.11 * height) * z

    def ring(low: float, high: float, fill: Rgb) -> None:
        a, b = half(low), half(high)
        c.polygon([(x - a, y - low * z), (x + a, y - low * z), (x + b, y - high * z), (x - b, y - high * z)], fill)

    if c.scene.motion == "beam":
        _draw_beam(c, x, y - 2.42 * z)
    ring(0.0, 2.2, o.main)
    ring(0.95, 1.4, band)
    c.box(x - 0.34 * z, y - 2.65 * z, x + 0.34 * z, y - 2.2 * z, LAMP)
    c.polygon([(x - 0.52 * z, y - 2.62 * z), (x, y - 3.1 * z), (x + 0.52 * z, y - 2.62 * z)], o.dark)


def _draw_beam(c: Canvas, x: float, y: float) -> None:
    """The lamp's beam, which turns once around: it is long seen from the side and short seen from the front."""
    reach = math.cos(2 * math.pi * c.progress) * 0.7 * c.w
    spread = 0.14 * abs(reach)
    c.polygon([(x, y), (x + reach, y - spread), (x + reach, y + spread)], blend(LAMP, c.haze, 0.55))


def _draw_tent(c: Canvas, o: Placed) -> None:
    x, y, z = o.x, o.y, o.z
    c.polygon([(x - 1.4 * z, y), (x, y - 1.75 * z), (x + 1.4 * z, y)], o.main)
    inside = LAMP if c.scene.time in ("night", "dusk") else shade(o.main, 0.45)
    c.polygon([(x - 0.42 * z, y), (x, y - 1.1 * z), (x + 0.42 * z, y)], inside)


def _draw_car(c: Canvas, o: Placed) -> None:
    x, y, z, s = o.x, o.y, o.z, o.side
    cabin = [(-0.85, -0.75), (-0.55, -1.35), (0.35, -1.35), (0.75, -0.75)]
    c.polygon([(x + s * dx * z, y + dy * z) for dx, dy in cabin], o.main)
    pane = [(-0.6, -0.78), (-0.42, -1.2), (0.28, -1.2), (0.54, -0.78)]
    c.polygon([(x + s * dx * z, y + dy * z) for dx, dy in pane], o.glass)
    c.box(x - 1.4 * z, y - 0.8 * z, x + 1.4 * z, y - 0.22 * z, o.main)
    for dx in (-0.8, 0.8):
        c.disc(x + dx * z, y - 0.2 * z, 0.34 * z, 0.34 * z, INK)
        c.disc(x + dx * z, y - 0.2 * z, 0.14 * z, 0.14 * z, (210, 214, 220))
    c.disc(x + s * 1.28 * z, y - 0.58 * z, 0.12 * z, 0.12 * z, LAMP)


def _draw_windmill(c: Canvas, o: Placed) -> None:
    x, y, z = o.x, o.y, o.z
    c.polygon(
        [(x - 0.72 * z, y), (x - 0.44 * z, y - 1.7 * z), (x + 0.44 * z, y - 1.7 * z), (x + 0.72 * z, y)],
        o.main,
    )
    c.polygon([(x - 0.56 * z, y - 1.66 * z), (x, y - 2.25 * z), (x + 0.56 * z, y - 1.66 * z)], o.dark)
    c.box(x - 0.2 * z, y - 0.62 * z, x + 0.2 * z, y, o.dark)
    turn = (c.progress if c.scene.motion == "turn" else 0.0) * math.pi / 2
    sail = shade(CREAM, max(0.75, c.ground_light))
    for k in range(4):
        angle = math.pi / 4 + turn + k * math.pi / 2
        ux, uy = math.cos(angle), math.sin(angle)
        blade: list[Point] = []
        for along, across in ((0.1, -0.1), (1.35, -0.2), (1.35, 0.2), (0.1, 0.1)):
            blade.append((x + (ux * along - uy * across) * z, y - 1.75 * z + (uy * along + ux * across) * z))
        c.polygon(blade, sail)
    c.disc(x, y - 1.75 * z, 0.16 * z, 0.16 * z, o.dark)


def _draw_castle(c: Canvas, o: Placed) -> None:
    x, y, z = o.x, o.y, o.z
    wall = shade(o.main, 0.88)
    c.box(x - 0.9 * z, y - 1.2 * z, x + 0.9 * z, y, wall)
    for dx in (-0.6, -0.2, 0.2, 0.6):
        c.box(x + (dx - 0.12) * z, y - 1.42 * z, x + (dx + 0.12) * z, y - 1.18 * z, wall)
    for dx in (-1.0, 1.0):
        c.box(x + (dx - 0.36) * z, y - 1.8 * z, x + (dx + 0.36) * z, y, o.main)
        c.polygon(
            [
                (x + (dx - 0.48) * z, y - 1.78 * z),
                (x + dx * z, y - 2.6 * z),
                (x + (dx + 0.48) * z, y - 1.78 * z),
            ],
            o.dark,
        )
        c.box(x + (dx - 0.13) * z, y - 1.45 * z, x + (dx + 0.13) * z, y - 1.05 * z, o.glass)
    c.disc(x, y - 0.5 * z, 0.3 * z, 0.34 * z, o.dark)
    c.box(x - 0.3 * z, y - 0.5 * z, x + 0.3 * z, y, o.dark)


def _draw_mushroom(c: Canvas, o: Placed) -> None:
    x, y, z = o.x, o.y, o.z
    light = OBJECT_LIGHT[c.scene.time]
    c.polygon(
        [(x - 0.42 * z, y), (x - 0.3 * z, y - 1.1 * z), (x + 0.3 * z, y - 1.1 * z), (x + 0.42 * z, y)],
        shade(CREAM, light),
    )
    c.draw.pieslice((x - 1.25 * z, y - 2.1 * z, x + 1.25 * z, y + 0.1 * z), 180, 360, fill=o.main)
    dots = shade((250, 250, 250) if c.scene.colour != "white" else (190, 150, 120), light)
    for dx, dy, r in ((-0.7, -1.3, 0.17), (0.05, -1.65, 0.22), (0.72, -1.32, 0.16)):
        c.disc(x + dx * z, y + dy * z, r * z, r * z, dots)


def _draw_rocket(c: Canvas, o: Placed) -> None:
    x, y, z = o.x, o.y, o.z
    for s in (-1, 1):
        c.polygon(
            [
                (x + s * 0.4 * z, y - 1.05 * z),
                (x + s * 0.95 * z, y - 0.1 * z),
                (x + s * 0.4 * z, y - 0.35 * z),
            ],
            o.dark,
        )
    c.box(x - 0.5 * z, y - 1.9 * z, x + 0.5 * z, y - 0.3 * z, o.main)
    c.draw.pieslice((x - 0.5 * z, y - 3.0 * z, x + 0.5 * z, y - 0.8 * z), 180, 360, fill=shade(o.main, 0.8))
    c.disc(x, y - 1.5 * z, 0.24 * z, 0.24 * z, o.glass)
    if c.scene.motion in ("up", "down"):
        c.polygon([(x - 0.35 * z, y - 0.28 * z), (x, y + 0.6 * z), (x + 0.35 * z, y - 0.28 * z)], (255, 170, 50))
    else:
        c.box(x - 0.3 * z, y - 0.3 * z, x + 0.3 * z, y - 0.02 * z, INK)


def _draw_cat(c: Canvas, o: Placed) -> None:
    x, y, z, s = o.x, o.y, o.z, o.side
    c.disc(x - s * 1.0 * z, y - 0.75 * z, 0.2 * z, 0.62 * z, shade(o.main, 0.86))
    c.disc(x - s * 0.2 * z, y - 0.6 * z, 0.82 * z, 0.62 * z, o.main)
    head = x + s * 0.55 * z, y - 1.25 * z
    for dx in (-0.4, 0.4):
        ear = [(dx - 0.22, -0.3), (dx + 0.12 * math.copysign(1, dx), -0.85), (dx + 0.2, -0.25)]
        c.polygon([(head[0] + ex * z, head[1] + ey * z) for ex, ey in ear], o.main)
    c.disc(*head, 0.58 * z, 0.52 * z, o.main)
    for dx in (-0.2, 0.2):
        c.disc(head[0] + dx * z, head[1] - 0.05 * z, 0.1 * z, 0.12 * z, INK)
    c.disc(head[0], head[1] + 0.18 * z, 0.09 * z, 0.07 * z, (232, 120, 130))


def _draw_flower(c: Canvas, o: Placed) -> None:
    x, y, z = o.x, o.y, o.z
    stem = shade((40, 132, 70), max(0.7, c.ground_light))
    top = x + 0.35 * o.swing * z, y - 1.9 * z
    c.polygon([(x - 0.1 * z, y), (top[0] - 0.1 * z, top[1]), (top[0] + 0.1 * z, top[1]), (x + 0.1 * z, y)], stem)
    for s in (-1, 1):
        c.polygon([(x, y - 0.2 * z), (x + s * 0.8 * z, y - 0.95 * z), (x + s * 0.1 * z, y - 0.7 * z)], stem)
    for k in range(6):
        angle = k * math.pi / 3
        c.disc(
            top[0] + 0.56 * z * math.cos(angle),
            top[1] + 0.56 * z * math.sin(angle),
            0.36 * z,
            0.36 * z,
            o.main,
        )
    core = BLOSSOMS[1] if c.scene.colour not in ("yellow", "orange") else (120, 72, 40)
    c.disc(*top, 0.34 * z, 0.34 * z, shade(core, OBJECT_LIGHT[c.scene.time]))


def _draw_kite(c: Canvas, o: Placed) -> None:
    x, y, z = o.x, o.y, o.z
    tail = [
        (x, y + 1.2 * z),
        (x + 0.3 * z, y + 1.7 * z),
        (x - 0.15 * z, y + 2.15 * z),
        (x + 0.2 * z, y + 2.6 * z),
    ]
    c.draw.line(tail, fill=o.dark, width=max(1, round(0.09 * z)))
    for (px, py), fill in zip(tail[1:], (shade(o.main, 0.85), o.main, shade(o.main, 0.85)), strict=True):
        c.disc(px, py, 0.17 * z, 0.13 * z, fill)
    c.polygon(
        [(x, y - 1.35 * z), (x + 0.95 * z, y - 0.15 * z), (x, y + 1.25 * z), (x - 0.95 * z, y - 0.15 * z)],
        o.main,
    )
    c.polygon([(x, y - 1.35 * z), (x + 0.95 * z, y - 0.15 * z), (x, y - 0.15 * z)], shade(o.main, 0.8))
    c.polygon([(x, y - 0.15 * z), (x, y + 1.25 * z), (x - 0.95 * z, y - 0.15 * z)], shade(o.main, 0.8))


def _draw_duck(c: Canvas, o: Placed) -> None:
    x, y, z, s = o.x, o.y, o.z, o.side
    c.polygon(
        [(x - s * 0.7 * z, y - 0.5 * z), (x - s * 1.4 * z, y - 0.95 * z), (x - s * 0.9 * z, y - 0.2 * z)],
        o.main,
    )
    c.disc(x - s * 0.1 * z, y - 0.42 * z, 1.05 * z, 0.56 * z, o.main)
    c.disc(x - s * 0.25 * z, y - 0.45 * z, 0.55 * z, 0.3 * z, shade(o.main, 0.82))
    c.disc(x + s * 0.7 * z, y - 1.15 * z, 0.5 * z, 0.48 * z, o.main)
    beak = (250, 150, 40) if c.scene.colour not in ("orange", "yellow") else (206, 84, 40)
    c.polygon(
        [(x + s * 1.1 * z, y - 1.3 * z), (x + s * 1.65 * z, y - 1.05 * z), (x + s * 1.1 * z, y - 0.92 * z)],
        beak,
    )
    c.disc(x + s * 0.82 * z, y - 1.25 * z, 0.1 * z, 0.11 * z, INK)


def _draw_umbrella(c: Canvas, o: Placed) -> None:
    x, y, z = o.x, o.y, o.z
    lean = 0.25 * o.swing * z
    c.polygon(
        [
            (x - 0.08 * z, y),
            (x + lean - 0.08 * z, y - 1.9 * z),
            (x + lean + 0.08 * z, y - 1.9 * z),
            (x + 0.08 * z, y),
        ],
        o.dark,
    )
    x, top = x + lean, y - 2.6 * z
    c.draw.pieslice((x - 1.4 * z, top, x + 1.4 * z, top + 2.2 * z), 180, 360, fill=o.main)
    pale = blend(o.main, (250, 250, 250), 0.75) if c.scene.colour != "white" else shade((120, 160, 210), 0.9)
    c.draw.pieslice((x - 0.5 * z, top, x + 0.5 * z, top + 2.2 * z), 180, 360, fill=pale)
    c.disc(x, top, 0.1 * z, 0.1 * z, o.dark)


OBJECT_PAINTERS: dict[str, Callable[[Canvas, Placed], None]] = {
    "house": _draw_house,
    "sailboat": _draw_sailboat,
    "tree": _draw_tree,
    "balloon": _draw_balloon,
    "lighthouse": _draw_lighthouse,
    "tent": _draw_tent,
    "car": _draw_car,
    "windmill": _draw_windmill,
    "castle": _draw_castle,
    "mushroom": _draw_mushroom,
    "rocket": _draw_rocket,
    "cat": _draw_cat,
    "flower": _draw_flower,
    "kite": _draw_kite,
    "duck": _draw_duck,
    "umbrella": _draw_umbrella,
}
