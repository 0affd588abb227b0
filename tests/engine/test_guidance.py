"""Guidance in two passes is guidance in one batch."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from desktop_app.core.control import StopSignal
from desktop_app.core.guidance_form import BATCHED, NONE, TWO_PASS, usual_form
from desktop_app.engine.engine import Engine
from desktop_app.engine.guidance import Conditioning, guided
from tests.engine.conftest import loaded, pictures, request_for, run


@pytest.fixture
def model(engine: Engine):
    """The loaded tiny model itself."""
    list(engine.generate(request_for(steps=1), StopSignal()))
    return loaded(engine)


@pytest.mark.parametrize("scale", [0.0, 1.5, 7.0])
def test_two_passes_equal_one_batch(model, scale):
    with torch.inference_mode():
        conditioning = model.encode(model.tokenize(request_for(negative_prompt="night"), BATCHED))
        x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
        for t in (999, 500, 1):
            batched, separate = (
                guided(model.evaluate, conditioning, scale, form)(x, torch.tensor(t)) for form in (BATCHED, TWO_PASS)
            )
            assert (batched - separate).norm() <= 1e-5 * batched.norm()


def test_the_formula():
    evaluate = lambda x, t, text: text.mean(dim=(1, 2)).reshape(-1, 1, 1, 1) * torch.ones_like(x)  # noqa: E731
    conditioning = Conditioning(torch.full((1, 2, 2), 3.0), torch.full((1, 2, 2), 1.0))
    x, t = torch.zeros(1, 4, 2, 2), torch.tensor(1)
    for form in (BATCHED, TWO_PASS):
        assert guided(evaluate, conditioning, 5.0, form)(x, t).unique().tolist() == [1 + 5 * (3 - 1)]
        assert guided(evaluate, conditioning, 0.0, form)(x, t).unique().tolist() == [1]
    assert guided(evaluate, Conditioning(conditioning.positive, None), 1.0, NONE)(x, t).unique().tolist() == [3]


def test_guidance_one_skips_the_unconditional_pass(engine: Engine, model):
    calls = []
    handle = model.unet.register_forward_pre_hook(lambda module, arguments: calls.append(arguments))
    try:
        with_guidance = pictures(run(engine, request_for(steps=3)))
        guided_calls = len(calls)
        without = pictures(run(engine, request_for(steps=3, guidance_scale=1.0)))
    finally:
        handle.remove()
    assert [len(arguments[0]) for arguments in calls] == [2] * guided_calls + [1] * 3
    assert guided_calls == 3
    assert with_guidance[0].result.run.guidance_form == BATCHED
    assert without[0].result.run.guidance_form == NONE
    assert with_guidance[0].frames != without[0].frames


def test_forms_by_device():
    for kind in ("cpu", "mps"):
        assert usual_form(kind, 1 << 40, 7.0, 16 * 16) == BATCHED
        assert usual_form(kind, 1 << 40, 7.0, 96 * 64) == TWO_PASS
        assert usual_form(kind, 1 << 40, 1.0, 16 * 16) == NONE
    assert usual_form("cuda", 8 << 30, 7.0, 64 * 64) == BATCHED
    assert usual_form("cuda", 8 << 30, 7.0, 192 * 128) == TWO_PASS


def test_large_pictures_take_two_passes(engine: Engine, monkeypatch):
    monkeypatch.setattr("desktop_app.core.guidance_form.BATCHED_UP_TO", 8 * 8)
    small, large = (pictures(run(engine, request_for(width=width)))[0].result.run for width in (64, 96))
    assert (small.guidance_form, large.guidance_form) == (BATCHED, TWO_PASS)


def test_reproduce_repeats_the_form(engine: Engine):
    record = dataclasses.replace(engine.ready().run, guidance_form=TWO_PASS)
    separate = pictures(run(engine, request_for(steps=20, guidance_scale=9.0), replay=record))[0]
    assert separate.result.run == record
