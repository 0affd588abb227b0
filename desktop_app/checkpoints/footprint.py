"""How large a model is in memory, from the headers of its files and its configs: no weights are read."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from desktop_app.checkpoints.safetensors_header import read_header
from desktop_app.checkpoints.single_file import part_file, part_places, usable
from desktop_app.core.catalog import Footprint, PartSize
from desktop_app.core.errors import AppError

_DENOISERS = ("unet", "transformer")
_VARIANT = ".fp16."
_DECODERS = ("vae", "movq", "vqvae")
_USUAL_WIDTH, _USUAL_SHRINK, _USUAL_PATCH = 128, 8, 2
"""Where a config does not say."""


def read_footprint(model: Path, configs: Path, parts: tuple[str, ...]) -> Footprint | None:
    """Of ``model``, a diffusers folder or a single file; ``configs`` is the folder that says how it is built.

    None when a part of it cannot be read, which loading will explain.
    """
    denoiser = next((part for part in _DENOISERS if part in parts), "")
    try:
        config, vae = _config(configs / denoiser), _config(configs / next(part for part in _DECODERS if part in parts))
        return Footprint(
            parts=tuple(_part_size(model, configs, part) for part in parts),
            denoiser=denoiser,
            width=_width(config),
            patch=1 if denoiser == "unet" else _patch(config, vae),
            vae_width=_decoder_width(vae),
            shrink=_shrink(vae),
            tile=int(vae.get("sample_size", 32)) if vae.get("_class_name") == "AutoencoderKL" else 0,
        )
    except (AppError, OSError, AttributeError, LookupError, RecursionError, StopIteration, TypeError, ValueError):
        return None


def _config(part: Path) -> dict[str, Any]:
    return json.loads((part / "config.json").read_text(encoding="utf-8"))


def _width(config: dict[str, Any]) -> int:
    if "block_out_channels" in config:
        return int(config["block_out_channels"][0])
    if "num_attention_heads" in config and "attention_head_dim" in config:
        return int(config["num_attention_heads"]) * int(config["attention_head_dim"])
    return int(config.get("hidden_size") or config["dim"])


def _patch(config: dict[str, Any], vae: dict[str, Any]) -> int:
    """Latent pixels per token of a transformer, along each side: taken together by itself or before."""
    own = config.get("patch_size") or config.get("all_patch_size") or 1
    channels, latent = config.get("in_channels"), vae.get("latent_channels") or vae.get("z_dim")
    packed = math.isqrt(int(channels) // int(latent)) if channels and latent else _USUAL_PATCH
    return max(int(own[-1] if isinstance(own, list) else own), packed)


def _decoder_width(vae: dict[str, Any]) -> int:
    """Channels of the decoder's last level."""
    widths = vae.get("decoder_block_out_channels") or vae.get("block_out_channels") or [_USUAL_WIDTH]
    return int(vae.get("base_dim") or widths[0])


def _shrink(vae: dict[str, Any]) -> int:
    """Pixels per latent pixel, along each side; autoencoders of films say it in ways of their own."""
    told = vae.get("scale_factor_spatial") or vae.get("spatial_compression_ratio")
    if told:
        return int(told)
    if "spatio_temporal_scaling" in vae:
        return int(vae.get("patch_size", 1)) * 2 ** sum(map(bool, vae["spatio_temporal_scaling"]))
    widths = vae.get("encoder_block_out_channels") or vae.get("block_out_channels")
    return 2 ** (len(widths) - 1) if widths else _USUAL_SHRINK


def _part_size(model: Path, configs: Path, part: str) -> PartSize:
    if model.is_file():
        usable(model)  # files of one architecture have the same shapes, or are refused here
        return _SIZES.get((configs, part)) or _SIZES.setdefault((configs, part), _size_in_file(model, configs, part))
    return _size_of(part, _numbers(_whole(model / part)))


_SIZES: dict[tuple[Path, str], PartSize] = {}
"""Of single files: how their models are built, and the part. Telling the parts of one apart takes a while."""


def _size_in_file(model: Path, configs: Path, part: str) -> PartSize:
    identity = usable(model)
    places = part_places(identity, part, _config(configs / part))
    numbers: Counter[str] = Counter()
    for name, count in _numbers([part_file(identity, part)]).items():
        found = places(name)
        for place in found:
            numbers[place.name] += count // len(found)
    return _size_of(part, numbers)


def _whole(part: Path) -> list[Path]:
    """The files of a part; of two variants of the same weights only one is loaded."""
    files = sorted(part.glob("*.safetensors"))
    return [file for file in files if _VARIANT not in file.name] or files


def _numbers(files: Iterable[Path]) -> dict[str, int]:
    """How many numbers each tensor in ``files`` has, by its name."""
    headers = (read_header(file) for file in files)
    tensors = ((name, entry) for header in headers for name, entry in header.items() if name != "__metadata__")
    return {name: math.prod(entry["shape"]) for name, entry in tensors}


def _size_of(part: str, numbers: Mapping[str, int]) -> PartSize:
    blocks: Counter[str] = Counter()
    for name, count in numbers.items():
        blocks[_block(name)] += count
    outside = blocks.pop("", 0)
    group = outside + max(blocks.values(), default=0)
    return PartSize(part, sum(numbers.values()), group, max(numbers.values()))


def _block(name: str) -> str:
    """The numbered block that a tensor belongs to, "down_blocks.0" of "down_blocks.0.resnets.1.conv1.weight"; or ""."""
    words = name.split(".")
    number = next((index for index, word in enumerate(words) if word.isdecimal()), None)
    return "" if number is None else ".".join(words[: number + 1])
