"""Whether a model runs here, in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from desktop_app.checkpoints.identity import Identity
from desktop_app.studio.model_verdict import GIB, verdict, weight_gib


@pytest.mark.parametrize(
    ("facts", "usable", "runs", "id"),
    [
        ({"kind": "checkpoint", "parameters": GIB}, True, True, "library.runs"),
        ({"kind": "checkpoint"}, True, True, "library.runs-unknown"),
        ({"kind": "checkpoint", "parameters": 12 * GIB}, True, False, "library.too-large"),
        ({"kind": "checkpoint", "architecture": "flux-2"}, False, False, "library.no-family"),
        ({"kind": "checkpoint", "missing": ("vae",)}, False, False, "library.missing"),
        ({"kind": "lora"}, False, False, "library.part"),
        ({}, False, False, "library.unknown"),
        ({"kind": "checkpoint", "problem": "is cut off"}, True, False, "library.damaged"),
    ],
)
def test_verdicts(facts: dict, usable: bool, runs: bool, id: str) -> None:
    said, message = verdict(Identity(Path("x"), **facts), usable, 16 * GIB)
    assert (said, message.id) == (runs, id)
    assert message.text


def test_a_parameter_takes_two_bytes_or_four() -> None:
    identity = Identity(Path("x"), parameters=GIB)
    assert (weight_gib(identity, "half"), weight_gib(identity, "full")) == (2.0, 4.0)
