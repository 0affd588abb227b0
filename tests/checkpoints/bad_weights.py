"""Weights files that are wrong in every way that people meet, each with the id of what is said of it, if it is wrong.

As a program (``python -m tests.checkpoints.bad_weights FOLDER``) it identifies all in a folder and prints, as JSON,
what was said of each and how many bytes of memory that took at most.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

from tests.checkpoints.gguf_files import header, tensor, write_gguf
from tests.checkpoints.headers import write_header

MEGABYTE = 1024 * 1024
TENSOR = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}


def weights(described: object, data: int = 24) -> bytes:
    """A safetensors file with this header, which need not be valid."""
    text = described if isinstance(described, bytes) else json.dumps(described).encode()
    return len(text).to_bytes(8, "little") + text + bytes(data)


def changed(**values: object) -> bytes:
    return weights({"a": {**TENSOR, **values}})


def two(begin: int) -> bytes:
    return weights({"a": TENSOR, "b": {**TENSOR, "data_offsets": [begin, begin + 24]}}, begin + 24)


def archive(name: str, content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        made.writestr(name, content)
    return stream.getvalue()


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("exit 1",)


CONTENTS: dict[str, tuple[bytes, str | None]] = {
    "empty": (b"", "file.empty"),
    "seven bytes": (b"1234567", "file.short"),
    "header of nothing": (bytes(8), "file.header"),
    "header of 2^63 bytes": ((2**63).to_bytes(8, "little") + bytes(99), "file.unknown"),
    "header longer than the file": ((99).to_bytes(8, "little") + b"{}", "file.cut-off"),
    "not JSON": (weights(b"{oops"), "file.header"),
    "no object": (weights([]), "file.header"),
    "not UTF-8": (weights(b'{"\xff": 1}'), "file.header"),
    "twice": (weights(b'{"a": 1, "a": 2}'), "file.twice"),
    "a million names": (weights(b"{" + b",".join(b'"%d":1' % n for n in range(10**6)) + b"}"), "file.crowded"),
    "depth bomb": (weights(b"[" * 10**6), "file.header"),
    "notes of numbers": (weights({"__metadata__": {"a": 1}}, 0), "file.metadata"),
    "unknown number format": (changed(dtype="F33"), "file.dtype"),
    "negative offset": (changed(data_offsets=[-24, 0]), "file.tensor"),
    "overlap": (two(20), "file.overlap"),
    "gap": (two(28), "file.gap"),
    "past the end": (changed(data_offsets=[0, 24], shape=[6]) [:-24], "file.cut-off"),
    "shape and span differ": (changed(shape=[2, 4]), "file.tensor-size"),
    "overflow": (changed(shape=[2**40, 2**40]), "file.tensor-size"),
    "nothing on a border": (weights({"a": TENSOR, "b": {**TENSOR, "shape": [0], "data_offsets": [24, 24]}}), None),
    "nothing in the middle": (
        weights({"a": TENSOR, "b": {**TENSOR, "shape": [0], "data_offsets": [8, 8]}}),
        "file.overlap",
    ),
    "half": (weights({"a": TENSOR}, 12), "file.cut-off"),
    "last byte missing": (weights({"a": TENSOR}, 23), "file.cut-off"),
    "a byte too many": (weights({"a": TENSOR}, 25), "file.too-long"),
    "web page": (b"<!doctype html><title>Sign in</title>", "file.web-page"),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "file.lfs"),
    "gzip": (b"\x1f\x8b\x08" + bytes(99), "file.format"),
    "renamed pickle": (archive("x/data.pkl", pickle.dumps({}, 2)), None),
    "pickle that runs": (pickle.dumps(Evil(), 2), "file.programs"),
    "archive that runs": (archive("x/data.pkl", pickle.dumps({"a": Evil()}, 4)), "file.programs"),
    "archive in an archive": (archive("x/data.bin", archive("x/data.pkl", pickle.dumps(Evil()))), "file.format"),
    "way out of an archive": (archive("x/../../data.pkl", b"}."), "file.archive-names"),
    "GGUF of nothing": (b"GGUF", "file.header-cut"),
    "GGUF of version 99": (header(b"", 0, {}, version=99), "file.gguf-version"),
    "GGUF of 2^60 tensors": (b"GGUF" + struct.pack("<IQQ", 3, 2**60, 0), "file.crowded"),
    "GGUF with a name of 2^60": (b"GGUF" + struct.pack("<IQQQ", 3, 1, 0, 2**60), "file.crowded"),
    "GGUF without weights": (header(tensor("a", (64, 64), 0, 0), 1, {}), "file.cut-off"),
}  # fmt: skip
"""What it is: the content of the file, and the id of what is wrong with it."""


def _sparse(size: int, start: bytes) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        path.write_bytes(start)
        os.truncate(path, size)

    return write


OTHERS: dict[str, tuple[Callable[[Path], object], str | None]] = {
    "header of 101 MB": (
        _sparse(200 * MEGABYTE, (101 * MEGABYTE).to_bytes(8, "little") + b"{"),
        "file.header-long",
    ),
    "99 MB of nothing": (_sparse(100 * MEGABYTE, (99 * MEGABYTE).to_bytes(8, "little") + b'{"a"'), "file.header"),
    "pickle of 9 GB": (_sparse(9000 * MEGABYTE, b"\x80\x04\x8e" + (2**33).to_bytes(8, "little")), "file.pickle"),
    "GGUF text of 9 GB": (
        _sparse(9000 * MEGABYTE, b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + b"\x01" + bytes(7) + b"a"
                + struct.pack("<IQ", 8, 2**33)),
        "file.crowded",
    ),
    "link to itself": (lambda path: path.symlink_to(path.name), "file.unreadable"),
    "link to nothing": (lambda path: path.symlink_to("nothing"), "file.missing"),
    "folder": (lambda path: path.mkdir(), "folder.no-model"),
    "pipe": (lambda path: os.mkfifo(path), "file.not-a-file"),
    "fp8": (lambda path: write_header(path, {"a": (4, 4)}, "F8_E4M3"), None),
    "scaled fp8": (lambda path: write_header(path, {"a": (4, 4), "a.scale_weight": ()}, "F8_E4M3"), None),
    "int8": (lambda path: write_header(path, {"a": (4, 4)}, "I8"), None),
    "fp4": (lambda path: write_header(path, {"a": (4, 4)}, "F4"), None),
    "scales": (lambda path: write_header(path, {"a": (4, 4)}, "F8_E8M0"), None),
    "good GGUF": (lambda path: write_gguf(path, {"a": (4, 32)}), None),
}  # fmt: skip
"""What it is: what makes it at a path, and the id of what is wrong with it."""


def write_all(folder: Path) -> dict[str, tuple[Path, str | None]]:
    """Every bad file in ``folder``, by what it is, with the id of what is to be said of it."""
    made: dict[str, tuple[Path, str | None]] = {}
    for name, (content, id) in CONTENTS.items():
        made[name] = folder / f"{name}.safetensors", id
        made[name][0].write_bytes(content)
    for name, (write, id) in OTHERS.items():
        made[name] = folder / f"{name}.safetensors", id
        write(made[name][0])
    return made


def main() -> None:
    import resource

    from desktop_app.checkpoints.identify import identify

    def most() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    before = most()
    said = {path.stem: identify(path).problem for path in sorted(Path(sys.argv[1]).iterdir())}
    ids = {name: problem.id if problem else None for name, problem in said.items()}
    print(json.dumps({"said": ids, "memory": most() - before}))


if __name__ == "__main__":
    main()
