"""From names and shapes to an identity: what kind of thing it is, of which architecture, and what of it is inside."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from desktop_app.checkpoints.adapters import adapter_architecture, adapter_kind, unknown_change
from desktop_app.checkpoints.contents import Contents
from desktop_app.checkpoints.denoisers import find_denoiser, find_variant
from desktop_app.checkpoints.identity import UNKNOWN, Identity
from desktop_app.checkpoints.kinds import find_addition, find_part
from desktop_app.checkpoints.number_formats import count_parameters, main_dtype, quantisation
from desktop_app.checkpoints.parts import find_parts, missing_parts

FLOW = {
    "sd-3", "flux-1", "flux-2", "qwen-image", "z-image", "wan-2", "ltx", "ltx-2", "hunyuan-video", "hunyuan-video-1.5",
    "aura-flow", "lumina-2", "mochi", "chroma", "hidream", "omnigen", "kandinsky-5",
}  # fmt: skip
"""Architectures whose models all predict flow."""

_ADAPTERS = ("lora", "lycoris")
_BASE_MODELS = {
    "sd_v1": "sd-1",
    "sd_v2": "sd-2",
    "sdxl": "sdxl",
    "sd3": "sd-3",
    "flux2": "flux-2",
    "flux1": "flux-1",
    "stable-diffusion-v1": "sd-1",
    "stable-diffusion-v2": "sd-2",
    "stable-diffusion-xl-v1-refiner": "sdxl-refiner",
    "stable-diffusion-xl": "sdxl",
    "stable-diffusion-3": "sd-3",
    "flux-2": "flux-2",
    "flux-1": "flux-1",
}
"""Beginnings of what a file's metadata call the model it was made for; the longer stands before the shorter."""


def classify(path: Path, contents: Contents, size: int) -> Identity:
    """The identity of what ``contents`` were read from; ``size`` in bytes."""
    kind, architecture, prefix = _kind(contents)
    parts = ("denoiser", *find_parts(contents, architecture)) if kind == "denoiser" else ()
    dtype = main_dtype(contents)
    return Identity(
        path=path,
        kind="checkpoint" if len(parts) > 1 else kind,
        architecture=_told(contents.metadata) if architecture == UNKNOWN and kind != UNKNOWN else architecture,
        variant=_variant(contents, kind, prefix),
        dtype=dtype,
        quantisation=quantisation(contents, dtype),
        format=contents.format,
        parameters=count_parameters(contents),
        size=size,
        parts=parts,
        missing=missing_parts(architecture, parts) if parts else (),
        prediction=_prediction(contents, architecture) if parts else "",
        title=_title(contents.metadata),
        metadata=contents.metadata,
    )


def _kind(contents: Contents) -> tuple[str, str, str]:
    """(kind, architecture, prefix of a denoiser's names)."""
    if adapter := adapter_kind(contents):
        return adapter, adapter_architecture(contents), ""
    if addition := find_addition(contents):
        return *addition, ""
    if denoiser := find_denoiser(contents):
        return "denoiser", *denoiser
    return *find_part(contents), ""


def _variant(contents: Contents, kind: str, prefix: str) -> str:
    if kind in _ADAPTERS:
        return unknown_change(contents)
    return find_variant(contents, prefix) if kind == "denoiser" else ""


def _told(metadata: Mapping[str, str]) -> str:
    """Architecture that the file itself tells, for where shapes say nothing."""
    told = (metadata.get("modelspec.architecture") or metadata.get("ss_base_model_version") or "").lower()
    return next((name for start, name in _BASE_MODELS.items() if told.startswith(start)), UNKNOWN)


def _prediction(contents: Contents, architecture: str) -> str:
    if architecture in FLOW:
        return "flow"
    told = contents.metadata.get("modelspec.prediction_type", "").lower()
    if told in ("v", "v_prediction") or "v_pred" in contents.tensors:
        return "v_prediction"
    if contents.metadata.get("ss_v_parameterization") == "True":
        return "v_prediction"
    return "epsilon" if told == "epsilon" else ""


def _title(metadata: Mapping[str, str]) -> str:
    return metadata.get("modelspec.title") or metadata.get("ss_output_name") or ""
