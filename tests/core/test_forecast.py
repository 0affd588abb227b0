"""The forecast follows from the sizes of model, picture and number format, and stays near what was measured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from desktop_app.core.catalog import FAMILIES, FilmFacts, Footprint, PartSize
from desktop_app.core.forecast import HOLES, Forecast, estimates, forecast, measured_as, weight_bytes
from desktop_app.core.guidance_form import BATCHED, NONE, TWO_PASS
from desktop_app.core.machine import Machine
from desktop_app.core.measurements import Measurement
from desktop_app.core.memory_plan import BY_GROUP, BY_MODEL, Plan
from tests.core.test_request import FACTS, GOOD

GB = 10**9
MIB = 1 << 20
PARTS = (
    PartSize("text_encoder", 123_000_000, 45_000_000, 38_000_000),
    PartSize("unet", 860_000_000, 240_000_000, 29_500_000),
    PartSize("vae", 84_000_000, 50_000_000, 2_400_000),
)
STABLE_DIFFUSION = Footprint(PARTS, "unet", width=320, patch=1, vae_width=128, shrink=8, tile=512)
LARGE = replace(FACTS, footprint=STABLE_DIFFUSION, min_size=64, max_size=4096)
CPU = Machine("cpu", "A processor", "float32", memory=16 * GB, free=12 * GB, ram_free=12 * GB)
CARD = Machine("cuda", "A card", "float16", memory=8 * GB, free=7 * GB, ram_free=12 * GB)
PLAIN = Plan("float32", NONE)


def told(plan: Plan = PLAIN, machine: Machine = CPU, known: Any = (), **changes: Any) -> Forecast:
    found = forecast(replace(GOOD, **changes), LARGE, plan, machine, known)
    assert found is not None
    return found


@pytest.mark.parametrize(("side", "decoding"), [(128, 122), (256, 383), (384, 618), (512, 1066), (768, 2190)])
def test_decoding_is_near_what_stable_diffusion_took(side: int, decoding: int) -> None:
    """Measured on a CPU in float32, in MiB; in tiles of 512 px 1054 whatever the size."""
    found = told(width=side, height=side)
    assert (found.decoding - found.weights) / MIB == pytest.approx(decoding, rel=0.1)
    tiled = told(replace(PLAIN, tiled=True), width=768, height=768)
    assert (tiled.decoding - tiled.weights) / MIB == pytest.approx(1054, rel=0.1)


@pytest.mark.parametrize(("side", "form", "evaluation"), [(256, NONE, 193), (512, NONE, 305), (512, BATCHED, 586)])
def test_an_evaluation_is_near_what_stable_diffusion_took(side: int, form: str, evaluation: int) -> None:
    """Measured on a CPU in float32, in MiB."""
    found = told(Plan("float32", form), width=side, height=side)
    assert (found.denoising - found.weights) / MIB == pytest.approx(evaluation, rel=0.2)
    assert found.weights == 4 * 1_067_000_000
    assert found.total == max(found.denoising, found.decoding)
    assert found.waiting == 0


def test_half_precision_halves_what_is_in_it() -> None:
    whole, half, brain = (told(Plan(dtype, NONE), CARD) for dtype in ("float32", "float16", "bfloat16"))
    assert half.weights * 2 == whole.weights
    assert half.total < 0.52 * whole.total
    assert brain.weights == 2 * 860_000_000 + 4 * 207_000_000, "the small parts have too much to lose"


def test_an_autoencoder_that_overflows_stays_in_float32() -> None:
    large = replace(LARGE, family="stable-diffusion-xl")
    found = forecast(GOOD, large, Plan("float16", NONE), CARD)
    assert found is not None
    assert FAMILIES[large.family].float32_parts == ("vae",)
    assert found.weights == 2 * 983_000_000 + 4 * 84_000_000


def test_eight_bits_halve_the_denoiser_once_more() -> None:
    half, eight = (told(Plan("float16", NONE, eight_bits=kept), CARD) for kept in (False, True))
    assert half.weights - eight.weights == 860_000_000
    by_group = told(Plan("float16", NONE, offload=BY_GROUP, eight_bits=True), CARD)
    assert by_group.waiting == eight.weights
    assert eight.encoding == eight.weights
    widened = (eight.denoising - eight.weights) - (half.denoising - half.weights)
    assert widened == 2 * 29_500_000 + HOLES, "one layer at a time"


def test_one_batch_of_guidance_takes_the_room_of_two_passes_twice() -> None:
    largest = 4 * 29_500_000
    one, both = (
        told(Plan("float32", form), width=1024, height=1024).denoising - told().weights - largest
        for form in (TWO_PASS, BATCHED)
    )
    assert both == 2 * one


def test_tiles_take_no_more_for_a_larger_picture() -> None:
    plan = Plan("float32", NONE, tiled=True)
    assert told(plan, width=2048, height=1024).decoding == told(plan, width=512, height=512).decoding
    assert told(plan, width=256, height=512).decoding < told(plan, width=512, height=512).decoding


def test_a_film_takes_as_many_frames_as_the_model_sees_at_once() -> None:
    film = FilmFacts(frames=16, max_frames=512, fps=8, window=16)
    facts = replace(LARGE, film=film, kinds=("picture", "film"), motion_models=("v3",))
    request = replace(GOOD, kind="film", width=512, height=512)
    pixels = [
        estimates(replace(request, frames=frames), facts, STABLE_DIFFUSION, PLAIN)["denoising"].pixels
        for frames in (4, 16, 64)
    ]
    assert [count // 4096 for count in pixels] == [4, 16, 16]
    whole = estimates(replace(request, frames=64), replace(facts, motion_models=()), STABLE_DIFFUSION, PLAIN)
    assert whole["denoising"].pixels == 64 * 4096


def test_offloading_leaves_one_part_or_block_on_the_card() -> None:
    work = told(Plan("float16", NONE), CARD).denoising - told(Plan("float16", NONE), CARD).weights
    by_model, by_group = (told(Plan("float16", NONE, offload=how), CARD) for how in (BY_MODEL, BY_GROUP))
    assert by_model.denoising - work == 2 * 860_000_000
    assert by_group.denoising - work == 2 * 240_000_000
    assert (by_model.encoding, by_group.encoding) == (2 * 123_000_000, 2 * 45_000_000)
    assert by_model.waiting == by_group.waiting == by_model.weights == 2 * 1_067_000_000


def test_offloading_saves_nothing_where_ram_is_the_devices_own_memory() -> None:
    assert told(Plan("float32", NONE, offload=BY_GROUP)) == told()


def test_a_transformer_is_counted_in_tokens() -> None:
    flux = replace(STABLE_DIFFUSION, width=3072, patch=2)
    facts = replace(FACTS, footprint=flux)
    small, large = (
        estimates(replace(GOOD, width=side, height=side), facts, flux, Plan("bfloat16", NONE))["denoising"].size
        for side in (512, 1024)
    )
    assert (large - small) % (4096 - 1024) == 0
    assert 0.5 * GB < large < 1.5 * GB


REFINER_PARTS = (
    PartSize("text_encoder_2", 695_000_000, 90_000_000, 63_000_000),
    PartSize("unet", 2_260_000_000, 900_000_000, 59_000_000),
    PartSize("vae", 84_000_000, 50_000_000, 2_400_000),
)
REFINER = replace(
    LARGE,
    key="refiner",
    family="stable-diffusion-xl-refiner",
    footprint=replace(STABLE_DIFFUSION, parts=REFINER_PARTS, width=384),
)
REFINED = replace(LARGE, refiners=(REFINER,))


def refined(plan: Plan, machine: Machine) -> tuple[Forecast, Forecast, Forecast]:
    """Of the model and its refiner together, and of each alone."""
    asked = replace(GOOD, refiner="refiner", width=512, height=512)
    found = [forecast(asked, facts, plan, machine) for facts in (REFINED, LARGE, REFINER)]
    assert None not in found
    return tuple(found)  # pyright: ignore[reportReturnType]


def test_a_refiner_is_there_beside_the_model_but_for_its_autoencoder() -> None:
    both, one, other = refined(PLAIN, CPU)
    assert both.weights == both.encoding == one.weights + 4 * 2_955_000_000
    assert both.denoising - both.weights == max(one.denoising - one.weights, other.denoising - other.weights)
    assert both.decoding - both.weights == one.decoding - one.weights
    assert forecast(GOOD, REFINED, PLAIN, CPU) == forecast(GOOD, LARGE, PLAIN, CPU), "nobody asked for it"


def test_offloaded_the_larger_of_two_models_counts() -> None:
    both, one, other = refined(Plan("float16", NONE, offload=BY_MODEL), CARD)
    assert (both.encoding, both.denoising, both.decoding) == (other.encoding, other.denoising, one.decoding)
    assert both.waiting == both.weights == one.weights + 2 * 2_955_000_000


def test_nothing_is_foretold_beside_a_refiner_of_unknown_size() -> None:
    facts = replace(LARGE, refiners=(replace(REFINER, footprint=None),))
    assert forecast(replace(GOOD, refiner="refiner"), facts, PLAIN, CPU) is None


def test_what_was_measured_here_corrects_it() -> None:
    key = measured_as(LARGE, PLAIN, CPU.name)
    known = [Measurement(key, "decoding", 512 * 512, estimated=1000, measured=1500)]
    plain, corrected = told(width=512, height=512), told(known=known, width=512, height=512)
    assert corrected.decoding - corrected.weights == pytest.approx(1.5 * (plain.decoding - plain.weights), abs=1)
    assert corrected.denoising == plain.denoising
    assert told(Plan("bfloat16", NONE), known=known).decoding == told(Plan("bfloat16", NONE)).decoding


def test_nothing_is_foretold_of_a_model_of_unknown_size() -> None:
    assert forecast(GOOD, FACTS, PLAIN, CPU) is None


def test_an_unknown_number_format_is_an_error() -> None:
    assert weight_bytes(10, "nf4") == 5
    with pytest.raises(KeyError):
        weight_bytes(10, "float1")
