"""Weights that wait in RAM for their turn on a graphics card that is too small for all of them.

By model: one part (text encoder, denoiser, autoencoder) is there at a time. By group: of that part only what stands
outside of its blocks, and the block that is computing. Weights never change, so that nothing has to be copied back:
what leaves the device is dropped there, and empty tensors of the meta device stand in its place.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

_COMPUTES_ON = "computes_on"


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Weights and buffers that come and go together: (the layer that has it, its name there, it in RAM)."""

    tensors: list[tuple[nn.Module, str, Tensor]]

    def bring(self, device: torch.device) -> None:
        """Copy all of it to ``device``, in the number formats that it has now."""
        for layer, name, home in self.tensors:
            _put(layer, name, home.to(device, getattr(layer, name).dtype))

    def take_away(self) -> None:
        """Leave nothing of it but its shapes."""
        for layer, name, _ in self.tensors:
            _put(layer, name, torch.empty_like(getattr(layer, name), device="meta"))


class Turns:
    """Who is on the device: one group at a time, and one block beside it."""

    def __init__(self) -> None:
        self.here: Group | None = None
        self.block: Group | None = None

    def attend(self, module: nn.Module, device: torch.device, *, by_group: bool) -> None:
        """From now on ``module``, whose weights are in RAM, computes on ``device`` and is there in its turn only."""
        setattr(module, _COMPUTES_ON, device)
        blocks = list(_blocks(module)) if by_group else []
        outside = Group(_tensors(module, apart_from={id(layer) for block in blocks for layer in block.modules()}))
        outside.take_away()

        def come(layer: nn.Module, arguments: Any, options: Any) -> Any:
            self._turn_of(outside, device)
            return _moved(arguments, device), _moved(options, device)

        # An autoencoder is not called itself, but its halves are.
        for layer in (module, *module.children()):
            layer.register_forward_pre_hook(come, with_kwargs=True)
        for block in blocks:
            self._attend_block(block, device)

    def _attend_block(self, block: nn.Module, device: torch.device) -> None:
        group = Group(_tensors(block))
        group.take_away()

        def come(layer: nn.Module, arguments: Any) -> None:
            self.block = group
            group.bring(device)

        def go(layer: nn.Module, arguments: Any, output: Any) -> None:
            self.block = None
            group.take_away()

        block.register_forward_pre_hook(come)
        block.register_forward_hook(go, always_call=True)

    def _turn_of(self, group: Group, device: torch.device) -> None:
        if self.here is group:
            return
        if self.here is not None:
            self.here.take_away()
        self.here = group
        group.bring(device)


def computes_on(module: nn.Module) -> torch.device:
    """The device that ``module`` computes on, wherever its weights wait."""
    return getattr(module, _COMPUTES_ON, None) or next(module.parameters()).device


def _blocks(module: nn.Module) -> Iterator[nn.Module]:
    """The members of the outermost lists of layers."""
    for child in module.children():
        if isinstance(child, nn.ModuleList):
            yield from child
        else:
            yield from _blocks(child)


def _tensors(module: nn.Module, apart_from: Collection[int] = ()) -> list[tuple[nn.Module, str, Tensor]]:
    return [
        (layer, name, tensor.detach())
        for layer in module.modules()
        if id(layer) not in apart_from
        for name, tensor in (*layer.named_parameters(recurse=False), *layer.named_buffers(recurse=False))
    ]


def _put(layer: nn.Module, name: str, value: Tensor) -> None:
    if name in layer._parameters:
        layer._parameters[name] = nn.Parameter(value, requires_grad=False)
    else:
        layer._buffers[name] = value


def _moved(value: Any, device: torch.device) -> Any:
    """``value`` with every tensor in it on ``device``."""
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, tuple | list):
        return type(value)(_moved(one, device) for one in value)
    if isinstance(value, dict):
        return {name: _moved(one, device) for name, one in value.items()}
    return value
