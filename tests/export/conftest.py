"""A small picture and its recipe."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from desktop_app.core.frames import Frames
from desktop_app.core.request import GenerationRequest
from desktop_app.core.result import Result, RunRecord

RUN = RunRecord(
    device="cpu",
    device_name="Some processor, 2 cores",
    dtype="float32",
    guidance_form="two-pass",
    threads=2,
    versions={"safelight": "0.1.0", "torch": "2.13.0"},
)


def make_result(**changes: Any) -> Result:
    """A recipe whose request differs from a plain one by ``changes``."""
    request = GenerationRequest(model="postcard", prompt="a red house on green hills", width=24, height=16, seed=7)
    return Result(request=replace(request, **changes), run=RUN, seconds=1.25, steps_done=20)


@pytest.fixture
def result() -> Result:
    return make_result()


@pytest.fixture
def frames() -> Frames:
    """One frame of noise, 24 × 16 px."""
    return Frames(1, 16, 24, random.Random(0).randbytes(16 * 24 * 3))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder."""
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder
