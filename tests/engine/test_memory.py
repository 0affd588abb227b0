"""A run is planned before it begins, measured while it runs, and made once more where memory ran out after all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel

from desktop_app.core import measurements as measurements_module
from desktop_app.core.errors import AppError
from desktop_app.core.events import Finished, Loading, Notice
from desktop_app.core.measurements import read_measurements
from desktop_app.core.memory_plan import Wishes
from desktop_app.engine import engine as engine_module
from desktop_app.engine import memory_watch
from desktop_app.engine.device import machine_of
from desktop_app.engine.engine import Engine
from desktop_app.engine.memory_watch import MemoryWatch
from tests.engine.conftest import CPU, loaded, pictures, request_for, run

MIB = 1 << 20


@pytest.fixture
def short(models: Path, tmp_path: Path) -> Engine:
    """An engine that computes in float32 unless memory is short."""
    engine = Engine(models=[models], cache=tmp_path, device="cpu")
    engine.ready()
    assert engine._found is not None
    engine._found = (replace(engine._found[0], dtype=torch.float32), ())
    return engine


def with_free(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    def machine(device: Any, held: int) -> Any:
        return replace(machine_of(device, held), free=free, ram_free=free)

    monkeypatch.setattr(engine_module, "machine_of", machine)


def notices(events: list[Any]) -> list[str]:
    return [event.message.id for event in events if isinstance(event, Notice)]


def test_where_memory_is_plenty_nothing_is_said(short):
    events = run(short, request_for())
    assert notices(events) == []
    assert pictures(events)[0].result.run.dtype == "float32"
    assert not pictures(events)[0].result.run.tiled


def test_where_memory_is_short_the_plan_is_said_carried_out_and_recorded(short, monkeypatch):
    with_free(monkeypatch, 1000)
    events = run(short, request_for(width=128, height=128))
    assert notices(events) == ["memory.short"]
    record = pictures(events)[0].result.run
    assert (record.dtype, record.guidance_form, record.tiled) == ("bfloat16", "two-pass", True)
    monkeypatch.undo()
    again = pictures(run(short, request_for(width=128, height=128), replay=record))[0]
    assert again.frames == pictures(events)[0].frames
    assert again.result.run == record


def test_a_run_that_is_repeated_stays_as_it_was_though_memory_is_short(short, monkeypatch):
    first = pictures(run(short, request_for(width=128)))[0]
    with_free(monkeypatch, 1000)
    events = run(short, request_for(width=128), replay=first.result.run)
    assert pictures(events)[0].frames == first.frames
    assert pictures(events)[0].result.run == first.result.run


def test_what_is_wished_is_done(models, tmp_path):
    engine = Engine(models=[models], cache=tmp_path, device="cpu", wishes=Wishes("half", "auto", "tiles"))
    record = pictures(run(engine, request_for(width=128)))[0].result.run
    assert (record.dtype, record.tiled) == ("bfloat16", True)


class ShortOfMemory:
    """The U-Net has no memory for the calls of these numbers."""

    def __init__(self, unet: Any, fails: set[int]) -> None:
        self.calls, self._fails = 0, fails
        unet.register_forward_pre_hook(self)

    def __call__(self, module: Any, arguments: Any) -> None:
        self.calls += 1
        if self.calls in self._fails:
            raise torch.OutOfMemoryError("CUDA out of memory")


def test_where_memory_runs_out_it_is_made_once_more_with_less(short):
    plain = pictures(run(short, request_for(count=2)))
    ShortOfMemory(loaded(short).unet, {3 + 2})
    events = run(short, request_for(count=2))
    assert notices(events) == ["memory.again"]
    assert any(isinstance(event, Loading) for event in events), "what was in memory was let go first"
    first, second = pictures(events)
    assert (first.index, second.index) == (0, 1), "the finished one is not made again"
    assert first.frames == plain[0].frames
    assert (first.result.run.guidance_form, second.result.run.guidance_form) == ("batched", "two-pass")
    assert isinstance(events[-1], Finished)


def test_it_is_tried_once_and_not_for_ever(short, monkeypatch):
    forms = []

    def forward(self: Any, sample: torch.Tensor, *rest: Any, **options: Any) -> None:
        forms.append(len(sample))
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(UNet2DConditionModel, "forward", forward)
    with pytest.raises(AppError, match="not enough memory"):
        run(short, request_for())
    assert forms == [2, 1], "in one batch, then in two passes"
    assert short.shelf.models == {}


def test_a_stage_is_measured_by_what_it_really_takes():
    watch = MemoryWatch(CPU.torch_device, ["denoising"])
    with watch.during("denoising"):
        taken = torch.ones(96 * MIB // 4)
        memory_watch.threading.Event().wait(5 * memory_watch.LOOK_EVERY)
        del taken
    assert 90 * MIB < watch.took["denoising"] < 160 * MIB
    with watch.during("decoding"):
        pass
    assert set(watch.took) == {"denoising"}
    assert not [one for one in memory_watch.threading.enumerate() if one.name == "memory-watch"]


def test_what_a_run_took_is_kept_for_the_next_forecast(short, tmp_path, monkeypatch):
    monkeypatch.setattr(measurements_module, "LEAST", 1)
    monkeypatch.setattr(measurements_module, "_SANE", (0.0, 1e9))
    monkeypatch.setattr(memory_watch, "LEAST", 1)
    run(short, request_for(width=256, height=256))
    known = read_measurements(tmp_path / "memory.json")
    assert {one.stage for one in known} <= {"denoising", "decoding"}
    assert known
    assert {one.pixels for one in known} <= {2 * 32 * 32, 256 * 256}
    assert "float32 · stable-diffusion" in known[0].key
    monkeypatch.undo()
    run(short, request_for())
    assert read_measurements(tmp_path / "memory.json") == known, "small runs are noise"
