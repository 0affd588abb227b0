"""InvokeAI's metadata: one JSON object, under ``invokeai_metadata`` in a PNG."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from desktop_app.core.catalog import INVOKE
from desktop_app.core.request import PROMPT_SYNTAX, RANDOM_SEED, GenerationRequest
from desktop_app.core.result import Result
from desktop_app.export.samplers import from_invoke

KEY = "invokeai_metadata"


def result_of(data: object, size: tuple[int, int]) -> Result | None:
    """The recipe that it tells; None when it says nothing of a prompt.

    ``size``, (width, height) in px, counts where it says none. Raises ``ValueError`` or ``TypeError``.
    """
    if not isinstance(data, Mapping) or "positive_prompt" not in data:
        return None
    scheduler, schedule_type = from_invoke(str(data.get("scheduler", "")))
    steps = int(_given(data, "steps", 20))
    request = GenerationRequest(
        model=_name(data.get("model")),
        prompt="".join([str(data["positive_prompt"] or ""), *_loras(data.get("loras"))]),
        negative_prompt=str(data.get("negative_prompt") or ""),
        width=int(_given(data, "width", size[0])),
        height=int(_given(data, "height", size[1])),
        steps=steps,
        guidance_scale=float(_given(data, "cfg_scale", 7)),
        scheduler=scheduler,
        schedule_type=schedule_type,
        clip_skip=1 + int(_given(data, "clip_skip", 0)),
        seed=int(_given(data, "seed", RANDOM_SEED)),
        prompt_syntax=PROMPT_SYNTAX,
        prompt_dialect=INVOKE,
    )
    program = f"InvokeAI {data.get('app_version', '')}".strip()
    return Result(request=request, run=None, seconds=0.0, steps_done=steps, program=program)


def _loras(listed: object) -> list[str]:
    """As the prompt asks for them here."""
    loras: list[str] = []
    for one in listed if isinstance(listed, list) else ():
        name = _name(one.get("model") or one.get("lora")) if isinstance(one, Mapping) else ""
        if name:
            loras.append(f" <lora:{name}:{float(_given(one, 'weight', 1)):g}>")
    return loras


def _given(data: Mapping[str, Any], name: str, otherwise: float) -> Any:
    """A value; ``otherwise`` where it is missing or null."""
    return otherwise if (value := data.get(name)) is None else value


def _name(model: Any) -> str:
    """Of the versions that write a name, and of those that wrote ``model_name``."""
    if not isinstance(model, Mapping):
        return ""
    return str(model.get("name") or model.get("model_name") or "")
