"""Draws scenes as flat art, at any size and at any moment of their motion."""

from __future__ import annotations

import numpy as np

from backdrop import TERRAIN_PAINTERS, draw_rain, draw_sky, draw_snow
from canvas import FILM_SECONDS, Canvas
from objects import draw_object, object_shift
from scene import CENTRES, FEET, FLYING, HEIGHTS, SIZES, Point, Scene


def render(
    scene: Scene, width: int = 128, height: int = 128, supersampling: int = 3, seconds: float = 0.0
) -> np.ndarray:
    """Draw a scene `seconds` after its beginning. Returns uint8 RGB of shape (height, width, 3)."""
    canvas = Canvas(scene, width, height, supersampling, seconds / FILM_SECONDS)
    draw_sky(canvas)
    TERRAIN_PAINTERS[scene.terrain](canvas)
    draw_object(canvas, canvas.rng)
    if scene.weather == "rain":
        draw_rain(canvas)
    elif scene.weather == "snow":
        draw_snow(canvas)
    return np.asarray(canvas.image.reduce(supersampling))


def object_centre(scene: Scene, seconds: float = 0.0) -> Point:
    """Roughly where the object's middle is, as shares of the picture's width and height."""
    dx, dy = object_shift(scene, seconds / FILM_SECONDS)
    middle = HEIGHTS[scene.distance] if scene.object in FLYING else FEET[scene.distance] - SIZES[scene.distance]
    return CENTRES[scene.place] + dx, middle + dy


def about_object(scene: Scene, height: int, width: int, seconds: float = 0.0) -> tuple[slice, slice]:
    """Rows and columns of a grid over the picture, height x width cells, in which the object and its margin lie."""
    x, y = object_centre(scene, seconds)
    reach = 1.5 * SIZES[scene.distance] * min(height, width)
    rows = slice(max(0, round(y * height - reach * 1.2)), round(y * height + reach))
    return rows, slice(max(0, round(x * width - reach)), round(x * width + reach))
