"""Weighted words, long prompts and prompts that change: against what each program's rule says, in plain torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from desktop_app.core.catalog import A1111, COMFY, INVOKE, PLAIN, PROMPT_DIALECTS
from desktop_app.core.guidance_form import BATCHED, NONE
from desktop_app.core.request import GenerationRequest
from desktop_app.core.result import RunRecord
from desktop_app.engine.denoise import denoise
from desktop_app.engine.engine import Engine
from desktop_app.engine.families.stable_diffusion import StableDiffusion
from desktop_app.engine.families.stable_diffusion_xl import StableDiffusionXL
from desktop_app.engine.schedulers import build_scheduler
from tests.engine.conftest import CPU, MODEL, job_for, loaded, made, pictures, request_for, run
from tests.tiny_models import loaded as finished
from tests.tiny_models import tiny_xl_pipeline

LONG = ", ".join(["a red house on green hills at sunset"] * 11) + ", the sea"
"""101 tokens."""


@pytest.fixture(scope="module")
def model(models: Path) -> StableDiffusion:
    return finished(StableDiffusion.load(models / MODEL, CPU, lambda: None))


def worded(dialect: str, prompt: str, **changes: Any) -> GenerationRequest:
    return request_for(prompt=prompt, prompt_dialect=dialect, prompt_syntax=1, **changes)


def told(model: Any, request: GenerationRequest, form: str = NONE) -> Any:
    return model.encode(model.tokenize(request, form))


def ids_of(model: Any, text: str) -> list[int]:
    return model.text.tokenizer(text, add_special_tokens=False)["input_ids"]


def row(model: Any, ids: Sequence[int]) -> Tensor:
    """One chunk by hand: start, tokens, end, padding."""
    tokenizer = model.text.tokenizer
    filled = [tokenizer.bos_token_id, *ids, tokenizer.eos_token_id]
    return torch.tensor([filled + [tokenizer.pad_token_id] * (77 - len(filled))])


def hidden(model: Any, ids: Sequence[int], mask: Tensor | None = None) -> Tensor:
    with torch.inference_mode():
        return model.text.encoder(row(model, ids), attention_mask=mask)[0]


def weights_of(*runs: tuple[int, float]) -> Tensor:
    """(1, 77, 1): (how many tokens, weight) one after another, after the start marker."""
    values = [1.0, *(weight for count, weight in runs for _ in range(count))]
    return torch.tensor(values + [1.0] * (77 - len(values))).view(1, 77, 1)


@pytest.mark.parametrize("dialect", PROMPT_DIALECTS)
def test_a_short_text_without_syntax_is_told_as_ever(model: StableDiffusion, dialect: str) -> None:
    old = told(model, request_for(prompt="a red house, at night", negative_prompt="the sea"), BATCHED)
    new = told(model, worded(dialect, "a red house, at night", negative_prompt="the sea"), BATCHED)
    assert torch.equal(new.positive, old.positive)
    assert torch.equal(new.negative, old.negative)


def test_recipes_from_before_say_what_they_say(engine: Engine) -> None:
    """Byte for byte, as the text it was then."""
    before, brackets = (request_for(prompt=text, steps=1) for text in ("a (red:1.5) house", "a red house"))
    assert before.prompt_syntax == 0
    literal = told(loaded(engine), before).positive
    assert torch.equal(literal, hidden(loaded(engine), ids_of(loaded(engine), before.prompt)))
    assert not torch.equal(literal, told(loaded(engine), brackets).positive)
    record = RunRecord(device="cpu", device_name="", dtype="float32", guidance_form=BATCHED, threads=1)
    then, plain = (
        pictures(run(engine, request, replay=record))[0].frames.data
        for request in (before, worded(PLAIN, before.prompt, steps=1))
    )
    assert then == plain


def test_a1111_multiplies_embeddings(model: StableDiffusion) -> None:
    words = [ids_of(model, word) for word in ("a", "red", "house")]
    weights = weights_of((len(words[0]), 1.0), (len(words[1]), 1.5), (len(words[2]), 1 / 1.1))
    expected = hidden(model, [token for word in words for token in word]) * weights
    assert torch.allclose(told(model, worded(A1111, "a (red:1.5) [house]")).positive, expected, atol=1e-7)


def test_comfy_goes_away_from_the_empty_text(model: StableDiffusion) -> None:
    words = [ids_of(model, word) for word in ("a", "red", "house")]
    weights = weights_of((len(words[0]), 1.0), (len(words[1]), 1.5), (len(words[2]), 0.7))
    empty = hidden(model, [])
    expected = (hidden(model, [token for word in words for token in word]) - empty) * weights + empty
    ours = told(model, worded(COMFY, "a (red:1.5) (house:0.7)")).positive
    assert torch.allclose(ours, expected, atol=1e-6)


def test_invoke_mixes_in_the_prompt_without_what_weighs_less(model: StableDiffusion) -> None:
    words = [ids_of(model, word) for word in ("a", "red", "house")]
    ids = [token for word in words for token in word]
    weights = weights_of((len(words[0]), 1.0), (len(words[1]), 1.21), (len(words[2]), 0.5))
    mask = torch.ones(1, 77, dtype=torch.long)
    mask[0, 1 + len(words[0]) + len(words[1]) : 1 + len(ids)] = 0
    empty = hidden(model, [])
    whole, without = (
        torch.where(weights == 1, z, empty + (z - empty) * weights)
        for z in (hidden(model, ids), hidden(model, ids, mask))
    )
    share = math.tan(0.5 * math.pi / 2)
    ours = told(model, worded(INVOKE, "a red++ (house)0.5")).positive
    assert torch.allclose(ours, (whole + share * without) / (1 + share), atol=1e-6)


@pytest.mark.parametrize("prompt", ["a red++ house", "a red- (house at night)0.4", LONG, LONG + " (sea)1.4 boat--"])
def test_invoke_equals_compel(model: StableDiffusion, prompt: str) -> None:
    compel = pytest.importorskip("compel", reason="an oracle for this dialect alone")
    oracle = compel.Compel(model.text.tokenizer, model.text.encoder, truncate_long_prompts=False)
    with torch.inference_mode():
        theirs = oracle(prompt)
    assert torch.allclose(told(model, worded(INVOKE, prompt)).positive, theirs, atol=1e-5)


def test_long_prompts_go_on_in_chunks_after_a_comma(model: StableDiffusion) -> None:
    ids = ids_of(model, LONG)
    comma = ids_of(model, ",")[0]
    near = [at for at, token in enumerate(ids[:75]) if token == comma and at >= 55]
    assert len(ids) > 75
    cut = near[-1] + 1 if near else 75
    chunks = [ids[:cut], ids[cut : cut + 75]]
    assert len(ids) <= cut + 75
    expected = torch.cat([hidden(model, chunk) for chunk in chunks], dim=1)
    ours = told(model, worded(A1111, LONG, negative_prompt="night"), BATCHED)
    assert torch.allclose(ours.positive, expected, atol=1e-6)
    assert torch.allclose(
        ours.negative, torch.cat([hidden(model, ids_of(model, "night")), hidden(model, [])], dim=1), atol=1e-6
    )
    assert not model.tokenize(worded(A1111, LONG), NONE).notices
    assert model.tokenize(worded(PLAIN, LONG), NONE).notices


def test_break_begins_a_chunk(model: StableDiffusion) -> None:
    expected = torch.cat([hidden(model, ids_of(model, text)) for text in ("a house", "the sea")], dim=1)
    assert torch.allclose(told(model, worded(A1111, "a house BREAK the sea")).positive, expected, atol=1e-6)


@pytest.mark.parametrize("dialect", [A1111, COMFY, INVOKE, PLAIN])
def test_markers_within_a_text_are_text(model: StableDiffusion, dialect: str) -> None:
    start, end = model.text.tokenizer.bos_token_id, model.text.tokenizer.eos_token_id
    for prompt in ("(a <|endoftext|> house:1.2)", "a <|endoftext|><|startoftext|> house"):
        tokens = model.tokenize(worded(dialect, prompt), NONE).prompt
        ids = tokens.ids[0].tolist()
        assert ids[0] == start
        assert start not in ids[1:]
        assert ids.index(end) > len(ids_of(model, "a house")) + 2


def test_both_encoders_of_xl_weigh_and_its_pooled_text_is_the_first_chunk(tmp_path: Path) -> None:
    tiny_xl_pipeline().save_pretrained(tmp_path / "xl")
    model = finished(StableDiffusionXL.load(tmp_path / "xl", CPU, lambda: None))
    plain, _ = told(model, worded(A1111, "a red house"))
    weighted, pooled = told(model, worded(A1111, "a (red:1.5) house BREAK at night"))
    count = len(model.text.readers["text"].tokenizer("red", add_special_tokens=False)["input_ids"])
    assert weighted.positive.shape == (1, 154, 40)
    assert torch.allclose(weighted.positive[:, :77], plain.positive * weights_of((1, 1.0), (count, 1.5)), atol=1e-6)
    assert torch.allclose(pooled.positive, told(model, worded(A1111, "a red house"))[1].positive, atol=1e-6)


@pytest.mark.parametrize("scheduler", ["ddim", "heun"])
def test_a_prompt_changes_at_its_step(engine: Engine, models: Path, scheduler: str) -> None:
    """Against a loop that counts evaluations by itself: Heun looks twice at every step but the last."""
    model, steps = loaded(engine), 4
    request = worded(A1111, "a [red:green:2] house", steps=steps, scheduler=scheduler, guidance_scale=1.0)
    predictors = [
        model.predictor(told(model, worded(A1111, f"a {colour} house")), request, NONE, None, torch.Generator())
        for colour in ("red", "green")
    ]
    evaluations = iter([0] * 4 + [1] * 99 if scheduler == "heun" else [0] * 2 + [1] * 99)
    generator = torch.Generator().manual_seed(request.seed)
    *_, last = denoise(
        lambda latents, t: predictors[next(evaluations)](latents, t),
        build_scheduler(scheduler, "default", model.scheduler_config, steps, "tiny"),
        model.noise(request, generator),
        steps,
        generator,
    )
    record = RunRecord(
        device="cpu", device_name="", dtype="float32", guidance_form=NONE, threads=torch.get_num_threads()
    )
    (picture,) = pictures(run(engine, request, replay=record))
    assert picture.frames.data == bytes(model.decode(last.latents).numpy())
    assert picture.result.request.prompt == "a [red:green:2] house"
    constant = job_for(models / MODEL, model, replace(request, prompt="a red house"))
    assert bytes(made(constant).numpy()) != picture.frames.data
