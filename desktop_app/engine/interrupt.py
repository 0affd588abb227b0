"""Cancelling inside a forward pass, which may take many seconds on a CPU."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from desktop_app.core.control import StopSignal


class Interrupted(Exception):
    """The user cancelled. Never leaves the engine: ``Engine.generate`` turns it into a ``Cancelled`` event."""


def check(stop: StopSignal) -> None:
    """Raise :class:`Interrupted` once ``stop`` is cancelled."""
    if stop.cancelled:
        raise Interrupted


@contextmanager
def interruptible(modules: Iterable[nn.Module], stop: StopSignal) -> Iterator[None]:
    """Inside, every layer of ``modules`` looks at ``stop`` before it runs and raises :class:`Interrupted`.

    One layer is then the longest wait, in text encoder, denoiser and autoencoder alike. Only layers with a matrix of
    weights look: the others are quick, and a look costs a few microseconds. The hooks go away with the context.
    """

    def look(_module: nn.Module, _arguments: Any) -> None:
        check(stop)

    layers = (part for module in modules for part in module.modules() if _has_matrix(part))
    handles = [layer.register_forward_pre_hook(look) for layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _has_matrix(module: nn.Module) -> bool:
    weight = getattr(module, "weight", None)
    return weight is not None and weight.dim() > 1
