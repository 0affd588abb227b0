"""Which plan a run follows: the quickest that fits, unless the user wishes another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from desktop_app.core.catalog import FAMILIES, ModelFacts
from desktop_app.core.forecast import Forecast, forecast, latent_pixels
from desktop_app.core.guidance_form import BATCHED, PIPELINE, usual_form
from desktop_app.core.machine import Machine
from desktop_app.core.measurements import Measurement
from desktop_app.core.memory_plan import AUTO, BY_GROUP, EIGHT, HALF, MEASURES, TILES, WHOLE, Plan, Wishes
from desktop_app.core.messages import Message
from desktop_app.core.request import GenerationRequest
from desktop_app.core.sizes import size_text

MARGIN = 1.1
"""So many times the forecast must be free: it is no promise, and memory comes in pieces."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A plan, and why it was chosen."""

    plan: Plan
    measures: tuple[str, ...]
    """Keys of :data:`MEASURES` that were needed to make it fit."""
    usual: Forecast | None
    """Without them; None where the model's sizes are unknown."""
    need: Forecast | None
    """With them."""
    fits: bool

    def message(self, machine: Machine) -> Message | None:
        """What is to be said before the run; None where all is as usual."""
        if self.usual is None or self.need is None:
            return None
        free = size_text(machine.free)
        if not self.fits:
            return Message("memory.short", {"need": size_text(self.need.total), "free": free})
        how = ", ".join(MEASURES[measure][0] for measure in self.measures)
        return Message("memory.plan", {"need": size_text(self.usual.total), "free": free, "how": how}) if how else None


def choose(
    request: GenerationRequest,
    facts: ModelFacts,
    machine: Machine,
    wishes: Wishes,
    known: Sequence[Measurement] = (),
    *,
    fixed: Plan | None = None,
) -> Chosen:
    """The plan for ``request``: measures are taken one after another until it fits, and the needless ones undone.

    Where nothing helps all of them are taken. ``fixed`` is the plan of an earlier run that is repeated: only what
    does not show in the picture may differ from it.
    """
    usual = fixed or usual_plan(request, facts, machine, wishes)
    possible = [name for name in _possible(request, facts, machine, wishes, usual) if fixed is None or _unseen(name)]

    def need(measures: Iterable[str]) -> Forecast | None:
        return forecast(request, facts, changed(usual, measures), machine, known)

    taken: list[str] = []
    for measure in possible:
        if _fits(need(taken), machine):
            break
        taken.append(measure)
    fits = _fits(need(taken), machine)
    for measure in taken[:-1] if fits else []:
        without = [other for other in taken if other != measure]
        taken = without if _fits(need(without), machine) else taken
    return Chosen(changed(usual, taken), tuple(taken), need(()), need(taken), fits)


def usual_plan(request: GenerationRequest, facts: ModelFacts, machine: Machine, wishes: Wishes) -> Plan:
    """How ``request`` runs where memory is not short, as the user wishes."""
    pixels = latent_pixels(request, facts, request.frames)
    usual = usual_form(machine.kind, machine.memory, request.guidance_scale, pixels)
    form = PIPELINE if facts.pipeline else usual
    offload = WHOLE if wishes.offload == AUTO or not _can_offload(request, facts) else wishes.offload
    tiled = wishes.decode == TILES and _can_tile(facts)
    eight_bits = wishes.precision == EIGHT and can_keep_eight_bits(facts, machine)
    return Plan(_dtype(facts, machine, wishes), form, tiled, offload, eight_bits)


def changed(plan: Plan, measures: Iterable[str]) -> Plan:
    """``plan`` with ``measures`` taken."""
    changes: dict[str, Any] = {}
    for measure in measures:
        changes |= MEASURES[measure][1]
    return replace(plan, **changes)


def next_measure(request: GenerationRequest, facts: ModelFacts, machine: Machine, wishes: Wishes, plan: Plan) -> str:
    """The cheapest that ``plan`` does without, for a run that did not fit after all; "" where there is none."""
    return next(iter(_possible(request, facts, machine, wishes, plan)), "")


def _dtype(facts: ModelFacts, machine: Machine, wishes: Wishes) -> str:
    overflows = FAMILIES[facts.family].overflows
    half = "bfloat16" if machine.kind == "cpu" or overflows else "float16"
    usual = half if machine.dtype == "float16" else machine.dtype
    return {AUTO: usual, EIGHT: usual, HALF: half}.get(wishes.precision, "float32")


def _possible(request: GenerationRequest, facts: ModelFacts, machine: Machine, wishes: Wishes, plan: Plan) -> list[str]:
    """Measures that change ``plan`` and may be taken, the cheapest first."""
    larger = facts.footprint is not None and max(request.size) > facts.footprint.tile
    offloads = wishes.offload == AUTO and machine.kind == "cuda" and _can_offload(request, facts)
    may = {
        "two-pass": plan.form == BATCHED,
        "tiles": wishes.decode == AUTO and not plan.tiled and _can_tile(facts) and larger,
        "model": offloads and plan.offload == WHOLE,
        "group": offloads and plan.offload != BY_GROUP,
        "bfloat16": wishes.precision == AUTO and machine.kind == "cpu" and plan.dtype == "float32",
        "eight-bits": wishes.precision == AUTO and not plan.eight_bits and can_keep_eight_bits(facts, machine),
    }
    return [name for name in MEASURES if may[name]]


def _unseen(measure: str) -> bool:
    """Whether the picture is the same with it, to the bit."""
    return set(MEASURES[measure][1]) == {"offload"}


def _can_tile(facts: ModelFacts) -> bool:
    return facts.footprint is not None and facts.footprint.tile > 0


def _can_offload(request: GenerationRequest, facts: ModelFacts) -> bool:
    """A motion adapter shares the layers of the picture model that it animates, which must stay where they are; a
    pipeline of diffusers decides by itself."""
    return not (request.is_film and facts.motion_models) and not facts.pipeline


def can_keep_eight_bits(facts: ModelFacts, machine: Machine) -> bool:
    """Apple's graphics know no float8; a pipeline of diffusers is left as it is."""
    return machine.kind != "mps" and not facts.pipeline


def _fits(need: Forecast | None, machine: Machine) -> bool:
    return need is None or (need.total * MARGIN <= machine.free and need.waiting * MARGIN <= machine.ram_free)
