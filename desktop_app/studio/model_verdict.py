"""Whether a model file can be used here, and if not why, as a message."""

from __future__ import annotations

from desktop_app.checkpoints.embeddings import KIND as EMBEDDING
from desktop_app.checkpoints.identity import ARCHITECTURES, KINDS, PARTS, UNKNOWN, Identity
from desktop_app.checkpoints.lone_parts import find_parts
from desktop_app.checkpoints.loras import KINDS as LORAS
from desktop_app.checkpoints.loras import lora_name
from desktop_app.checkpoints.published import FOLDERS
from desktop_app.checkpoints.single_file import PARTS as SINGLE_FILES
from desktop_app.checkpoints.single_file import RUN, unfit
from desktop_app.core.catalog import FAMILIES
from desktop_app.core.machine import Machine
from desktop_app.core.memory_plan import MEASURES
from desktop_app.core.messages import Message
from desktop_app.core.planning import Chosen
from desktop_app.core.sizes import size_text

_TAKING_LORAS = {
    UNKNOWN,
    *(name for family in FAMILIES.values() if "lora" in family.controls for name in family.architectures),
}
_ANIMATED = {name for family in FAMILIES.values() if family.animated for name in family.architectures}
RUN_FORMATS = ("safetensors", "pickle")
"""Formats of files that the engine reads."""


def verdict(
    identity: Identity, usable: bool, chosen: Chosen | None, machine: Machine | None, *, trusted: bool = False
) -> tuple[bool, Message]:
    """Whether the model can make pictures or films here, or change them as a LoRA or an embedding, and the reason.

    ``usable`` says whether the program offers it as a model; ``chosen`` is how its first run would go on ``machine``;
    ``trusted``, whether a person agreed to have it read though it is a pickle.
    """
    if identity.problem:
        return False, identity.problem
    if usable:
        return _fits(chosen, machine)
    if identity.kind == UNKNOWN:
        return False, Message("library.unknown", {})
    if identity.format == "pickle" and not (trusted and identity.kind == EMBEDDING):
        return False, Message("library.pickle", {})
    if identity.format not in RUN_FORMATS:
        return False, Message("library.format", {"format": identity.format})
    if identity.kind in LORAS and identity.variant:
        return False, Message("lora.kind", {"name": lora_name(identity.path), "kind": identity.variant})
    if identity.kind in LORAS and identity.architecture not in _TAKING_LORAS:
        return False, Message("library.lora-other", {"architecture": ARCHITECTURES[identity.architecture]})
    if identity.kind in LORAS:
        return True, Message("library.lora", {"name": lora_name(identity.path)})
    if identity.kind == EMBEDDING:
        return True, Message("library.embedding", {"name": identity.path.stem})
    folder = identity.path.is_dir()
    if identity.kind not in RUN or (folder and identity.kind != "checkpoint"):
        return _of_part(identity)
    return False, _of_folder(identity) if folder else _of_file(identity)


def _of_part(identity: Identity) -> tuple[bool, Message]:
    """Whether what is no model by itself is of use to one."""
    parts = find_parts([identity.path])
    animated = identity.architecture in _ANIMATED
    for name in (*parts.autoencoders, *parts.tiny_autoencoders):
        return True, Message("library.vae", {"name": name})
    for name in parts.motion_adapters if animated else ():
        return True, Message("library.motion", {"name": name})
    if identity.kind == "vae":
        return False, Message("library.vae-other", {})
    if identity.kind == "motion-module" and animated:
        return False, Message("library.motion-other", {})
    used = identity.kind in ("text-encoder", "tiny-vae", "denoiser")
    return False, Message("library.part" if used else "library.unused", {"kind": KINDS[identity.kind]})


def _of_folder(identity: Identity) -> Message:
    """Why a whole folder is not offered as a model."""
    return Message("library.other-folder", {"architecture": ARCHITECTURES[identity.architecture]})


def _of_file(identity: Identity) -> Message:
    """Why a checkpoint, or what denoises in one, is not offered as a model."""
    architecture = ARCHITECTURES[identity.architecture]
    if identity.architecture == UNKNOWN:
        return Message("library.other-architecture", {})
    if identity.architecture in FOLDERS:
        return Message("library.folder", {"architecture": architecture, "folder": FOLDERS[identity.architecture]})
    if identity.architecture not in SINGLE_FILES:
        return Message("library.no-family", {"architecture": architecture})
    if reason := unfit(identity):
        return Message("model.unfit", {"file": identity.path.name, "reason": reason})
    return Message("library.missing", {"parts": ", ".join(PARTS[part] for part in identity.missing)})


def _fits(chosen: Chosen | None, machine: Machine | None) -> tuple[bool, Message]:
    if chosen is None or chosen.need is None or machine is None:
        return True, Message("library.runs-unknown", {})
    need, have = size_text(chosen.need.total), size_text(machine.free)
    if not chosen.fits:
        return False, Message("library.too-large", {"need": need, "have": have})
    how = ", ".join(MEASURES[measure][0] for measure in chosen.measures)
    if how:
        return True, Message("library.runs-with", {"need": need, "have": have, "how": how})
    return True, Message("library.runs", {"need": need, "have": have})
