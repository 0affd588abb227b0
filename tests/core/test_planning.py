"""The quickest plan that fits is chosen, and no measure that it can do without."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from desktop_app.core.forecast import forecast
from desktop_app.core.guidance_form import BATCHED, NONE, TWO_PASS
from desktop_app.core.memory_plan import MEASURES, NO_WISHES, WHOLE, Plan, Wishes
from desktop_app.core.planning import MARGIN, Chosen, changed, choose, next_measure, usual_plan
from tests.core.test_forecast import CARD, CPU, GB, LARGE
from tests.core.test_request import FACTS, GOOD

BIG = replace(GOOD, width=768, height=768)


def chosen(
    machine: Any = CPU, wishes: Wishes = NO_WISHES, request: Any = BIG, facts: Any = LARGE, **more: Any
) -> Chosen:
    return choose(request, facts, machine, wishes, **more)


def card(free: float, **changes: Any) -> Any:
    return replace(CARD, free=round(free * GB), **changes)


def test_where_memory_is_plenty_all_is_as_usual() -> None:
    found = chosen(CARD)
    assert found.measures == ()
    assert found.plan == Plan("float16", BATCHED)
    assert found.usual == found.need == forecast(BIG, LARGE, found.plan, CARD)
    assert found.message(CARD) is None


@pytest.mark.parametrize(
    ("free", "measures"),
    [
        (3.8, ()),
        (3.4, ("tiles",)),
        (2.6, ("model",)),
        (2.4, ("two-pass", "model")),
        (1.9, ("model", "eight-bits")),
        (1.7, ("two-pass", "model", "eight-bits")),
        (1.5, ("group",)),
        (1.2, ("tiles", "group")),
        (1.0, ("two-pass", "tiles", "group")),
    ],
)
def test_a_card_with_less_and_less_memory(free: float, measures: tuple[str, ...]) -> None:
    found = chosen(card(free))
    assert (found.measures, found.fits) == (measures, True)
    assert found.need is not None
    assert found.need.total * MARGIN <= free * GB


def test_every_measure_that_is_taken_is_needed() -> None:
    for free in range(8, 40):
        machine = card(free / 10)
        found = chosen(machine)
        for measure in found.measures if found.fits else ():
            plan = changed(usual_plan(BIG, LARGE, machine, NO_WISHES), set(found.measures) - {measure})
            need = forecast(BIG, LARGE, plan, machine)
            assert need is not None
            assert need.total * MARGIN > machine.free, (free, measure)


def test_a_processor_goes_to_half_precision_and_then_to_eight_bits() -> None:
    found = chosen(replace(CPU, free=round(5.5 * GB)))
    assert found.plan == Plan("bfloat16", TWO_PASS)
    assert found.measures == ("bfloat16",)
    message = found.message(CPU)
    assert message is not None
    assert "half precision" in message.text
    smaller = chosen(replace(CPU, free=round(3.2 * GB)))
    assert (smaller.plan.eight_bits, smaller.fits) == (True, True)
    assert "weights of 8 bits" in smaller.message(CPU).text  # type: ignore[union-attr]


def test_eight_bits_are_taken_only_where_half_precision_does_not_fit() -> None:
    for free in range(10, 60):
        found = chosen(replace(CPU, free=round(free / 10 * GB)))
        half = forecast(BIG, LARGE, Plan("bfloat16", TWO_PASS, tiled=True), CPU)
        assert half is not None
        assert found.plan.eight_bits == (half.total * MARGIN > free / 10 * GB), free


def test_eight_bits_are_not_for_apples_graphics_nor_for_pipelines_of_diffusers() -> None:
    apple = replace(CARD, kind="mps", free=GB)
    assert not chosen(apple).plan.eight_bits
    assert not chosen(apple, Wishes("eight")).plan.eight_bits
    bridged = replace(LARGE, pipeline="StableDiffusionPipeline")
    assert not chosen(card(1), Wishes("eight"), facts=bridged).plan.eight_bits
    assert not chosen(card(1), facts=bridged).plan.eight_bits


def test_where_nothing_helps_everything_is_tried_and_said() -> None:
    found = chosen(card(0.3))
    assert not found.fits
    assert (found.plan.offload, found.plan.tiled, found.plan.form) == ("group", True, TWO_PASS)
    message = found.message(card(0.3))
    assert message is not None
    assert message.id == "memory.short"


def test_what_waits_must_fit_into_ram() -> None:
    assert not chosen(card(1.7, ram_free=GB)).fits


@pytest.mark.parametrize(
    ("wishes", "plan"),
    [
        (Wishes(precision="full"), Plan("float32", BATCHED)),
        (Wishes(precision="half"), Plan("float16", BATCHED)),
        (Wishes(precision="eight"), Plan("float16", BATCHED, eight_bits=True)),
        (Wishes(offload="group"), Plan("float16", BATCHED, offload="group")),
        (Wishes(decode="tiles"), Plan("float16", BATCHED, tiled=True)),
    ],
)
def test_wishes_are_kept_where_memory_is_plenty(wishes: Wishes, plan: Plan) -> None:
    machine = card(40)
    assert chosen(machine, wishes).plan == plan


def test_wishes_are_kept_where_memory_is_short() -> None:
    found = chosen(card(1.2), Wishes(offload="whole", decode="whole", precision="full"))
    assert (found.plan, found.fits) == (Plan("float32", TWO_PASS), False)
    assert chosen(replace(CPU, free=5 * GB), Wishes(precision="full")).plan.dtype == "float32"
    for wish in ("full", "half"):
        assert not chosen(card(1), Wishes(precision=wish)).plan.eight_bits


def test_a_family_that_overflows_takes_bfloat16_for_half() -> None:
    flux = replace(LARGE, family="flux")
    assert usual_plan(GOOD, flux, CARD, NO_WISHES).dtype == "bfloat16"
    assert usual_plan(GOOD, flux, CARD, Wishes(precision="half")).dtype == "bfloat16"


def test_an_animated_model_is_never_offloaded() -> None:
    film = replace(BIG, kind="film", frames=2)
    facts = replace(LARGE, motion_models=("v3",))
    assert chosen(card(1.7), Wishes(offload="group"), film, facts).plan.offload == WHOLE
    assert chosen(card(1.7), request=film, facts=facts).plan.offload == WHOLE


def test_a_run_that_is_repeated_changes_only_what_does_not_show() -> None:
    fixed = Plan("float16", BATCHED)
    found = chosen(card(1.9), fixed=fixed)
    assert replace(found.plan, offload=WHOLE) == fixed
    assert found.measures == ("group",)


def test_the_next_measure_is_one_that_changes_something() -> None:
    plan = usual_plan(BIG, LARGE, CARD, NO_WISHES)
    taken = []
    while measure := next_measure(BIG, LARGE, CARD, NO_WISHES, plan):
        taken.append(measure)
        plan = changed(plan, [measure])
        assert len(taken) < 9
    assert taken == ["two-pass", "tiles", "model", "eight-bits", "group"]
    assert set(taken) < set(MEASURES)


def test_a_model_of_unknown_size_runs_as_usual() -> None:
    found = chosen(card(0.1), facts=FACTS)
    assert (found.measures, found.need, found.message(CARD)) == ((), None, None)
    assert chosen(request=replace(GOOD, guidance_scale=1)).plan.form == NONE
