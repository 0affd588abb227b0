"""How much memory a run needs, said before it begins: weights, and what each of its stages computes.

Sizes of weights are exact. What the stages compute is estimated, linear in the picture's area, as all but a small part
of it is; the numbers were measured on a CPU, and :mod:`desktop_app.core.measurements` corrects them by what runs on
this machine took.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from desktop_app.core.catalog import FAMILIES, Family, Footprint, ModelFacts, PartSize
from desktop_app.core.guidance_form import BATCHED
from desktop_app.core.machine import Machine
from desktop_app.core.measurements import Measurement, correction
from desktop_app.core.memory_plan import BY_GROUP, BY_MODEL, WHOLE, Plan
from desktop_app.core.request import GenerationRequest

NUMBER_BYTES = {"float32": 4.0, "float16": 2.0, "bfloat16": 2.0, "float8_e4m3fn": 1.0, "float8_e5m2": 1.0, "nf4": 0.5}
"""Bytes of one weight, by number format."""
EIGHT_BITS = "float8_e4m3fn"
"""What weights are kept in where they are kept in eight bits."""
UNET_MAPS = 40
"""Feature maps of the U-Net's first width, in the latents' size, that are in memory together."""
TRANSFORMER_MAPS = 26
"""Feature maps of the transformer's width, one number per token, that are in memory together."""
TEXT_TOKENS = 512
"""Tokens of text that a transformer sees beside those of the picture."""
DECODING_MAPS = 7
"""Feature maps of the decoder's last width, in the picture's size, that are in memory together."""
HOLES = 160 * 1024**2
"""Bytes that stay with the process though they were freed: the C library returns at once only what is larger than 32
MiB. Decoding a small picture leaves as much again as its maps take, a large one no more than this: of Stable Diffusion
383 MiB were measured at 256 px, 618 at 384, 1066 at 512 and 2190 at 768, but 243 at 256 px with that limit at 1 MiB.
Weights that are widened and narrowed leave more at the first evaluation (552 MiB at 256 px) than later (283)."""
DENOISING, DECODING = "denoising", "decoding"
DECODER = "vae"


@dataclass(frozen=True, slots=True)
class Forecast:
    """Bytes of one run on its device, in each of its stages, the weights that are there included."""

    weights: int
    """Of the whole model, wherever they wait."""
    encoding: int
    denoising: int
    decoding: int
    waiting: int
    """In RAM, beside a graphics card."""

    @property
    def total(self) -> int:
        """On the device, at the most: the stages follow each other."""
        return max(self.encoding, self.denoising, self.decoding)


def weight_bytes(numbers: int, dtype: str) -> int:
    """Bytes of so many weights as ``dtype``, a key of :data:`NUMBER_BYTES`; raises ``KeyError``."""
    return round(numbers * NUMBER_BYTES[dtype])


def forecast(
    request: GenerationRequest, facts: ModelFacts, plan: Plan, machine: Machine, known: Sequence[Measurement] = ()
) -> Forecast | None:
    """What ``request`` needs where it runs as ``plan`` says; None where the model's sizes are unknown."""
    own = _needs(request, facts, plan, machine, known)
    refiner = facts.refiner(request.refiner)
    if own is None or refiner is None:
        return own
    other = _needs(request, refiner, plan, machine, known)
    return None if other is None else _together(own, other, refiner, plan)


def _needs(
    request: GenerationRequest, facts: ModelFacts, plan: Plan, machine: Machine, known: Sequence[Measurement]
) -> Forecast | None:
    """What the model by itself needs."""
    footprint = facts.footprint
    if footprint is None:
        return None
    work = _work(request, facts, footprint, plan, machine, known)
    whole = _part_bytes(facts, footprint, plan, WHOLE)
    weights = sum(whole.values())
    alone = facts.pipeline and weights > machine.free  # then diffusers' pipelines offload by model, whatever the plan
    offload = BY_MODEL if alone else plan.offload
    if offload == WHOLE or machine.kind != "cuda":  # elsewhere RAM is the device's own memory
        return Forecast(weights, weights, weights + work[DENOISING], weights + work[DECODING], waiting=0)
    here = _part_bytes(facts, footprint, plan, offload)
    denoiser, decoder = here.pop(footprint.denoiser), here.pop(DECODER, 0)
    texts = max(here.values(), default=0)
    return Forecast(weights, texts, denoiser + work[DENOISING], decoder + work[DECODING], waiting=weights)


def _together(own: Forecast, other: Forecast, refiner: ModelFacts, plan: Plan) -> Forecast:
    """Of two models that are both there: the refiner, which needs the ``other``, decodes with the autoencoder of the
    first."""
    assert refiner.footprint is not None
    shared = _part_bytes(refiner, refiner.footprint, plan, WHOLE)[DECODER]
    weights = own.weights + other.weights - shared
    if own.waiting:
        stages = (max(own.encoding, other.encoding), max(own.denoising, other.denoising), own.decoding)
        return Forecast(weights, *stages, waiting=weights)
    denoising = max(own.denoising - own.weights, other.denoising - other.weights)
    return Forecast(weights, weights, weights + denoising, weights + own.decoding - own.weights, waiting=0)


def part_dtype(family: Family, part: str, dtype: str) -> str:
    """Number format of one part where the denoiser is in ``dtype``.

    bfloat16 has too few digits for 256 shades, and where it is used the small parts take little of the time.
    """
    if part in family.float32_parts:
        return "float32"
    together = family.bridge is not None  # diffusers' pipelines have all other parts in one format
    return dtype if part in family.large_parts or dtype == "float16" or together else "float32"


def _part_bytes(facts: ModelFacts, footprint: Footprint, plan: Plan, offload: str) -> dict[str, int]:
    """Bytes of each part on the device in its turn, by the part's name."""
    family = FAMILIES[facts.family]

    def stored(part: PartSize) -> str:
        eight_bits = plan.eight_bits and part.name == footprint.denoiser
        return EIGHT_BITS if eight_bits else part_dtype(family, part.name, plan.dtype)

    return {
        part.name: weight_bytes(part.group if offload == BY_GROUP else part.numbers, stored(part))
        for part in footprint.parts
    }


def _work(
    request: GenerationRequest,
    facts: ModelFacts,
    footprint: Footprint,
    plan: Plan,
    machine: Machine,
    known: Sequence[Measurement],
) -> dict[str, int]:
    """Bytes beside the weights, by stage: the estimates, corrected by what was measured."""
    key = measured_as(facts, plan, machine.name)
    return {
        stage: round(one.size * correction(known, key, stage, one.pixels))
        for stage, one in estimates(request, facts, footprint, plan).items()
    }


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a stage takes beside the weights, in bytes, and the pixels that it follows from."""

    size: int
    pixels: int


def estimates(request: GenerationRequest, facts: ModelFacts, footprint: Footprint, plan: Plan) -> dict[str, Estimate]:
    """By stage. Of a film that does not fit whole one frame is decoded at a time, so that one frame counts, or as many
    as share a frame of the latents."""
    family = FAMILIES[facts.family]
    together = facts.film.frame_step if request.is_film and facts.film else 1
    seen = latent_pixels(request, facts, request.frames) * (2 if plan.form == BATCHED else 1)
    width, height = (min(side, footprint.tile) if plan.tiled else side for side in request.size)
    decoded = _decoded(footprint, together * width * height, part_dtype(family, DECODER, plan.dtype))
    return {
        DENOISING: Estimate(_denoised(footprint, seen, plan), seen),
        DECODING: Estimate(decoded, width * height),
    }


def latent_pixels(request: GenerationRequest, facts: ModelFacts, frames: int) -> int:
    """How many the denoiser sees at once, with ``frames`` in a film."""
    shrink = facts.footprint.shrink if facts.footprint else 8
    pixels = (request.width // shrink) * (request.height // shrink)
    if not (request.is_film and facts.film):
        return pixels
    seen = min(frames, facts.film.window) if facts.motion_models else frames
    return pixels * (1 + (seen - 1) // facts.film.frame_step)


def _denoised(footprint: Footprint, pixels: int, plan: Plan) -> int:
    """Bytes while ``pixels`` latent pixels are evaluated: maps, and copies of the largest layer's weights.

    A U-Net's convolutions lay their weights out anew, which took as much in bfloat16 as in float32; and weights of
    eight bits are widened.
    """
    largest = next(part.largest for part in footprint.parts if part.name == footprint.denoiser)
    widened = weight_bytes(largest, plan.dtype) + HOLES if plan.eight_bits else 0
    if footprint.patch == 1 and footprint.denoiser == "unet":
        maps = UNET_MAPS * footprint.width * pixels
        return weight_bytes(maps, plan.dtype) + weight_bytes(largest, "float32") + widened
    maps = TRANSFORMER_MAPS * footprint.width * (pixels // footprint.patch**2 + TEXT_TOKENS)
    return weight_bytes(maps, plan.dtype) + widened


def _decoded(footprint: Footprint, pixels: int, dtype: str) -> int:
    """Bytes while a picture of ``pixels`` is decoded in ``dtype``."""
    maps = weight_bytes(DECODING_MAPS * footprint.vae_width * pixels, dtype)
    return maps + min(maps, HOLES)


def measured_as(facts: ModelFacts, plan: Plan, device: str) -> str:
    """The key of a :class:`Measurement`: what estimates are off by alike."""
    width = facts.footprint.width if facts.footprint else 0
    numbers = f"{plan.dtype}, weights of 8 bits" if plan.eight_bits else plan.dtype
    return f"{device} · {numbers} · {facts.family} · {width}"
