"""The facts of a model that runs through diffusers' own pipeline: what its family says, as far as the pipeline goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from desktop_app.checkpoints.pipelines import PipelineCall
from desktop_app.checkpoints.scan import display_name
from desktop_app.core.catalog import FILM, PICTURE, BridgeFacts, Family, FilmFacts
from desktop_app.core.errors import AppError

_ALWAYS = ("prompt", "steps", "size", "seed", "count")
_OF_FILMS = ("frames", "fps", "loop")
_FILM_SIZE = (832, 480)
_FILM = FilmFacts(frames=49, max_frames=257, fps=16, window=49)
"""Where neither family nor pipeline says more."""
LEFT_OUT = ("safety_checker",)
"""Parts that no model here is run with."""
_TIME_SHRINKS = ("temporal_compression_ratio", "scale_factor_temporal")
"""What autoencoders' configs call the frames that share one latent frame."""


def with_pipeline(family: Family, call: PipelineCall, vae: Mapping[str, Any]) -> Family:
    """``family`` with the controls that the pipeline has; one that names no pipelines takes its choices from ``call``.

    ``vae`` is the config of the model's autoencoder.
    """
    bridge = family.bridge or BridgeFacts()
    controls: list[str] = list(_ALWAYS)
    if call.parameter("negative_prompt"):
        controls.append("negative_prompt")
    if call.parameter("guidance_scale", bridge.guidance):
        controls.append("guidance_scale")
    if call.films:
        controls += _OF_FILMS
    if not family.pipelines:
        family = _with_defaults(family, call, vae)
    return replace(family, controls=tuple(controls))


def _with_defaults(family: Family, call: PipelineCall, vae: Mapping[str, Any]) -> Family:
    """``family`` with the first-run choices that are written in the pipeline, where there are any."""
    width, height = call.parameters["width"], call.parameters["height"]
    own = ((width, height),) if isinstance(width, int) and isinstance(height, int) else ()
    guidance = call.default("guidance_scale")
    return replace(
        family,
        sizes=own or ((_FILM_SIZE,) if call.films else family.sizes),
        steps=call.default("steps") or family.steps,
        guidance_scale=family.guidance_scale if guidance is None else guidance,
        kinds=(FILM,) if call.films else (PICTURE,),
        film=_film(call, vae) if call.films else None,
    )


def _film(call: PipelineCall, vae: Mapping[str, Any]) -> FilmFacts:
    frames = call.default("frames") or _FILM.frames
    fps = round(call.default("fps") or _FILM.fps)
    steps = [vae[name] for name in _TIME_SHRINKS if isinstance(vae.get(name), int)]
    fitting = [step for step in steps if step > 0 and (frames - 1) % step == 0]
    most = max(frames, _FILM.max_frames)
    return FilmFacts(frames=frames, max_frames=most, fps=fps, window=frames, frame_step=(*fitting, 1)[0])


def parts_with_weights(folder: Path, index: Mapping[str, Any]) -> tuple[str, ...]:
    """The sub-folders of the model in ``folder`` that must hold weights, as its ``model_index.json`` says (``index``).

    Raises ``AppError`` where a sub-folder is not there at all.
    """
    parts = [name for name, value in index.items() if _is_part(value)]
    for part in parts:
        if not (folder / part).is_dir():
            raise AppError("model.missing-file", model=display_name(folder), file=f"{part}/")
    return tuple(part for part in parts if (folder / part / "config.json").is_file())


def weighty_parts(folder: Path, index: Mapping[str, Any]) -> tuple[str, ...]:
    """The sub-folders of the model in ``folder`` with weights that are loaded, as far as they are there."""
    found = dict.fromkeys(file.parent.name for file in sorted(folder.glob("*/*.safetensors")))
    return tuple(part for part in found if _is_part(index.get(part)) and part not in LEFT_OUT)


def _is_part(value: Any) -> bool:
    """Whether an entry of a ``model_index.json`` is a part, [library, class], and not left out, [null, null]."""
    return isinstance(value, list) and len(value) == 2 and all(isinstance(name, str) for name in value)
