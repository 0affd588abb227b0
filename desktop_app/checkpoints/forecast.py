"""How much memory a model's weights will take, from its identity alone."""

from __future__ import annotations

from desktop_app.checkpoints.identity import Identity

BYTES = {"float32": 4.0, "float16": 2.0, "bfloat16": 2.0, "float8_e4m3fn": 1.0, "float8_e5m2": 1.0, "nf4": 0.5}
"""Bytes of one weight, by number format."""


def weight_bytes(identity: Identity, dtype: str) -> int:
    """Bytes that the weights of ``identity`` take as ``dtype``, a key of :data:`BYTES`; raises ``KeyError``.

    The weights alone: activations, and parts that are :attr:`~Identity.missing`, come on top.
    """
    return round(identity.parameters * BYTES[dtype])
