"""Requests survive JSON, and everything that cannot be run is named before anything tries."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from desktop_app.core.catalog import DIFFUSION_SCHEDULERS, FAMILIES, SCHEDULERS, ModelFacts
from desktop_app.core.errors import RequestError
from desktop_app.core.request import (
    MAX_DRAWN_SEED,
    MAX_SEED,
    RANDOM_SEED,
    VERSION,
    GenerationRequest,
    clean_text,
    default_request,
    problems,
    validate,
)
from tests.core.strategies import requests

FAMILY = FAMILIES["stable-diffusion"]
FACTS = ModelFacts(
    key="tiny",
    name="Tiny",
    folder="/models/tiny",
    family="stable-diffusion",
    description="",
    licence="",
    sizes=FAMILY.sizes,
    multiple=FAMILY.multiple,
    min_size=FAMILY.min_size,
    max_size=FAMILY.max_size,
    steps=FAMILY.steps,
    guidance_scale=FAMILY.guidance_scale,
    scheduler=FAMILY.scheduler,
    schedule_type=FAMILY.schedule_type,
    schedulers=FAMILY.schedulers,
    controls=FAMILY.controls,
)
GOOD = default_request(FACTS)


@given(request=requests)
@example(request=GenerationRequest(model="", prompt="🏠\n\"'\\ ‏עברית", guidance_scale=math.inf))
def test_json_round_trip(request: GenerationRequest) -> None:
    assert GenerationRequest.from_json(json.loads(json.dumps(request.to_json()))) == request


@given(text=st.text(st.characters(), max_size=80))
@example(text="\ud83d\ude00 \ud800 \udfff \x00 a\r\nb\rc")
def test_cleaned_text_can_be_stored_anywhere(text: str) -> None:
    cleaned = clean_text(text)
    assert cleaned.encode().decode() == cleaned
    assert not {"\x00", "\r"} & set(cleaned)
    assert clean_text(cleaned) == cleaned


def test_cleaning_keeps_what_people_write() -> None:
    text = "  a red house,\non green hills 🏠👩‍🚀 ‏בית é 家 "
    assert clean_text(text) == text
    assert clean_text("\ud83d\ude00") == "😀"


def test_texts_are_cleaned_on_the_way_in() -> None:
    request = GenerationRequest(model="m", prompt="a\x00b\ud800", negative_prompt="c\r\nd")
    assert (request.prompt, request.negative_prompt) == ("ab�", "c\nd")


@pytest.mark.parametrize(
    ("changes", "id"),
    [
        ({"steps": 0}, "steps.range"),
        ({"steps": 10**6}, "steps.range"),
        ({"steps": 51, "scheduler": "lcm", "schedule_type": "default"}, "steps.scheduler"),
        ({"width": 0}, "size.range"),
        ({"height": 7}, "size.range"),
        ({"width": 100_000}, "size.range"),
        ({"width": 513}, "size.multiple"),
        ({"guidance_scale": math.nan}, "guidance.range"),
        ({"guidance_scale": math.inf}, "guidance.range"),
        ({"guidance_scale": -0.1}, "guidance.range"),
        ({"guidance_scale": 100.5}, "guidance.range"),
        ({"seed": 2**64}, "seed.range"),
        ({"seed": MAX_SEED + 1}, "seed.range"),
        ({"seed": -2}, "seed.range"),
        ({"count": 0}, "count.range"),
        ({"count": 1001}, "count.range"),
        ({"enlarge": 4}, "enlarge.none"),
        ({"scheduler": "magic"}, "scheduler.unknown"),
        ({"vae": "another"}, "vae.unknown"),
        ({"clip_skip": 0}, "clip-skip.range"),
        ({"clip_skip": 13}, "clip-skip.range"),
        ({"schedule_type": "magic"}, "schedule-type.unknown"),
        ({"scheduler": "ddim", "schedule_type": "karras"}, "schedule-type.unknown"),
        ({"prompt_syntax": 2}, "request.syntax"),
        ({"prompt_syntax": -1}, "request.syntax"),
        ({"prompt_dialect": "esperanto"}, "prompt-dialect.unknown"),
    ],
)
def test_what_cannot_be_run_is_named(changes: dict[str, Any], id: str) -> None:
    request = replace(GOOD, **changes)
    found = problems(request, FACTS)
    assert [problem.message.id for problem in found] == [id]
    assert str(found[0]), "the sentence has all its values"
    with pytest.raises(RequestError) as caught:
        validate(request, FACTS)
    assert caught.value.message == found[0].message


def test_a_scheduler_that_the_model_does_not_take() -> None:
    facts = replace(FACTS, schedulers=("ddim",))
    (problem,) = problems(replace(GOOD, scheduler="euler"), facts)
    assert problem.message.id == "scheduler.unsupported"


def test_a_model_that_takes_no_other_autoencoder() -> None:
    facts = replace(FACTS, controls=tuple(control for control in FACTS.controls if control != "vae"))
    (problem,) = problems(replace(GOOD, vae="another"), facts)
    assert problem.message.id == "vae.none"


def test_only_the_factor_of_the_models_enlarger_is_taken() -> None:
    facts = replace(FACTS, enlarge=4, default_enlarge=4)
    request = default_request(facts)
    assert (request.enlarge, request.final_size) == (4, (2048, 2048))
    for factor in (1, 4):
        validate(replace(request, enlarge=factor), facts)
    for factor in (-4, 0, 2, 5):
        with pytest.raises(RequestError, match="4 times as large, not"):
            validate(replace(request, enlarge=factor), facts)


def test_all_problems_are_found_at_once() -> None:
    bad = replace(GOOD, steps=0, width=1, seed=-5, count=0, guidance_scale=math.nan)
    assert len(problems(bad, FACTS)) == 5


@pytest.mark.parametrize(
    "changes",
    [
        {"prompt": ""},
        {"prompt": "word " * 10_000},
        {"seed": RANDOM_SEED},
        {"seed": MAX_SEED},
        {"steps": 1},
        {"steps": 1000, "scheduler": "euler"},
        {"guidance_scale": 0},
        {"guidance_scale": 100.0},
        {"width": FACTS.min_size, "height": FACTS.max_size},
    ],
)
def test_what_can_be_run_is_not_refused(changes: dict[str, Any]) -> None:
    validate(replace(GOOD, **changes), FACTS)


@pytest.mark.parametrize("scheduler", DIFFUSION_SCHEDULERS)
def test_every_scheduler_can_be_asked_for(scheduler: str) -> None:
    for kind in SCHEDULERS[scheduler].schedule_types:
        most = SCHEDULERS[scheduler].max_steps
        validate(replace(GOOD, scheduler=scheduler, schedule_type=kind, steps=most), FACTS)


@given(width=st.floats(-1e6, 1e6), height=st.integers(-10, 10_000))
def test_the_nearest_size_is_valid_and_near(width: float, height: int) -> None:
    nearest = FACTS.nearest_size(width, height)
    validate(replace(GOOD, width=nearest[0], height=nearest[1]), FACTS)
    if FACTS.min_size <= width <= FACTS.max_size:
        assert abs(nearest[0] - width) <= FACTS.multiple / 2


def test_random_seeds_are_fixed_once_and_stay_in_32_bits() -> None:
    drawn = [GOOD.with_fixed_seed() for _ in range(50)]
    assert all(0 <= request.seed <= MAX_DRAWN_SEED for request in drawn)
    assert len({request.seed for request in drawn}) > 1
    assert drawn[0].with_fixed_seed() is drawn[0]


def test_a_batch_is_seeds_in_a_row() -> None:
    batch = replace(GOOD, seed=10, count=3)
    assert [(batch.single(k).seed, batch.single(k).count) for k in range(3)] == [(10, 1), (11, 1), (12, 1)]
    last = replace(GOOD, seed=MAX_SEED, count=2)
    validate(last.single(1), FACTS)


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        "text",
        {},
        {"version": VERSION + 1, "model": "m"},
        {"version": 0, "model": "m"},
        {"version": "1", "model": "m"},
        {"version": VERSION},
        {"version": VERSION, "model": 3},
        {"version": VERSION, "model": "m", "steps": "20"},
        {"version": VERSION, "model": "m", "steps": 20.5},
        {"version": VERSION, "model": "m", "steps": True},
        {"version": VERSION, "model": "m", "guidance_scale": None},
        {"version": VERSION, "model": "m", "prompt": ["a"]},
    ],
)
def test_json_that_is_no_request_is_named(data: object) -> None:
    with pytest.raises(RequestError) as caught:
        GenerationRequest.from_json(data)
    assert caught.value.message.id in ("request.malformed", "request.version")
    assert str(caught.value)


def test_older_and_richer_json_can_be_read() -> None:
    assert GenerationRequest.from_json({"version": 1, "model": "m"}) == GenerationRequest(model="m")
    assert GenerationRequest(model="m").enlarge == 1
    richer = {**GOOD.to_json(), "of_the_future": {"a": 1}}
    assert GenerationRequest.from_json(richer) == GOOD


def test_a_number_too_large_for_a_float_is_refused_not_a_crash() -> None:
    request = GenerationRequest.from_json({**GOOD.to_json(), "guidance_scale": 10**400})
    assert [problem.message.id for problem in problems(request, FACTS)] == ["guidance.range"]


def test_every_field_is_saved() -> None:
    assert {field.name for field in fields(GenerationRequest)} | {"version"} == set(GOOD.to_json())
