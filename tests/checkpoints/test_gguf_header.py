"""GGUF files are known by their headers, and whatever is wrong with one is named."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from desktop_app.checkpoints.gguf_header import read_gguf
from desktop_app.checkpoints.identify import identify
from desktop_app.checkpoints.identity import UNKNOWN
from desktop_app.checkpoints.weights_file import FileProblem
from tests.checkpoints import original_layouts as original
from tests.checkpoints.gguf_files import header, tensor, text, write_gguf
from tests.checkpoints.real_models import shapes_of

NOTES = {
    "general.architecture": "flux",
    "general.quantization_version": 2,
    "a.float": 0.5,
    "a.truth": True,
    "tokenizer.ggml.tokens": ["a", "bc", "é"],
    "a.list": [1, 2, 3],
    "a.long.list": list(range(100)),
}


@pytest.mark.parametrize(
    ("name", "architecture"),
    [("flux-1", "flux-1"), ("sd-3", "sd-3"), ("qwen-image", "qwen-image"), ("z-image", "z-image"), ("ltx", "ltx")],
)
def test_published_models_are_known(name: str, architecture: str, tmp_path: Path) -> None:
    shapes = shapes_of(name)
    identity = identify(write_gguf(tmp_path / "x.gguf", shapes, "Q4_K"))
    assert not identity.problem
    assert (identity.kind, identity.architecture) == ("denoiser", architecture)
    assert (identity.format, identity.dtype, identity.quantisation) == ("GGUF", "Q4_K", "GGUF")
    assert identity.parameters == sum(map(_product, shapes.values()))


def _product(shape: tuple[int, ...]) -> int:
    count = 1
    for length in shape:
        count *= length
    return count


def test_original_names_and_shapes_that_were_flattened(tmp_path: Path) -> None:
    shapes = original.unet(original.SDXL)
    first = shapes["input_blocks.0.0.weight"]
    shapes["input_blocks.0.0.weight"] = (_product(first),)
    told = {"comfy__gguf__orig_shape__input_blocks__0__0__weight": list(first)}
    identity = identify(write_gguf(tmp_path / "x.gguf", shapes, "Q8_0", **told))
    assert (identity.kind, identity.architecture, identity.variant) == ("denoiser", "sdxl", "")
    contents = read_gguf(tmp_path / "x.gguf")
    assert contents.tensors["input_blocks.0.0.weight"].shape == first


@pytest.mark.parametrize(
    ("shapes", "architecture"),
    [
        ({"token_embd.weight": (32128, 4096), "enc.blk.0.attn_q.weight": (4096, 4096)}, UNKNOWN),
        ({"token_embd.weight": (256384, 4096), "enc.blk.0.attn_q.weight": (4096, 4096)}, "wan-2"),
        ({"token_embd.weight": (151936, 2560), "blk.0.attn_q.weight": (4096, 2560)}, UNKNOWN),
    ],
)
def test_text_encoders_have_names_of_their_own(shapes: dict, architecture: str, tmp_path: Path) -> None:
    identity = identify(write_gguf(tmp_path / "x.gguf", shapes))
    assert (identity.kind, identity.architecture) == ("text-encoder", architecture)


def test_notes_are_metadata_and_plain_numbers_no_packing(tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(header(tensor("a", (2, 3), 30, 0), 1, NOTES).ljust(1024, b"\0"))
    identity = identify(path)
    assert (identity.format, identity.dtype, identity.quantisation) == ("GGUF", "bfloat16", "")
    assert identity.metadata == {
        "general.architecture": "flux",
        "general.quantization_version": "2",
        "a.float": "0.5",
        "a.truth": "True",
    }


TWO = tensor("a", (64,), 0, 0) + tensor("b", (64,), 0, 256)
BROKEN = {
    "only a magic": (b"GGUF", "header-cut"),
    "old version": (header(b"", 0, {}, version=1), "gguf-version"),
    "big-endian": (header(b"", 0, {}, version=3 << 24), "gguf-version"),
    "many tensors": (b"GGUF" + struct.pack("<IQQ", 3, 2**40, 0), "crowded"),
    "many notes": (b"GGUF" + struct.pack("<IQQ", 3, 0, 2**40), "crowded"),
    "tensors missing": (header(b"", 5, {}), "header-cut"),
    "a name of 4 GB": (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 2**32), "crowded"),
    "a list of 2^60 numbers": (
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("a") + struct.pack("<IIQ", 9, 5, 2**60),
        "header-cut",
    ),
    "a list of 2^60 texts": (
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("a") + struct.pack("<IIQ", 9, 8, 2**60),
        "header-cut",
    ),
    "a list of lists": (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("a") + struct.pack("<IIQ", 9, 9, 1), "header"),
    "a note of no type": (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("a") + struct.pack("<I", 99), "header"),
    "many axes": (header(text("a") + struct.pack("<I", 99), 1, {}), "crowded"),
    "unknown packing": (header(tensor("a", (64,), 77, 0), 1, {}), "dtype"),
    "half a block": (header(tensor("a", (33,), 8, 0), 1, {}), "tensor"),
    "not aligned": (header(tensor("a", (64,), 0, 7), 1, {}), "tensor"),
    "overlap": (header(tensor("a", (64,), 0, 0) + tensor("b", (64,), 0, 32), 2, {}), "overlap"),
    "huge": (header(tensor("a", (2**40, 2**40), 0, 0), 1, {}), "cut-off"),
    "twice": (header(tensor("a", (64,), 0, 0) + tensor("a", (64,), 0, 256), 2, {}), "header"),
    "weights missing": (header(TWO, 2, {}), "cut-off"),
}


@pytest.mark.parametrize(("content", "id"), BROKEN.values(), ids=BROKEN)
def test_broken_files_are_named(content: bytes, id: str, tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(content)
    with pytest.raises(FileProblem) as caught:
        read_gguf(path)
    assert caught.value.message.id == f"file.{id}"


def test_the_last_byte_counts(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "x.gguf", {"a": (64, 64)})
    assert identify(path).problem is None
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 1)
    problem = identify(path).problem
    assert problem
    assert problem.id == "file.cut-off"


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 400), value=st.integers(0, 255), length=st.integers(0, 500))
def test_damage_anywhere_never_escapes_as_another_error(position: int, value: int, length: int, tmp_path: Path) -> None:
    content = bytearray(header(TWO, 2, NOTES) + bytes(600))
    content[position] = value
    path = tmp_path / "x.gguf"
    path.write_bytes(content[: 4 + length])
    with contextlib.suppress(FileProblem):
        read_gguf(path)
