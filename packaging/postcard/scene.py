"""What a picture postcard shows: the world of the Postcard model, as data.

A `Scene` names what is drawn (object, colour, terrain, time of day, place, distance, weather, sky, motion) and a
seed that settles every remaining detail, so that the same scene always gives the same picture. `drawing.render`
draws it, `captions.caption` puts it into words. Fifteen per cent of the combinations of object, colour, terrain and
time are held out from all training (`is_held_out`), chosen by a hash so that the set never changes.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass

Rgb = tuple[int, int, int]
Point = tuple[float, float]

OBJECTS = (
    "house",
    "sailboat",
    "tree",
    "balloon",
    "lighthouse",
    "tent",
    "car",
    "windmill",
    "castle",
    "mushroom",
    "rocket",
    "cat",
    "flower",
    "kite",
    "duck",
    "umbrella",
)
COLOURS: dict[str, Rgb] = {
    "red": (212, 36, 40),
    "blue": (40, 88, 222),
    "yellow": (252, 212, 44),
    "white": (246, 246, 246),
    "purple": (122, 54, 188),
    "orange": (248, 134, 22),
    "green": (18, 150, 82),
    "pink": (252, 142, 190),
}
TERRAINS = (
    "hills",
    "mountains",
    "desert",
    "sea",
    "forest",
    "beach",
    "city",
    "meadow",
    "canyon",
    "fields",
)
TIMES = ("day", "sunset", "night", "dawn", "dusk")
PLACES = ("left", "middle", "right")
DISTANCES = ("near", "normal", "far")
WEATHERS = ("clear", "clouds", "rain", "snow")
SKIES = ("plain", "disc", "rainbow")
"""What is in the sky: nothing, the sun (at night the moon), or a rainbow (by day, dawn and sunset)."""

FLYING = ("balloon", "kite")
SWIMMING = ("sailboat", "duck")

MOTIONS = (
    "still",
    "left",
    "right",
    "up",
    "down",
    "sway",
    "turn",
    "beam",
    "disc up",
    "disc down",
    "clouds left",
    "clouds right",
    "pan left",
    "pan right",
)
"""What moves in a film. Rain and snow fall in every film of theirs, whatever else moves."""
OBJECT_MOTIONS: dict[str, tuple[str, ...]] = {
    "sailboat": ("left", "right"),
    "car": ("left", "right"),
    "duck": ("left", "right"),
    "cat": ("left", "right"),
    "balloon": ("up", "down", "left", "right"),
    "kite": ("left", "right", "up", "down"),
    "rocket": ("up", "down"),
    "tree": ("sway",),
    "flower": ("sway",),
    "umbrella": ("sway",),
    "windmill": ("turn",),
    "lighthouse": ("beam",),
}

HELD_OUT_PERCENT = 15
CENTRES = {"left": 0.24, "middle": 0.5, "right": 0.76}  # shares of the width
SIZES = {"near": 0.205, "normal": 0.165, "far": 0.115}  # half a house's width, as a share of the shorter side
FEET = {"near": 0.92, "normal": 0.86, "far": 0.76}  # where things stand, as a share of the height
HEIGHTS = {"near": 0.38, "normal": 0.35, "far": 0.31}  # where things that fly are


@dataclass(frozen=True)
class Scene:
    """One scene; `seed` settles all small details."""

    object: str
    colour: str
    terrain: str
    time: str
    place: str
    distance: str
    weather: str
    sky: str
    seed: int
    motion: str = "still"


def is_held_out(scene: Scene) -> bool:
    """Whether the combination of object, colour, terrain and time is kept out of every training stage."""
    key = "|".join((scene.object, scene.colour, scene.terrain, scene.time))
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") % 100 < HELD_OUT_PERCENT


def sample_scene(rng: random.Random, held_out: bool = False, moving: bool = False) -> Scene:
    """Draw a random scene from the training combinations, or from the held-out ones; in motion or still."""
    while True:
        kind = rng.choice(OBJECTS)
        afloat = kind in SWIMMING and rng.random() < 0.45
        time = rng.choice(TIMES)
        weather = rng.choices(WEATHERS, (0.52, 0.28, 0.1, 0.1))[0]
        scene = Scene(
            object=kind,
            colour=rng.choice(tuple(COLOURS)),
            terrain="sea" if afloat else rng.choice(TERRAINS),
            time=time,
            place=rng.choice(PLACES),
            distance=rng.choices(DISTANCES, (0.2, 0.6, 0.2))[0],
            weather=weather,
            sky=_sample_sky(rng, time, weather),
            seed=rng.randrange(1 << 30),
        )
        if moving:
            scene = Scene(**{**vars(scene), "motion": rng.choice(possible_motions(scene))})
        if is_held_out(scene) == held_out:
            return scene


def possible_motions(scene: Scene) -> tuple[str, ...]:
    """What could move in this scene."""
    motions = (*OBJECT_MOTIONS.get(scene.object, ()), "pan left", "pan right")
    if scene.sky == "disc" and scene.weather == "clear":
        motions += ("disc up", "disc down")
    if scene.weather == "clouds":
        motions += ("clouds left", "clouds right")
    return motions


def _sample_sky(rng: random.Random, time: str, weather: str) -> str:
    chance = rng.random()
    if weather in ("rain", "snow"):
        return "plain"
    if chance < 0.08 and time not in ("night", "dusk"):
        return "rainbow"
    return "disc" if chance < 0.6 else "plain"
