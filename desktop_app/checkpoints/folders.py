"""A folder in the layout of diffusers: ``model_index.json`` of a whole pipeline, or ``config.json`` of one part."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from desktop_app.checkpoints.classify import classify
from desktop_app.checkpoints.contents import Contents
from desktop_app.checkpoints.identity import UNKNOWN, Identity
from desktop_app.checkpoints.parts import missing_parts
from desktop_app.checkpoints.safetensors_header import read_contents
from desktop_app.checkpoints.scan import display_name
from desktop_app.checkpoints.weights_file import FileProblem

INDEX, CONFIG = "model_index.json", "config.json"
_PARTS = {
    "unet": "denoiser",
    "transformer": "denoiser",
    "decoder": "denoiser",
    "prior": "denoiser",
    "vae": "vae",
    "movq": "vae",
    "vqgan": "vae",
    "text_encoder": "text-encoder",
    "text_encoder_2": "text-encoder-2",
    "text_encoder_3": "text-encoder-3",
    "image_encoder": "image-encoder",
}
"""Folder of a pipeline: the part in it."""
_CLASSES = {
    "StableDiffusion": "sd-1",
    "StableDiffusionImg2Img": "sd-1",
    "StableDiffusionInpaint": "sd-1",
    "StableDiffusionXL": "sdxl",
    "StableDiffusionXLImg2Img": "sdxl",
    "StableDiffusionXLInpaint": "sdxl",
    "StableDiffusion3": "sd-3",
    "StableVideoDiffusion": "svd",
    "TextToVideoSD": "modelscope",
    "Flux": "flux-1",
    "Flux2": "flux-2",
    "Flux2Klein": "flux-2",
    "QwenImage": "qwen-image",
    "ZImage": "z-image",
    "Wan": "wan-2",
    "WanImageToVideo": "wan-2",
    "LTX": "ltx",
    "LTXImageToVideo": "ltx",
    "HunyuanVideo": "hunyuan-video",
    "HunyuanVideo15": "hunyuan-video-1.5",
    "LTX2": "ltx-2",
    "CogVideoX": "cogvideox",
    "Mochi": "mochi",
    "CosmosTextToWorld": "cosmos",
    "Cosmos2TextToImage": "cosmos",
    "Sana": "sana",
    "SanaSprint": "sana",
    "PixArtAlpha": "pixart",
    "PixArtSigma": "pixart",
    "AuraFlow": "aura-flow",
    "Lumina2": "lumina-2",
    "Chroma": "chroma",
    "HiDreamImage": "hidream",
    "OmniGen": "omnigen",
    "HunyuanDiT": "hunyuan-dit",
    "Kolors": "kolors",
    "KandinskyV22": "kandinsky-2",
    "Kandinsky3": "kandinsky-3",
    "Kandinsky5T2V": "kandinsky-5",
    "Kandinsky5T2I": "kandinsky-5",
}
"""Class of a pipeline without "Pipeline": architecture, for models of sizes that nobody published."""


def is_model_folder(path: Path) -> bool:
    """Whether ``path`` is a folder in the layout of diffusers, whole or one part."""
    return (path / INDEX).is_file() or "_class_name" in _read(path / CONFIG)


def identify_folder(path: Path) -> Identity:
    """What the folder ``path`` is. Raises :class:`FileProblem` if it cannot be used."""
    if (path / INDEX).is_file():
        return _whole(path)
    return _one_part(path)


def _whole(path: Path) -> Identity:
    index = _read(path / INDEX)
    name = index.get("_class_name")
    if not isinstance(name, str):
        raise FileProblem(path, "folder.index")
    found = {part: _contents(path / name) for name, part in _PARTS.items() if (path / name).is_dir()}
    parts = tuple(part for part, contents in found.items() if contents.tensors)
    if "denoiser" not in parts:
        raise FileProblem(path, "folder.no-weights")
    denoiser = classify(path, found["denoiser"], 0)
    architecture = denoiser.architecture
    if architecture == UNKNOWN:
        architecture = _CLASSES.get(name.removesuffix("Pipeline"), UNKNOWN)
    whole = Contents({f"{part}/{name}": tensor for part in found for name, tensor in found[part].tensors.items()})
    total = classify(path, whole, _size(path))
    return replace(
        denoiser,
        kind="checkpoint",
        architecture=architecture,
        size=total.size,
        parameters=total.parameters,
        dtype=total.dtype,
        parts=parts,
        missing=missing_parts(architecture, parts),
        prediction=denoiser.prediction or _scheduler_prediction(path),
        title=display_name(path),
    )


def _one_part(path: Path) -> Identity:
    contents = _contents(path)
    if not contents.tensors:
        raise FileProblem(path, "folder.no-weights")
    return classify(path, contents, _size(path))


def _contents(folder: Path) -> Contents:
    """What all weights of one part hold. Raises :class:`FileProblem` that names the file that is wrong."""
    tensors = {}
    for file in _weights(folder):
        try:
            tensors.update(read_contents(file).tensors)
        except FileProblem as problem:
            raise problem.within(folder) from problem
    return Contents(tensors)


def _weights(folder: Path) -> Iterable[Path]:
    """The weight files that diffusers would load: a variant such as "fp16" only where there are no others."""
    files = sorted(folder.glob("*.safetensors"))
    plain = [file for file in files if file.name.split(".")[1] == "safetensors"]
    return plain or files


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _scheduler_prediction(path: Path) -> str:
    told = _read(path / "scheduler" / "scheduler_config.json").get("prediction_type", "")
    return told if told in ("epsilon", "v_prediction") else ""


def _read(path: Path) -> Mapping[str, Any]:
    """A JSON object, empty if there is none that can be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
