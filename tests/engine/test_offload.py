"""Weights that wait for their turn make the same pictures, and are there in their turn only."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from desktop_app.checkpoints.facts import read_model_facts
from desktop_app.core.memory_plan import BY_GROUP, BY_MODEL, WHOLE, Wishes
from desktop_app.engine.engine import Engine
from desktop_app.engine.offload import Turns, computes_on
from desktop_app.engine.shelf import Shelf
from tests.engine.conftest import CPU, job_for, loaded, made, noisy_pixels, pictures, request_for, run, start_of
from tests.tiny_flow_models import tiny_flux_pipeline, write_flow_model
from tests.tiny_models import (
    add_autoencoder,
    tiny_facts,
    tiny_model,
    tiny_video_diffusion_pipeline,
    tiny_xl_pipeline,
    write_film_model,
)
from tests.tiny_models import (
    loaded as finished,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("offload")
    tiny_model(folder / "tiny")
    tiny_xl_pipeline().save_pretrained(folder / "xl")
    (folder / "xl" / "safelight.json").write_text(json.dumps(tiny_facts()), encoding="utf-8")
    write_flow_model(folder / "flux", tiny_flux_pipeline())
    write_film_model(folder / "video", tiny_video_diffusion_pipeline())
    add_autoencoder(folder / "other")
    return folder


def model(folder: Path, offload: str) -> Any:
    """Loaded by a shelf of its own, on a device of its own."""
    device = replace(CPU, offload=offload)
    return finished(Shelf().model(read_model_facts(folder), device, lambda: None, None))


def present(modules: Any) -> set[int]:
    """Numbers of the modules of which anything is in memory."""
    return {
        number
        for number, module in enumerate(modules)
        if any(weight.device.type != "meta" for weight in module.parameters())
    }


class Seen:
    """What is in memory whenever a layer computes."""

    def __init__(self, model: Any) -> None:
        self.parts: list[set[int]] = []
        self.bytes: list[int] = []
        for module in model.modules:
            for layer in module.modules():
                if not list(layer.children()):
                    layer.register_forward_hook(lambda *_: self._look(model.modules))

    def _look(self, modules: Any) -> None:
        self.parts.append(present(modules))
        self.bytes.append(sum(w.nbytes for module in modules for w in module.parameters() if w.device.type != "meta"))


REQUESTS = {
    "tiny": request_for(),
    "xl": request_for(negative_prompt="night"),
    "flux": request_for(scheduler="flow-euler", guidance_scale=3.5),
    "video": request_for(kind="film", frames=3, scheduler="euler", schedule_type="karras", start="x", guidance_scale=2),
}


@pytest.mark.parametrize("offload", [BY_MODEL, BY_GROUP])
@pytest.mark.parametrize("name", REQUESTS)
def test_pictures_are_the_same_to_the_bit(folder, name, offload):
    request = replace(REQUESTS[name], model=name)
    start = start_of(noisy_pixels(1), request) if request.start else None
    whole, parts = model(folder / name, WHOLE), model(folder / name, offload)
    assert present(parts.modules) == set(), "before its turn nothing is there"
    seen = Seen(parts)
    theirs, ours = (made(job_for(folder / name, one, request, start=start)) for one in (whole, parts))
    assert torch.equal(ours, theirs)
    assert seen.parts
    assert all(len(parts) == 1 for parts in seen.parts), "one part at a time"
    assert set.union(*seen.parts) == set(range(len(parts.modules))), "every part had its turn"


def test_by_group_less_is_there_than_by_model(folder):
    peaks = {}
    for offload in (WHOLE, BY_MODEL, BY_GROUP):
        one = model(folder / "tiny", offload)
        seen = Seen(one)
        made(job_for(folder / "tiny", one, request_for()))
        peaks[offload] = max(seen.bytes)
    assert peaks[BY_GROUP] < 0.7 * peaks[BY_MODEL]
    assert peaks[BY_MODEL] < peaks[WHOLE]


def test_a_start_picture_is_encoded_in_turn_as_well(folder):
    request = request_for(start="x", strength=0.6)
    start = start_of(noisy_pixels(1), request)
    whole, parts = (
        made(job_for(folder / "tiny", model(folder / "tiny", how), request, start=start)) for how in (WHOLE, BY_GROUP)
    )
    assert torch.equal(whole, parts)


@pytest.mark.parametrize("offload", ["model", "group"])
def test_the_engine_carries_out_what_is_wished(folder, tmp_path, offload):
    def frames(wishes: Wishes, **changes: Any) -> Any:
        engine = Engine(models=[folder], cache=tmp_path, device="cpu", wishes=wishes)
        picture = pictures(run(engine, request_for(**changes)))[0]
        model = loaded(engine)
        assert (len(present(model.modules)) < len(model.modules)) == (wishes.offload != "auto")
        return picture.frames

    for changes in ({}, {"vae": "other"}):
        assert frames(Wishes(precision="full", offload=offload), **changes) == frames(
            Wishes(precision="full"), **changes
        )


def test_an_autoencoder_that_moved_to_float32_stays_there():
    module = nn.ModuleDict({"decoder": nn.Linear(4, 4)}).half().requires_grad_(False)
    turns = Turns()
    turns.attend(module, torch.device("cpu"), by_group=False)
    other = nn.Sequential(nn.Linear(4, 4))
    turns.attend(other, torch.device("cpu"), by_group=False)
    module.float()
    other(torch.ones(1, 4))
    assert module["decoder"](torch.ones(1, 4)).dtype == torch.float32


def test_what_fails_in_its_turn_leaves_as_well():
    class Broken(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(2, 2))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("out of luck")

    module = nn.ModuleDict({"blocks": nn.ModuleList([Broken()])})
    turns = Turns()
    turns.attend(module, torch.device("cpu"), by_group=True)
    with pytest.raises(RuntimeError, match="luck"):
        module["blocks"][0](torch.ones(1))
    assert turns.block is None
    assert present([module]) == set()


def test_a_module_says_where_it_computes():
    module = nn.Linear(2, 2)
    assert computes_on(module).type == "cpu"
    Turns().attend(module, torch.device("cuda"), by_group=False)
    assert computes_on(module).type == "cuda"
    assert next(module.parameters()).device.type == "meta"
