"""What lies around the object: sky, weather and ten terrains."""

from __future__ import annotations

import math
from collections.abc import Callable

from canvas import BLOSSOMS, DISC_COLOURS, HORIZON, RAINBOW, SNOW, WHITE, Canvas, blend, shade
from scene import Rgb

BESIDE = {"left": 0.68, "middle": 0.2, "right": 0.32}
"""Where a rising or setting sun or moon is, as a share of the width: beside the object's place, see `_clouds`."""


def draw_sky(c: Canvas) -> None:
    """Stars, sun or moon, rainbow and clouds."""
    rng, time, scene = c.rng, c.scene.time, c.scene
    dry = scene.weather in ("clear", "clouds")
    if time in ("night", "dusk") and dry:
        for _ in range(14 if time == "night" else 5):
            radius = rng.uniform(0.008, 0.012) * c.unit
            c.disc(rng.uniform(0, c.w), rng.uniform(0, 0.5) * c.h, radius, radius, (236, 238, 255))
    if scene.sky == "disc":
        _draw_disc(c)
    elif scene.sky == "rainbow":
        _draw_rainbow(c)
    if scene.weather != "clear":
        fill = blend(WHITE, c.haze, {"night": 0.72, "dusk": 0.5}.get(time, 0.12))
        if not dry:
            fill = blend(fill, shade((128, 138, 154), max(0.6, c.ground_light)), 0.7)
        for x, y, r in _clouds(c, count=rng.randint(2, 3) + (0 if dry else 1)):
            _draw_cloud(c, x, y, r, fill)


def _clouds(c: Canvas, count: int) -> list[tuple[float, float, float]]:
    """Where the clouds are, and their radii, in pixels: left to chance, but always the same where clouds drift.

    What moves must follow from the words: frames of a film that share their noise, not their words, would otherwise
    each choose a place of their own.
    """
    clouds: list[tuple[float, float, float]] = []
    for k in range(count):
        x = (k + c.rng.uniform(0.2, 0.8)) / count + c.pan * 0.2 / c.w
        clouds.append((x, c.rng.uniform(0.08, 0.24), c.rng.uniform(0.85, 1.2)))
    drift = {"clouds left": -0.45, "clouds right": 0.45}.get(c.scene.motion)
    if drift is not None:
        drift *= c.progress - 0.5
        clouds = [(0.28 + drift, 0.11, 1.1), (0.72 + drift, 0.18, 1.0)]
    return [(x * c.w, y * c.h, size * 0.062 * c.unit) for x, y, size in clouds]


def _draw_disc(c: Canvas) -> None:
    time = c.scene.time
    low = time in ("sunset", "dawn", "dusk")
    x = c.rng.uniform(0.14, 0.86) + c.pan * 0.1 / c.w
    y = c.rng.uniform(0.36, 0.44) if low else c.rng.uniform(0.13, 0.22)
    if c.scene.motion in ("disc up", "disc down"):
        x = BESIDE[c.scene.place]
        y = 0.62 + (0.16 - 0.62) * (c.progress if c.scene.motion == "disc up" else 1 - c.progress)
    radius = 0.085 * c.unit
    c.disc(x * c.w, y * c.h, radius, radius, DISC_COLOURS[time])


def _draw_rainbow(c: Canvas) -> None:
    x, y = c.rng.uniform(0.3, 0.7) * c.w + c.pan * 0.1, (HORIZON + 0.1) * c.h
    radius, band = c.rng.uniform(0.42, 0.5) * c.unit, 0.024 * c.unit
    for k, colour in enumerate(RAINBOW):
        r = radius - k * band
        fill = blend(colour, c.haze, 0.3)
        c.draw.arc((x - r, y - r, x + r, y + r), 180, 360, fill=fill, width=math.ceil(band) + 1)


def _draw_cloud(c: Canvas, x: float, y: float, r: float, fill: Rgb) -> None:
    for dx, size in ((-1.4, 0.75), (0.0, 1.15), (1.4, 0.8)):
        c.disc(x + dx * r, y + r * (1 - size), size * r, size * r, fill)
    c.box(x - 1.4 * r, y + 0.2 * r, x + 1.4 * r, y + r, fill)


def draw_rain(c: Canvas) -> None:
    """Slanting drops in front of everything."""
    fill = blend((206, 222, 240), c.haze, 0.25)
    width = max(1, round(0.011 * c.unit))
    for _ in range(24):
        x, y = c.rng.uniform(-0.05, 1.05), (c.rng.uniform(0, 1) + c.progress * 2.0) % 1.0
        c.draw.line((x * c.w, y * c.h, (x - 0.015) * c.w, (y + 0.065) * c.h), fill=fill, width=width)


def draw_snow(c: Canvas) -> None:
    """Flakes in front of everything."""
    for k in range(26):
        sway = 0.02 * math.sin(2 * math.pi * c.progress + k)
        x, y = c.rng.uniform(0, 1) + sway, (c.rng.uniform(0, 1) + c.progress * 0.6) % 1.0
        radius = c.rng.uniform(0.011, 0.016) * c.unit
        c.disc(x * c.w, y * c.h, radius, radius, (250, 252, 255))


def _draw_hills(c: Canvas) -> None:
    for layer in range(3):
        fill = c.ground(0.42 - 0.21 * layer, 1 - 0.05 * layer)
        c.polygon(c.ridge((HORIZON + 0.1 * layer) * c.h, 0.1 * c.h, 1.2, 0.4 + 0.3 * layer), fill)


def _draw_desert(c: Canvas) -> None:
    for layer in range(2):
        fill = c.ground(0.25 - 0.25 * layer, 0.9 + 0.1 * layer)
        c.polygon(c.ridge((HORIZON + 0.03 + 0.12 * layer) * c.h, 0.11 * c.h, 0.8, 0.5 + 0.4 * layer), fill)


def _draw_mountains(c: Canvas) -> None:
    rng, light = c.rng, c.ground_light
    snow, foot = shade(SNOW, max(0.5, light)), (HORIZON + 0.06) * c.h
    count = rng.randint(2, 3)
    for k in range(count):
        x = (k + 0.5 + rng.uniform(-0.22, 0.22)) / count * c.w + c.pan * 0.4
        tall = rng.uniform(0.3, 0.42) * c.unit
        half = tall * rng.uniform(0.85, 1.05)
        c.polygon([(x - half, foot), (x, foot - tall), (x + half, foot)], c.ground(0.12 * (k % 2)))
        cap, top = 0.4, foot - tall
        low = top + cap * tall
        c.polygon(
            [
                (x, top),
                (x + cap * half, low),
                (x + 0.12 * half, low - 0.09 * tall),
                (x - 0.1 * half, low),
                (x - 0.22 * half, low - 0.07 * tall),
                (x - cap * half, low),
            ],
            snow,
        )
    c.polygon(c.ridge((HORIZON + 0.04) * c.h, 0.03 * c.h, 1.0, 0.8), shade(SNOW, max(0.42, light * 0.96)))


def _draw_sea(c: Canvas) -> None:
    c.box(0, HORIZON * c.h, c.w, c.h, c.ground(0.0))
    stripe = c.ground(0.35)
    for _ in range(7):
        x, y = c.rng.uniform(0, c.w), c.rng.uniform(HORIZON + 0.05, 0.98) * c.h
        half = c.rng.uniform(0.06, 0.14) * c.w
        x = (x + c.pan) % c.w if c.pan else x
        c.box(x - half, y, x + half, y + 0.014 * c.h, stripe)


def _draw_forest(c: Canvas) -> None:
    rng = c.rng
    for layer in range(2):
        base = (HORIZON + 0.05 + 0.09 * layer) * c.h
        fill = shade(blend((22, 92, 58), c.haze, 0.34 - 0.28 * layer), c.ground_light)
        count = 8 - layer
        for k in range(count):
            x = (k + rng.uniform(0.1, 0.9)) / count * c.w + c.pan * (0.4 + 0.3 * layer)
            tall = rng.uniform(0.2, 0.3) * c.unit
            foot = base + 0.06 * c.h
            c.polygon([(x - 0.32 * tall, foot), (x, foot - tall), (x + 0.32 * tall, foot)], fill)
        c.polygon(c.ridge(base + 0.03 * c.h, 0.02 * c.h, 1.0), c.ground(0.2 - 0.2 * layer))


def _draw_beach(c: Canvas) -> None:
    sea = shade((44, 146, 196), c.ground_light)
    c.box(0, HORIZON * c.h, c.w, c.h, sea)
    line = (HORIZON + 0.1) * c.h
    phase = c.rng.uniform(0, 2 * math.pi)
    for lift, fill in ((-0.022, shade(SNOW, max(0.5, c.ground_light))), (0.0, c.ground(0.0))):
        shore = [
            (
                k / 32 * c.w,
                line + lift * c.h + 0.05 * c.h * math.sin(phase + (k / 32 - c.pan / c.w) * 5) + k / 32 * 0.08 * c.h,
            )
            for k in range(33)
        ]
        c.polygon([(0, c.h), *shore, (c.w, c.h)], fill)


def _draw_city(c: Canvas) -> None:
    rng, foot = c.rng, (HORIZON + 0.1) * c.h
    lit = c.scene.time in ("night", "dusk", "sunset")
    for layer in range(2):
        count = 6 - layer
        for k in range(count):
            x = (k + rng.uniform(-0.1, 0.1)) / count * c.w + c.pan * (0.3 + 0.3 * layer)
            wide = rng.uniform(0.8, 1.0) * c.w / count
            tall = rng.uniform(0.3, 0.44) * c.unit if layer == 0 else rng.uniform(0.16, 0.3) * c.unit
            fill = shade(blend((104, 112, 138), c.haze, 0.4 - 0.34 * layer), max(0.42, c.ground_light))
            c.box(x, foot - tall, x + wide, foot, fill)
            if layer:
                window = (255, 222, 120) if lit else blend(fill, (226, 240, 250), 0.6)
                pane = 0.026 * c.unit
                for row in range(int(tall / (3.4 * pane))):
                    for column in (0.3, 0.7):
                        px, py = x + column * wide, foot - tall + (row * 3.2 + 2) * pane
                        c.box(px - pane, py - pane, px + pane, py + pane * 0.8, window)
    c.box(0, foot, c.w, c.h, c.ground(0.05))
    c.box(0, foot, c.w, foot + 0.025 * c.h, c.ground(0.3))


def _draw_meadow(c: Canvas) -> None:
    rng = c.rng
    c.polygon(c.ridge((HORIZON + 0.03) * c.h, 0.03 * c.h, 0.7, 0.4), c.ground(0.25, 0.95))
    c.polygon(c.ridge((HORIZON + 0.1) * c.h, 0.03 * c.h, 0.8, 0.7), c.ground(0.0))
    for k in range(26):
        depth = (k + 0.5) / 26
        x, y = rng.uniform(0, c.w), (HORIZON + 0.15 + 0.28 * depth) * c.h
        x = (x + c.pan) % c.w if c.pan else x
        radius = (0.012 + 0.012 * depth) * c.unit
        c.disc(x, y, radius, radius, shade(BLOSSOMS[k % len(BLOSSOMS)], max(0.55, c.ground_light)))


def _draw_canyon(c: Canvas) -> None:
    rng = c.rng
    for layer in range(2):
        foot = (HORIZON + 0.09 + 0.04 * layer) * c.h
        count = 2 + layer
        for k in range(count):
            x = (k + 0.5 + rng.uniform(-0.3, 0.3)) / count * c.w + c.pan * (0.4 + 0.2 * layer)
            tall = rng.uniform(0.24, 0.4) * c.unit * (1 - 0.4 * layer)
            half = rng.uniform(0.13, 0.2) * c.unit
            for low, high, wide, light in (
                (0.0, 0.45, 1.35, 0.82),
                (0.45, 0.78, 1.0, 0.95),
                (0.78, 1.0, 0.86, 0.8),
            ):
                fill = c.ground(0.3 - 0.25 * layer, light)
                top, bottom = foot - high * tall, foot - low * tall
                reach = wide * half
                c.polygon(
                    [
                        (x - reach * 1.1, bottom),
                        (x - reach, top),
                        (x + reach, top),
                        (x + reach * 1.1, bottom),
                    ],
                    fill,
                )
    c.polygon(c.ridge((HORIZON + 0.11) * c.h, 0.03 * c.h, 0.8, 0.8), c.ground(0.0, 0.98))


def _draw_fields(c: Canvas) -> None:
    c.polygon(
        c.ridge((HORIZON + 0.01) * c.h, 0.04 * c.h, 0.9, 0.4),
        shade(blend((70, 140, 84), c.haze, 0.3), c.ground_light),
    )
    line = (HORIZON + 0.06) * c.h
    c.box(0, line, c.w, c.h, c.ground(0.0))
    furrow = shade((128, 158, 62), c.ground_light)
    far, near = 0.075 * c.w, 0.3 * c.w
    middle = c.rng.uniform(0.35, 0.65) * c.w + c.pan * 0.5
    for k in range(-8, 9):
        x0, x1 = middle + k * far, middle + k * near
        c.polygon([(x0, line), (x0 + far / 2, line), (x1 + near / 2, c.h), (x1, c.h)], furrow)


TERRAIN_PAINTERS: dict[str, Callable[[Canvas], None]] = {
    "hills": _draw_hills,
    "mountains": _draw_mountains,
    "desert": _draw_desert,
    "sea": _draw_sea,
    "forest": _draw_forest,
    "beach": _draw_beach,
    "city": _draw_city,
    "meadow": _draw_meadow,
    "canyon": _draw_canyon,
    "fields": _draw_fields,
}
