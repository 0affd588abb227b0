"""LoRAs by the names that prompts call them, and whether one fits a model: from file names and headers alone."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from desktop_app.checkpoints.identify import identify
from desktop_app.checkpoints.identity import ARCHITECTURES, UNKNOWN, Identity
from desktop_app.core.errors import AppError

LORA = "lora"
KINDS = (LORA, "lycoris")
READ = (".safetensors", ".sft")
_GIVEN_NAMES = ("adapter_model", "pytorch_lora_weights")
"""What PEFT and diffusers call every file: there the folder has the name."""


def lora_name(path: Path) -> str:
    """What ``<lora:…>`` calls the file at ``path``."""
    return path.parent.name if path.stem in _GIVEN_NAMES else path.stem


def find_lora(name: str, files: Iterable[Path]) -> Identity:
    """The one of ``files`` that is the LoRA called ``name``; the first wins, and letters may differ in case.

    A file of that name that is no LoRA is passed over. Raises ``AppError`` if there is none, or it is damaged.
    """
    wanted = name.lower()
    for path in files:
        if path.suffix.lower() not in READ or lora_name(path).lower() != wanted:
            continue
        identity = identify(path)
        if identity.problem:
            raise AppError(identity.problem.id, **identity.problem.values)
        if identity.kind in KINDS:
            return identity
    raise AppError("lora.unknown", name=name)


def require_fit(lora: Identity, model: Identity, model_name: str) -> None:
    """Raise ``AppError`` where ``lora`` is known to be made for another architecture than the model's."""
    made_for, here = lora.architecture, model.architecture
    if UNKNOWN not in (made_for, here) and made_for != here:
        raise AppError(
            "lora.architecture",
            name=lora_name(lora.path),
            made_for=ARCHITECTURES[made_for],
            model=model_name,
            architecture=ARCHITECTURES[here],
        )
