"""A request's texts as a model is told them: with the LoRAs they ask for taken out, one request for every stage."""

from __future__ import annotations

from dataclasses import dataclass, replace

from desktop_app.core.catalog import PLAIN, ModelFacts
from desktop_app.core.request import GenerationRequest
from desktop_app.prompt.schedule import schedule
from desktop_app.prompt.tags import LoraTag, lora_tags, without_tags


@dataclass(frozen=True, slots=True)
class Reading:
    """What a request says."""

    stages: tuple[tuple[int, GenerationRequest], ...]
    """(last step, the request with the texts that hold until then), the steps counted from 1."""
    loras: tuple[LoraTag, ...] = ()


def read_request(request: GenerationRequest, facts: ModelFacts) -> Reading:
    """Read the texts of ``request`` in its dialect, as far as the model that ``facts`` describes can be told.

    Recipes of prompt syntax 0 say what they say. In all others LoRAs are asked for in the prompt; in the negative one
    their tags mean nothing and are left out.
    """
    if not request.prompt_syntax:
        return Reading(((request.steps, request),))
    dialect = request.dialect if "prompt_dialect" in facts.controls else PLAIN
    texts = [without_tags(text) for text in (request.prompt, request.negative_prompt)]
    plans = [schedule(text, dialect, request.steps) for text in texts]
    ends = sorted({last for plan in plans for last, _ in plan})
    stages = []
    for end in ends:
        prompt, negative = (next(text for last, text in plan if end <= last) for plan in plans)
        stages.append((end, replace(request, prompt=prompt, negative_prompt=negative, prompt_dialect=dialect)))
    return Reading(tuple(stages), tuple(lora_tags(request.prompt)))
