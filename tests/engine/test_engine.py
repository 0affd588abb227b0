"""One job from the outside: its events, its pictures, its record."""

from __future__ import annotations

import dataclasses

import pytest

from desktop_app.core.control import StopSignal
from desktop_app.core.events import (
    Decoding,
    Denoising,
    Encoding,
    Failed,
    Finished,
    Loading,
    Notice,
    Picture,
)
from desktop_app.core.request import MAX_SEED
from desktop_app.core.wire import pack_event, unpack_event
from desktop_app.engine.engine import Engine, serve
from tests.engine.conftest import MODEL, pictures, request_for, run
from tests.tiny_models import SIZE, tiny_model


def test_events_come_in_the_documented_order(models, tmp_path):
    engine = Engine(models=[models], cache=tmp_path, device="cpu")
    names = [type(event).__name__ for event in run(engine, request_for(prompt="word " * 200, count=2))]
    loading = names.count("Loading")
    one_picture = ["Denoising"] * 4 + ["Decoding", "Picture"]
    assert loading >= 3
    assert names == ["Loading"] * loading + ["Notice", "Encoding"] + one_picture * 2 + ["Finished"]


def test_every_event_survives_the_wire(engine):
    for event in run(engine, request_for(prompt="word " * 200)):
        assert unpack_event(*pack_event(event)) == event


def test_loading_runs_from_part_to_part_up_to_one(models, tmp_path):
    engine = Engine(models=[models], cache=tmp_path, device="cpu")
    loading = [event for event in run(engine, request_for(steps=1)) if isinstance(event, Loading)]
    fractions = [event.fraction for event in loading]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0, 1)
    assert list(dict.fromkeys(event.what for event in loading)) == ["text_encoder", "unet", "vae"]
    assert [event for event in run(engine, request_for(steps=1)) if isinstance(event, Loading)] == []


def test_progress_and_pictures_carry_their_numbers(engine):
    events = run(engine, request_for(count=2, width=96))
    steps = [
        (event.picture, event.pictures, event.step, event.steps) for event in events if isinstance(event, Denoising)
    ]
    assert steps == [(picture, 2, step, 3) for picture in (0, 1) for step in (0, 1, 2, 3)]
    assert [event.picture for event in events if isinstance(event, Decoding)] == [0, 1]
    assert [picture.index for picture in pictures(events)] == [0, 1]
    assert all(picture.frames.shape == (1, SIZE, 96, 3) for picture in pictures(events))
    assert isinstance(events[-1], Finished)
    assert events[-1].seconds > sum(picture.result.seconds for picture in pictures(events)) * 0.99


@pytest.mark.parametrize("scheduler", ["ddim", "euler-a", "dpmpp-2m-sde"])
def test_a_batch_equals_single_runs(engine, scheduler):
    request = request_for(count=3, scheduler=scheduler, seed=40)
    batch = pictures(run(engine, request))
    singles = [pictures(run(engine, request.single(index)))[0] for index in range(3)]
    assert [picture.frames for picture in batch] == [picture.frames for picture in singles]
    assert [picture.result.seed for picture in batch] == [40, 41, 42]
    assert len({picture.frames.data for picture in batch}) == 3


def test_a_random_seed_is_fixed_and_recorded(engine):
    first, second = (pictures(run(engine, request_for(seed=-1)))[0] for _ in range(2))
    assert first.result.seed != second.result.seed
    assert first.result.seed >= 0
    again = pictures(run(engine, first.result.request))[0]
    assert again.frames == first.frames


def test_the_largest_seed_works_and_its_batch_wraps(engine):
    made = pictures(run(engine, request_for(seed=MAX_SEED, count=2)))
    assert [picture.result.seed for picture in made] == [MAX_SEED, 0]


def test_the_result_records_the_truth(engine):
    result = pictures(run(engine, request_for()))[0].result
    device = engine.ready().run
    assert result.request == request_for()
    assert result.run == device
    assert (result.run.device, result.run.guidance_form) == ("cpu", "batched")
    assert set(result.run.versions) == {"safelight", "torch", "diffusers", "transformers"}
    assert result.steps_done == 3
    assert result.seconds > 0


def test_what_is_asked_changes_the_picture(engine):
    changes = [
        {}, {"prompt": "a green boat"}, {"negative_prompt": "night"}, {"steps": 4}, {"guidance_scale": 6.0},
        {"scheduler": "euler"}, {"seed": 8}, {"width": 96}, {"guidance_scale": 1.0}, {"prompt": ""},
        {"scheduler": "euler", "schedule_type": "karras"},
    ]  # fmt: skip
    made = {pictures(run(engine, request_for(**change)))[0].frames.data for change in changes}
    assert len(made) == len(changes)


def test_reproduce_gives_the_same_bytes_in_a_new_engine(engine, models, tmp_path):
    first = pictures(run(engine, request_for(scheduler="euler-a")))[0]
    other = Engine(models=[models], cache=tmp_path, device="cpu")
    events = run(other, first.result.request, replay=first.result.run)
    assert not [event for event in events if isinstance(event, Notice)]
    assert pictures(events)[0].frames == first.frames
    assert pictures(events)[0].result.run == first.result.run


def test_reproduce_repeats_dtype_form_and_threads(engine):
    usual = engine.ready().run
    dtype = "bfloat16" if usual.dtype == "float32" else "float32"
    record = dataclasses.replace(usual, dtype=dtype, guidance_form="two-pass", threads=1)
    made = pictures(run(engine, request_for(), replay=record))[0]
    assert made.result.run == record
    assert made.frames != pictures(run(engine, request_for()))[0].frames


def test_reproduce_says_what_differs(engine):
    here = engine.ready().run
    then = dataclasses.replace(here, device="cuda", device_name="A card", versions={**here.versions, "torch": "1.0"})
    events = run(engine, request_for(), replay=then)
    (message,) = [event.message for event in events if isinstance(event, Notice)]
    assert message.id == "reproduce.differs"
    assert "torch 1.0, on A card" in str(message)
    assert here.device_name in str(message)
    assert pictures(events)[0].result.run == here


def test_a_model_may_be_named_by_its_folder(engine, models):
    by_path = pictures(run(engine, request_for(model=str(models / MODEL))))[0]
    assert by_path.frames == pictures(run(engine, request_for()))[0].frames


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_weights_and_models_work(tmp_path, dtype):
    import torch

    tiny_model(tmp_path / "half", dtype=getattr(torch, dtype))
    engine = Engine(models=[tmp_path], cache=tmp_path / "cache", device="cpu")
    record = dataclasses.replace(engine.ready().run, dtype=dtype)
    (made,) = pictures(run(engine, request_for(model="half"), replay=record))
    assert made.result.run.dtype == dtype
    assert len(set(made.frames.data)) > 10


def test_serve_turns_every_end_into_an_event(engine, monkeypatch):
    *_, refused = serve(engine, request_for(steps=0), StopSignal())
    assert isinstance(refused, Failed)
    assert refused.message.id == "steps.range"

    def broken(*arguments, **options):
        raise ZeroDivisionError("out of luck")

    monkeypatch.setattr("desktop_app.engine.engine.read_model_facts", broken)
    *_, failed = serve(engine, request_for(), StopSignal())
    assert isinstance(failed, Failed)
    assert "ZeroDivisionError: out of luck" in failed.message.text
    assert "Traceback" in failed.details


def test_serve_passes_a_good_job_on(engine):
    events = list(serve(engine, request_for(), StopSignal()))
    assert isinstance(events[-1], Finished)
    assert [type(event) for event in events if isinstance(event, Picture | Encoding)] == [Encoding, Picture]
