"""A model's own facts win over its family's, and whatever is wrong with a model folder is named."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from desktop_app.checkpoints.facts import (
    check_model_files,
    read_model_facts,
)
from desktop_app.checkpoints.finding import files_in, find_models, resolve_model
from desktop_app.checkpoints.lone_parts import autoencoder, find_parts
from desktop_app.checkpoints.refiners import with_refiners
from desktop_app.core.catalog import FAMILIES
from desktop_app.core.errors import AppError, RequestError
from desktop_app.core.paths import bundled_models_dir
from desktop_app.core.request import default_request, problems

FAMILY = FAMILIES["stable-diffusion"]
INDEX = {"_class_name": "StableDiffusionPipeline"}


def make_model(folder: Path, facts: Mapping[str, Any] | None = None, index: object = INDEX) -> Path:
    """A model folder with whole, empty weight files."""
    for part in ("text_encoder", "unet", "vae"):
        (folder / part).mkdir(parents=True)
        (folder / part / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    (folder / "model_index.json").write_text(json.dumps(index))
    if facts is not None:
        (folder / "safelight.json").write_text(json.dumps({"format": 1, **facts}))
    return folder


def test_without_own_facts_the_family_speaks(tmp_path: Path) -> None:
    facts = read_model_facts(make_model(tmp_path / "plain"))
    assert (facts.key, facts.name, facts.family) == ("plain", "plain", "stable-diffusion")
    assert facts.folder == str(tmp_path / "plain")
    assert (facts.sizes, facts.steps, facts.multiple) == (FAMILY.sizes, FAMILY.steps, FAMILY.multiple)
    assert facts.schedulers == FAMILY.schedulers
    assert (facts.preview, facts.examples, facts.vocabulary) == (None, (), ())
    assert (facts.synonyms, facts.surprise) == ({}, ())


def test_own_facts_win(tmp_path: Path) -> None:
    own = {
        "name": "Tiny",
        "description": "d",
        "licence": "MIT",
        "defaults": {"width": 128, "height": 64, "steps": 7, "guidance_scale": 3, "scheduler": "euler",
                     "schedule_type": "karras"},
        "sizes": [[64, 64], [128, 64]],
        "multiple": 16,
        "min_size": 32,
        "max_size": 256,
        "schedulers": ["ddim", "euler"],
        "controls": ["steps"],
        "preview": {"factors": [[1, 2, 3]] * FAMILY.latent_channels, "bias": [0, 0, 0.5]},
        "examples": ["a house"],
        "vocabulary": {"words": ["a", "house", "home"], "synonyms": {"home": "house"}},
        "surprise": [["a", "my"], ["house"], ["", "at night"]],
    }  # fmt: skip
    facts = read_model_facts(make_model(tmp_path / "tiny", own))
    assert (facts.name, facts.description, facts.licence) == ("Tiny", "d", "MIT")
    assert facts.sizes == ((128, 64), (64, 64)), "the default size comes first"
    assert (facts.multiple, facts.min_size, facts.max_size) == (16, 32, 256)
    assert (facts.steps, facts.guidance_scale, facts.scheduler, facts.schedule_type) == (7, 3.0, "euler", "karras")
    assert (facts.schedulers, facts.controls) == (("ddim", "euler"), ("steps",))
    assert facts.preview is not None
    assert facts.preview.bias == (0.0, 0.0, 0.5)
    assert (facts.examples, facts.vocabulary) == (("a house",), ("a", "house", "home"))
    assert facts.synonyms == {"home": "house"}
    assert facts.surprise == (("a", "my"), ("house",), ("", "at night"))


def test_autoencoders_that_share_the_latents_are_found(tmp_path: Path) -> None:
    model = make_model(tmp_path / "tiny")
    configs = {
        tmp_path / "tiny" / "vae": {"latent_channels": 4, "block_out_channels": [8, 8, 8, 8]},
        tmp_path / "fits": {"latent_channels": 4, "block_out_channels": [16, 16, 16, 16], "scaling_factor": 0.18215},
        tmp_path / "wide": {"latent_channels": 16, "block_out_channels": [8, 8, 8, 8]},
        tmp_path / "coarse": {"latent_channels": 4, "block_out_channels": [8, 8, 8]},
        tmp_path / "xl": {"latent_channels": 4, "block_out_channels": [8, 8, 8, 8], "scaling_factor": 0.13025},
    }
    for folder, config in configs.items():
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text(json.dumps({"_class_name": "AutoencoderKL", **config}), encoding="utf-8")
    parts = find_parts(files_in([tmp_path]))
    facts = read_model_facts(model, parts)
    assert facts.autoencoders == ("fits",)
    assert autoencoder(facts, "fits", parts) == tmp_path / "fits"
    with pytest.raises(RequestError, match="Known here: fits"):
        autoencoder(facts, "gone", parts)


def test_the_layers_of_the_text_encoder_limit_clip_skip(tmp_path: Path) -> None:
    model = make_model(tmp_path / "tiny")
    config = model / "text_encoder" / "config.json"
    for layers, most in [(3, 3), (24, 12), ("many", 12)]:
        config.parent.mkdir(exist_ok=True)
        config.write_text(json.dumps({"num_hidden_layers": layers}), encoding="utf-8")
        assert read_model_facts(model).max_clip_skip == most


def test_some_own_facts_leave_the_rest_to_the_family(tmp_path: Path) -> None:
    facts = read_model_facts(make_model(tmp_path / "some", {"defaults": {"steps": 3}}))
    assert (facts.steps, facts.sizes, facts.guidance_scale) == (3, FAMILY.sizes, FAMILY.guidance_scale)


def test_a_model_may_have_more_latent_channels_than_its_family(tmp_path: Path) -> None:
    own = {"latent_channels": 8, "preview": {"factors": [[1, 2, 3]] * 8, "bias": [0, 0, 0]}}
    preview = read_model_facts(make_model(tmp_path / "wide", own)).preview
    assert preview is not None
    assert len(preview.factors) == 8


@pytest.mark.parametrize(
    "own",
    [
        {"format": 2},
        {"format": None},
        {"schedulers": ["ddim", "magic"]},
        {"schedulers": ["ddim"]},
        {"defaults": {"scheduler": "magic"}},
        {"defaults": {"steps": "many"}},
        {"defaults": {"width": 64}},
        {"defaults": 5},
        {"sizes": [[1, 2, 3]]},
        {"sizes": 5},
        {"sizes": []},
        {"preview": {"factors": [[1, 2, 3]], "bias": [0, 0, 0]}},
        {"preview": {"factors": [[1, 2]] * FAMILY.latent_channels, "bias": [0, 0, 0]}},
        {"preview": {"bias": [0, 0, 0]}},
        {"latent_channels": 2, "preview": {"factors": [[1, 2, 3]] * FAMILY.latent_channels, "bias": [0, 0, 0]}},
        {"latent_channels": "all", "preview": {"factors": [[1, 2, 3]], "bias": [0, 0, 0]}},
        {"enlarge": 0},
        {"enlarge": 1000},
        {"enlarge": "much"},
        {"enlarge": 4, "defaults": {"enlarge": 2}},
        {"defaults": {"enlarge": 4}},
        {"vocabulary": ["a"]},
        {"vocabulary": {"words": ["a"], "synonyms": ["a"]}},
        {"surprise": 5},
        {"surprise": ["a house"]},
        {"surprise": [["a"], []]},
        {"examples": 5},
    ],
)
def test_facts_that_cannot_be_used_are_named(own: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(AppError) as caught:
        read_model_facts(make_model(tmp_path / "bad", own))
    assert caught.value.message.id == "model.facts"
    assert "safelight.json" in str(caught.value)


def test_films_of_the_models_own_adapter_share_noise_as_it_says(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "films", {"film": {"frames": 8, "shared_noise": 0.75, "examples": ["it moves"]}})
    adapter = {"_class_name": "MotionAdapter", "block_out_channels": [64]}
    for part, config in (("unet", {"block_out_channels": [64]}), ("motion_adapter", adapter)):
        (folder / part).mkdir(exist_ok=True)
        (folder / part / "config.json").write_text(json.dumps(config))
    facts = read_model_facts(folder)
    assert facts.film is not None
    assert (facts.film.frames, facts.film.shared_noise) == (8, 0.75)
    assert (facts.examples_of("film"), facts.examples_of("picture"), facts.surprise_of("film")) == (
        ("it moves",),
        (),
        (),
    )
    assert (facts.film.moments, facts.film.moment_prompt) == (1, "")
    told = {"moments": 4, "moment_prompt": "{moment}: {prompt}"}
    film_facts = {**told, "shared_noise": 0.5, "steady": 8}
    (folder / "safelight.json").write_text(json.dumps({"format": 1, "film": film_facts}))
    film = read_model_facts(folder).film
    assert film is not None
    assert (film.moments, film.moment_prompt, film.steady) == (4, "{moment}: {prompt}", 8.0)
    other = film.with_another_adapter()
    assert (other.moments, other.moment_prompt, other.shared_noise, other.steady) == (1, "", 0, 0)
    for own, reason in (
        ({"shared_noise": 2}, r"share 2\.0 of their noise"),
        ({"steady": -1}, "by -1\\.0 levels"),
        ({"moments": 4}, "each of its 4 moments is ''"),
        ({**told, "moments": 0}, "each of its 0 moments"),
        ({**told, "moment_prompt": "{prompt}"}, "each of its 4 moments is '{prompt}'"),
    ):
        (folder / "safelight.json").write_text(json.dumps({"format": 1, "film": own}))
        with pytest.raises(AppError, match=reason):
            read_model_facts(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000])
def test_a_facts_file_that_is_not_json_is_named(content: bytes, tmp_path: Path) -> None:
    folder = make_model(tmp_path / "bad")
    (folder / "safelight.json").write_bytes(content)
    with pytest.raises(AppError) as caught:
        read_model_facts(folder)
    assert caught.value.message.id == "model.facts"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"null", b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_index_is_named(content: bytes, tmp_path: Path) -> None:
    folder = make_model(tmp_path / "bad")
    (folder / "model_index.json").write_bytes(content)
    with pytest.raises(AppError, match=r"bad is damaged: model_index\.json"):
        read_model_facts(folder)


def test_an_unknown_family_is_named(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "big", index={"_class_name": "HologramPipeline"})
    with pytest.raises(AppError, match="HologramPipeline") as caught:
        read_model_facts(folder)
    assert caught.value.message.id == "model.family"


def test_a_missing_index_is_named(tmp_path: Path) -> None:
    with pytest.raises(AppError) as caught:
        read_model_facts(tmp_path)
    assert caught.value.message.id == "model.missing-file"


def test_whole_files_pass_and_missing_or_damaged_ones_are_named(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "m")
    facts = read_model_facts(folder)
    check_model_files(facts)
    weights = folder / "vae" / "model.safetensors"
    weights.write_bytes(b"<html>")
    with pytest.raises(AppError, match=r"m is damaged: vae/model\.safetensors") as caught:
        check_model_files(facts)
    assert caught.value.message.id == "model.damaged"
    weights.unlink()
    with pytest.raises(AppError, match=r"m is incomplete: vae/\*\.safetensors is missing"):
        check_model_files(facts)


@pytest.mark.parametrize(
    ("part", "config", "setting"),
    [
        ("unet", {"layers_per_block": 10**9}, "layers_per_block"),
        ("unet", {"transformer_layers_per_block": [1, 2, 10**9]}, "transformer_layers_per_block"),
        ("text_encoder", {"num_hidden_layers": 10**300}, "num_hidden_layers"),
    ],
)
def test_a_configuration_that_asks_for_endless_layers_is_named(
    part: str, config: dict[str, Any], setting: str, tmp_path: Path
) -> None:
    folder = make_model(tmp_path / "endless")
    facts = read_model_facts(folder)
    (folder / part / "config.json").write_text(json.dumps(config))
    with pytest.raises(AppError, match=rf"{part}/config\.json asks for more layers .*\({setting}\)"):
        check_model_files(facts)
    (folder / part / "config.json").write_text(json.dumps({"num_layers": 0, "sample_size": 10**9}))
    check_model_files(facts)


def test_an_enlarger_that_is_promised_must_be_there(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "m", {"enlarge": 4})
    facts = read_model_facts(folder)
    with pytest.raises(AppError, match=r"m is incomplete: enlarger/\*\.safetensors is missing"):
        check_model_files(facts)
    (folder / "enlarger").mkdir()
    weights = folder / "enlarger" / "model.safetensors"
    weights.write_bytes((2).to_bytes(8, "little") + b"{}")
    check_model_files(facts)
    weights.write_bytes(b"<html>")
    with pytest.raises(AppError, match=r"m is damaged: enlarger/model\.safetensors"):
        check_model_files(facts)


@pytest.mark.parametrize(("default", "expected"), [(None, 1), (1, 1), (4, 4)])
def test_enlarging_may_be_on_by_default(default: int | None, expected: int, tmp_path: Path) -> None:
    own = {"enlarge": 4, "defaults": {} if default is None else {"enlarge": default}}
    facts = read_model_facts(make_model(tmp_path / "m", own))
    assert (facts.enlarge, default_request(facts).enlarge) == (4, expected)


def test_models_are_found_by_name_and_the_first_folder_wins(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    make_model(first / "same")
    make_model(second / "same")
    make_model(second / "other")
    (second / "no model").mkdir()
    (second / "file").write_text("")
    found = find_models([tmp_path / "missing", first, second])
    assert found == {"same": first / "same", "other": second / "other", "second/same": second / "same"}


def test_models_are_resolved_by_name_or_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model(tmp_path / "models" / "m")
    elsewhere = make_model(tmp_path / "else" / "n")
    folders = [tmp_path / "models"]
    monkeypatch.chdir(tmp_path)
    assert resolve_model("m", files_in(folders)) == model
    assert resolve_model(str(elsewhere), files_in(folders)) == elsewhere
    assert resolve_model("else/n", files_in(folders)) == elsewhere
    for value in ("magic", "", "else", "\x00"):
        with pytest.raises(RequestError, match="Known here: m") as caught:
            resolve_model(value, files_in(folders))
        assert caught.value.message.id == "model.unknown"
    with pytest.raises(AppError) as none:
        resolve_model("m", files_in([tmp_path / "missing"]))
    assert none.value.message.id == "model.none"


def test_every_bundled_model_is_whole_and_runs_on_its_defaults() -> None:
    found = find_models([bundled_models_dir()])
    assert "postcard" in found
    for folder in found.values():
        facts = read_model_facts(folder)
        check_model_files(facts)
        assert problems(default_request(facts), facts) == []
        assert facts.examples


def test_a_refiner_is_told_by_what_it_is_told_of_beauty(tmp_path: Path) -> None:
    index = {"_class_name": "StableDiffusionXLImg2ImgPipeline", "requires_aesthetics_score": True}
    folder = make_model(tmp_path / "finisher", index=index)
    facts = read_model_facts(folder)
    assert (facts.family, facts.needs_start, facts.strength) == ("stable-diffusion-xl-refiner", True, 0.3)
    assert [problem.message.id for problem in problems(default_request(facts), facts)] == ["start.needed-picture"]
    (folder / "model_index.json").write_text(json.dumps({**index, "requires_aesthetics_score": False}))
    with pytest.raises(AppError, match="of a kind Safelight cannot run yet"):
        read_model_facts(folder)


def test_refiners_are_found_among_the_models(tmp_path: Path) -> None:
    index = {"_class_name": "StableDiffusionXLImg2ImgPipeline", "requires_aesthetics_score": True}
    names = ("StableDiffusionXLPipeline", "StableDiffusionPipeline")
    folders = [make_model(tmp_path / "refiner", index=index)]
    folders += [make_model(tmp_path / name, index={"_class_name": name}) for name in names]
    refiner, xl, other = with_refiners(read_model_facts(folder) for folder in folders)
    assert [one.key for one in xl.refiners] == ["refiner"]
    assert xl.refiner("refiner") is not None
    assert (refiner.refiners, other.refiners, xl.refiner("other")) == ((), (), None)
