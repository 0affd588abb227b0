"""Pictures drawn larger: the same bytes in one go, in pieces, and from a picture that was finished before."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from desktop_app.core.control import StopSignal
from desktop_app.core.errors import AppError, RequestError
from desktop_app.core.events import Cancelled, Decoding, Finished, Loading, Picture
from desktop_app.core.frames import Frames
from desktop_app.engine import enlarger as enlarger_module
from desktop_app.engine.engine import Engine
from desktop_app.engine.enlarger import Enlarger, enlarge
from tests.engine.conftest import pictures, request_for, run
from tests.tiny_models import SIZE, add_enlarger, tiny_model


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Enlarger]:
    """A folder with one tiny model, called "large", and its enlarger (4 times)."""
    folder = tmp_path_factory.mktemp("large")
    return folder, add_enlarger(tiny_model(folder / "large", facts={"enlarge": 4}))


@pytest.fixture(scope="module")
def engine(large: tuple[Path, Enlarger], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = Engine(models=[large[0]], cache=tmp_path_factory.mktemp("cache"), device="cpu")
    yield engine
    engine.release()


REQUEST = request_for(model="large")
LARGE = replace(REQUEST, enlarge=4)


def tensor_of(frames: Frames) -> Tensor:
    return torch.frombuffer(bytearray(frames.data), dtype=torch.uint8).reshape(frames.shape)


def hooks(module: nn.Module) -> int:
    return sum(len(part._forward_pre_hooks) for part in module.modules())


def test_the_finished_picture_is_what_the_network_makes_of_the_small_one(engine, large):
    (small,), (picture,) = pictures(run(engine, REQUEST)), pictures(run(engine, LARGE))
    assert picture.frames.shape == (1, 4 * SIZE, 4 * SIZE, 3)
    assert picture.result.request == LARGE
    assert torch.equal(tensor_of(picture.frames), enlarge(large[1], tensor_of(small.frames)))


def test_a_finished_picture_is_enlarged_without_denoising_it_again(engine, large, tmp_path):
    (small,), (whole,) = pictures(run(engine, REQUEST)), pictures(run(engine, LARGE))
    small = replace(small, result=replace(small.result, steps_done=2, seconds=7.0))
    fresh = Engine(models=[large[0]], cache=tmp_path, device="cpu")
    events = run(fresh, LARGE, source=small)
    assert [type(event) for event in events if not isinstance(event, Loading)] == [Decoding, Picture, Finished]
    assert {event.what for event in events if isinstance(event, Loading)} == {"enlarger"}
    assert fresh.shelf.models == {}
    (picture,) = pictures(events)
    assert picture.frames == whole.frames
    assert picture.result == replace(small.result, request=LARGE, seconds=picture.result.seconds)
    assert picture.result.seconds >= 7
    assert not any(isinstance(event, Loading) for event in run(fresh, LARGE, source=small))


def test_each_picture_of_a_batch_is_enlarged(engine):
    assert [picture.frames.shape[1:3] for picture in pictures(run(engine, replace(LARGE, count=2)))] == [(256, 256)] * 2


def test_pieces_equal_the_whole(monkeypatch):
    torch.manual_seed(1)
    network = Enlarger(8, 3, 4).eval()
    pixels = torch.randint(0, 256, (1, 45, 70, 3), dtype=torch.uint8)
    whole = enlarge(network, pixels)
    monkeypatch.setattr(enlarger_module, "TILE", 16)
    pieces = enlarge(network, pixels)
    assert whole.shape == pieces.shape == (1, 180, 280, 3)
    assert (whole.int() - pieces.int()).abs().max() <= 1  # a sum in another order may round the other way


def test_an_untrained_last_layer_leaves_bilinear_enlargement():
    network = Enlarger(8, 2, 2).eval()
    for parameter in network.body[-2].parameters():
        nn.init.zeros_(parameter)
    pixels = torch.full((1, 4, 6, 3), 200, dtype=torch.uint8)
    assert torch.equal(enlarge(network, pixels), torch.full((1, 8, 12, 3), 200, dtype=torch.uint8))


def test_cancel_is_heard_between_pieces_and_inside_one(engine):
    wide = replace(REQUEST, width=512)
    (small,) = pictures(run(engine, wide))
    run(engine, replace(wide, enlarge=4), source=small)
    assert engine.shelf._enlarger is not None
    network = engine.shelf._enlarger[1]
    convolutions = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    for stop_at in (1, len(convolutions), len(convolutions) + 1):  # inside the first piece, at its end, in the second
        stop, ran = StopSignal(), []

        def count(*_: object, stop=stop, ran=ran, stop_at=stop_at) -> None:
            ran.append(1)
            if len(ran) == stop_at:
                stop.cancel()

        handles = [layer.register_forward_hook(count) for layer in convolutions]
        events = list(engine.generate(replace(wide, enlarge=4), stop, source=small))
        for handle in handles:
            handle.remove()
        assert isinstance(events[-1], Cancelled)
        assert not pictures(events)
        assert len(ran) == stop_at
    assert hooks(network) == 0


def test_cancel_reaches_the_enlarger_at_the_end_of_a_picture(engine):
    run(engine, LARGE)
    assert engine.shelf._enlarger is not None
    stop = StopSignal()
    handle = engine.shelf._enlarger[1].register_forward_pre_hook(lambda *_: stop.cancel())
    events = list(engine.generate(LARGE, stop))
    handle.remove()
    assert isinstance(events[-1], Cancelled)
    assert not pictures(events)
    assert hooks(engine.shelf._enlarger[1]) == 0


def test_a_changed_enlarger_is_read_anew_and_release_forgets_it(tmp_path):
    folder = tiny_model(tmp_path / "models" / "large", facts={"enlarge": 4})
    add_enlarger(folder)
    engine = Engine(models=[tmp_path / "models"], cache=tmp_path, device="cpu")
    (before,) = pictures(run(engine, LARGE))
    add_enlarger(folder, width=12, seed=1)
    (after,) = pictures(run(engine, LARGE))
    assert before.frames != after.frames
    engine.release()
    assert engine.shelf._enlarger is None


def test_a_model_without_one_refuses(models, tmp_path):
    with pytest.raises(RequestError, match="Tiny cannot draw its pictures larger"):
        run(Engine(models=[models], cache=tmp_path, device="cpu"), request_for(enlarge=4))


@pytest.mark.parametrize("damage", ["cut off", "no file", "no config", "another shape", "another factor", "nonsense"])
def test_a_damaged_enlarger_is_a_sentence(tmp_path, damage):
    folder = tiny_model(tmp_path / "models" / "large", facts={"enlarge": 4})
    add_enlarger(folder)
    weights, config = folder / "enlarger" / "model.safetensors", folder / "enlarger" / "config.json"
    match damage:
        case "cut off":
            weights.write_bytes(weights.read_bytes()[:-10])
        case "no file":
            weights.unlink()
        case "no config":
            config.unlink()
        case "another shape":
            config.write_text(json.dumps({"width": 9, "depth": 2, "factor": 4}))
        case "another factor":
            add_enlarger(folder, factor=2)
        case "nonsense":
            config.write_text(json.dumps({"width": -1, "depth": 2, "factor": 4}))
    engine = Engine(models=[tmp_path / "models"], cache=tmp_path, device="cpu")
    with pytest.raises(AppError, match=r"The model large is (damaged|incomplete): enlarger/"):
        run(engine, LARGE)
