"""What diffusers' pipelines take is read from their source, and becomes the facts of their models."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import diffusers
import pytest

from desktop_app.checkpoints.facts import read_model_facts
from desktop_app.checkpoints.pipelines import REQUIRED, read_call
from desktop_app.core.catalog import BRIDGED, FILM, OTHER, PICTURE
from desktop_app.core.errors import AppError
from desktop_app.core.request import default_request, problems

NAMED = [(key, name) for key, family in BRIDGED.items() for name in family.pipelines]


def folder_of(folder: Path, kind: str, **configs: dict[str, Any]) -> Path:
    """A model folder of nothing but configs; ``configs`` are by sub-folder."""
    folder.mkdir()
    (folder / "model_index.json").write_text(json.dumps({"_class_name": kind, **configs.pop("index", {})}))
    for name, config in configs.items():
        (folder / name).mkdir()
        file = "scheduler_config.json" if name == "scheduler" else "config.json"
        (folder / name / file).write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize("name", ["StableDiffusion3Pipeline", "WanPipeline", "PixArtSigmaPipeline", "LattePipeline"])
def test_the_source_says_what_the_signature_says(name):
    call = read_call(name)
    assert call is not None
    signature = inspect.signature(getattr(diffusers, name).__call__)
    parameters = [value for value in signature.parameters.values() if value.kind is not value.VAR_KEYWORD][1:]
    assert list(call.parameters) == [parameter.name for parameter in parameters]
    for parameter in parameters:
        read = call.parameters[parameter.name]
        if parameter.default is inspect.Parameter.empty:
            assert read is REQUIRED
        else:
            assert read in (parameter.default, None)


@pytest.mark.parametrize(("key", "name"), NAMED)
def test_every_pipeline_that_a_family_names_draws_from_words(key, name):
    call = read_call(name)
    assert call is not None
    assert call.draws_from_words
    assert BRIDGED[key].kinds == ((FILM,) if call.films else (PICTURE,))
    bridge = BRIDGED[key].bridge
    assert bridge is not None
    assert bridge.guidance in ("", call.parameter("guidance_scale", bridge.guidance))


@pytest.mark.parametrize(
    "name",
    [
        *(
            "StableDiffusionImg2ImgPipeline",
            "FluxFillPipeline",
            "WanImageToVideoPipeline",
            "LTXI2VLongMultiPromptPipeline",
        ),
        *("StableDiffusionXLControlNetPipeline", "QwenImageEditPipeline", "StableAudioPipeline", "ShapEPipeline"),
        *("StableCascadePriorPipeline", "StableDiffusionUpscalePipeline", "CogVideoXVideoToVideoPipeline"),
    ],
)
def test_what_begins_with_something_else_is_no_family(tmp_path, name):
    call = read_call(name)
    assert call is not None
    assert not call.draws_from_words
    with pytest.raises(AppError) as caught:
        read_model_facts(folder_of(tmp_path / "model", name))
    assert caught.value.message.id == "model.family"


@pytest.mark.parametrize("name", ["NoSuchPipeline", "os.path", "", "DiffusionPipeline", "ImagePipelineOutput"])
def test_what_diffusers_does_not_have_is_none(name):
    assert read_call(name) is None


@pytest.mark.parametrize(("key", "name"), NAMED)
def test_the_familys_choices_are_a_valid_request(tmp_path, key, name):
    told = BRIDGED[key].told_by
    configs: dict[str, Any] = {}
    if told is not None:
        configs = {"index" if told[0] == "model_index.json" else told[0].partition("/")[0]: {told[1]: told[2]}}
    facts = read_model_facts(folder_of(tmp_path / "model", name, **configs))
    assert (facts.family, facts.pipeline) == (key, name)
    assert (facts.schedulers, facts.scheduler) == ((), "")
    assert not {"scheduler", "start", "extend", "clip_skip", "vae"} & set(facts.controls)
    request = default_request(facts)
    assert problems(request, facts) == []
    assert all(facts.nearest_size(*size) == size for size in facts.sizes)
    assert (request.kind == FILM) == ("frames" in facts.controls) == ("fps" in facts.controls)


def test_controls_are_those_that_the_pipeline_has(tmp_path):
    sprint = read_model_facts(folder_of(tmp_path / "sprint", "SanaSprintPipeline"))
    assert "negative_prompt" not in sprint.controls
    hunyuan = read_model_facts(folder_of(tmp_path / "hunyuan", "HunyuanVideo15Pipeline"))
    assert "guidance_scale" not in hunyuan.controls
    assert "negative_prompt" in hunyuan.controls


def test_a_pipeline_that_no_family_names_brings_its_own_choices(tmp_path):
    latte = read_model_facts(folder_of(tmp_path / "latte", "LattePipeline"))
    assert (latte.family, latte.sizes, latte.steps, latte.guidance_scale) == (OTHER, ((512, 512),), 50, 7.5)
    assert (latte.kinds, latte.film and latte.film.frames) == ((FILM,), 16)
    aura = read_model_facts(folder_of(tmp_path / "aura", "AuraFlowPipeline"))
    assert (aura.sizes, aura.steps, aura.guidance_scale, aura.kinds) == (((1024, 1024),), 50, 3.5, (PICTURE,))
    chroma = read_model_facts(folder_of(tmp_path / "chroma", "ChromaPipeline"))
    assert chroma.sizes == BRIDGED[OTHER].sizes  # computed in the pipeline, so nobody can read them


@pytest.mark.parametrize(("shrink", "step"), [(4, 4), (7, 1), ("4", 1), (None, 1)])
def test_frames_come_as_the_autoencoder_shrinks_time(tmp_path, shrink, step):
    """A shrink that the pipeline's own number of frames (97) does not fit says nothing."""
    folder = folder_of(
        tmp_path / "sky", "SkyReelsV2Pipeline", vae={"scale_factor_temporal": shrink if step == 4 else 7}
    )
    facts = read_model_facts(folder)
    assert facts.film is not None
    assert (facts.film.frames, facts.film.frame_step) == (97, step)


def test_frames_snap_to_what_can_be():
    film = BRIDGED["wan"].film
    assert film is not None
    assert [film.nearest_frames(value) for value in (1, 2, 5, 6, 8, 80, 1000)] == [5, 5, 5, 5, 9, 81, 241]
