"""One of diffusers' own pipelines from a model folder: part by part, offline, and never any code from the folder."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import diffusers.pipelines
import torch
import transformers.utils.logging
from torch import nn
from transformers.modeling_utils import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from desktop_app.checkpoints.bridged import LEFT_OUT
from desktop_app.checkpoints.facts import MODEL_INDEX
from desktop_app.core.catalog import BRIDGED
from desktop_app.core.errors import AppError
from desktop_app.core.events import Loading
from desktop_app.core.memory_plan import BY_MODEL
from desktop_app.engine.device import Device, free_memory, ran_out_of_memory
from desktop_app.engine.loading import BAD_CONFIG, read_json

LIBRARIES = ("diffusers", "transformers")
"""What parts may come from, beside diffusers' own pipelines."""
_LEAST_WORDS = 16
"""Of a tokenizer that has its vocabulary, beside the markers."""

for library in (diffusers, transformers):  # what they would print is said by events
    library.utils.logging.disable_progress_bar()


def load_pipeline(
    folder: Path, device: Device, check: Callable[[], None]
) -> Generator[Loading, None, tuple[Any, Device]]:
    """The pipeline that the ``model_index.json`` in ``folder`` names, its parts in the device's number format, or in
    float32 where the family asks for that.

    On a graphics card that is too small for all parts each is there only while it computes, and the device that comes
    back with the pipeline says so (offload by model).
    ``check`` may raise between parts. Raises ``AppError``.
    """
    index = read_json(folder, MODEL_INDEX)
    entries = {name: entry for name, entry in index.items() if isinstance(entry, list) and len(entry) == 2}
    sizes = {name: sum(file.stat().st_size for file in (folder / name).glob("*.safetensors")) for name in entries}
    total, done = sum(sizes.values()) or 1, 0
    careful = _float32_parts(str(index.get("_class_name")))
    parts: dict[str, Any] = {}
    for name, entry in entries.items():
        check()
        yield Loading(name, done / total)
        library, kind = entry
        wanted = kind is not None and name not in LEFT_OUT
        dtype = torch.float32 if name in careful else device.dtype
        parts[name] = _load_part(folder, name, library, kind, dtype) if wanted else None
        done += sizes[name]
        yield Loading(name, done / total)
    pipeline = _assemble(folder, str(index.get("_class_name")), parts)
    if device.torch_device.type == "cuda" and total > free_memory(device.torch_device):
        pipeline.enable_model_cpu_offload(device=device.torch_device)
        return pipeline, replace(device, offload=BY_MODEL)
    pipeline.to(device.torch_device)
    return pipeline, device


def _float32_parts(kind: str) -> tuple[str, ...]:
    """Parts of the pipelines of class ``kind`` that are to stay in float32."""
    return next((family.float32_parts for family in BRIDGED.values() if kind in family.pipelines), ())


def _assemble(folder: Path, kind: str, parts: dict[str, Any]) -> Any:
    pipeline = getattr(diffusers, kind, None)
    if pipeline is None:
        raise AppError("model.family", model=folder.name, kind=kind)
    try:
        return pipeline.from_pretrained(folder, local_files_only=True, **parts)
    except (OSError, *BAD_CONFIG) as problem:
        raise _damaged(folder, MODEL_INDEX, f"cannot be used ({problem})") from problem


def _load_part(folder: Path, name: str, library: object, kind: object, dtype: torch.dtype) -> Any:
    """A part of any kind: what computes in ``dtype`` and from safetensors only. Raises ``AppError``."""
    cls = _class_of(folder, library, kind)
    if issubclass(cls, PreTrainedTokenizerBase):
        return _tokenizer(folder, name, cls)
    if not issubclass(cls, nn.Module):
        return _read(folder, name, cls, {})
    options = {
        "dtype" if issubclass(cls, PreTrainedModel) else "torch_dtype": dtype,
        "use_safetensors": True,
        "disable_mmap": True,  # a file that is cut off while it is mapped ends the process
        "output_loading_info": True,
        **_variant(folder / name),
    }
    module, info = _read(folder, name, cls, options)
    if missing := sorted(info["missing_keys"]):
        raise _damaged(folder, name, f"lacks {len(missing)} tensors, such as {missing[0]}")
    return module.eval()


def _tokenizer(folder: Path, name: str, cls: Any) -> Any:
    """Without its vocabulary transformers quietly builds a tokenizer of hardly more than markers."""
    tokenizer = _read(folder, name, cls, {})
    if len(tokenizer) < len(set(tokenizer.all_special_ids)) + _LEAST_WORDS:
        raise _damaged(folder, name, "holds no vocabulary")
    return tokenizer


def _read(folder: Path, name: str, cls: Any, options: dict[str, Any]) -> Any:
    try:
        return cls.from_pretrained(folder / name, local_files_only=True, **options)
    except ImportError as problem:
        reason = str(problem).strip().partition("\n")[0]
        raise AppError("model.package", model=folder.name, reason=reason) from problem
    except (OSError, RuntimeError, *BAD_CONFIG) as problem:
        if ran_out_of_memory(problem):
            raise
        raise _damaged(folder, name, f"cannot be used ({str(problem).strip()})") from problem


def _variant(folder: Path) -> dict[str, str]:
    """The half-precision files of a part, where there are no others."""
    names = [file.name for file in folder.glob("*.safetensors")]
    return {"variant": "fp16"} if names and all(".fp16" in name for name in names) else {}


def _class_of(folder: Path, library: object, kind: object) -> Any:
    """The class ``kind`` of ``library``, one of :data:`LIBRARIES` or a pipeline's own module. Raises ``AppError``."""
    name = str(library)
    module = importlib.import_module(name) if name in LIBRARIES else getattr(diffusers.pipelines, name, None)
    found = getattr(module, str(kind), None)
    if not (isinstance(found, type) and hasattr(found, "from_pretrained")):
        raise _damaged(folder, MODEL_INDEX, f"names code that Safelight does not run ({library}.{kind})")
    return found


def _damaged(folder: Path, file: str, reason: str) -> AppError:
    return AppError("model.damaged", model=folder.name, file=file, reason=reason)
