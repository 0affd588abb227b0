"""Names and shapes inside PyTorch's pickled weights (.ckpt, .pt, .pth, .bin), read without running anything.

Two layouts (pytorch/pytorch, torch/serialization.py): since 1.6 a zip archive with the pickle in ``*/data.pkl`` and the
numbers in ``*/data/<key>``; before that five pickles in a row (magic number, version, system, weights, keys), then
for each key the number of numbers in 8 bytes and the numbers.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from desktop_app.checkpoints.contents import Contents, Tensor
from desktop_app.checkpoints.pickle_machine import ITEM_SIZES, DamagedPickle, Made, PickleMachine, Storage
from desktop_app.checkpoints.weights_file import MAX_TENSORS, FileProblem, clean, open_weights, shown

ZIP, PICKLE = b"PK\x03\x04", b"\x80"
_MOST_BYTES = 32 * 1024 * 1024
"""Of pickles; those of the largest known checkpoints have one or two million."""
_MOST_AT_ONCE = 4 * 1024 * 1024
"""Bytes that an archive may ask for in one piece: a directory of some 50,000 files."""
_WEIGHTS = "/data.pkl"
_MAGIC = 0x1950A86A20F9469CFC6C
DEEPEST = 8
WRAPPERS = ("", "state_dict", "model_state_dict")

_WEIGHTS_ALONE = re.compile(
    r"collections\.(OrderedDict|defaultdict|Counter)"
    r"|torch\._utils\._rebuild_(tensor|tensor_v2|tensor_v3|parameter|parameter_with_state|qtensor|sparse_tensor)"
    r"|torch\._tensor\._rebuild_from_type_v2"
    r"|torch\.(cuda\.)?(Double|Float|Half|BFloat16|Long|Int|Short|Char|Byte|Bool|ComplexFloat|ComplexDouble)Storage"
    r"|torch\.(storage\.)?UntypedStorage|torch\.storage\.TypedStorage"
    r"|torch\.(Size|device|Tensor|nn\.parameter\.Parameter|nn\.modules\.container\.ParameterDict)"
    r"|torch\.(u?int(8|16|32|64)|b?float(16|32|64)|bool|complex64|complex128|float8_(e4m3fn|e5m2))"
    r"|_codecs\.encode|(__builtin__|builtins)\.set"
)
"""What weights need to import; torch's own loader of weights alone knows all of it but ``ParameterDict``."""


def read_pickled(path: Path) -> Contents:
    """What a file of pickled weights holds; :attr:`Contents.programs` names what it would run.

    Raises :class:`FileProblem`.
    """
    machine = PickleMachine()
    with open_weights(path) as (file, size):
        try:
            is_zip = file.read(4) == ZIP
            found = _zipped(path, file, machine) if is_zip else _in_a_row(path, file, size, machine)
        except DamagedPickle as problem:
            if not _programs(machine):
                raise FileProblem(path, "file.pickle") from problem
            found = {}  # what runs comes first; that it is damaged as well is no comfort
    tensors = dict(_flat(path, found))
    return Contents(tensors, {}, "pickle", _programs(machine))


def _programs(machine: PickleMachine) -> tuple[str, ...]:
    return tuple(shown(name) for name in machine.imports if not _WEIGHTS_ALONE.fullmatch(name))


class _Sparing:
    """A file that gives little at a time, so that a directory that claims to be huge is refused."""

    def __init__(self, file: BinaryIO) -> None:
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable
        self._read = file.read

    def read(self, size: int = -1) -> bytes:
        data = self._read(min(size, _MOST_AT_ONCE + 1) if size >= 0 else _MOST_AT_ONCE + 1)
        if len(data) > _MOST_AT_ONCE:
            raise zipfile.BadZipFile("too much at once")
        return data


def _zipped(path: Path, file: BinaryIO, machine: PickleMachine) -> Any:
    try:
        with zipfile.ZipFile(_Sparing(file)) as archive:  # type: ignore[arg-type]
            sizes = {info.filename: info.file_size for info in archive.infolist()}
            if any(_leads_out(name) for name in sizes):
                raise FileProblem(path, "file.archive-names")
            pickles = sorted((name for name in sizes if name.endswith(".pkl")), key=lambda name: name[-9:] != _WEIGHTS)
            if not pickles or not pickles[0].endswith(_WEIGHTS):
                raise FileProblem(path, "file.format", format="zip")
            found, *_ = [machine.load(BytesIO(_member(path, archive, name))) for name in pickles]
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, UnicodeDecodeError) as problem:
        raise FileProblem(path, "file.archive") from problem
    place = pickles[0].removesuffix(".pkl") + "/"
    lacking = [one for one in machine.storages.values() if sizes.get(place + one.key, -1) < _bytes(one)]
    if lacking:
        raise FileProblem(path, "file.storages", count=len(lacking))
    return found


def _leads_out(name: str) -> bool:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    return ".." in parts or parts[:1] == ("/",) or name[1:2] == ":"


def _member(path: Path, archive: zipfile.ZipFile, name: str) -> bytes:
    pieces: list[bytes] = []
    with archive.open(name) as member:
        while piece := member.read(1024 * 1024):
            pieces.append(piece)
            if len(pieces) * 1024 * 1024 > _MOST_BYTES:
                raise FileProblem(path, "file.crowded")
    return b"".join(pieces)


def _in_a_row(path: Path, file: BinaryIO, size: int, machine: PickleMachine) -> Any:
    """The weights of a file without an archive: its first pickle, or the fourth after the magic number."""
    file.seek(0)
    stream = BytesIO(file.read(_MOST_BYTES))
    found = machine.load(stream)
    if found != _MAGIC:
        return found
    machine.load(stream)
    machine.load(stream)
    found = machine.load(stream)
    keys = machine.load(stream)
    stored = [machine.storages[key] for key in keys if key in machine.storages] if isinstance(keys, list) else []
    whole = stream.tell() + sum(8 + _bytes(one) for one in stored)
    if size < whole:
        raise FileProblem(path, "file.cut-off", size=f"{size:,}", whole=f"{whole:,}")
    return found


def _bytes(storage: Storage) -> int:
    return storage.count * ITEM_SIZES[storage.dtype]


def _flat(path: Path, found: Any) -> Iterator[tuple[str, Tensor]]:
    """The tensors in nested dictionaries by their names with dots; what only wraps the weights is left out.

    A dictionary may stand in several places, or in itself: depth and number of what is looked at are bounded.
    """
    waiting, left = [("", found, DEEPEST)], MAX_TENSORS
    while waiting:
        name, value, depth = waiting.pop()
        if isinstance(value, Tensor):
            yield clean(name), value
        elif depth and (inside := _inside(value)):
            left -= len(inside)
            if left < 0:
                raise FileProblem(path, "file.crowded")
            start = "" if name in WRAPPERS else f"{name}."
            waiting += [(start + key, one, depth - 1) for key, one in reversed(inside.items())]


def _inside(value: Any) -> dict[str, Any]:
    """What a dictionary, or a module that was pickled as a whole, holds by name."""
    if isinstance(value, dict):
        return value
    if isinstance(value, Made) and isinstance(value.state, dict):
        parts = (value.state.get(part) for part in ("_parameters", "_buffers", "_modules"))
        return {name: one for part in parts if isinstance(part, dict) for name, one in part.items()}
    return {}
