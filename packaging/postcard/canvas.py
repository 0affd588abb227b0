"""The picture being drawn, and the colours and light of its world."""

from __future__ import annotations

import math
import random

import numpy as np
from PIL import Image, ImageDraw

from scene import Point, Rgb, Scene

HORIZON = 0.56  # share of the picture's height above the ground
PANS = {"pan left": 0.28, "pan right": -0.28}  # how far the scene moves under the camera, in widths
FILM_SECONDS = 2.0  # within which a motion goes from its beginning to its end

SKY_COLOURS: dict[str, tuple[Rgb, Rgb]] = {  # at the top and at the bottom of the sky
    "day": ((84, 172, 240), (204, 236, 252)),
    "sunset": ((92, 48, 124), (255, 140, 66)),
    "night": ((6, 10, 36), (32, 44, 96)),
    "dawn": ((166, 178, 234), (255, 214, 204)),
    "dusk": ((36, 58, 128), (176, 134, 188)),
}
GROUND_LIGHT = {"day": 1.0, "sunset": 0.72, "night": 0.36, "dawn": 0.92, "dusk": 0.54}
OBJECT_LIGHT = {"day": 1.0, "sunset": 0.94, "night": 0.82, "dawn": 0.98, "dusk": 0.88}
DISC_COLOURS: dict[str, Rgb] = {  # the sun, or the moon at night
    "day": (255, 236, 110),
    "sunset": (255, 224, 112),
    "night": (242, 242, 224),
    "dawn": (255, 246, 200),
    "dusk": (255, 190, 130),
}
GROUND_COLOURS: dict[str, Rgb] = {
    "hills": (96, 178, 78),
    "mountains": (138, 152, 180),
    "desert": (230, 188, 108),
    "sea": (38, 120, 190),
    "forest": (48, 128, 80),
    "beach": (244, 216, 150),
    "city": (128, 132, 146),
    "meadow": (152, 206, 92),
    "canyon": (206, 108, 66),
    "fields": (206, 196, 84),
}
RAINBOW: tuple[Rgb, ...] = (
    (228, 60, 60),
    (246, 152, 48),
    (250, 224, 80),
    (84, 186, 96),
    (70, 120, 220),
    (136, 80, 190),
)
BLOSSOMS: tuple[Rgb, ...] = ((236, 70, 80), (250, 220, 70), (246, 246, 246), (190, 100, 210))
SNOW: Rgb = (240, 245, 252)
WHITE: Rgb = (255, 255, 255)


def shade(colour: Rgb, factor: float) -> Rgb:
    """A colour made darker (factor below 1) or lighter."""
    r, g, b = (int(max(0, min(255, value * factor))) for value in colour)
    return r, g, b


def blend(first: Rgb, second: Rgb, share: float) -> Rgb:
    """A mixture of two colours; `share` is the second one's part, 0..1."""
    r, g, b = (int(a + (c - a) * share) for a, c in zip(first, second, strict=True))
    return r, g, b


class Canvas:
    """A supersampled picture being drawn: pixel width `w`, height `h`, and `unit`, the shorter of the two.

    `progress` is the part of a film's motion that is behind us, 0..1. Details are drawn from `rng` in the same
    order at every moment, so that only what moves differs between the frames of a film.
    """

    def __init__(self, scene: Scene, width: int, height: int, supersampling: int, progress: float) -> None:
        self.scene = scene
        self.progress = progress
        self.rng = random.Random(scene.seed)
        self.w, self.h = width * supersampling, height * supersampling
        self.unit = min(self.w, self.h)
        self.ground_light = GROUND_LIGHT[scene.time]
        top, bottom = SKY_COLOURS[scene.time]
        if scene.weather in ("rain", "snow"):
            grey = shade((168, 178, 192) if scene.weather == "rain" else (214, 222, 234), self.ground_light)
            top, bottom = blend(top, grey, 0.5), blend(bottom, grey, 0.5)
        self.haze = bottom
        depth = np.clip(np.linspace(0, 1 / (HORIZON + 0.12), self.h), 0, 1)[:, None]
        sky = np.array(top) * (1 - depth) + np.array(bottom) * depth
        self.image = Image.fromarray(np.repeat(sky[:, None, :], self.w, 1).astype(np.uint8))
        self.draw = ImageDraw.Draw(self.image)
        self.pan = PANS.get(scene.motion, 0.0) * progress * self.w

    def disc(self, x: float, y: float, rx: float, ry: float, fill: Rgb) -> None:
        """An ellipse around (x, y)."""
        self.draw.ellipse((x - rx, y - ry, x + rx, y + ry), fill=fill)

    def box(self, x0: float, y0: float, x1: float, y1: float, fill: Rgb) -> None:
        """A filled rectangle."""
        self.draw.rectangle((x0, y0, x1, y1), fill=fill)

    def polygon(self, points: list[Point], fill: Rgb) -> None:
        """A filled polygon."""
        self.draw.polygon(points, fill=fill)

    def ground(self, tint: float, light: float = 1.0) -> Rgb:
        """The terrain's colour mixed with `tint` of the haze, lit for the time of day."""
        return shade(blend(GROUND_COLOURS[self.scene.terrain], self.haze, tint), self.ground_light * light)

    def ridge(self, base: float, swing: float, waves: float, depth: float = 0.6) -> list[Point]:
        """A rolling line at height `base`, closed along the bottom; `depth` is its share in a camera's pan."""
        phase, frequency = self.rng.uniform(0, 2 * math.pi), self.rng.uniform(0.8, 1.2) * waves
        shift = self.pan * depth
        line: list[Point] = []
        for step in range(33):
            x = step / 32 * self.w
            angle = phase + frequency * (x - shift) / self.w * 2 * math.pi
            line.append((x, base + swing * math.sin(angle) * 0.5))
        return [(0, self.h), *line, (self.w, self.h)]
