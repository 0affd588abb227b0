"""Loaded models stay while they fit; the one used longest ago goes first."""

from __future__ import annotations

from pathlib import Path

import pytest

from desktop_app.core.events import Loading
from desktop_app.engine import shelf as shelf_module
from desktop_app.engine.engine import Engine
from desktop_app.engine.shelf import CPU
from tests.engine.conftest import pictures, request_for, run
from tests.tiny_models import tiny_model, tiny_xl_pipeline, tiny_xl_refiner_pipeline

NAMES = ("m0", "m1", "m2")


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    for seed, name in enumerate(NAMES):
        tiny_model(tmp_path / name, seed=seed)
    return Engine(models=[tmp_path], cache=tmp_path / "cache", device="cpu")


def on_shelf(engine: Engine) -> list[str]:
    """Names of the models in memory, the one used last at the end."""
    return [Path(key[0]).name for key in engine.shelf.models]


def loads(engine: Engine, name: str) -> bool:
    """Whether making a picture with the model reads its files."""
    return any(isinstance(event, Loading) for event in run(engine, request_for(model=name, steps=1)))


def test_a_switch_between_models_in_memory_reads_nothing(engine):
    assert all(loads(engine, name) for name in NAMES)
    assert not any(loads(engine, name) for name in ("m1", "m0", "m2", "m0"))
    assert on_shelf(engine) == ["m1", "m2", "m0"]
    first, again = (next(iter(engine.shelf.models.values())) for _ in range(2))
    assert first is again


def test_the_one_used_longest_ago_goes_first(engine, monkeypatch):
    assert loads(engine, "m0")
    size = engine.shelf.held(CPU)
    assert size > 100_000
    # So much memory that two of them fit and have room to work, and not three.
    limit = 2 * size + 4_000_000

    def free(device):
        return limit - engine.shelf.held(device)

    monkeypatch.setattr(shelf_module, "free_memory", free)
    monkeypatch.setattr(shelf_module, "_room", lambda need, files: (0, size + 4_000_000))
    assert loads(engine, "m1")
    assert on_shelf(engine) == ["m0", "m1"]
    assert not loads(engine, "m0")
    assert loads(engine, "m2")
    assert on_shelf(engine) == ["m0", "m2"], "m1 was used before m0"
    assert loads(engine, "m1")
    assert on_shelf(engine) == ["m2", "m1"]


def test_a_model_that_needs_everything_is_alone(engine, monkeypatch):
    assert loads(engine, "m0")
    assert loads(engine, "m1")
    monkeypatch.setattr(shelf_module, "free_memory", lambda device: 0)
    assert not loads(engine, "m1"), "what is being used never goes"
    assert on_shelf(engine) == ["m1"]


def test_room_follows_from_the_forecast(engine, monkeypatch):
    asked = []
    monkeypatch.setattr(engine.shelf, "_make_room", lambda room, device, keep: asked.append(room))
    for side in (64, 256):
        run(engine, request_for(model="m0", width=side, height=side, steps=1))
    (_, small), (_, large) = asked
    assert large > small > 100_000


def test_a_changed_model_is_loaded_anew_and_does_not_stay_twice(engine, tmp_path):
    made = [pictures(run(engine, request_for(model=name)))[0].frames for name in NAMES]
    assert len(set(made)) == 3
    tiny_model(tmp_path / "m2", seed=0)
    assert pictures(run(engine, request_for(model="m2")))[0].frames == made[0]
    assert on_shelf(engine) == ["m0", "m1", "m2"]
    engine.release()
    assert engine.shelf.models == {}
    assert pictures(run(engine, request_for(model="m1")))[0].frames == made[1]


def test_a_refiner_stays_with_its_model_and_others_go(tmp_path, monkeypatch):
    """Each of the two is kept while the other one is fetched, although there is room for nothing more."""
    for name, pipeline in (("base", tiny_xl_pipeline()), ("refiner", tiny_xl_refiner_pipeline())):
        pipeline.save_pretrained(tmp_path / name)
    tiny_model(tmp_path / "m0")
    engine = Engine(models=[tmp_path], cache=tmp_path / "cache", device="cpu")
    request = request_for(model="base", refiner="refiner", steps=2, scheduler="ddim")
    run(engine, request)
    size, room = engine.shelf.held(CPU), 4_000_000
    engine.release()
    monkeypatch.setattr(shelf_module, "free_memory", lambda device: size + room - engine.shelf.held(device))
    monkeypatch.setattr(shelf_module, "_room", lambda need, files: (0, size + room))
    assert loads(engine, "m0")
    run(engine, request)
    assert on_shelf(engine) == ["base", "refiner"]
    assert not any(isinstance(event, Loading) for event in run(engine, request))
    assert on_shelf(engine) == ["base", "refiner"]
