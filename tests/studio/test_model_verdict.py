"""Whether a model runs here, in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from desktop_app.checkpoints.identity import Identity
from desktop_app.core.messages import Message
from desktop_app.studio.model_verdict import GIB, verdict


@pytest.mark.parametrize(
    ("facts", "usable", "runs", "id"),
    [
        ({"kind": "checkpoint", "parameters": GIB}, True, True, "library.runs"),
        ({"kind": "checkpoint"}, True, True, "library.runs-unknown"),
        ({"kind": "checkpoint", "parameters": 12 * GIB}, True, False, "library.too-large"),
        ({"kind": "checkpoint", "architecture": "flux-2"}, False, False, "library.no-family"),
        ({"kind": "lora"}, False, True, "library.lora"),
        ({"kind": "vae"}, False, False, "library.part"),
        ({"kind": "checkpoint", "architecture": "sd-1", "missing": ("vae",)}, False, False, "library.missing"),
        ({"kind": "checkpoint", "architecture": "flux-1", "missing": ("vae",)}, False, False, "library.no-family"),
        ({"kind": "checkpoint", "architecture": "sd-1", "variant": "inpainting"}, False, False, "model.unfit"),
        ({}, False, False, "library.unknown"),
        ({"format": "GGUF"}, False, False, "library.unknown"),
        ({"kind": "denoiser", "format": "GGUF"}, False, False, "library.format"),
        ({"kind": "lora", "format": "pickle"}, False, False, "library.format"),
        ({"kind": "checkpoint", "problem": Message("file.empty", {"file": "x"})}, True, False, "file.empty"),
    ],
)
def test_verdicts(facts: dict, usable: bool, runs: bool, id: str) -> None:
    said, message = verdict(Identity(Path("x"), **facts), usable, 16 * GIB)
    assert (said, message.id) == (runs, id)
    assert message.text
