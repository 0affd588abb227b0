"""The memory that weights will take is known from the header."""

from __future__ import annotations

from pathlib import Path

import pytest

from desktop_app.checkpoints.forecast import BYTES, weight_bytes
from desktop_app.checkpoints.identify import identify
from tests.checkpoints import original_layouts as original
from tests.checkpoints.headers import write_header


@pytest.mark.parametrize(("stored", "dtype"), [("F32", "float16"), ("F16", "float32"), ("BF16", "float8_e4m3fn")])
def test_weights_take_what_their_number_format_takes(stored: str, dtype: str, tmp_path: Path) -> None:
    layout = original.unet(original.SD_1)
    identity = identify(write_header(tmp_path / "x.safetensors", layout, stored))
    assert weight_bytes(identity, dtype) == 859_520_964 * BYTES[dtype]


def test_a_smoothed_copy_is_not_loaded_and_not_counted(tmp_path: Path) -> None:
    layout = {"model.diffusion_model." + name: shape for name, shape in original.unet(original.SD_1).items()}
    copy = {"model_ema." + name.replace(".", ""): shape for name, shape in layout.items()}
    identity = identify(write_header(tmp_path / "x.safetensors", {**layout, **copy}))
    assert weight_bytes(identity, "float16") == 2 * 859_520_964


def test_an_unknown_number_format_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        weight_bytes(identify(tmp_path), "float1")
