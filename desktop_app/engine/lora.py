"""LoRA (Hu et al. 2021) and its kin: small matrices that change what layers say, and leave their weights alone.

A layer that says W·x says W·x + w · alpha / rank · ΔW·x while a LoRA of weight w is worn. Nothing is written into the
model, so that it is itself again, to the bit, as soon as the LoRA is taken off.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from desktop_app.checkpoints.identify import identify
from desktop_app.checkpoints.loras import find_lora, lora_name, require_fit
from desktop_app.core.catalog import ModelFacts
from desktop_app.core.errors import AppError
from desktop_app.core.messages import Message
from desktop_app.engine.flux_lora_names import HALVES_SWAPPED, from_flux
from desktop_app.engine.loading import Part, read_tensor, stored_tensors
from desktop_app.engine.lora_changes import LAYERS, Change, added, product_of
from desktop_app.engine.lora_names import DENOISER, TEXT, TEXT_2, from_original, split_name
from desktop_app.prompt.tags import LoraTag

Layer = tuple[str, str]
"""(part of the model, name of the layer with underscores)."""


@dataclass(frozen=True, slots=True)
class Lora:
    """One LoRA file in memory."""

    name: str
    changes: Mapping[Layer, Change]


@dataclass(frozen=True, slots=True)
class Worn:
    """A LoRA that fits a model, and how strongly its parts are to wear it."""

    layers: tuple[tuple[LAYERS, Change, float], ...]
    notices: tuple[Message, ...] = ()


def find_wanted(tags: Iterable[LoraTag], facts: ModelFacts, files: Iterable[Path]) -> dict[Path, dict[str, float]]:
    """Those of ``files`` that ``tags`` ask for, with the weight of every part; a LoRA named twice has both weights.

    Reads headers alone. Raises ``AppError`` for one that is not there, or does not go with the model.
    """
    wanted: dict[Path, dict[str, float]] = {}
    for tag in tags:
        if "lora" not in facts.controls:
            raise AppError("lora.none", model=facts.name)
        if tag.malformed:
            raise AppError("lora.weight", name=tag.name, value=tag.malformed)
        identity = find_lora(tag.name, files)
        if identity.variant:
            raise AppError("lora.kind", name=tag.name, kind=identity.variant)
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
            if split := split_name(stored.name):
                found.setdefault(split[:2], {})[split[2]] = read_tensor(part, stream, stored).to(device)
    if any(_over_inputs(roles["dora_scale"]) for roles in found.values() if "dora_scale" in roles):
        raise AppError("lora.kind", name=name, kind="DoRA over inputs")
    config = _folder_config(path)
    changes = {layer: change for layer, roles in found.items() if (change := _change(roles, config))}
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
        targets = _targets(layers, part, name, per_block)
        if not targets:
            lost += 1
        elif (shares := _shares(change, targets, swapped=name == HALVES_SWAPPED)) is None:
            raise AppError("lora.shape", name=lora.name, model=model_name, layer=name)
        elif weights[part]:
            found += [(layer, share.on(layer), weights[part]) for layer, share in zip(targets, shares, strict=True)]
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
                hooks.callback(layer.register_forward_hook(_hook(layer, change, weight)).remove)
        yield


def _hook(layer: LAYERS, change: Change, weight: float) -> Callable[[Any, Any, Tensor], Tensor]:
    add = added(change, weight, change.stretch(layer, weight))
    return lambda worn_by, inputs, said: add(worn_by, inputs[0], said)


@dataclass(frozen=True, slots=True)
class _FolderConfig:
    """What PEFT says of all layers in the ``adapter_config.json`` beside its weights."""

    alpha: float | None = None
    rank: int | None = None
    by_root: bool = False
    """Whether the root of the rank takes its place (Kalajdzievski 2023)."""


def _change(roles: Mapping[str, Tensor], config: _FolderConfig) -> Change | None:
    """None where matrices are lacking. Without an alpha anywhere it is the rank, as everybody has it.

    Two whole matrices have no rank; LyCORIS leaves them as they are, whatever the alpha, and PEFT does not.
    """
    found = product_of(roles)
    if found is None:
        return None
    product, rank = found
    rank = rank or config.rank
    alpha = float(roles["alpha"]) if "alpha" in roles else config.alpha
    scale = 1.0 if alpha is None or rank is None else alpha / (math.sqrt(rank) if config.by_root else rank)
    magnitude = roles.get("magnitude", roles.get("dora_scale"))
    return Change(product, scale, None if magnitude is None else magnitude.flatten())


def _over_inputs(magnitudes: Tensor) -> bool:
    """Whether LyCORIS measured columns instead of rows, whose lengths cannot be set by what a layer says."""
    return magnitudes.shape[:1] == (1,) and magnitudes.numel() > 1


def _folder_config(path: Path) -> _FolderConfig:
    try:
        config = json.loads((path.parent / "adapter_config.json").read_text(encoding="utf-8"))
        if path.stem != "adapter_model":
            return _FolderConfig()
        alpha = float(config["lora_alpha"] if "lora_alpha" in config else config["alpha"])
        return _FolderConfig(alpha, int(config["r"]), bool(config.get("use_rslora")))
    except (OSError, ValueError, KeyError, TypeError):
        return _FolderConfig()


def _targets(layers: Mapping[Layer, LAYERS], part: str, name: str, per_block: int) -> list[LAYERS]:
    """The layers of the model that are one in the file; none where the model lacks any of them."""
    for names in ((name,), (from_original(name, per_block),), from_flux(name)):
        found = [layers[part, one] for one in names if (part, one) in layers]
        if found and len(found) == len(names):
            return found
    return []


def _shares(change: Change, targets: Sequence[LAYERS], *, swapped: bool) -> list[Change] | None:
    """Which rows of ``change`` each of ``targets`` has; None where they do not fit."""
    outputs, numbers = change.shape
    lengths = [layer.weight.shape[0] for layer in targets]
    if sum(lengths) != outputs or any(layer.weight[0].numel() != numbers for layer in targets):
        return None
    if change.magnitude is not None and len(change.magnitude) != outputs:
        return None
    rows = torch.arange(outputs)
    if swapped:
        return [change.of_rows(rows.roll(outputs // 2))]
    return [change] if len(targets) == 1 else [change.of_rows(share) for share in rows.split(lengths)]


def _layers(parts: Mapping[str, nn.Module]) -> dict[Layer, LAYERS]:
    """Layers that a LoRA may change, as :func:`split_name` calls them."""
    return {
        (part, name.replace(".", "_").removeprefix("text_model_")): layer
        for part, module in parts.items()
        for name, layer in module.named_modules()
        if isinstance(layer, LAYERS)
    }
