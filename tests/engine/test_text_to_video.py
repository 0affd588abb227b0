"""The 3-D U-Net of ModelScope against diffusers' own pipelines, bit for bit, from noise and from a start film."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from diffusers import TextToVideoSDPipeline, UNet3DConditionModel, VideoToVideoSDPipeline
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

from desktop_app.core.catalog import SCHEDULERS
from desktop_app.core.errors import AppError
from desktop_app.core.events import Loading
from desktop_app.core.guidance_form import BATCHED, NONE, TWO_PASS
from desktop_app.core.request import GenerationRequest
from desktop_app.engine.denoise import denoise
from desktop_app.engine.families.text_to_video import TextToVideo
from desktop_app.engine.guidance import Predict
from desktop_app.engine.loading import Part, build_empty
from desktop_app.engine.preview import fit
from desktop_app.engine.schedulers import build_scheduler
from tests.engine.conftest import CPU
from tests.engine.test_oracle import MAIN_CASES, NEGATIVE, PROMPT, diffusers_scheduler
from tests.tiny_models import loaded, tiny_text_to_video_pipeline, write_film_model

TEXT = "text_encoder/model.safetensors"
VAE = "vae/diffusion_pytorch_model.safetensors"
STEADY = [(key, kind) for key, kind in MAIN_CASES if not SCHEDULERS[key].stochastic]
"""Schedulers that draw nothing on the way."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_film_model(tmp_path / "tiny-film", tiny_text_to_video_pipeline())


class Pair:
    """diffusers' pipelines and our model over the same weights.

    The pipelines' weights are frozen as ours are: torch multiplies by weights that could be trained in another order.
    """

    def __init__(self, folder: Path) -> None:
        self.pipeline: Any = TextToVideoSDPipeline.from_pretrained(folder, local_files_only=True)
        self.from_film: Any = VideoToVideoSDPipeline(**self.pipeline.components)
        for pipeline in (self.pipeline, self.from_film):
            pipeline.set_progress_bar_config(disable=True)
        for module in (self.pipeline.text_encoder, self.pipeline.unet, self.pipeline.vae):
            module.requires_grad_(False)
        self.config = self.pipeline.scheduler.config
        self.model: TextToVideo = loaded(TextToVideo.load(folder, CPU, lambda: None))

    def theirs(self, request: GenerationRequest, output_type: str, film: numpy.ndarray | None = None) -> Any:
        pipeline = self.pipeline if film is None else self.from_film
        pipeline.scheduler = diffusers_scheduler(request.scheduler, request.schedule_type, self.config, request.seed)
        if film is None:
            start: dict[str, Any] = {"width": request.width, "height": request.height, "num_frames": request.frames}
        else:
            start = {"video": [Image.fromarray(frame) for frame in film], "strength": request.strength}
        return pipeline(
            request.prompt,
            negative_prompt=request.negative_prompt,
            num_inference_steps=request.steps,
            guidance_scale=request.guidance_scale,
            generator=torch.Generator().manual_seed(request.seed),
            output_type=output_type,
            **start,
        ).frames

    def scheduler(self, request: GenerationRequest) -> Any:
        config = self.model.scheduler_config
        return build_scheduler(request.scheduler, request.schedule_type, config, request.steps, "tiny")

    def predictor(self, request: GenerationRequest, generator: torch.Generator, form: str | None = None) -> Predict:
        form = form or (NONE if request.guidance_scale == 1 else BATCHED)
        conditioning = self.model.encode(self.model.tokenize(request, form))
        return self.model.predictor(conditioning, request, form, None, generator)

    def ours(self, request: GenerationRequest, form: str | None = None, film: numpy.ndarray | None = None) -> Tensor:
        """Final latents, (1, channels, frames, height, width)."""
        generator = torch.Generator().manual_seed(request.seed)
        predict, scheduler = self.predictor(request, generator, form), self.scheduler(request)
        if film is None:
            loop = denoise(predict, scheduler, self.model.noise(request, generator), request.steps, generator)
        else:
            start = self.model.encode_start(as_tensor(film), generator)
            noise, strength = self.model.start_noise(request, generator), request.strength
            loop = denoise(predict, scheduler, noise, request.steps, generator, start=start, strength=strength)
        *_, last = loop
        assert last.step == request.steps
        return last.latents

    def decoded(self, latents: Tensor) -> numpy.ndarray:
        return self.model.decode(latents).numpy()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield Pair(write_film_model(tmp_path_factory.mktemp("films") / "tiny-film", tiny_text_to_video_pipeline()))
    torch.set_num_threads(threads)


def request_for(**changes: Any) -> GenerationRequest:
    values: dict[str, Any] = {
        "model": "tiny-film",
        "prompt": PROMPT,
        "negative_prompt": NEGATIVE,
        "width": 96,
        "height": 64,
        "steps": 4,
        "guidance_scale": 6.0,
        "scheduler": "ddim",
        "seed": 5,
        "kind": "film",
        "frames": 5,
    }
    return GenerationRequest(**{**values, **changes})


def film_for(request: GenerationRequest) -> numpy.ndarray:
    shape = (request.frames, request.height, request.width, 3)
    return numpy.random.default_rng(0).integers(0, 256, shape, dtype=numpy.uint8)


def as_tensor(film: numpy.ndarray) -> Tensor:
    """(frames, 3, height, width) in [-1, 1]."""
    return torch.from_numpy(film.astype(numpy.float32) / 255).permute(0, 3, 1, 2) * 2 - 1


def by_frames(predict: Predict) -> Predict:
    """``predict`` for latents (frames, channels, height, width): how diffusers shows films to a scheduler."""
    return lambda latents, t: predict(latents.transpose(0, 1)[None], t)[0].transpose(0, 1)


def stacked(frames: list[Image.Image]) -> numpy.ndarray:
    return numpy.stack([numpy.asarray(frame) for frame in frames])


@pytest.mark.parametrize(("key", "kind"), STEADY)
def test_latents_and_frames_equal_diffusers_bit_for_bit(pair, key, kind):
    request = request_for(scheduler=key, schedule_type=kind)
    latents, expected = pair.ours(request), pair.theirs(request, "latent")
    assert expected.isfinite().all()
    assert torch.equal(latents, expected)
    assert numpy.array_equal(pair.decoded(latents), stacked(pair.theirs(request, "pil")[0]))


@pytest.mark.parametrize("changes", [{"guidance_scale": 1.0}, {"width": 64, "frames": 2}, {"frames": 9, "steps": 1}])
def test_other_films_equal_diffusers_bit_for_bit(pair, changes):
    request = request_for(**changes)
    assert torch.equal(pair.ours(request), pair.theirs(request, "latent"))


@pytest.mark.parametrize(("key", "kind"), MAIN_CASES)
def test_schedulers_that_draw_equal_diffusers_where_they_draw_frame_by_frame(pair, key, kind):
    """diffusers hands the frames to them as a batch, the engine as one film: the draws come in another order."""
    request = request_for(scheduler=key, schedule_type=kind)
    generator = torch.Generator().manual_seed(request.seed)
    predict, noise = pair.predictor(request, generator), pair.model.noise(request, generator)
    noise = noise[0].transpose(0, 1)
    *_, last = denoise(by_frames(predict), pair.scheduler(request), noise, request.steps, generator)
    assert torch.equal(last.latents.transpose(0, 1)[None], pair.theirs(request, "latent"))


@pytest.mark.parametrize(("key", "kind"), STEADY)
def test_a_film_from_a_film_equals_diffusers_bit_for_bit(pair, key, kind):
    request = request_for(scheduler=key, schedule_type=kind, strength=0.6)
    film = film_for(request)
    latents, expected = pair.ours(request, film=film), pair.theirs(request, "latent", film)
    assert expected.isfinite().all()
    assert torch.equal(latents, expected)
    assert numpy.array_equal(pair.decoded(latents), stacked(pair.theirs(request, "pil", film)[0]))


@pytest.mark.parametrize("strength", [0.3, 0.8, 1.0])
def test_a_film_from_a_film_equals_diffusers_at_every_strength(pair, strength):
    request = request_for(strength=strength)
    film = film_for(request)
    assert torch.equal(pair.ours(request, film=film), pair.theirs(request, "latent", film))


def test_the_oracle_can_tell_films_apart(pair):
    variants: list[dict[str, Any]] = [
        {}, {"prompt": "a boat"}, {"negative_prompt": ""}, {"seed": 6}, {"guidance_scale": 3.0}, {"steps": 5},
        {"scheduler": "euler"},
    ]  # fmt: skip
    films = [pair.theirs(request_for(**variant), "latent") for variant in variants]
    same = [(a, b) for a in range(len(films)) for b in range(a) if torch.allclose(films[a], films[b], atol=1e-4)]
    assert same == []


def test_frames_know_of_each_other(pair):
    """A film is not a batch of pictures: another first frame changes the last one's prediction."""
    request = request_for()
    generator = torch.Generator().manual_seed(0)
    predict, noise = pair.predictor(request, generator), pair.model.noise(request, generator)
    other = noise.clone()
    other[:, :, 0] = 0
    with torch.inference_mode():
        before, after = (predict(film, torch.tensor(500))[:, :, -1] for film in (noise, other))
    assert (before - after).abs().max() > 1e-4


def test_two_passes_give_the_same_film_as_one_batch(pair):
    request = request_for()
    torch.testing.assert_close(pair.ours(request, TWO_PASS), pair.ours(request), rtol=1e-3, atol=1e-3)


def test_texts_that_are_cut_are_reported(pair):
    request = request_for(prompt="a red house " * 40, negative_prompt="night " * 80)
    notices = pair.model.tokenize(request, BATCHED).notices
    assert [notice.id for notice in notices] == ["prompt.cut", "negative-prompt.cut"]
    assert [notice.values["words"] for notice in notices] == [120 - 75, 80 - 75]
    assert [notice.id for notice in pair.model.tokenize(request, NONE).notices] == ["prompt.cut"]
    assert pair.model.tokenize(request_for(), BATCHED).notices == []


def test_a_long_start_film_is_encoded_in_parts(pair):
    request = request_for(width=64, frames=19)
    film = as_tensor(film_for(request))
    latents = pair.model.encode_start(film, torch.Generator().manual_seed(3))
    distribution = pair.pipeline.vae.encode(film).latent_dist
    expected = pair.model.autoencoder.scale * distribution.sample(torch.Generator().manual_seed(3))
    assert latents.shape == pair.model.start_noise(request, torch.Generator()).shape == (1, 4, 19, 8, 8)
    torch.testing.assert_close(latents[0].transpose(0, 1), expected, rtol=1e-4, atol=1e-5)
    assert pair.model.window(19) is None


def test_the_preview_is_fitted_to_ordinary_latents(pair):
    film = as_tensor(film_for(request_for()))
    expected = pair.pipeline.vae.encode(film).latent_dist.mean * pair.model.autoencoder.scale
    torch.testing.assert_close(pair.model.encode_pictures(film), expected, rtol=1e-4, atol=1e-5)
    assert len(fit(pair.model.encode_pictures).factors) == 4


def test_latents_that_overflow_are_not_shown(pair):
    with pytest.raises(ArithmeticError, match="not finite"):
        pair.model.decode(torch.full((1, 4, 2, 8, 8), torch.nan))


def test_loading_reports_progress_and_leaves_nothing_on_the_meta_device(folder):
    events: list[Loading] = []
    loading = TextToVideo.load(folder, CPU, lambda: None)
    try:
        while True:
            events.append(next(loading))
    except StopIteration as end:
        model = end.value
    fractions = [event.fraction for event in events]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert list(dict.fromkeys(event.what for event in events)) == ["text_encoder", "unet", "vae"]
    for module in model.modules:
        assert {value.device.type for value in (*module.parameters(), *module.buffers())} == {"cpu"}
        assert not any(parameter.requires_grad for parameter in module.parameters())
        assert not module.training


def test_loading_can_be_stopped(folder):
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        loaded(TextToVideo.load(folder, CPU, stop))


def test_files_with_the_names_of_older_libraries_give_the_same_model(folder):
    before: Any = loaded(TextToVideo.load(folder, CPU, lambda: None))
    text = {f"text_model.{name}": value for name, value in load_file(folder / TEXT).items()}
    save_file(text, folder / TEXT)
    vae = load_file(folder / VAE)
    for new, old in ((".to_q.", ".query."), (".to_k.", ".key."), (".to_v.", ".value."), (".to_out.0.", ".proj_attn.")):
        vae = {name.replace(new, old): value for name, value in vae.items()}
    assert any(".proj_attn." in name for name in vae)
    save_file(vae, folder / VAE)
    after: Any = loaded(TextToVideo.load(folder, CPU, lambda: None))
    for old_module, new_module in zip(before.modules, after.modules, strict=True):
        values = new_module.state_dict()
        assert all(torch.equal(value, values[name]) for name, value in old_module.state_dict().items())


def test_a_missing_tensor(folder):
    file = folder / "unet/diffusion_pytorch_model.safetensors"
    save_file({name: value for name, value in load_file(file).items() if name != "conv_in.weight"}, file)
    with pytest.raises(AppError, match=r"lacks 1 tensors, such as conv_in.weight"):
        loaded(TextToVideo.load(folder, CPU, lambda: None))


def test_a_unet_of_another_kind(folder):
    file = folder / "unet/config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "in_channels": 9}))
    with pytest.raises(AppError, match="U-Net with 9 inputs"):
        loaded(TextToVideo.load(folder, CPU, lambda: None))


def test_the_published_unet_is_built_without_memory(tmp_path):
    config = {
        "act_fn": "silu",
        "attention_head_dim": 64,
        "block_out_channels": [320, 640, 1280, 1280],
        "cross_attention_dim": 1024,
        "down_block_types": ["CrossAttnDownBlock3D"] * 3 + ["DownBlock3D"],
        "in_channels": 4,
        "layers_per_block": 2,
        "norm_num_groups": 32,
        "out_channels": 4,
        "sample_size": 32,
        "up_block_types": ["UpBlock3D"] + ["CrossAttnUpBlock3D"] * 3,
    }
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "config.json").write_text(json.dumps(config))
    unet = build_empty(Part(tmp_path, "unet", "weights"), UNet3DConditionModel.from_config)
    assert {value.device.type for value in (*unet.parameters(), *unet.buffers())} == {"meta"}
    assert sum(parameter.numel() for parameter in unet.parameters()) == 1_411_233_860
