"""Procedural picture-postcard scenes with captions: the whole training set of the Postcard model.

A `Scene` names what is drawn (object, colour, terrain, time of day, place, clouds, sun or moon) and a seed
that settles every remaining detail: the same scene always gives the same picture. `render` draws a scene as
flat art, `caption` puts it into words, freshly worded at each call. Fifteen per cent of the combinations of
object, colour, terrain and time are held out from all training (`is_held_out`), chosen by a hash so that the
set never changes.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

Rgb = tuple[int, int, int]
Point = tuple[float, float]

OBJECTS = ("house", "sailboat", "tree", "balloon", "lighthouse", "tent")
COLOURS: dict[str, Rgb] = {
    "red": (216, 44, 44),
    "blue": (44, 88, 220),
    "yellow": (250, 212, 50),
    "white": (244, 244, 244),
    "purple": (146, 62, 190),
    "orange": (246, 136, 30),
}
TERRAINS: dict[str, Rgb] = {
    "hills": (92, 174, 76),
    "mountains": (138, 152, 180),
    "desert": (230, 188, 108),
    "sea": (38, 120, 190),
    "forest": (48, 128, 80),
}
TIMES = ("day", "sunset", "night", "dawn")
PLACES = ("left", "middle", "right")

HELD_OUT_PERCENT = 15
HORIZON = 0.56  # share of the picture's height above the ground

SKIES: dict[str, tuple[Rgb, Rgb]] = {  # colours at the top and at the bottom of the sky
    "day": ((88, 176, 240), (200, 234, 252)),
    "sunset": ((88, 52, 128), (255, 138, 70)),
    "night": ((8, 12, 40), (34, 46, 98)),
    "dawn": ((168, 176, 232), (255, 214, 206)),
}
GROUND_LIGHT = {"day": 1.0, "sunset": 0.72, "night": 0.36, "dawn": 0.92}
OBJECT_LIGHT = {"day": 1.0, "sunset": 0.92, "night": 0.82, "dawn": 0.98}
DISCS: dict[str, Rgb] = {  # the sun, or the moon at night
    "day": (255, 236, 110),
    "sunset": (255, 226, 120),
    "night": (240, 240, 222),
    "dawn": (255, 246, 200),
}
BROWN: Rgb = (78, 50, 36)
SAND: Rgb = (226, 196, 130)
SNOW: Rgb = (240, 245, 252)


@dataclass(frozen=True)
class Scene:
    """One scene. `disc`: the sun (the moon at night) is in the sky; `seed` settles all small details."""

    object: str
    colour: str
    terrain: str
    time: str
    place: str
    clouds: bool
    disc: bool
    seed: int


def is_held_out(scene: Scene) -> bool:
    """Whether the combination of object, colour, terrain and time is kept out of every training stage."""
    key = "|".join((scene.object, scene.colour, scene.terrain, scene.time))
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") % 100 < HELD_OUT_PERCENT


def sample_scene(rng: random.Random, held_out: bool = False) -> Scene:
    """Draw a random scene from the training combinations, or from the held-out ones."""
    while True:
        kind = rng.choice(OBJECTS)
        at_sea = kind == "sailboat" and rng.random() < 0.5
        scene = Scene(
            object=kind,
            colour=rng.choice(tuple(COLOURS)),
            terrain="sea" if at_sea else rng.choice(tuple(TERRAINS)),
            time=rng.choice(TIMES),
            place=rng.choice(PLACES),
            clouds=rng.random() < 0.35,
            disc=rng.random() < 0.6,
            seed=rng.randrange(1 << 30),
        )
        if is_held_out(scene) == held_out:
            return scene


# -------------------------------------------------------------------------------------------- captions

OBJECT_WORDS = {
    "house": ("house", "house", "cottage"),
    "sailboat": ("sailboat", "sailboat", "boat", "sailing boat"),
    "tree": ("tree",),
    "balloon": ("hot air balloon", "hot air balloon", "balloon"),
    "lighthouse": ("lighthouse",),
    "tent": ("tent",),
}
TERRAIN_PHRASES = {
    "hills": ("on green hills", "on green hills", "in the hills", "on a green hill", "among green hills"),
    "mountains": ("in snowy mountains", "in snowy mountains", "in the mountains", "in the snow"),
    "desert": ("in desert dunes", "in the desert", "in the desert", "among sand dunes"),
    "sea": ("on a calm sea", "by the sea", "on the sea", "at sea"),
    "forest": ("in a pine forest", "in a pine forest", "in the forest", "in the woods"),
}
TERRAIN_TAGS = {
    "hills": ("green hills", "hills"),
    "mountains": ("snowy mountains", "mountains", "snow"),
    "desert": ("desert dunes", "desert", "sand dunes"),
    "sea": ("calm sea", "sea"),
    "forest": ("pine forest", "forest", "woods"),
}
TIME_PHRASES = {
    "day": ("during the day", "during the day", "in the daytime", "by day", "at noon"),
    "sunset": ("at sunset", "at sunset", "in the evening", "at dusk"),
    "night": ("at night", "at night", "under the stars", "at midnight"),
    "dawn": ("at dawn", "at dawn", "in the morning", "at sunrise"),
}
TIME_TAGS = {
    "day": ("day", "daytime", "noon"),
    "sunset": ("sunset", "evening", "dusk"),
    "night": ("night", "starry night", "midnight"),
    "dawn": ("dawn", "morning", "sunrise"),
}
PLACE_PHRASES = {
    "left": ("on the left", "on the left", "on the left side", "to the left"),
    "middle": ("in the middle", "in the middle", "in the centre", "in the center"),
    "right": ("on the right", "on the right", "on the right side", "to the right"),
}


def caption(scene: Scene, rng: random.Random) -> str:
    """Put a scene into words: a sentence or, now and then, a list of tags; parts are left out at random."""
    style = rng.random()
    if style < 0.06:
        return _object_phrase(scene, rng)
    if style < 0.18:
        return _tags(scene, rng)
    return _sentence(scene, rng)


def full_caption(scene: Scene) -> str:
    """The plain, complete caption of a scene, always worded the same way (for evaluation)."""
    noun = OBJECT_WORDS[scene.object][0]
    parts = [
        f"{_article(scene.colour)} {scene.colour} {noun}",
        PLACE_PHRASES[scene.place][0],
        TERRAIN_PHRASES[scene.terrain][0],
        TIME_PHRASES[scene.time][0],
    ]
    extras = []
    if scene.disc:
        extras.append("a full moon" if scene.time == "night" else "the sun")
    if scene.clouds:
        extras.append("clouds")
    return " ".join(parts) + (" with " + " and ".join(extras) if extras else "")


def vocabulary() -> list[str]:
    """Every word that can occur in a caption, lower case, sorted."""
    rng = random.Random(0)
    words: set[str] = set()
    for _ in range(60_000):
        words.update(caption(sample_scene(rng), rng).replace(",", " ").split())
    return sorted(words)


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def _object_phrase(scene: Scene, rng: random.Random) -> str:
    noun = rng.choice(OBJECT_WORDS[scene.object])
    if rng.random() < 0.04:
        return f"{_article(noun)} {noun}"
    return f"{_article(scene.colour)} {scene.colour} {noun}"


def _extras(scene: Scene, rng: random.Random) -> list[str]:
    """Mentions of clouds and of the sun or moon, each left out now and then."""
    extras = []
    if scene.disc and rng.random() < 0.85:
        names = ("a full moon", "the moon") if scene.time == "night" else ("the sun",)
        extras.append(rng.choice(names))
    if scene.clouds and rng.random() < 0.85:
        extras.append("clouds")
    rng.shuffle(extras)
    return extras


def _sentence(scene: Scene, rng: random.Random) -> str:
    place = rng.choice(PLACE_PHRASES[scene.place]) if rng.random() < 0.75 else ""
    terrain = rng.choice(TERRAIN_PHRASES[scene.terrain]) if rng.random() < 0.92 else ""
    time = rng.choice(TIME_PHRASES[scene.time]) if rng.random() < 0.92 else ""
    where = [place, terrain] if rng.random() < 0.75 else [terrain, place]
    parts = [_object_phrase(scene, rng), *where, time]
    if time and rng.random() < 0.12:
        parts = [time + ",", *parts[:-1]]
    text = " ".join(part for part in parts if part)
    extras = _extras(scene, rng)
    if extras:
        text += (" with " if rng.random() < 0.8 else ", ") + " and ".join(extras)
    if rng.random() < 0.06:
        text = rng.choice(("a picture of ", "a drawing of ")) + text
    return text


def _tags(scene: Scene, rng: random.Random) -> str:
    tags = [rng.choice(TERRAIN_TAGS[scene.terrain]), rng.choice(TIME_TAGS[scene.time])]
    if rng.random() < 0.6:
        tags.append(rng.choice(PLACE_PHRASES[scene.place]))
    rng.shuffle(tags)
    noun = f"{scene.colour} {rng.choice(OBJECT_WORDS[scene.object])}"
    extras = [extra.removeprefix("the ").removeprefix("a ") for extra in _extras(scene, rng)]
    return ", ".join([noun, *tags, *extras])


# --------------------------------------------------------------------------------------------- drawing


def shade(colour: Rgb, factor: float) -> Rgb:
    """A colour made darker (factor below 1) or lighter."""
    r, g, b = (int(max(0, min(255, value * factor))) for value in colour)
    return r, g, b


def blend(first: Rgb, second: Rgb, share: float) -> Rgb:
    """A mixture of two colours; `share` is the second one's part, 0..1."""
    r, g, b = (int(a + (c - a) * share) for a, c in zip(first, second, strict=True))
    return r, g, b


class Canvas:
    """A supersampled picture being drawn: pixel width `w`, height `h`, and `unit`, the shorter of the two."""

    def __init__(self, scene: Scene, width: int, height: int, supersampling: int) -> None:
        self.scene = scene
        self.rng = random.Random(scene.seed)
        self.scale = supersampling
        self.w, self.h = width * supersampling, height * supersampling
        self.unit = min(self.w, self.h)
        top, bottom = SKIES[scene.time]
        self.haze = bottom
        depth = np.clip(np.linspace(0, 1 / (HORIZON + 0.12), self.h), 0, 1)[:, None]
        sky = np.array(top) * (1 - depth) + np.array(bottom) * depth
        self.image = Image.fromarray(np.repeat(sky[:, None, :], self.w, 1).astype(np.uint8))
        self.draw = ImageDraw.Draw(self.image)

    def disc(self, x: float, y: float, rx: float, ry: float, fill: Rgb) -> None:
        """An ellipse around (x, y)."""
        self.draw.ellipse((x - rx, y - ry, x + rx, y + ry), fill=fill)

    def box(self, x0: float, y0: float, x1: float, y1: float, fill: Rgb) -> None:
        """A filled rectangle."""
        self.draw.rectangle((x0, y0, x1, y1), fill=fill)

    def polygon(self, points: list[Point], fill: Rgb) -> None:
        """A filled polygon."""
        self.draw.polygon(points, fill=fill)


def render(scene: Scene, width: int = 128, height: int = 128, supersampling: int = 3) -> np.ndarray:
    """Draw a scene. Returns uint8 RGB of shape (height, width, 3)."""
    canvas = Canvas(scene, width, height, supersampling)
    _draw_sky(canvas)
    TERRAIN_PAINTERS[scene.terrain](canvas)
    _draw_object(canvas)
    return np.asarray(canvas.image.reduce(supersampling))


def _draw_sky(c: Canvas) -> None:
    rng, time = c.rng, c.scene.time
    if time == "night":
        for _ in range(14):
            radius = rng.uniform(0.008, 0.012) * c.unit
            c.disc(rng.uniform(0, c.w), rng.uniform(0, 0.5) * c.h, radius, radius, (236, 238, 255))
    if c.scene.disc:
        low = time in ("sunset", "dawn")
        x, y = (
            rng.uniform(0.14, 0.86) * c.w,
            (rng.uniform(0.36, 0.44) if low else rng.uniform(0.13, 0.22)) * c.h,
        )
        c.disc(x, y, 0.085 * c.unit, 0.085 * c.unit, DISCS[time])
    if c.scene.clouds:
        fill = blend((255, 255, 255), c.haze, 0.72 if time == "night" else 0.12)
        count = rng.randint(2, 3)
        for k in range(count):
            x = (k + rng.uniform(0.2, 0.8)) / count * c.w
            _draw_cloud(c, x, rng.uniform(0.09, 0.24) * c.h, rng.uniform(0.85, 1.2) * 0.062 * c.unit, fill)


def _draw_cloud(c: Canvas, x: float, y: float, r: float, fill: Rgb) -> None:
    for dx, size in ((-1.4, 0.75), (0.0, 1.15), (1.4, 0.8)):
        c.disc(x + dx * r, y + r * (1 - size), size * r, size * r, fill)
    c.box(x - 1.4 * r, y + 0.2 * r, x + 1.4 * r, y + r, fill)


def _ridge(c: Canvas, base: float, swing: float, waves: float) -> list[Point]:
    """A rolling line across the picture at height `base`, closed along the bottom."""
    phase, frequency = c.rng.uniform(0, 2 * math.pi), c.rng.uniform(0.8, 1.2) * waves
    line = [
        (x / 32 * c.w, base + swing * math.sin(phase + frequency * x / 32 * 2 * math.pi) * 0.5)
        for x in range(33)
    ]
    return [(0, c.h), *line, (c.w, c.h)]


def _ground(c: Canvas, tint: float, light: float = 1.0) -> Rgb:
    """The terrain's colour mixed with `tint` of the haze, lit for the time of day."""
    return shade(blend(TERRAINS[c.scene.terrain], c.haze, tint), GROUND_LIGHT[c.scene.time] * light)


def _draw_hills(c: Canvas) -> None:
    for layer in range(3):
        fill = _ground(c, 0.42 - 0.21 * layer, 1 - 0.05 * layer)
        c.polygon(_ridge(c, (HORIZON + 0.1 * layer) * c.h, 0.1 * c.h, 1.2), fill)


def _draw_desert(c: Canvas) -> None:
    for layer in range(2):
        fill = _ground(c, 0.25 - 0.25 * layer, 0.9 + 0.1 * layer)
        c.polygon(_ridge(c, (HORIZON + 0.03 + 0.12 * layer) * c.h, 0.11 * c.h, 0.8), fill)


def _draw_mountains(c: Canvas) -> None:
    rng, light = c.rng, GROUND_LIGHT[c.scene.time]
    snow, foot = shade(SNOW, max(0.5, light)), (HORIZON + 0.06) * c.h
    count = rng.randint(2, 3)
    for k in range(count):
        x = (k + 0.5 + rng.uniform(-0.22, 0.22)) / count * c.w
        tall = rng.uniform(0.3, 0.42) * c.unit
        half = tall * rng.uniform(0.85, 1.05)
        c.polygon([(x - half, foot), (x, foot - tall), (x + half, foot)], _ground(c, 0.12 * (k % 2)))
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
    c.polygon(_ridge(c, (HORIZON + 0.04) * c.h, 0.03 * c.h, 1.0), shade(SNOW, max(0.42, light * 0.96)))


def _draw_sea(c: Canvas) -> None:
    c.box(0, HORIZON * c.h, c.w, c.h, _ground(c, 0.0))
    stripe = _ground(c, 0.35)
    for _ in range(7):
        x, y, half = (
            c.rng.uniform(0, c.w),
            c.rng.uniform(HORIZON + 0.05, 0.98) * c.h,
            c.rng.uniform(0.06, 0.14) * c.w,
        )
        c.box(x - half, y, x + half, y + 0.012 * c.h, stripe)


def _draw_forest(c: Canvas) -> None:
    rng, time = c.rng, c.scene.time
    for layer in range(2):
        base = (HORIZON + 0.05 + 0.09 * layer) * c.h
        fill = shade(blend((22, 92, 58), c.haze, 0.34 - 0.28 * layer), GROUND_LIGHT[time])
        count = 8 - layer
        for k in range(count):
            x = (k + rng.uniform(0.1, 0.9)) / count * c.w
            tall = rng.uniform(0.2, 0.3) * c.unit
            foot = base + 0.06 * c.h
            c.polygon([(x - 0.32 * tall, foot), (x, foot - tall), (x + 0.32 * tall, foot)], fill)
        c.polygon(_ridge(c, base + 0.03 * c.h, 0.02 * c.h, 1.0), _ground(c, 0.2 - 0.2 * layer))


TERRAIN_PAINTERS: dict[str, Callable[[Canvas], None]] = {
    "hills": _draw_hills,
    "mountains": _draw_mountains,
    "desert": _draw_desert,
    "sea": _draw_sea,
    "forest": _draw_forest,
}


@dataclass(frozen=True)
class Placed:
    """Where and how the object is drawn: foot point (x, y), size z in pixels, colours under this light."""

    x: float
    y: float
    z: float
    main: Rgb
    dark: Rgb
    lamp: Rgb


def _draw_object(c: Canvas) -> None:
    scene, rng = c.scene, c.rng
    light = OBJECT_LIGHT[scene.time]
    centre = {"left": 0.25, "middle": 0.5, "right": 0.75}[scene.place] + rng.uniform(-0.03, 0.03)
    glow = scene.time in ("night", "sunset")
    placed = Placed(
        x=centre * c.w,
        y=rng.uniform(0.82, 0.88) * c.h,
        z=rng.uniform(0.92, 1.08) * 0.19 * c.unit,
        main=shade(COLOURS[scene.colour], light),
        dark=shade(BROWN, max(0.85, GROUND_LIGHT[scene.time])),
        lamp=(255, 224, 120) if glow else (196, 226, 244),
    )
    _draw_standing_place(c, placed)
    OBJECT_PAINTERS[scene.object](c, placed)


def _draw_standing_place(c: Canvas, o: Placed) -> None:
    """An island for what stands at sea, a lake for a boat on land."""
    kind, light = c.scene.object, GROUND_LIGHT[c.scene.time]
    if c.scene.terrain == "sea" and kind not in ("sailboat", "balloon"):
        c.disc(o.x, o.y + 0.1 * o.z, 1.75 * o.z, 0.36 * o.z, shade(SAND, light))
    elif c.scene.terrain != "sea" and kind == "sailboat":
        c.disc(o.x, o.y, 1.75 * o.z, 0.5 * o.z, shade(TERRAINS["sea"], light))


def _draw_house(c: Canvas, o: Placed) -> None:
    x, y, z = o.x, o.y, o.z
    c.box(x - z, y - 1.25 * z, x + z, y, o.main)
    c.polygon([(x - 1.25 * z, y - 1.2 * z), (x, y - 2.1 * z), (x + 1.25 * z, y - 1.2 * z)], o.dark)
    c.box(x - 0.24 * z, y - 0.78 * z, x + 0.24 * z, y, o.dark)
    for side in (-1, 1):
        middle = x + side * 0.62 * z
        c.box(middle - 0.21 * z, y - 0.85 * z, middle + 0.21 * z, y - 0.43 * z, o.lamp)


def _draw_sailboat(c: Canvas, o: Placed) -> None:
    x, y, z = o.x, o.y, o.z
    c.polygon(
        [
            (x - 1.25 * z, y - 0.4 * z),
            (x + 1.25 * z, y - 0.4 * z),
            (x + 0.85 * z, y + 0.12 * z),
            (x - 0.85 * z, y + 0.12 * z),
        ],
        o.dark,
    )
    c.box(x - 0.07 * z, y - 2.45 * z, x + 0.07 * z, y - 0.4 * z, o.dark)
    c.polygon(
        [(x + 0.07 * z, y - 2.4 * z), (x + 0.07 * z, y - 0.52 * z), (x + 1.2 * z, y - 0.52 * z)], o.main
    )
    c.polygon(
        [(x - 0.07 * z, y - 2.1 * z), (x - 0.07 * z, y - 0.52 * z), (x - 0.95 * z, y - 0.52 * z)],
        shade(o.main, 0.86),
    )


def _draw_tree(c: Canvas, o: Placed) -> None:
    x, y, z = o.x, o.y, o.z
    c.box(x - 0.18 * z, y - 1.0 * z, x + 0.18 * z, y, o.dark)
    for dx, dy, r in ((-0.5, -1.25, 0.62), (0.5, -1.25, 0.62), (0.0, -1.75, 0.72)):
        c.disc(x + dx * z, y + dy * z, r * z, r * z, o.main)


def _draw_balloon(c: Canvas, o: Placed) -> None:
    x, z = o.x, o.z
    y = c.rng.uniform(0.33, 0.4) * c.h
    side = shade(o.main, 0.84)
    c.disc(x, y, 1.12 * z, 1.12 * z, side)
    c.polygon(
        [
            (x - 0.95 * z, y + 0.58 * z),
            (x + 0.95 * z, y + 0.58 * z),
            (x + 0.26 * z, y + 1.5 * z),
            (x - 0.26 * z, y + 1.5 * z),
        ],
        side,
    )
    c.disc(x, y, 0.55 * z, 1.12 * z, o.main)
    c.box(x - 0.3 * z, y + 1.62 * z, x + 0.3 * z, y + 2.05 * z, o.dark)


def _draw_lighthouse(c: Canvas, o: Placed) -> None:
    x, y, z = o.x, o.y, o.z
    band = shade((70, 84, 110) if c.scene.colour == "white" else (244, 244, 244), OBJECT_LIGHT[c.scene.time])

    def half(height: float) -> float:
        return (0.64 - 0.11 * height) * z

    def ring(low: float, high: float, fill: Rgb) -> None:
        a, b = half(low), half(high)
        c.polygon(
            [(x - a, y - low * z), (x + a, y - low * z), (x + b, y - high * z), (x - b, y - high * z)], fill
        )

    ring(0.0, 2.2, o.main)
    ring(0.95, 1.4, band)
    c.box(x - 0.34 * z, y - 2.65 * z, x + 0.34 * z, y - 2.2 * z, (255, 224, 120))
    c.polygon([(x - 0.52 * z, y - 2.62 * z), (x, y - 3.1 * z), (x + 0.52 * z, y - 2.62 * z)], o.dark)


def _draw_tent(c: Canvas, o: Placed) -> None:
    x, y, z = o.x, o.y, o.z
    c.polygon([(x - 1.4 * z, y), (x, y - 1.75 * z), (x + 1.4 * z, y)], o.main)
    inside = (255, 224, 120) if c.scene.time == "night" else shade(o.main, 0.45)
    c.polygon([(x - 0.42 * z, y), (x, y - 1.1 * z), (x + 0.42 * z, y)], inside)


OBJECT_PAINTERS: dict[str, Callable[[Canvas, Placed], None]] = {
    "house": _draw_house,
    "sailboat": _draw_sailboat,
    "tree": _draw_tree,
    "balloon": _draw_balloon,
    "lighthouse": _draw_lighthouse,
    "tent": _draw_tent,
}


def object_centre(scene: Scene) -> Point:
    """Roughly where the object is, as shares of the picture's width and height (for choosing crops)."""
    x = {"left": 0.25, "middle": 0.5, "right": 0.75}[scene.place]
    return x, 0.44 if scene.object == "balloon" else 0.66
