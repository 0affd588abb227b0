"""From a model folder to modules in memory: offline, one tensor at a time, nothing held twice.

Tensors are read with plain reads, not memory maps: a file that is cut off or unplugged while in use is then an error
and not a crash (SIGBUS), and the peak is what stays plus a few tensors.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import init_empty_weights
from huggingface_hub.errors import StrictDataclassError
from torch import Tensor, nn
from transformers.models.clip.tokenization_clip import CLIPTokenizer

from desktop_app.checkpoints.original_names import Place, Places
from desktop_app.checkpoints.safetensors_header import read_header
from desktop_app.checkpoints.single_file import known
from desktop_app.core.errors import AppError
from desktop_app.core.events import Loading
from desktop_app.engine.device import trim
from desktop_app.engine.dtypes import DTYPES, EIGHT_BITS
from desktop_app.engine.pickles import read_pickled

BAD_CONFIG = (
    TypeError, ValueError, KeyError, AttributeError, IndexError, ArithmeticError, StrictDataclassError,
)  # fmt: skip
"""What diffusers and transformers raise, between them, for a configuration that makes no sense."""
REPORT_EVERY = 1 / 50
"""Of the whole model, between two Loading events."""


def in_its_place(name: str) -> tuple[Place, ...]:
    """Where a tensor belongs whose name says so."""
    return (Place(name),)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a model folder: ``name`` is its sub-folder, ``base`` the stem of its weight files.

    Its weights may instead be in a single ``file``, among others and in ``places`` of their own.
    """

    folder: Path
    name: str
    base: str
    file: Path | None = None
    places: Places = in_its_place

    def config(self) -> dict[str, Any]:
        """Its ``config.json``. Raises ``AppError``."""
        return read_json(self.folder, f"{self.name}/config.json")

    def files(self) -> list[Path]:
        """Its safetensors files: one, or the shards that its index names. Raises ``AppError``."""
        if self.file is not None:
            return [self.file]
        here = self.folder / self.name
        index = f"{self.base}.safetensors.index.json"
        if (here / index).is_file():
            names = read_json(self.folder, f"{self.name}/{index}").get("weight_map", {}).values()
            return [self._existing(Path(name).name) for name in sorted(set(names))]
        for variant in (f"{self.base}.safetensors", f"{self.base}.fp16.safetensors"):
            if (here / variant).is_file():
                return [here / variant]
        return [self._existing(f"{self.base}.safetensors")]

    def damaged(self, file: str, reason: str) -> AppError:
        if self.file is not None:
            return AppError("model.unusable", file=file, reason=reason)
        return AppError("model.damaged", model=self.folder.name, file=f"{self.name}/{file}", reason=reason)

    def _existing(self, name: str) -> Path:
        path = self.folder / self.name / name
        if not path.is_file():
            raise AppError("model.missing-file", model=self.folder.name, file=f"{self.name}/{name}")
        return path


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """The JSON object in ``folder / name``. Raises ``AppError`` when it is missing or damaged."""
    try:
        data = json.loads((folder / name).read_text(encoding="utf-8"))
    except OSError as problem:
        raise AppError("model.missing-file", model=folder.name, file=name) from problem
    except ValueError as problem:
        raise AppError("model.damaged", model=folder.name, file=name, reason="is not valid JSON") from problem
    if not isinstance(data, dict):
        raise AppError("model.damaged", model=folder.name, file=name, reason="is not a JSON object")
    return data


def build_empty(part: Part, build: Callable[[dict[str, Any]], Any]) -> Any:
    """The module ``build(config)`` without memory for its parameters; buffers that the code computes are real.

    Raises ``AppError`` when the configuration makes no sense.
    """
    config = part.config()
    try:
        with init_empty_weights(include_buffers=False):
            return build(config).eval().requires_grad_(False)
    except BAD_CONFIG as problem:
        raise part.damaged("config.json", f"cannot be used ({problem})") from problem


@dataclass
class WeightReader:
    """Fills the parts of one model and reports progress over all of them.

    ``check`` is called before every tensor and may raise to stop; ``total`` comes from :func:`count_weights`.
    """

    total: int
    check: Callable[[], None]
    done: int = 0
    reported: float = 0.0

    def fill(
        self,
        module: nn.Module,
        part: Part,
        device: torch.device,
        dtype: torch.dtype,
        rename: Callable[[str], str],
    ) -> Iterator[Loading]:
        """Read the files of ``part`` into ``module``, cast to ``dtype`` on ``device``. Raises ``AppError``.

        Weights that ``module`` keeps in eight bits are cast to those. ``rename`` maps names in old files to today's;
        tensors the module has no place for are passed over.
        """
        yield Loading(part.name, self.reported)
        wanted = {
            name: (value.shape, EIGHT_BITS if value.dtype == EIGHT_BITS else dtype)
            for name, value in module.state_dict().items()
        }
        for file in part.files():
            with file.open("rb", buffering=0) as stream:
                for stored in stored_tensors(part, file):
                    self.check()
                    places = [(place, rename(place.name)) for place in part.places(stored.name)]
                    places = [(place, target) for place, target in places if target in wanted]
                    value = read_tensor(part, stream, stored) if places else None
                    for place, target in places:
                        shape, kept = wanted.pop(target)
                        piece = piece_of(value, place, shape)
                        if piece is None:
                            raise part.damaged(file.name, f"has a tensor of the wrong shape ({stored.name})")
                        assign(module, target, piece.to(device, kept))
                    yield from self._progress(part, stored.shape.numel())
        if wanted:
            raise part.damaged(part.files()[0].name, f"lacks {len(wanted)} tensors, such as {next(iter(wanted))}")

    def _progress(self, part: Part, count: int) -> Iterator[Loading]:
        self.done += count
        fraction = min(1.0, self.done / self.total)
        if fraction >= self.reported + REPORT_EVERY or fraction == 1 > self.reported:
            self.reported = fraction
            trim()  # what tensors were read into, which among those that stay adds up to a sixth of the model
            yield Loading(part.name, fraction)


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """Where a tensor is in its file: ``size`` bytes from byte ``begin``."""

    name: str
    dtype: str
    shape: torch.Size
    begin: int
    size: int
    value: Tensor | None = None
    """The tensor itself, of a pickled file; it may be mapped from it."""


def stored_tensors(part: Part, file: Path) -> list[StoredTensor]:
    """What of ``part`` a weights file holds, of safetensors in the order of its bytes. Reads the header only.

    Raises ``AppError``.
    """
    if part.file is not None and known(file).format == "pickle":
        found = {name: value for name, value in read_pickled(file).items() if part.places(name)}
        return [StoredTensor(name, "", value.shape, 0, 0, value) for name, value in found.items()]
    try:
        header = read_header(file)
        with file.open("rb") as stream:
            start = 8 + int.from_bytes(stream.read(8), "little")
    except (ValueError, OSError) as problem:
        raise part.damaged(file.name, str(problem)) from problem
    entries = [(name, entry) for name, entry in header.items() if name != "__metadata__" and part.places(name)]
    return [
        StoredTensor(name, entry["dtype"], torch.Size(entry["shape"]), start + begin, end - begin)
        for name, entry in sorted(entries, key=lambda item: item[1]["data_offsets"])
        for begin, end in [entry["data_offsets"]]
    ]


def count_weights(parts: list[Part]) -> int:
    """Numbers of all ``parts`` in their files: what a loading bar runs to. Raises ``AppError``."""
    files = [(part, file) for part in parts for file in part.files()]
    return sum(stored.shape.numel() for part, file in files for stored in stored_tensors(part, file))


def read_tensor(part: Part, stream: FileIO, stored: StoredTensor) -> Tensor:
    """The tensor, on the CPU, in the dtype it is stored in. Raises ``AppError``."""
    if stored.value is not None:
        return stored.value.clone()
    file = Path(str(stream.name)).name
    if stored.dtype not in DTYPES:
        raise part.damaged(file, f"holds {stored.name} in the unknown format {stored.dtype}")
    data = torch.empty(stored.size, dtype=torch.uint8)
    view = memoryview(cast(Any, data.numpy()))
    try:
        stream.seek(stored.begin)
        while len(view):
            if not (count := stream.readinto(view)):
                raise part.damaged(file, "is cut off")
            view = view[count:]
    except OSError as problem:
        raise part.damaged(file, f"cannot be read ({problem.strerror})") from problem
    return data.view(DTYPES[stored.dtype]).reshape(stored.shape)


def piece_of(value: Tensor, place: Place, shape: torch.Size) -> Tensor | None:
    """What of ``value`` goes to ``place``, in ``shape``; None if it does not fit.

    Where diffusers has a linear layer, older files have a convolution over single pixels.
    """
    if place.third is not None:
        value = value.chunk(3)[place.third]
    if place.transposed:
        value = value.T.contiguous()
    fits = value.shape == shape or value.shape == (*shape, 1, 1)
    return value.reshape(shape) if fits else None


def assign(module: nn.Module, name: str, value: Tensor) -> None:
    """Put ``value`` where the parameter or buffer ``name`` of ``module`` is."""
    owner_name, _, leaf = name.rpartition(".")
    owner = module.get_submodule(owner_name)
    if leaf in owner._parameters:
        setattr(owner, leaf, nn.Parameter(value, requires_grad=False))
    else:
        owner.register_buffer(leaf, value)


def load_tokenizer(folder: Path, name: str, vocabulary_size: int, **options: str) -> CLIPTokenizer:
    """The tokenizer in ``folder / name``, its own configuration overruled by ``options``. Raises ``AppError``.

    Without its vocabulary transformers quietly builds a tokenizer of two tokens, hence the check of its length.
    """
    try:
        tokenizer = CLIPTokenizer.from_pretrained(folder / name, local_files_only=True, **options)
    except (OSError, ValueError, TypeError, KeyError) as problem:
        raise AppError("model.missing-file", model=folder.name, file=f"{name}/vocab.json") from problem
    if len(tokenizer) != vocabulary_size or len(tokenizer) <= 3:
        reason = f"has {len(tokenizer)} tokens where the text encoder expects {vocabulary_size}"
        raise AppError("model.damaged", model=folder.name, file=name, reason=reason)
    return tokenizer
