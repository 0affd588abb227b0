"""The world that the bundled model learns: scenes are repeatable, captions complete, motion goes where it says."""

from __future__ import annotations

import dataclasses
import random
import sys
from pathlib import Path

import numpy as np
import pytest

RECIPE = Path(__file__).parents[2] / "packaging" / "postcard"
MODULES = ("scene", "captions", "canvas", "backdrop", "objects", "drawing")


@pytest.fixture(scope="module")
def recipe():
    """The recipe's modules, which are scripts beside each other and no package."""
    import importlib
    from types import SimpleNamespace

    sys.path.insert(0, str(RECIPE))
    try:
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in MODULES})
    finally:
        sys.path.remove(str(RECIPE))
        for name in MODULES:
            sys.modules.pop(name, None)


def some_scenes(recipe, count: int, **options):
    rng = random.Random("test")
    return [recipe.scene.sample_scene(rng, **options) for _ in range(count)]


def test_a_scene_is_always_the_same_picture(recipe) -> None:
    for scene in some_scenes(recipe, 20):
        first, again = recipe.drawing.render(scene), recipe.drawing.render(scene)
        assert first.shape == (128, 128, 3)
        assert first.dtype == np.uint8
        assert np.array_equal(first, again)


def test_a_scene_is_the_same_at_any_resolution(recipe) -> None:
    for scene in some_scenes(recipe, 20):
        small = recipe.drawing.render(scene).astype(float)
        large = recipe.drawing.render(scene, 512, 512, supersampling=2).astype(float)
        shrunk = large.reshape(128, 4, 128, 4, 3).mean((1, 3))
        assert np.abs(shrunk - small).mean() < 4


def test_fifteen_per_cent_of_the_combinations_are_held_out(recipe) -> None:
    scenes = some_scenes(recipe, 1)
    combinations = [
        dataclasses.replace(scenes[0], object=kind, colour=colour, terrain=terrain, time=time)
        for kind in recipe.scene.OBJECTS
        for colour in recipe.scene.COLOURS
        for terrain in recipe.scene.TERRAINS
        for time in recipe.scene.TIMES
    ]
    share = sum(map(recipe.scene.is_held_out, combinations)) / len(combinations)
    assert 0.14 < share < 0.16
    assert not any(map(recipe.scene.is_held_out, some_scenes(recipe, 200)))
    assert all(map(recipe.scene.is_held_out, some_scenes(recipe, 50, held_out=True)))


def test_every_object_terrain_and_time_can_be_drawn_and_said(recipe) -> None:
    base = some_scenes(recipe, 1)[0]
    for name, values in (
        ("object", recipe.scene.OBJECTS),
        ("terrain", recipe.scene.TERRAINS),
        ("time", recipe.scene.TIMES),
        ("weather", recipe.scene.WEATHERS),
        ("sky", recipe.scene.SKIES),
        ("distance", recipe.scene.DISTANCES),
    ):
        scenes = [dataclasses.replace(base, **{name: value}) for value in values]
        assert len({recipe.drawing.render(scene).tobytes() for scene in scenes}) == len(values), name
        assert len({recipe.captions.full_caption(scene) for scene in scenes}) == len(values), name


def test_surprises_and_synonyms_use_known_words(recipe) -> None:
    words, synonyms = recipe.captions.vocabulary()
    assert set(synonyms) <= set(words)
    said = {word for slot in recipe.captions.surprise_phrases() for phrase in slot for word in phrase.split()}
    assert said <= set(words)


def test_a_film_begins_as_its_still_picture(recipe) -> None:
    for scene in some_scenes(recipe, 30, moving=True):
        if scene.motion in ("sway", "turn", "left", "right", "pan left", "pan right"):
            later = recipe.drawing.render(scene, seconds=0.5)
            assert not np.array_equal(recipe.drawing.render(scene), later)
            assert recipe.captions.full_caption(scene) != recipe.captions.full_caption(
                dataclasses.replace(scene, motion="still")
            )


@pytest.mark.parametrize(
    ("kind", "motion", "axis", "sign"),
    [
        ("sailboat", "left", 0, -1),
        ("car", "right", 0, 1),
        ("balloon", "up", 1, -1),
        ("rocket", "down", 1, 1),
        ("castle", "pan left", 0, 1),
    ],
)
def test_the_object_is_drawn_where_its_motion_says(recipe, kind: str, motion: str, axis: int, sign: int) -> None:
    """Tracked by its own colour: a green that no other part of these scenes has."""
    scene = dataclasses.replace(
        some_scenes(recipe, 1)[0], object=kind, colour="green", terrain="desert", time="day", place="middle",
        distance="normal", weather="clear", sky="plain", motion=motion,
    )  # fmt: skip

    def centre(seconds: float) -> np.ndarray:
        picture = recipe.drawing.render(scene, seconds=seconds).astype(int)
        rows, columns = np.nonzero(np.abs(picture - (18, 150, 82)).sum(2) < 24)
        return np.array((columns.mean(), rows.mean())) / 128

    drawn = centre(0.6) - centre(0.0)
    told = np.subtract(recipe.drawing.object_centre(scene, 0.6), recipe.drawing.object_centre(scene, 0.0))
    assert sign * drawn[axis] > 0.04
    assert np.allclose(drawn, told, atol=0.03)
