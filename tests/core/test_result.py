"""Results survive JSON, and damage is named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from desktop_app.core.errors import RequestError
from desktop_app.core.request import GenerationRequest
from desktop_app.core.result import RECIPE_VERSION, Result, RunRecord
from tests.core.strategies import results

RUN = RunRecord(device="cpu", device_name="x", dtype="float32", guidance_form="none", threads=1)
GOOD = Result(request=GenerationRequest(model="m", seed=4), run=RUN, seconds=1.5, steps_done=3)


@given(result=results)
def test_json_round_trip(result: Result) -> None:
    assert Result.from_json(json.loads(json.dumps(result.to_json()))) == result


@pytest.mark.parametrize(
    "changes",
    [
        {"recipe": RECIPE_VERSION + 1},
        {"recipe": None},
        {"request": None},
        {"run": None},
        {"run": {"device": "cpu"}},
        {"run": {**GOOD.to_json()["run"], "versions": 5}},
        {"run": {**GOOD.to_json()["run"], "threads": "many"}},
        {"seconds": "long"},
        {"seconds": 10**400},
        {"steps_done": None},
    ],
)
def test_damage_is_named(changes: dict[str, Any]) -> None:
    with pytest.raises(RequestError) as caught:
        Result.from_json({**GOOD.to_json(), **changes})
    assert str(caught.value)


def test_a_result_is_a_set_of_values() -> None:
    with pytest.raises(RequestError):
        Result.from_json([GOOD.to_json()])


def test_the_seed_is_that_of_the_request() -> None:
    assert GOOD.seed == 4
