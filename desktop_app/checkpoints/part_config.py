"""Whether the ``config.json`` of a part can belong to its weights, before a network is built after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def impossible_layers(config: Mapping[str, Any], tensors: int) -> str:
    """The setting of ``config`` that asks for more layers than there are ``tensors`` in the weights; "" if none does.

    Every layer has at least one of its own. A network of a thousand million layers would never be built to its end.
    """
    return next((name for name, value in _numbers(config) if "layers" in name and value > tensors), "")


def _numbers(config: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """(setting, number) of all numbers in ``config``, also of those in lists."""
    for name, value in config.items():
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, int | float):
                yield name, number
