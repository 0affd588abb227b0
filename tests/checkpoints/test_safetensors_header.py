"""A file that is not a whole safetensors file is named in plain words, without reading its weights."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from desktop_app.checkpoints.safetensors_header import BITS, check_safetensors, read_contents, read_header
from desktop_app.checkpoints.weights_file import MAX_HEADER, FileProblem

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
    "0 bytes": (b"", "is empty"),
    "7 bytes": (b"1234567", "only 7 bytes"),
    "web page": (b"<!DOCTYPE html><html><body>Sign in</body></html>", "web page"),
    "web page after blank lines": (b"\n\n  <html></html>", "web page"),
    "git lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n", "Git LFS pointer"),
    "zip": (b"PK\x03\x04" + bytes(100), "zip or PyTorch file"),
    "pickle": (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19." + bytes(100), "pickle file"),
    "GGUF": (b"GGUF\x03" + bytes(100), "GGUF file"),
    "gzip": (b"\x1f\x8b\x08" + bytes(100), "gzip file"),
    "header longer than the file": ((1000).to_bytes(8, "little") + b"{}", "cut off: 10 of 1,008 bytes"),
    "enormous header": ((2**63).to_bytes(8, "little") + bytes(100), "no weights file that Safelight knows"),
    "empty header": (file_of(b""), "damaged header"),
    "not JSON": (file_of(b"{oops"), "damaged header"),
    "not an object": (file_of([1, 2]), "damaged header"),
    "not UTF-8": (file_of(b'{"\xff\xfe": 1}'), "damaged header"),
    "too deep": (file_of(b"[" * 100_000), "damaged header"),
    "tensor is text": (file_of({"a": "F32"}), "damaged header .at a"),
    "tensor is a list": (file_of({"a": [1]}), "damaged header .at a"),
    "no dtype": (file_of({"a": {"shape": [1], "data_offsets": [0, 4]}}), "damaged header .at a"),
    "unknown dtype": (with_tensor(dtype="F33"), "holds a in the number format F33"),
    "dtype is a list": (with_tensor(dtype=[]), "damaged header .at a"),
    "negative shape": (with_tensor(shape=[-2, -3]), "damaged header .at a"),
    "shape of text": (with_tensor(shape=["2", "3"]), "damaged header .at a"),
    "shape is a number": (with_tensor(shape=6), "damaged header .at a"),
    "shape of NaN": (file_of(b'{"a": {"dtype": "F32", "shape": [NaN], "data_offsets": [0, 4]}}'), "damaged header"),
    "huge shape": (with_tensor(shape=[2**40, 2**40]), "a has 24 bytes, and its shape needs 4,835"),
    "huge numbers": (
        file_of(b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 1' + b"0" * 5000 + b"]}}"),
        "dam",
    ),
    "number above 64 bits": (with_tensor(shape=[2**64]), "damaged header .at a"),
    "many axes": (with_tensor(shape=[1] * 33), "damaged header .at a"),
    "shape of truths": (with_tensor(shape=[True, 6]), "damaged header .at a"),
    "span does not fit": (with_tensor(data_offsets=[0, 20]), "a has 20 bytes, and its shape needs 24"),
    "overlap": (file_of({"a": TENSOR, "b": {**TENSOR, "data_offsets": [20, 44]}}, bytes(44)), "b lies where another"),
    "same place": (file_of({"a": TENSOR, "b": TENSOR}), "b lies where another tensor is"),
    "gap": (file_of({"a": TENSOR, "b": {**TENSOR, "data_offsets": [28, 52]}}, bytes(52)), "a gap before b"),
    "gap at the start": (file_of({"a": {**TENSOR, "data_offsets": [4, 28]}}, bytes(28)), "a gap before a"),
    "twice": (
        file_of(b'{"a": ' + json.dumps(TENSOR).encode() + b', "a": ' + json.dumps(TENSOR).encode() + b"}"),
        "twice",
    ),
    "metadata of numbers": (file_of({"__metadata__": {"epoch": 3}, "a": TENSOR}), "its notes on itself"),
    "metadata is a list": (file_of({"__metadata__": [], "a": TENSOR}), "its notes on itself"),
    "too many tensors": (file_of(b'{"a": [' + b"[]," * 2_000_001 + b"[]]}", b""), "more tensors than any model has"),
    "half a character": (file_of(b'{"\\ud800": 1}'), "damaged header .at .."),
    "a name of a million": (file_of({"a" * 10**6: 1}), "damaged header .at a{100}…"),
    "bytes after the end": (file_of({"a": TENSOR}, bytes(25)), "1 bytes follow its last tensor"),
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
        file.write((MAX_HEADER + 1).to_bytes(8, "little") + b"{")
        file.truncate(MAX_HEADER + 100)  # sparse: takes no room
    with pytest.raises(FileProblem, match="header of 104,857,601 bytes"):
        read_header(path)


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    (tmp_path / "around.safetensors").symlink_to("around.safetensors")
    getattr(os, "mkfifo", os.mkdir)(tmp_path / "pipe.safetensors")  # a pipe where the system has them
    for name, words in {
        "missing.safetensors": "is not there",
        "missing/x.safetensors": "is not there",
        ".": "is a folder or a device",
        "pipe.safetensors": "is a folder or a device",
        "around.safetensors": "cannot be read: ",
    }.items():
        with pytest.raises(FileProblem, match=words):
            check_safetensors(tmp_path / name)


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    (tmp_path / "x.safetensors").write_bytes(WHOLE["one tensor"])
    monkeypatch.setattr(Path, "open", refuse)  # chmod stops nobody who is root
    with pytest.raises(FileProblem, match="may not be read by you"):
        check_safetensors(tmp_path / "x.safetensors")


def test_every_problem_is_a_message_with_the_file_and_a_remedy(tmp_path: Path) -> None:
    for content, _ in BROKEN.values():
        with pytest.raises(FileProblem) as caught:
            check(tmp_path, content)
        message = caught.value.message
        assert message.text == f"x.safetensors {caught.value}."
        assert message.remedy
        str(message).encode()


def test_a_real_file_passes_and_is_read_alike(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    path = tmp_path / "real.safetensors"
    tensors = {"a": torch.ones(2, 3), "b": torch.zeros(4, dtype=torch.bfloat16), "c": torch.tensor(1)}
    save_file(tensors, path, metadata={"format": "pt"})
    check_safetensors(path)
    header = read_header(path)
    assert read_contents(path).metadata == {"format": "pt"}
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
