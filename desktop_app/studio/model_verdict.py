"""Whether a model file can be used here, and if not why, as a message."""

from __future__ import annotations

from desktop_app.checkpoints.forecast import weight_bytes
from desktop_app.checkpoints.identity import ARCHITECTURES, KINDS, PARTS, UNKNOWN, Identity
from desktop_app.checkpoints.loras import LORA, lora_name
from desktop_app.checkpoints.single_file import PARTS as SINGLE_FILES
from desktop_app.checkpoints.single_file import unfit
from desktop_app.core.messages import Message

GIB = 1024**3
_BESIDE = 1.3
"""How much more than the weights a run takes at least: what the layers compute."""
RUN_FORMATS = ("safetensors",)
"""Formats of files that the engine reads."""


def verdict(identity: Identity, usable: bool, memory: int) -> tuple[bool, Message]:
    """Whether the model can make pictures or films here, or change them as a LoRA, and the reason.

    ``usable`` says whether the program offers it as a model; ``memory`` is this machine's in bytes.
    """
    if identity.problem:
        return False, identity.problem
    if usable:
        need = weight_bytes(identity, "float16") / GIB * _BESIDE
        values = {"need": f"{need:.1f}", "have": f"{memory / GIB:.1f}"}
        if need * GIB > memory:
            return False, Message("library.too-large", values)
        return True, Message("library.runs", values) if identity.parameters else Message("library.runs-unknown", {})
    if identity.kind == UNKNOWN:
        return False, Message("library.unknown", {})
    if identity.format not in RUN_FORMATS:
        return False, Message("library.format", {"format": identity.format})
    if identity.kind == LORA:
        return True, Message("library.lora", {"name": lora_name(identity.path)})
    if identity.kind != "checkpoint":
        return False, Message("library.part", {"kind": KINDS[identity.kind]})
    if identity.missing and identity.architecture in SINGLE_FILES:
        return False, Message("library.missing", {"parts": ", ".join(PARTS[part] for part in identity.missing)})
    if identity.architecture in SINGLE_FILES and (reason := unfit(identity)):
        return False, Message("model.unfit", {"file": identity.path.name, "reason": reason})
    return False, Message("library.no-family", {"architecture": ARCHITECTURES[identity.architecture]})
