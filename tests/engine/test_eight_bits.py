"""Weights of eight bits: the model is to the bit one whose weights were rounded to float8, and half as large."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from desktop_app.checkpoints.facts import read_model_facts
from desktop_app.core import paths
from desktop_app.core.catalog import FAMILIES
from desktop_app.core.errors import AppError
from desktop_app.core.events import Notice
from desktop_app.core.memory_plan import BY_GROUP, BY_MODEL, WHOLE, Wishes
from desktop_app.engine.engine import Engine
from desktop_app.engine.families.animate_diff import AnimateDiff
from desktop_app.engine.lora import fit, load_lora, worn
from desktop_app.engine.lora_names import DENOISER, TEXT, TEXT_2
from desktop_app.engine.shelf import Shelf
from tests.engine.conftest import CPU, MODEL, job_for, loaded, made, noisy_pixels, pictures, request_for, run, start_of
from tests.engine.test_lora import kohya
from tests.engine.test_memory import ShortOfMemory, notices
from tests.engine.test_offload import REQUESTS, folder  # noqa: F401  (models of four families)
from tests.original_layout import twice
from tests.tiny_models import add_motion_adapter
from tests.tiny_models import loaded as finished

EIGHT = torch.float8_e4m3fn
ALL = dict.fromkeys((DENOISER, TEXT, TEXT_2), 1.0)


def model(path: Path, *, eight_bits: bool = True, offload: str = WHOLE, dtype: torch.dtype = torch.float32) -> Any:
    device = replace(CPU, eight_bits=eight_bits, offload=offload, dtype=dtype)
    return finished(Shelf([path.parent]).model(read_model_facts(path), device, lambda: None, None))


def denoiser(model: Any) -> nn.Module:
    return model.transformer if hasattr(model, "transformer") else model.unet


def rounded(path: Path) -> Any:
    """The ordinary model, with the weights that the one of eight bits has."""
    plain = model(path, eight_bits=False)
    told = {name: value.float() for name, value in denoiser(model(path)).state_dict().items()}
    denoiser(plain).load_state_dict(told)
    return plain


def picture_of(path: Path, model: Any, name: str) -> Tensor:
    request = replace(REQUESTS[name], model=name)
    start = start_of(noisy_pixels(1), request) if request.start else None
    return made(job_for(path, model, request, start=start))


@pytest.mark.parametrize("name", REQUESTS)
def test_pictures_are_those_of_rounded_weights(folder, name):  # noqa: F811
    eight, plain = model(folder / name), model(folder / name, eight_bits=False)
    for key, value in denoiser(plain).state_dict().items():
        kept = denoiser(eight).state_dict()[key]
        assert torch.equal(kept.float(), value if kept.dtype == torch.float32 else value.to(EIGHT).float())
    ours = picture_of(folder / name, eight, name)
    assert torch.equal(ours, picture_of(folder / name, rounded(folder / name), name))
    assert not torch.equal(ours, picture_of(folder / name, plain, name))
    assert {weight.dtype for module in eight.modules for weight in module.parameters()} == {EIGHT, torch.float32}


def test_weights_are_half_of_half_precision(folder):  # noqa: F811
    def size(model: Any) -> int:
        return sum(weight.nbytes for weight in denoiser(model).parameters())

    half, eight = (model(folder / "tiny", eight_bits=kept, dtype=torch.bfloat16) for kept in (False, True))
    assert 0.5 < size(eight) / size(half) < 0.53, "norms keep their digits"
    picture = picture_of(folder / "tiny", eight, "tiny").float()
    assert (picture - picture_of(folder / "tiny", half, "tiny")).abs().mean() < 8, "of 255"
    assert size(eight) / size(half) < 0.53, "after the run as before"


@pytest.mark.parametrize("offload", [BY_MODEL, BY_GROUP])
def test_they_wait_for_their_turn_as_well(folder, offload):  # noqa: F811
    whole, parts = model(folder / "flux"), model(folder / "flux", offload=offload)
    assert torch.equal(picture_of(folder / "flux", whole, "flux"), picture_of(folder / "flux", parts, "flux"))
    moved = next(weight for weight in parts.transformer.parameters() if weight.dtype == EIGHT)
    assert moved.device.type == "meta"


@pytest.mark.parametrize("magnitudes", [False, True], ids=["lora", "dora"])
def test_a_lora_is_worn_in_the_format_that_layers_compute_in(magnitudes, folder, tmp_path):  # noqa: F811
    eight, plain = model(folder / "tiny"), rounded(folder / "tiny")
    path = kohya(tmp_path, some_factors(plain.unet))
    if magnitudes:
        tensors = load_file(path)
        ups = {name: value for name, value in tensors.items() if name.endswith("lora_up.weight")}
        save_file(
            {**tensors, **{n.replace("lora_up.weight", "dora_scale"): v[:, :1].clone() for n, v in ups.items()}}, path
        )
    lora = load_lora(path, torch.device("cpu"), lambda: None)
    bare = picture_of(folder / "tiny", eight, "tiny")
    with worn([fit(lora, plain.adaptable, ALL, "tiny")]):
        theirs = picture_of(folder / "tiny", plain, "tiny")
    with worn([fit(lora, eight.adaptable, ALL, "tiny")]):
        assert torch.equal(picture_of(folder / "tiny", eight, "tiny"), theirs)
    assert not torch.equal(theirs, bare)
    assert torch.equal(picture_of(folder / "tiny", eight, "tiny"), bare)


def some_factors(unet: nn.Module) -> Any:
    """Of a LoRA of rank 3 for linear layers and convolutions."""
    layers: Any = {
        name: layer for name, layer in unet.named_modules() if name.endswith((".to_q", ".ff.net.2", ".conv1"))
    }
    return {
        ("unet", name): (
            torch.randn(3, *layer.weight.shape[1:]) / 4,
            torch.randn(len(layer.weight), 3, *[1] * (layer.weight.dim() - 2)),
        )
        for name, layer in layers.items()
    }


def test_a_motion_adapter_moves_them(folder):  # noqa: F811
    add_motion_adapter(folder / "tiny")
    film: Any = FAMILIES["stable-diffusion"].film
    request = request_for(kind="film", frames=3)

    def frames(pictures: Any) -> Tensor:
        adapter = folder / "tiny" / "motion_adapter"
        moving = finished(AnimateDiff.load(pictures, adapter, film, lambda: None))
        return made(job_for(folder / "tiny", moving, request))

    assert torch.equal(frames(model(folder / "tiny")), frames(rounded(folder / "tiny")))


QUICK = request_for(steps=1, guidance_scale=1)


def told(engine: Engine, **options: Any) -> list[Any]:
    return run(engine, QUICK, preview=False, **options)


def test_they_are_wished_recorded_repeated_and_undone(models, tmp_path):
    engine = Engine(models=[models], cache=tmp_path, device="cpu")
    before = pictures(told(engine))[0]
    engine._wishes = Wishes(precision="eight")
    eight = pictures(told(engine))[0]
    assert (eight.result.run.eight_bits, eight.result.run.dtype) == (True, "float32")
    assert eight.frames != before.frames
    engine._wishes = Wishes()
    assert pictures(told(engine))[0].frames == before.frames, "the weights were read anew"
    events = told(engine, replay=eight.result.run)
    assert (pictures(events)[0].frames, notices(events)) == (eight.frames, [])


def test_where_half_precision_runs_out_of_memory_eight_bits_are_next(models, tmp_path):
    engine = Engine(models=[models], cache=tmp_path, device="cpu", wishes=Wishes(decode="whole"))
    engine.ready()
    assert engine._found is not None
    engine._found = (replace(engine._found[0], dtype=torch.bfloat16), ())
    told(engine)
    ShortOfMemory(loaded(engine).unet, {1})
    events = told(engine)
    assert notices(events) == ["memory.again"]
    assert [event.message.values["how"] for event in events if isinstance(event, Notice)] == ["weights of 8 bits"]
    record = pictures(events)[0].result.run
    assert (record.eight_bits, record.dtype) == (True, "bfloat16")


def test_after_eight_bits_nothing_more_is_tried(models, tmp_path):
    engine = Engine(models=[models], cache=tmp_path, device="cpu", wishes=Wishes(precision="eight", decode="whole"))
    engine.warm(MODEL)
    short = ShortOfMemory(loaded(engine).unet, {1, 2, 3, 4})
    with pytest.raises(AppError, match="not enough memory"):
        told(engine)
    assert short.calls == 1
    assert engine.shelf.models == {}


@pytest.mark.parametrize("stored", [EIGHT, torch.float8_e5m2])
def test_a_file_of_eight_bits_is_a_checkpoint_like_any_other(stored, tmp_path, monkeypatch):
    resources, models = twice(tmp_path)
    monkeypatch.setattr(paths, "resources_dir", lambda: resources)
    file = models / "file.SAFETENSORS"
    narrow = {name: value.to(stored) for name, value in load_file(file).items()}

    def weights(values: dict[str, Tensor], precision: str) -> dict[str, Tensor]:
        save_file(values, file)
        engine = Engine(models=[models], cache=tmp_path / "cache", device="cpu", wishes=Wishes(precision=precision))
        engine.warm("file")
        return {name: value.float() for name, value in loaded(engine).unet.state_dict().items()}

    wide = weights({name: value.float() for name, value in narrow.items()}, "full")
    for precision, same in (("full", True), ("eight", stored == EIGHT)):
        found = weights(narrow, precision)
        assert all(torch.equal(found[name], value) for name, value in wide.items()) == same, precision
