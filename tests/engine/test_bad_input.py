"""Bad input gets a clear sentence or is put right; it never crashes, and nothing is loaded for it."""

from __future__ import annotations

import math

import pytest

from desktop_app.core.errors import AppError, RequestError
from desktop_app.core.events import Notice
from desktop_app.engine.engine import Engine
from tests.engine.conftest import MODEL, loaded, pictures, request_for, run

REFUSED = [
    ({"steps": 0}, "Steps must be a whole number from 1"),
    ({"steps": 10**6}, "Steps must be a whole number from 1 to 1000, not 1000000"),
    ({"steps": 1000}, "takes at most 999 steps"),
    ({"scheduler": "lcm", "steps": 51}, "takes at most 50 steps"),
    ({"width": 7}, "must be from 64 to 512 px"),
    ({"width": 0}, "must be from 64 to 512 px"),
    ({"height": 100_000}, "must be from 64 to 512 px"),
    ({"width": 65}, "multiples of 8 px"),
    ({"guidance_scale": math.nan}, "Guidance must be a number"),
    ({"guidance_scale": math.inf}, "Guidance must be a number"),
    ({"guidance_scale": -1.0}, "Guidance must be a number"),
    ({"seed": 2**64}, "The seed must be a whole number from 0"),
    ({"seed": -2}, "The seed must be a whole number from 0"),
    ({"count": 0}, "number of pictures"),
    ({"scheduler": "magic"}, "There is no scheduler called “magic”"),
    ({"schedule_type": "magic"}, "has no schedule type “magic”"),
    ({"schedule_type": "karras"}, "has no schedule type “karras”"),
    ({"prompt_syntax": 99}, "prompt syntax 99"),
]


@pytest.mark.parametrize(("changes", "sentence"), REFUSED, ids=lambda value: str(value)[:40])
def test_impossible_requests_are_refused_before_anything_is_loaded(models, tmp_path, changes, sentence):
    engine = Engine(models=[models], cache=tmp_path, device="cpu")
    with pytest.raises(RequestError, match=sentence):
        run(engine, request_for(**changes))
    assert engine.shelf.models == {}


def test_an_unknown_model_is_named_with_those_there_are(engine):
    with pytest.raises(AppError, match=r"There is no model called “dream”. Known here: tiny"):
        run(engine, request_for(model="dream"))
    with pytest.raises(AppError, match="There is no model called"):
        engine.warm("dream")


def test_no_model_at_all(tmp_path):
    with pytest.raises(AppError, match="No model was found"):
        run(Engine(models=[tmp_path, tmp_path / "missing"], cache=tmp_path, device="cpu"), request_for())


PROMPTS = {
    "empty": "",
    "spaces": "   \n\t ",
    "lone surrogate": "a red \ud800 house",
    "nul": "a red\x00 house",
    "right to left": "בית אדום על גבעות ירוקות \u202e abc",
    "emoji": "🏠👩‍👩‍👧 🇳🇴 a red house",
    "combining": "e\u0301" * 50,
    "marker": "a <|endoftext|> red <|startoftext|> house",
    "brackets": "(" * 10_000,
    "one long word": "x" * 100_000,
}


@pytest.mark.parametrize("name", PROMPTS)
def test_odd_prompts_make_a_picture(engine, name):
    made = pictures(run(engine, request_for(steps=1, prompt=PROMPTS[name], negative_prompt=PROMPTS[name])))
    assert len(made) == 1


def test_ten_thousand_words_are_cut_and_said_so(engine):
    words = " ".join(["boat"] * 10_000)
    events = run(engine, request_for(steps=1, prompt=words, negative_prompt=words))
    messages = [event.message for event in events if isinstance(event, Notice)]
    assert [message.id for message in messages] == ["prompt.cut", "negative-prompt.cut"]
    assert {message.values["words"] for message in messages} == {10_000 - 75}
    assert "the last 9925 words were left out" in str(messages[0])
    kept = pictures(run(engine, request_for(steps=1, prompt=" ".join(["boat"] * 75), negative_prompt=words)))
    assert kept[0].frames == pictures(events)[0].frames


def test_a_prompt_that_just_fits_is_not_called_cut(engine):
    events = run(engine, request_for(steps=1, prompt=" ".join(["boat"] * 75)))
    assert not [event for event in events if isinstance(event, Notice)]


def test_a_negative_prompt_that_is_not_read_is_not_called_cut(engine):
    events = run(engine, request_for(steps=1, guidance_scale=1.0, negative_prompt="boat " * 500))
    assert not [event for event in events if isinstance(event, Notice)]


def test_markers_in_the_text_are_read_as_text(engine):
    run(engine, request_for(steps=1))
    model = loaded(engine)
    ids = model.text.tokens("red <|endoftext|> boat <|startoftext|>").ids[0].tolist()
    end, start = model.text.tokenizer.eos_token_id, model.text.tokenizer.bos_token_id
    words = ids[1 : ids.index(end)]
    assert len(words) > 10
    assert start not in words
    assert model.text.tokenizer.convert_tokens_to_ids("boat</w>") in words


def test_a_model_whose_numbers_overflow_says_so(models, tmp_path):
    import shutil

    from safetensors.torch import load_file, save_file

    folder = tmp_path / MODEL
    shutil.copytree(models / MODEL, folder)
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    tensors["conv_out.bias"][:] = math.nan
    save_file(tensors, weights)
    engine = Engine(models=[tmp_path], cache=tmp_path / "cache", device="cpu")
    with pytest.raises(AppError, match=r"the numbers overflowed on .* in float32") as caught:
        run(engine, request_for())
    assert caught.value.message.id == "engine.not-finite"


def test_running_out_of_memory_is_said_in_words(engine, monkeypatch):
    import torch

    def full(*arguments, **options):
        return torch.empty(2**50, dtype=torch.uint8)

    monkeypatch.setattr("desktop_app.engine.job.denoise", full)
    with pytest.raises(AppError, match="not enough memory"):
        run(engine, request_for())
    monkeypatch.undo()
    assert pictures(run(engine, request_for()))
