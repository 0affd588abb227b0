"""LoRA (Hu et al. 2021): small matrices that change what the layers of a model say, and leave their weights alone.

A layer that says W·x says W·x + w · alpha / rank · up(down(x)) while a LoRA of weight w is worn. Nothing is written
into the model, so that it is itself again, to the bit, as soon as the LoRA is taken off.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from desktop_app.checkpoints.identify import identify
from desktop_app.checkpoints.loras import find_lora, lora_name, require_fit
from desktop_app.core.catalog import ModelFacts
from desktop_app.core.errors import AppError
from desktop_app.core.messages import Message
from desktop_app.engine.loading import Part, read_tensor, stored_tensors
from desktop_app.engine.lora_names import DENOISER, TEXT, TEXT_2, from_original, other_kind, split_name
from desktop_app.prompt.tags import LoraTag

Layer = tuple[str, str]
"""(part of the model, name of the layer with underscores)."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a LoRA adds to one layer."""

    down: Tensor
    """(rank, inputs), or (rank, channels, height, width) of a convolution."""
    up: Tensor
    alpha: float
    mid: Tensor | None = None
    """(rank, rank, height, width): the kernel of a convolution whose other two are 1 × 1."""

    @property
    def rank(self) -> int:
        return self.down.shape[0]

    def fits(self, layer: nn.Module) -> bool:
        """Whether it can change ``layer`` at all."""
        weight: Any = layer.weight
        return self.down.shape[1] == weight.shape[1] and self.up.shape[0] == weight.shape[0]

    def on(self, layer: nn.Module) -> Change:
        """Itself in the number format and form of ``layer``: a 1 × 1 convolution and a linear layer are the same.

        It stays on the device that it was read onto, where the layer computes, though its weights may wait elsewhere.
        """
        weight: Any = layer.weight

        def moved(factor: Tensor) -> Tensor:
            if weight.dim() == 2:
                factor = factor.flatten(1)
            elif factor.dim() == 2:
                factor = factor[..., None, None]
            return factor.to(weight.dtype)

        mid = None if self.mid is None else self.mid.to(weight.dtype)
        return replace(self, down=moved(self.down), up=moved(self.up), mid=mid)

    def added(self, layer: nn.Module, x: Tensor) -> Tensor:
        """up(down(x)), where ``x`` is: the weights of a layer may be elsewhere until its turn comes."""
        down, up = self.down.to(x.device), self.up.to(x.device)
        if isinstance(layer, nn.Linear):
            return functional.linear(functional.linear(x, down), up)
        assert isinstance(layer, nn.Conv2d)
        shape: Any = {"stride": layer.stride, "padding": layer.padding, "dilation": layer.dilation}
        if self.mid is None:
            return functional.conv2d(functional.conv2d(x, down, **shape), up)
        return functional.conv2d(functional.conv2d(functional.conv2d(x, down), self.mid.to(x.device), **shape), up)


@dataclass(frozen=True, slots=True)
class Lora:
    """One LoRA file in memory."""

    name: str
    changes: Mapping[Layer, Change]


@dataclass(frozen=True, slots=True)
class Worn:
    """A LoRA that fits a model, and how strongly its parts are to wear it."""

    layers: tuple[tuple[nn.Module, Change, float], ...]
    notices: tuple[Message, ...] = ()


def find_wanted(tags: Iterable[LoraTag], facts: ModelFacts, folders: Sequence[Path]) -> dict[Path, dict[str, float]]:
    """The files that ``tags`` ask for, each with the weight of every part; a LoRA named twice has both weights.

    Reads headers alone. Raises ``AppError`` for one that is not there, or does not go with the model.
    """
    wanted: dict[Path, dict[str, float]] = {}
    for tag in tags:
        if "lora" not in facts.controls:
            raise AppError("lora.none", model=facts.name)
        if tag.malformed:
            raise AppError("lora.weight", name=tag.name, value=tag.malformed)
        identity = find_lora(tag.name, folders)
        require_fit(identity, identify(Path(facts.folder)), facts.name)
        weights = wanted.setdefault(identity.path, {DENOISER: 0.0, TEXT: 0.0, TEXT_2: 0.0})
        for part, weight in ((DENOISER, tag.weight), (TEXT, tag.text_weight), (TEXT_2, tag.text_weight)):
            weights[part] = round(weights[part] + weight, 9)  # 0.1 and 0.2 are 0.3
    return wanted


def load_lora(path: Path, device: torch.device, check: Callable[[], None]) -> Lora:
    """Read the LoRA at ``path`` onto ``device``; ``check`` may raise between tensors. Raises ``AppError``."""
    name = lora_name(path)
    part = Part(path.parent.parent, path.parent.name, path.stem)
    found: dict[Layer, dict[str, Tensor]] = {}
    with path.open("rb", buffering=0) as stream:
        for stored in stored_tensors(part, path):
            check()
            if kind := other_kind(stored.name):
                raise AppError("lora.kind", name=name, kind=kind)
            if split := split_name(stored.name):
                found.setdefault(split[:2], {})[split[2]] = read_tensor(part, stream, stored).to(device)
    alpha = _folder_alpha(path)
    changes = {layer: _change(roles, alpha) for layer, roles in found.items() if {"down", "up"} <= set(roles)}
    if not changes:
        raise AppError("lora.empty", name=name)
    return Lora(name, changes)


def fit(lora: Lora, parts: Mapping[str, nn.Module], weights: Mapping[str, float], model_name: str) -> Worn:
    """``lora`` for a model with these ``parts``, whose ``weights`` say how strongly each is to wear it.

    Raises ``AppError`` where it changes nothing of the model, or layers of another shape. What it changes beside that
    is left out, with a notice.
    """
    layers = _layers(parts)
    per_block = getattr(getattr(parts[DENOISER], "config", None), "layers_per_block", 2)
    found, lost = [], 0
    for (part, name), change in lora.changes.items():
        layer = layers.get((part, name)) or layers.get((part, from_original(name, per_block)))
        if layer is None:
            lost += 1
        elif not change.fits(layer):
            raise AppError("lora.shape", name=lora.name, model=model_name, layer=name)
        elif weights[part]:
            found.append((layer, change.on(layer), weights[part]))
    if lost == len(lora.changes):
        raise AppError("lora.layers", name=lora.name, model=model_name)
    values = {"name": lora.name, "lost": lost, "layers": len(lora.changes), "model": model_name}
    return Worn(tuple(found), (Message("lora.partly", values),) if lost else ())


@contextmanager
def worn(loras: Iterable[Worn]) -> Iterator[None]:
    """Inside, the layers say what they say with the LoRAs; afterwards they are themselves again."""
    with ExitStack() as hooks:
        for lora in loras:
            for layer, change, weight in lora.layers:
                hooks.callback(layer.register_forward_hook(_hook(change, weight)).remove)
        yield


def _hook(change: Change, weight: float) -> Callable[[nn.Module, Any, Tensor], Tensor]:
    scale = weight * change.alpha / change.rank

    def add(layer: nn.Module, inputs: Any, said: Tensor) -> Tensor:
        return said + change.added(layer, inputs[0]) * scale

    return add


def _change(roles: Mapping[str, Tensor], alpha: float | None) -> Change:
    """Without an alpha anywhere it is the rank, as both kohya and diffusers have it."""
    down = roles["down"]
    own = float(roles["alpha"]) if "alpha" in roles else alpha
    return Change(down, roles["up"], down.shape[0] if own is None else own, roles.get("mid"))


def _folder_alpha(path: Path) -> float | None:
    """What PEFT says of all layers in the ``adapter_config.json`` beside its weights."""
    try:
        config = json.loads((path.parent / "adapter_config.json").read_text(encoding="utf-8"))
        return float(config["lora_alpha"]) if path.stem == "adapter_model" else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _layers(parts: Mapping[str, nn.Module]) -> dict[Layer, nn.Module]:
    """Layers that a LoRA may change, as :func:`split_name` calls them."""
    return {
        (part, name.replace(".", "_").removeprefix("text_model_")): layer
        for part, module in parts.items()
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear | nn.Conv2d)
    }
