"""What a LoRA or LyCORIS file says of one layer: factors whose product is added to the layer's weight, W + s · ΔW.

Three products are known: low rank (LoRA, Hu et al. 2021), the Hadamard product of two such (LoHa; FedPara, Hyeon-Woo et
al. 2021) and the Kronecker product (LoKr; LyCORIS, Yeh et al. 2023). Any of them may come with magnitudes (DoRA, Liu et
al. 2024). Nothing is written into a layer: the change is added to what it says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from diffusers.models.modeling_utils import get_parameter_dtype
from torch import Tensor, nn
from torch.nn import functional

LAYERS = nn.Linear | nn.Conv2d
"""Layers that may be changed."""


@dataclass(frozen=True, slots=True)
class LowRank:
    """up · down."""

    down: Tensor
    """(rank, inputs), or (rank, channels, height, width) of a convolution."""
    up: Tensor
    """(outputs, rank), or with two more axes of length 1."""
    mid: Tensor | None = None
    """(rank, rank, height, width): the kernel of a convolution whose other two are 1 × 1."""

    @property
    def shape(self) -> tuple[int, int]:
        """Outputs, and the numbers that make one of them; none where the ranks of the factors differ."""
        between = (self.down.shape[0],) * 2 if self.mid is None else self.mid.shape[:2]
        if between != (self.up.shape[1], self.down.shape[0]):
            return 0, 0
        kernel = 1 if self.mid is None else self.mid[0, 0].numel()
        return self.up.shape[0], self.down[0].numel() * kernel

    def whole(self) -> Tensor:
        """(outputs, inputs · kernel)."""
        up, down = self.up.flatten(1), self.down.flatten(1)
        return up @ down if self.mid is None else torch.einsum("or,rshw,si->oihw", up, self.mid, down).flatten(1)

    def said(self, layer: LAYERS, x: Tensor) -> Tensor:
        """up(down(x)), without ever making their product."""
        if isinstance(layer, nn.Linear):
            return functional.linear(functional.linear(x, self.down.flatten(1)), self.up.flatten(1))
        up = self.up.flatten(1)[..., None, None]
        if self.mid is None:
            return functional.conv2d(_convolved(layer, x, self.down.reshape(-1, *layer.weight.shape[1:])), up)
        down = self.down.flatten(1)[..., None, None]
        return functional.conv2d(_convolved(layer, functional.conv2d(x, down), self.mid), up)


@dataclass(frozen=True, slots=True)
class Full:
    """The numbers themselves."""

    value: Tensor

    @property
    def shape(self) -> tuple[int, int]:
        return self.value.shape[0], self.value[0].numel()

    def whole(self) -> Tensor:
        return self.value.flatten(1)

    def said(self, layer: LAYERS, x: Tensor) -> Tensor:
        return _said(self.whole(), layer, x)


@dataclass(frozen=True, slots=True)
class Hadamard:
    """Number by number the product of two."""

    one: LowRank
    other: LowRank

    @property
    def shape(self) -> tuple[int, int]:
        return self.one.shape if self.one.shape == self.other.shape else (0, 0)

    def whole(self) -> Tensor:
        return self.one.whole() * self.other.whole()

    def said(self, layer: LAYERS, x: Tensor) -> Tensor:
        return _said(self.whole(), layer, x)


@dataclass(frozen=True, slots=True)
class Kronecker:
    """Each number of the one times all of the other, which has the kernel if there is one."""

    one: LowRank | Full
    other: LowRank | Full

    @property
    def shape(self) -> tuple[int, int]:
        (rows, columns), (inner_rows, inner_columns) = self.one.shape, self.other.shape
        return rows * inner_rows, columns * inner_columns

    def whole(self) -> Tensor:
        return torch.kron(self.one.whole(), self.other.whole())

    def said(self, layer: LAYERS, x: Tensor) -> Tensor:
        return _said(self.whole(), layer, x)


Product = LowRank | Full | Hadamard | Kronecker


@dataclass(frozen=True, slots=True)
class Change:
    """What is added to one layer."""

    product: Product
    scale: float
    """alpha / rank."""
    magnitude: Tensor | None = None
    """(outputs,): how long each row of the changed weight is (DoRA)."""
    rows: Tensor | None = None
    """Of the product, in the order of the layer's; None is all as they are."""

    @property
    def shape(self) -> tuple[int, int]:
        """Outputs, and the numbers that make one of them."""
        return self.product.shape if self.rows is None else (len(self.rows), self.product.shape[1])

    def of_rows(self, rows: Tensor) -> Change:
        """What is added to a layer that has these ``rows`` of the one that the change was made for."""
        magnitude = None if self.magnitude is None else self.magnitude[rows]
        if isinstance(self.product, LowRank):
            return replace(self, product=replace(self.product, up=self.product.up[rows]), magnitude=magnitude)
        return replace(self, rows=rows, magnitude=magnitude)

    def on(self, layer: LAYERS) -> Change:
        """Itself in the number format that ``layer`` computes in, which may keep its weights in another.

        It stays on the device that it was read onto, where the layer computes, though its weights may wait elsewhere.
        """
        dtype = get_parameter_dtype(layer)
        return self._each(lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor)

    def to(self, device: torch.device) -> Change:
        return self._each(lambda tensor: tensor.to(device))

    def whole(self) -> Tensor:
        """ΔW, (outputs, inputs · kernel)."""
        whole = self.product.whole()
        return whole if self.rows is None else whole[self.rows]

    def said(self, layer: LAYERS, x: Tensor) -> Tensor:
        """ΔW · x, as ``layer`` takes it."""
        return self.product.said(layer, x) if self.rows is None else _said(self.whole(), layer, x)

    def stretch(self, layer: LAYERS, weight: float) -> Tensor | None:
        """(outputs,): by what a row of the changed weight is longer than it shall be, to divide by; None without DoRA.

        DoRA, equation 5: the length of W + ΔW is that of the magnitudes. Computed once, where the weights wait.
        """
        if self.magnitude is None:
            return None
        here = self.to(layer.weight.device)
        assert here.magnitude is not None
        changed = layer.weight.flatten(1).to(here.magnitude.dtype) + weight * self.scale * here.whole()
        return (here.magnitude / torch.linalg.norm(changed, dim=1).to(changed.dtype)).to(self.magnitude.device)

    def _each(self, do: Callable[[Tensor], Tensor]) -> Change:
        return _mapped(self, do)


def added(change: Change, weight: float, stretch: Tensor | None) -> Callable[[LAYERS, Tensor, Tensor], Tensor]:
    """What a layer says that wears ``change`` at ``weight``, of (itself, its input, what it says without)."""
    scale, device = weight * change.scale, next(_tensors(change)).device

    def add(layer: LAYERS, x: Tensor, said: Tensor) -> Tensor:
        here = change if device == x.device else change.to(x.device)
        if stretch is None:
            return said + here.said(layer, x) * scale
        factor = stretch.to(x.device)
        bare = said if layer.bias is None else said - _as_channels(layer, layer.bias.to(said.dtype))
        factor = _as_channels(layer, factor)
        return said + ((factor - 1) * bare + factor * here.said(layer, x) * scale)

    return add


def product_of(roles: Mapping[str, Tensor]) -> tuple[Product, int | None] | None:
    """The product of a layer's factors, by what they are called in :mod:`lora_names`, and its rank.

    The rank is None where it cannot be told, or means nothing: of a Kronecker product of two whole ones. The result is
    None where factors are lacking, or are no matrices.
    """
    roles = {role: factor for role, factor in roles.items() if factor.dim() > 1}
    if {"down", "up"} <= roles.keys():
        return LowRank(roles["down"], roles["up"], roles.get("mid")), roles["down"].shape[0]
    if {"hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"} <= roles.keys():
        one, other = (_low_rank(roles, f"hada_w{place}", f"hada_t{place}") for place in (1, 2))
        return Hadamard(one, other), roles["hada_w1_b"].shape[0]
    one, other = (_low_rank_or_full(roles, place) for place in (1, 2))
    if one is None or other is None:
        return None
    ranks = [factor.down.shape[0] for factor in (other, one) if isinstance(factor, LowRank)]
    return Kronecker(one, other), ranks[0] if ranks else None


def _low_rank(roles: Mapping[str, Tensor], name: str, mid: str) -> LowRank:
    """LyCORIS calls "a" what LoRA calls up, and has it lie on its side beside a kernel."""
    up, down = roles[f"{name}_a"], roles[f"{name}_b"]
    return LowRank(down, up, None) if mid not in roles else LowRank(down, up.T, roles[mid])


def _low_rank_or_full(roles: Mapping[str, Tensor], place: int) -> LowRank | Full | None:
    name = f"lokr_w{place}"
    if name in roles:
        return Full(roles[name])
    return _low_rank(roles, name, f"lokr_t{place}") if {f"{name}_a", f"{name}_b"} <= roles.keys() else None


def _tensors(part: Any) -> Iterator[Tensor]:
    if isinstance(part, Tensor):
        yield part
    elif isinstance(part, LowRank | Full | Hadamard | Kronecker | Change):
        for field in fields(part):
            yield from _tensors(getattr(part, field.name))


def _mapped(part: Any, do: Callable[[Tensor], Tensor]) -> Any:
    """``part`` with every tensor in it replaced by what ``do`` makes of it."""
    if isinstance(part, Tensor):
        return do(part)
    if not isinstance(part, LowRank | Full | Hadamard | Kronecker | Change):
        return part
    return replace(part, **{field.name: _mapped(getattr(part, field.name), do) for field in fields(part)})


def _said(whole: Tensor, layer: LAYERS, x: Tensor) -> Tensor:
    """``whole`` · x, as ``layer`` takes it."""
    if isinstance(layer, nn.Linear):
        return functional.linear(x, whole)
    return _convolved(layer, x, whole.reshape(layer.weight.shape))


def _convolved(layer: nn.Conv2d, x: Tensor, kernel: Tensor) -> Tensor:
    shape: Any = {"stride": layer.stride, "padding": layer.padding, "dilation": layer.dilation}
    return functional.conv2d(x, kernel, **shape)


def _as_channels(layer: LAYERS, values: Tensor) -> Tensor:
    """A number for every output of ``layer``, to go with what it says."""
    return values if isinstance(layer, nn.Linear) else values[:, None, None]
