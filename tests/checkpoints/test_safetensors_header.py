"""A file that is not a whole safetensors file is named in plain words, without reading its weights."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from desktop_app.checkpoints.safetensors_header import BITS, MAX_HEADER, check_safetensors, read_header

TENSOR = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}


def file_of(header: object, data: bytes = bytes(24)) -> bytes:
    """A safetensors file with this header, which need not be valid."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def with_tensor(**changes: Any) -> bytes:
    return file_of({"a": {**TENSOR, **changes}})


def check(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    check_safetensors(path)


WHOLE = {
    "one tensor": file_of({"a": TENSOR}),
    "with metadata": file_of({"__metadata__": {"format": "pt"}, "a": TENSOR}),
    "two tensors": file_of({"b": {**TENSOR, "data_offsets": [24, 48]}, "a": TENSOR}, bytes(48)),
    "empty tensor": file_of({"a": {"dtype": "F16", "shape": [0, 5], "data_offsets": [0, 0]}}, b""),
    "scalar": file_of({"a": {"dtype": "BF16", "shape": [], "data_offsets": [0, 2]}}, bytes(2)),
    "half a byte each": file_of({"a": {"dtype": "F4", "shape": [4], "data_offsets": [0, 2]}}, bytes(2)),
    "nothing": file_of({}, b""),
}


@pytest.mark.parametrize("content", WHOLE.values(), ids=WHOLE)
def test_whole_files_pass(content: bytes, tmp_path: Path) -> None:
    check(tmp_path, content)


BROKEN = {
    "0 bytes": (b"", "only 0 bytes"),
    "7 bytes": (b"1234567", "only 7 bytes"),
    "web page": (b"<!DOCTYPE html><html><body>Sign in</body></html>", "web page"),
    "web page after blank lines": (b"\n\n  <html></html>", "web page"),
    "git lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n", "Git LFS pointer"),
    "zip": (b"PK\x03\x04" + bytes(100), "cut off, or is not"),
    "header longer than the file": ((1000).to_bytes(8, "little") + b"{}", "cut off, or is not"),
    "enormous header": ((2**63).to_bytes(8, "little") + bytes(100), "cut off, or is not"),
    "empty header": (file_of(b""), "damaged header"),
    "not JSON": (file_of(b"{oops"), "damaged header"),
    "not an object": (file_of([1, 2]), "damaged header"),
    "not UTF-8": (file_of(b'{"\xff\xfe": 1}'), "damaged header"),
    "too deep": (file_of(b"[" * 100_000), "damaged header"),
    "tensor is text": (file_of({"a": "F32"}), "damaged header .at a"),
    "tensor is a list": (file_of({"a": [1]}), "damaged header .at a"),
    "no dtype": (file_of({"a": {"shape": [1], "data_offsets": [0, 4]}}), "damaged header .at a"),
    "unknown dtype": (with_tensor(dtype="F33"), "damaged header .at a"),
    "dtype is a list": (with_tensor(dtype=[]), "damaged header .at a"),
    "negative shape": (with_tensor(shape=[-2, -3]), "damaged header .at a"),
    "shape of text": (with_tensor(shape=["2", "3"]), "damaged header .at a"),
    "shape is a number": (with_tensor(shape=6), "damaged header .at a"),
    "shape of NaN": (file_of(b'{"a": {"dtype": "F32", "shape": [NaN], "data_offsets": [0, 4]}}'), "damaged header"),
    "huge shape": (with_tensor(shape=[2**40, 2**40]), "damaged header .at a"),
    "span does not fit": (with_tensor(data_offsets=[0, 20]), "damaged header .at a"),
    "negative offset": (with_tensor(data_offsets=[-24, 0]), "damaged header .at a"),
    "backward offsets": (with_tensor(data_offsets=[24, 0]), "damaged header .at a"),
    "one offset": (with_tensor(data_offsets=[0]), "damaged header .at a"),
    "offsets of text": (with_tensor(data_offsets=["0", "24"]), "damaged header .at a"),
    "offsets of NaN": (file_of(b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [NaN, NaN]}}'), "damaged header"),
    "no offsets": (file_of({"a": {"dtype": "F32", "shape": [1]}}), "damaged header .at a"),
    "last byte missing": (file_of({"a": TENSOR}, bytes(23)), "cut off"),
    "weights missing": (file_of({"a": TENSOR}, b""), "cut off"),
}


@pytest.mark.parametrize(("content", "words"), BROKEN.values(), ids=BROKEN)
def test_broken_files_are_named(content: bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=words):
        check(tmp_path, content)


def test_a_header_above_the_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    with path.open("wb") as file:
        file.write((MAX_HEADER + 1).to_bytes(8, "little"))
        file.truncate(MAX_HEADER + 100)  # sparse: takes no room
    with pytest.raises(ValueError, match="cut off, or is not"):
        read_header(path)


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.safetensors", tmp_path):
        with pytest.raises(ValueError, match="cannot be read"):
            check_safetensors(path)


def test_a_real_file_passes_and_is_read_alike(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    path = tmp_path / "real.safetensors"
    tensors = {"a": torch.ones(2, 3), "b": torch.zeros(4, dtype=torch.bfloat16), "c": torch.tensor(1)}
    save_file(tensors, path, metadata={"format": "pt"})
    check_safetensors(path)
    header = read_header(path)
    assert header["a"]["shape"] == [2, 3]
    assert header["b"]["dtype"] == "BF16"
    assert {tensor["dtype"] for name, tensor in header.items() if name != "__metadata__"} <= set(BITS)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 200), value=st.integers(0, 255), length=st.integers(0, 300))
def test_damage_anywhere_never_escapes_as_another_error(position: int, value: int, length: int, tmp_path: Path) -> None:
    content = bytearray(WHOLE["with metadata"])
    content[position % len(content)] = value
    with contextlib.suppress(ValueError):
        check(tmp_path, bytes(content[:length]))
