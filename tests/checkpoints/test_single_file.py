"""Whether a single file can be run, what it lacks, and what it predicts; from files of real names and shapes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from desktop_app.checkpoints.facts import read_model_facts
from desktop_app.checkpoints.finding import files_in, find_models, resolve_model
from desktop_app.checkpoints.identify import identify
from desktop_app.checkpoints.prediction import guessed_prediction
from desktop_app.checkpoints.single_file import known, part_file, usable, weight_files
from desktop_app.core.errors import AppError
from desktop_app.core.request import default_request, problems
from tests.checkpoints import original_layouts as original
from tests.checkpoints.headers import Shapes, write_header

TELLING = "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias"


def without(prefix: str, shapes: Shapes) -> Shapes:
    return {name: shape for name, shape in shapes.items() if not name.startswith(prefix)}


def write_numbers(file: Path, name: str, numbers: np.ndarray) -> None:
    """Fill one tensor of a file that is all zeros."""
    from desktop_app.checkpoints.safetensors_header import read_header

    begin = read_header(file)[name]["data_offsets"][0]
    with file.open("r+b") as stream:
        start = 8 + int.from_bytes(stream.read(8), "little")
        stream.seek(start + begin)
        stream.write(numbers.tobytes())


@pytest.mark.parametrize(
    ("plan", "family", "size"),
    [
        (original.SD_1, "stable-diffusion", (512, 512)),
        (original.SD_2, "stable-diffusion", (512, 512)),
        (original.SDXL, "stable-diffusion-xl", (1024, 1024)),
        (original.REFINER, "stable-diffusion-xl-refiner", (1024, 1024)),
    ],
)
def test_a_file_is_a_model_like_a_folder(plan: original.UnetPlan, family: str, size: tuple, tmp_path: Path) -> None:
    file = write_header(tmp_path / "models" / "v1.5 mine.SAFETENSORS", original.checkpoint(plan))
    (tmp_path / "models" / "page.safetensors").write_text("<html>please sign in")
    found = find_models([tmp_path / "models"])
    assert found["v1.5 mine"] == file
    assert resolve_model(str(file), []) == resolve_model("v1.5 mine", files_in([tmp_path / "models"])) == file
    facts = read_model_facts(file)
    assert (facts.key, facts.family, facts.folder) == ("v1.5 mine", family, str(file))
    request = default_request(facts)
    assert request.size == size
    assert problems(replace(request, start="a.png"), facts) == []
    with pytest.raises(AppError, match=r"page.safetensors is a web page"):
        read_model_facts(found["page"])


def test_its_own_facts_lie_beside_it(tmp_path: Path) -> None:
    file = write_header(tmp_path / "a.safetensors", original.checkpoint(original.SD_1))
    own = tmp_path / "a.safelight.json"
    own.write_text('{"format": 1, "name": "Mine", "defaults": {"width": 768, "height": 512, "steps": 7}}')
    facts = read_model_facts(file)
    assert (facts.name, facts.sizes[0], facts.steps) == ("Mine", (768, 512), 7)
    own.write_text('{"format": 1, "sizes": 3}')
    with pytest.raises(AppError, match=r"a.safelight.json cannot be used"):
        read_model_facts(file)


@pytest.mark.parametrize(
    ("prefix", "plan", "part", "said"),
    [
        ("first_stage_model.", original.SD_1, "vae", r"autoencoder \(VAE\)"),
        ("cond_stage_model.", original.SD_2, "text_encoder", "text encoder"),
        ("conditioner.embedders.1.", original.SDXL, "text_encoder_2", "second text encoder"),
        ("conditioner.embedders.0.", original.REFINER, "text_encoder_2", "second text encoder"),
    ],
)
def test_what_is_missing_is_named_and_found_beside_it(
    prefix: str, plan: original.UnetPlan, part: str, said: str, tmp_path: Path
) -> None:
    file = write_header(tmp_path / "a.safetensors", without(prefix, original.checkpoint(plan)))
    with pytest.raises(AppError, match=rf"a.safetensors holds no {said}. .* called a.{part}.safetensors"):
        read_model_facts(file)
    beside = write_header(tmp_path / f"a.{part}.safetensors", {"x": (1,)})
    assert part_file(usable(file), part) == beside
    assert weight_files(usable(file)) == [file, beside]


@pytest.mark.parametrize(
    ("shapes", "reason"),
    [
        ({"x": (1,)}, "is not a checkpoint"),
        (original.checkpoint(original.SD_1_INPAINTING), r"is a model for another use \(inpainting\)"),
        (
            original.behind("model.diffusion_model.", original.flux()) | {"vae.decoder.conv_in.weight": (1,)},
            r"is of another architecture \(FLUX.1\)",
        ),
        (
            {"first_stage_model.decoder.conv_in.weight": (512, 4, 3, 3), "first_stage_model.decoder.conv_out.weight":
             (3, 128, 3, 3), "first_stage_model.encoder.conv_in.weight": (128, 3, 3, 3)},
            r"holds only this: Autoencoder \(VAE\)",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_run_is_told_apart(shapes: Shapes, reason: str, tmp_path: Path) -> None:
    file = write_header(tmp_path / "a.safetensors", shapes)
    with pytest.raises(AppError, match=f"a.safetensors (cannot be run: it )?{reason}"):
        usable(file)


@pytest.mark.parametrize("dtype", ["F16", "F32", "BF16"])
@pytest.mark.parametrize(("spread", "prediction", "side"), [(0.05, "epsilon", 512), (0.2, "v_prediction", 768)])
def test_one_tensor_tells_what_stable_diffusion_2_predicts(
    dtype: str, spread: float, prediction: str, side: int, tmp_path: Path
) -> None:
    file = write_header(tmp_path / "two.safetensors", original.checkpoint(original.SD_2), dtype)
    numbers = np.random.default_rng(1).normal(0, spread, 320).astype("<f4")
    stored = {"F16": numbers.astype("<f2"), "F32": numbers, "BF16": (numbers.view("<u4") >> 16).astype("<u2")}
    write_numbers(file, TELLING, stored[dtype])
    assert known(file).prediction == prediction
    assert read_model_facts(file).sizes[0] == (side, side)


def test_the_training_configuration_beside_it_tells_more(tmp_path: Path) -> None:
    file = write_header(tmp_path / "two.safetensors", original.checkpoint(original.SD_2))
    beside = tmp_path / "two.yaml"
    beside.write_text('model:\n  params:\n    parameterization: "v"\n')
    assert guessed_prediction(identify(file)) == "v_prediction"
    write_numbers(file, TELLING, np.linspace(-1, 1, 320).astype("<f2"))
    beside.write_text("model:\n  params:\n    channels: 4\n")
    assert guessed_prediction(identify(file)) == "epsilon"


def test_what_the_file_says_itself_counts(tmp_path: Path) -> None:
    metadata = {"modelspec.prediction_type": "v"}
    file = write_header(tmp_path / "two.safetensors", original.checkpoint(original.SD_2), metadata=metadata)
    assert known(file).prediction == "v_prediction"
