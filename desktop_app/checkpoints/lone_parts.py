"""Parts of models that lie in the model folders by themselves, however deep: autoencoders, tiny ones, motion adapters.

Diffusers folders and single files. Of files only those are looked into that say in their name, or in that of one of the
two folders around them, that they may be one: a header takes a millisecond, and people have thousands of LoRAs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from desktop_app.checkpoints.classify import classify
from desktop_app.checkpoints.contents import Contents
from desktop_app.checkpoints.finding import names_of
from desktop_app.checkpoints.identity import UNKNOWN
from desktop_app.checkpoints.kinds import VAE_PREFIXES
from desktop_app.checkpoints.original_names import motion_module
from desktop_app.checkpoints.safetensors_header import read_contents
from desktop_app.checkpoints.scan import PART, display_name
from desktop_app.checkpoints.weights_file import FileProblem
from desktop_app.core.catalog import FAMILIES, TINY_AUTOENCODERS, Family, ModelFacts
from desktop_app.core.errors import RequestError

MOTION_ADAPTER, AUTOENCODER, TINY_AUTOENCODER = "MotionAdapter", "AutoencoderKL", "AutoencoderTiny"
"""Kinds of parts: diffusers' classes."""
OWN_MOTION = "motion_adapter"
"""Folder of a model's own motion adapter, inside the model's folder."""
_READ = (".safetensors", ".sft")
_MAY_BE_AUTOENCODER = re.compile(r"vae|tae|/ae$")
_MAY_BE_MOTION = re.compile(r"motion|animatediff|(^|[/_ -])mm([_ -]|$)")
_DECODER, _ENCODER = "decoder", "encoder"
"""What the two halves of a tiny autoencoder are called in names that are otherwise the same."""
_SAID = (("taesdxl", re.compile("xl")), ("taesd3", re.compile("sd3")), ("taef1", re.compile("flux|/ae$")))
"""Published tiny autoencoder: what in the name of a file says that it is for the same latents."""
_SAID_BY_METADATA = {architecture: family.tiny for family in FAMILIES.values() for architecture in family.architectures}
_LATENTS = (*(f"{prefix}decoder.conv_in.weight" for prefix in VAE_PREFIXES),)
_TINY_LATENTS = ("decoder.layers.0.weight", "decoder.1.weight", "taesd_decoder.1.weight", "1.weight")
"""First layers of decoders, whose inputs are the latents: (width, channels, 3, 3)."""


@dataclass(frozen=True, slots=True)
class LonePart:
    """One part that lies by itself."""

    path: Path
    """A diffusers folder, or a single file."""
    config: Mapping[str, Any]
    """Of a folder, and of a motion adapter in a file; that of an autoencoder does not tell."""
    channels: int | None
    """Of the latents, of an autoencoder."""
    latents: str = ""
    """Which of :data:`TINY_AUTOENCODERS` knows the same latents, where names tell."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What there is, by name."""

    motion_adapters: Mapping[str, LonePart] = field(default_factory=dict)
    autoencoders: Mapping[str, LonePart] = field(default_factory=dict)
    tiny_autoencoders: Mapping[str, LonePart] = field(default_factory=dict)


NO_PARTS = Parts()


def find_parts(files: Iterable[Path]) -> Parts:
    """The parts among ``files``. Of two that are called alike the later has its folder's name before its own."""
    found: dict[str, dict[str, LonePart]] = {MOTION_ADAPTER: {}, AUTOENCODER: {}, TINY_AUTOENCODER: {}}
    for path in files:
        kind, part = _part_at(path)
        if part is not None:
            name = next(name for name in _names(part, kind) if name not in found[kind])
            found[kind][name] = part
    return Parts(found[MOTION_ADAPTER], found[AUTOENCODER], found[TINY_AUTOENCODER])


def motion_adapter(facts: ModelFacts, name: str, parts: Parts) -> Path:
    """The folder or file of the motion adapter that ``facts.motion_models`` calls ``name``. Raises ``RequestError``."""
    if not name:
        return Path(facts.folder, OWN_MOTION)
    part = parts.motion_adapters.get(name)
    if part is None:
        raise RequestError("motion-model.unknown", value=name, known=", ".join(filter(None, facts.motion_models)))
    return part.path


def autoencoder(facts: ModelFacts, name: str, parts: Parts) -> Path:
    """The folder or file of what ``facts.autoencoders`` or its tiny ones call ``name``. Raises ``RequestError``."""
    part = parts.autoencoders.get(name) or parts.tiny_autoencoders.get(name)
    if part is None:
        known = ", ".join(facts.autoencoders) or "none"
        raise RequestError("vae.unknown", value=name, model=facts.name, known=known)
    return part.path


def is_tiny(path: Path) -> bool:
    """Whether the autoencoder at ``path``, a folder or a file, is a tiny one."""
    if path.is_dir():
        return read_config(path / PART).get("_class_name") == TINY_AUTOENCODER
    return _autoencoder_in(path)[0] == TINY_AUTOENCODER


def latent_channels(file: Path) -> int:
    """Of the autoencoder in ``file``; 0 if it holds none."""
    return _autoencoder_in(file)[1]


def part_files(path: Path) -> list[Path]:
    """All files of the part at ``path``, a folder or a file."""
    if path.is_dir():
        return sorted(file for file in path.glob("*") if file.is_file())
    return [path, *filter(None, [other_half(path)])]


def other_half(decoder: Path) -> Path | None:
    """The file of the encoder that belongs to the decoder of a tiny autoencoder and lies beside it, if one does."""
    before, is_decoder, after = decoder.name.rpartition(_DECODER)
    beside = decoder.with_name(before + _ENCODER + after)
    return beside if is_decoder and beside.is_file() else None


def motion_config(file: Path) -> Mapping[str, Any]:
    """What a motion adapter in ``file`` is built with, as diffusers calls it; empty if none is in it.

    All that were published share the rest, such as the number of heads.
    """
    try:
        stat = file.stat()
        contents = _read_contents(file, stat.st_size, stat.st_mtime_ns)
    except (OSError, FileProblem):
        return {}
    shapes = {place.name: tensor.shape for name, tensor in contents.tensors.items() for place in motion_module(name)}
    widths = [shapes.get(f"down_blocks.{block}.motion_modules.0.norm.weight", (0,))[0] for block in range(4)]
    positions = shapes.get("down_blocks.0.motion_modules.0.transformer_blocks.0.pos_embed.pe", ())
    if not widths[0] or len(positions) != 3 or any(name.startswith("conv_in.") for name in shapes):
        return {}
    return {
        "block_out_channels": [width for width in widths if width],
        "motion_layers_per_block": sum(
            f"down_blocks.0.motion_modules.{layer}.norm.weight" in shapes for layer in range(9)
        ),
        "use_motion_mid_block": any(name.startswith("mid_block.") for name in shapes),
        "motion_max_seq_length": positions[1],
    }


def fitting_motion_adapters(configs: Path, parts: Parts) -> tuple[str, ...]:
    """Names of those whose layers have the widths of the U-Net's in ``configs``; "" first if the model has its own."""
    widths = read_config(configs / "unet" / PART).get("block_out_channels")
    found = parts.motion_adapters.items()
    fitting = tuple(name for name, part in found if part.config.get("block_out_channels") == widths)
    return ("",) * (configs / OWN_MOTION / PART).is_file() + fitting


def fitting_autoencoders(configs: Path, family: Family, parts: Parts) -> tuple[str, ...]:
    """Names of autoencoders with latents like those of the model's own, whose config is in ``configs``.

    A single file tells no more than the channels. With four it is of Stable Diffusion 1 and 2, if no name says XL.
    """
    own = read_config(configs / "vae" / PART)

    def fits(part: LonePart) -> bool:
        if part.config:
            return _latent_space(part.config) == _latent_space(own)
        latents = part.latents or ("taesd" if part.channels == 4 else "")
        return part.channels == own.get("latent_channels") and latents == family.tiny

    return tuple(name for name, part in parts.autoencoders.items() if fits(part))


def fitting_tiny(configs: Path, family: Family, parts: Parts) -> tuple[str, ...]:
    """Names of tiny autoencoders for the latents of the model's own, whose config is in ``configs``.

    They tell no more than the channels. One that is called like a published one is for those latents alone.
    """
    channels = read_config(configs / "vae" / PART).get("latent_channels")
    found = parts.tiny_autoencoders.items()
    return tuple(name for name, part in found if part.channels == channels and part.latents in ("", family.tiny))


def read_config(path: Path) -> Mapping[str, Any]:
    """A diffusers config, empty when it cannot be read: then it is no config, and loading says why."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return config if isinstance(config, Mapping) else {}


def _latent_space(config: Mapping[str, Any]) -> tuple[Any, ...]:
    """Channels, halvings of the size, and scale of an autoencoder's latents: two that share them share the latents."""
    widths = config.get("block_out_channels")
    halvings = len(widths) if isinstance(widths, list) else 0
    return (config.get("latent_channels"), halvings, config.get("scaling_factor", 0.18215))


def _part_at(path: Path) -> tuple[str, LonePart | None]:
    """(kind, part) at ``path``, a folder or a file; None if it is none."""
    if path.suffix.lower() in _READ:
        where = _where(path)
        if _MAY_BE_MOTION.search(where) and (config := motion_config(path)):
            return MOTION_ADAPTER, LonePart(path, config, None)
        kind, channels, architecture = _autoencoder_in(path) if _MAY_BE_AUTOENCODER.search(where) else ("", 0, "")
        latents = _SAID_BY_METADATA.get(architecture) or _said(where)
        return kind, LonePart(path, {}, channels, latents) if kind else None
    config = read_config(path / PART)
    kind = config.get("_class_name")
    if kind not in (MOTION_ADAPTER, AUTOENCODER, TINY_AUTOENCODER):
        return "", None
    return kind, LonePart(path, config, config.get("latent_channels"), _published(display_name(path)))


def _where(path: Path) -> str:
    """The file's name without ending behind those of the two folders around it; a cache's folders are the model's."""
    return "/".join((*path.parent.parts[-2:], display_name(path.parent), path.stem)).lower()


def _names(part: LonePart, kind: str) -> Iterator[str]:
    """What a part may be called, the shortest first: a tiny autoencoder without the word for its halves."""
    for name in names_of(part.path):
        yield re.sub(rf"[-_. ]?{_DECODER}$", "", name) if kind == TINY_AUTOENCODER else name


def _published(name: str) -> str:
    """The published tiny autoencoder that ``name`` contains; "" if there is none in it."""
    plain = re.sub("[-_. ]", "", name.lower())
    return next((tiny for tiny in TINY_AUTOENCODERS if tiny in plain), "")


def _said(where: str) -> str:
    """Whose latents a file is for by its names, "" where they do not tell."""
    plain = re.sub("[-_. ]", "", where)
    return _published(where) or next((tiny for tiny, pattern in _SAID if pattern.search(plain)), "")


def _autoencoder_in(path: Path) -> tuple[str, int, str]:
    """(kind, channels of its latents, architecture that its metadata tell) of a file; ("", 0, "") if it is none."""
    try:
        stat = path.stat()
    except OSError:
        return "", 0, ""
    return _read_autoencoder(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=64)
def _read_contents(path: Path, size: int, changed: int) -> Contents:
    return read_contents(path)


@lru_cache(maxsize=4096)
def _read_autoencoder(path: Path, size: int, changed: int) -> tuple[str, int, str]:
    try:
        contents = read_contents(path)
    except FileProblem:
        return "", 0, ""
    identity = classify(path, contents, size)
    layers = {"vae": (AUTOENCODER, _LATENTS), "tiny-vae": (TINY_AUTOENCODER, _TINY_LATENTS)}
    kind, names = layers.get(identity.kind, ("", ()))
    shape = next((contents.tensors[name].shape for name in names if name in contents.tensors), ())
    if len(shape) != 4 or identity.architecture not in (UNKNOWN, *_SAID_BY_METADATA):
        return "", 0, ""
    return kind, shape[1], identity.architecture
