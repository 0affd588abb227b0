"""Models that are one file: whether it can be used, and which file holds which of its parts.

A part may also lie beside the file, as ``NAME.vae.safetensors``, ``NAME.text_encoder.safetensors`` and
``NAME.text_encoder_2.safetensors``; then that one counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from desktop_app.checkpoints.identify import identify, read_weights
from desktop_app.checkpoints.identity import ARCHITECTURES, KINDS, UNKNOWN, Identity
from desktop_app.checkpoints.number_formats import EIGHT_BITS
from desktop_app.checkpoints.original_names import Places, clip, lone_unet, lone_vae, open_clip, unet, vae
from desktop_app.checkpoints.prediction import guessed_prediction
from desktop_app.checkpoints.weights_file import FileProblem
from desktop_app.core.errors import AppError
from desktop_app.core.paths import architectures_dir

SUFFIXES = (".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".bin")
FORMATS = ("safetensors", "pickle")
RUN = ("checkpoint", "denoiser")
"""Kinds of files that make pictures, the second with the other parts beside it."""
_Map = Callable[[Mapping[str, Any]], Places]
"""From the part's diffusers configuration."""

PARTS: dict[str, dict[str, _Map]] = {
    "sd-1": {"text_encoder": lambda config: clip("cond_stage_model.transformer."), "unet": unet, "vae": vae},
    "sd-2": {"text_encoder": lambda config: open_clip("cond_stage_model.model."), "unet": unet, "vae": vae},
    "sdxl": {
        "text_encoder": lambda config: clip("conditioner.embedders.0.transformer."),
        "text_encoder_2": lambda config: open_clip("conditioner.embedders.1.model."),
        "unet": unet,
        "vae": vae,
    },
    "sdxl-refiner": {
        "text_encoder_2": lambda config: open_clip("conditioner.embedders.0.model."),
        "unet": unet,
        "vae": vae,
    },
}
"""Architecture: its parts as diffusers calls them, and where a single file has the tensors of each."""
_BESIDE: dict[str, _Map] = {
    "text_encoder": lambda config: clip(""),
    "text_encoder_2": lambda config: clip(""),
    "vae": lone_vae,
}
_SAID = {
    "unet": ("denoiser", "U-Net"),
    "vae": ("vae", "autoencoder (VAE)"),
    "text_encoder": ("text-encoder", "text encoder"),
    "text_encoder_2": ("text-encoder-2", "second text encoder"),
}
"""Part: what an identity calls it, and what people are told."""


def may_be_run(identity: Identity) -> bool:
    """Whether a file with one of :data:`SUFFIXES` is a whole checkpoint, or a damaged file that may be one."""
    return identity.kind == "checkpoint" or identity.problem is not None


def known(path: Path) -> Identity:
    """What the file is; read again only when it has changed."""
    stat = path.stat()
    return _known(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=4096)
def _known(path: Path, size: int, changed: int) -> Identity:
    identity = identify(path)
    if identity.problem or identity.prediction or identity.architecture != "sd-2" or identity.kind not in RUN:
        return identity
    return replace(identity, prediction=guessed_prediction(identity))


def usable(path: Path) -> Identity:
    """The identity of a file that can be run. Raises ``AppError`` with what stands against it or what it lacks."""
    identity = known(path)
    if identity.problem:
        raise AppError(identity.problem.id, **identity.problem.values)
    if reason := unfit(identity):
        raise AppError("model.unfit", file=path.name, reason=reason)
    weight_files(identity)
    return identity


def unfit(identity: Identity) -> str:
    """Why a sound file cannot be run whatever lies beside it, in words that follow its name; "" if it can."""
    if identity.kind not in RUN:
        return "is not a checkpoint" if identity.kind == UNKNOWN else f"holds only this: {KINDS[identity.kind]}"
    if identity.format not in FORMATS:
        return f"is packed in a way that is not read yet ({identity.format})"
    if identity.architecture not in PARTS:
        return f"is of another architecture ({ARCHITECTURES[identity.architecture]})"
    if identity.variant:
        return f"is a model for another use ({identity.variant})"
    packed = identity.quantisation not in ("", EIGHT_BITS)
    return f"is packed in a way that is not read yet ({identity.quantisation})" if packed else ""


def configuration(identity: Identity) -> Path:
    """The folder that says how a model of this architecture is built, in the layout of diffusers."""
    return architectures_dir() / identity.architecture


def part_file(identity: Identity, part: str) -> Path:
    """The file that holds ``part`` ("unet", "vae", …): one beside it, or itself. Raises ``AppError`` if none does."""
    path = identity.path
    beside = path.with_name(f"{path.stem}.{part}.safetensors")
    if part in _BESIDE and beside.is_file():
        return beside
    called, said = _SAID[part]
    if called in identity.missing:
        raise AppError("model.part-missing", model=path.name, part=said, file=beside.name)
    return path


def part_places(identity: Identity, part: str, config: Mapping[str, Any]) -> Places:
    """Where the tensors of :func:`part_file` belong in ``part``, which is built as ``config`` says."""
    if part == "unet" and identity.kind == "denoiser":
        return lone_unet(config)
    maps = PARTS[identity.architecture] if part_file(identity, part) == identity.path else _BESIDE
    return maps[part](config)


def weight_files(identity: Identity) -> list[Path]:
    """All files that the model is read from, the checkpoint first. Raises ``AppError`` when a part is missing."""
    files = dict.fromkeys(part_file(identity, part) for part in PARTS[identity.architecture])
    return sorted(files, key=lambda file: file != identity.path)


def check_single_file(path: Path) -> None:
    """Find missing parts and truncated or damaged files before anything loads them. Raises ``AppError``."""
    for file in weight_files(usable(path)):
        try:
            read_weights(file)
        except FileProblem as problem:
            raise AppError(problem.message.id, **problem.message.values) from problem
