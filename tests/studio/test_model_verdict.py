"""Whether a model runs here, in words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from desktop_app.checkpoints.identify import identify
from desktop_app.checkpoints.identity import ARCHITECTURES, Identity
from desktop_app.checkpoints.published import FOLDERS
from desktop_app.checkpoints.single_file import PARTS as SINGLE_FILES
from desktop_app.core.machine import Machine
from desktop_app.core.memory_plan import NO_WISHES
from desktop_app.core.messages import Message
from desktop_app.core.planning import choose
from desktop_app.studio.model_verdict import verdict
from tests.checkpoints.headers import write_header
from tests.checkpoints.real_models import shapes_of
from tests.checkpoints.test_lone_parts import halves
from tests.core.test_forecast import CARD, CPU, GB, LARGE
from tests.core.test_request import FACTS, GOOD

CHECKPOINT: dict[str, Any] = {"kind": "checkpoint"}


@pytest.mark.parametrize(
    ("facts", "usable", "runs", "id"),
    [
        (CHECKPOINT, True, True, "library.runs-unknown"),
        ({**CHECKPOINT, "architecture": "flux-2"}, False, False, "library.folder"),
        ({"kind": "denoiser", "architecture": "sana"}, False, False, "library.folder"),
        ({"kind": "denoiser", "architecture": "stable-cascade-c"}, False, False, "library.no-family"),
        ({"kind": "denoiser"}, False, False, "library.other-architecture"),
        ({"kind": "denoiser", "architecture": "sd-1", "missing": ("vae",)}, False, False, "library.missing"),
        ({"kind": "lora"}, False, True, "library.lora"),
        ({"kind": "lora", "architecture": "flux-1"}, False, True, "library.lora"),
        ({"kind": "lora", "architecture": "wan-2"}, False, False, "library.lora-other"),
        ({"kind": "vae"}, False, False, "library.vae-other"),
        ({"kind": "text-encoder"}, False, False, "library.part"),
        ({"kind": "controlnet", "architecture": "sdxl"}, False, False, "library.unused"),
        ({"kind": "t2i-adapter"}, False, False, "library.unused"),
        ({"kind": "motion-module", "architecture": "sd-1"}, False, False, "library.motion-other"),
        ({"kind": "motion-module", "architecture": "sdxl"}, False, False, "library.unused"),
        ({"kind": "checkpoint", "architecture": "sd-1", "missing": ("vae",)}, False, False, "library.missing"),
        ({"kind": "checkpoint", "architecture": "flux-1", "missing": ("vae",)}, False, False, "library.folder"),
        ({"kind": "checkpoint", "architecture": "sd-1", "variant": "inpainting"}, False, False, "model.unfit"),
        ({}, False, False, "library.unknown"),
        ({"format": "GGUF"}, False, False, "library.unknown"),
        ({"kind": "denoiser", "format": "GGUF"}, False, False, "library.format"),
        ({"kind": "lora", "format": "pickle"}, False, False, "library.pickle"),
        ({"kind": "embedding", "format": "pickle"}, False, False, "library.pickle"),
        ({"kind": "embedding"}, False, True, "library.embedding"),
        ({**CHECKPOINT, "problem": Message("file.empty", {"file": "x"})}, True, False, "file.empty"),
    ],
)
def test_verdicts(facts: dict, usable: bool, runs: bool, id: str) -> None:
    said, message = verdict(Identity(Path("x"), **facts), usable, None, None)
    assert (said, message.id) == (runs, id)
    assert message.text


def test_a_pickled_embedding_that_somebody_trusts() -> None:
    pickled = Identity(Path("easy.pt"), "embedding", format="pickle")
    runs, message = verdict(pickled, False, None, None, trusted=True)
    assert (runs, message.id, message.values["name"]) == (True, "library.embedding", "easy")
    assert verdict(replace(pickled, kind="lora"), False, None, None, trusted=True)[1].id == "library.pickle"


def test_parts_that_models_can_use_are_called_as_there(tmp_path: Path) -> None:
    file = write_header(tmp_path / "VAE" / "mse.safetensors", shapes_of("kl vae"))
    runs, message = verdict(identify(file), False, None, None)
    assert (runs, message.id, message.values) == (True, "library.vae", {"name": "mse"})
    decoder = write_header(tmp_path / "vae_approx" / "taesd_decoder.safetensors", halves("tiny vae")["decoder"])
    assert verdict(identify(decoder), False, None, None)[1].values == {"name": "taesd"}
    adapter = tmp_path / "v3"
    write_header(adapter / "diffusion_pytorch_model.safetensors", shapes_of("motion adapter"))
    (adapter / "config.json").write_text('{"_class_name": "MotionAdapter"}')
    runs, message = verdict(identify(adapter), False, None, None)
    assert (runs, message.id, message.values) == (True, "library.motion", {"name": "v3"})


def test_a_folder_that_is_no_model_here_is_not_told_to_be_downloaded_as_a_folder(tmp_path: Path) -> None:
    whole = Identity(tmp_path, kind="checkpoint", architecture="wan-2")
    assert verdict(whole, False, None, None)[1].id == "library.other-folder"
    part = Identity(tmp_path, kind="denoiser", architecture="wan-2")
    assert verdict(part, False, None, None)[1].id == "library.part"


def test_for_every_architecture_it_is_said_where_it_runs() -> None:
    for architecture in ARCHITECTURES:
        message = verdict(Identity(Path("x"), kind="denoiser", architecture=architecture), False, None, None)[1]
        assert (message.id == "library.folder") == (architecture in FOLDERS)
    assert ARCHITECTURES.keys() > FOLDERS.keys()
    assert not FOLDERS.keys() & SINGLE_FILES.keys()


@pytest.mark.parametrize(
    ("machine", "runs", "id", "words"),
    [
        (CPU, True, "library.runs", "about 5.4 GB"),
        (replace(CARD, free=2 * GB), True, "library.runs-with", "waiting in RAM"),
        (replace(CARD, free=GB // 2), False, "library.too-large", "500 MB are free"),
    ],
)
def test_whether_it_fits_follows_from_the_plan_of_its_first_run(
    machine: Machine, runs: bool, id: str, words: str
) -> None:
    chosen = choose(replace(GOOD, width=512, height=512), LARGE, machine, NO_WISHES)
    said, message = verdict(Identity(Path("x"), **CHECKPOINT), True, chosen, machine)
    assert (said, message.id) == (runs, id)
    assert words in message.text


def test_a_model_of_unknown_size_is_said_to_run() -> None:
    chosen = choose(GOOD, FACTS, CPU, NO_WISHES)
    assert verdict(Identity(Path("x"), **CHECKPOINT), True, chosen, CPU)[1].id == "library.runs-unknown"
