"""Stable Video Diffusion against diffusers' own pipeline, bit for bit, and its model folders as people have them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from diffusers import StableVideoDiffusionPipeline, UNetSpatioTemporalConditionModel
from diffusers.pipelines.stable_video_diffusion.pipeline_stable_video_diffusion import _resize_with_antialiasing
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

from desktop_app.core.errors import AppError
from desktop_app.core.events import Loading
from desktop_app.core.guidance_form import BATCHED, NONE, TWO_PASS
from desktop_app.core.request import GenerationRequest
from desktop_app.engine.denoise import denoise
from desktop_app.engine.device import Device
from desktop_app.engine.families.stable_video_diffusion import StableVideoDiffusion, smooth_resize
from desktop_app.engine.loading import Part, build_empty
from desktop_app.engine.preview import fit
from desktop_app.engine.schedulers import build_scheduler
from tests.engine.conftest import CPU
from tests.tiny_models import loaded, tiny_video_diffusion_pipeline, write_film_model

PREPROCESSOR = "feature_extractor/preprocessor_config.json"
IMAGE_ENCODER = "image_encoder/model.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_film_model(tmp_path / "tiny-film", tiny_video_diffusion_pipeline())


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[StableVideoDiffusionPipeline, Any]]:
    """diffusers' pipeline and our model over the same weights, on one thread.

    The pipeline's weights are frozen as ours are: torch multiplies by weights that could be trained in another order.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = write_film_model(tmp_path_factory.mktemp("films") / "tiny-film", tiny_video_diffusion_pipeline())
    pipeline = StableVideoDiffusionPipeline.from_pretrained(folder, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    for module in (pipeline.image_encoder, pipeline.unet, pipeline.vae):
        module.requires_grad_(False)
    yield pipeline, loaded(StableVideoDiffusion.load(folder, CPU, lambda: None))
    torch.set_num_threads(threads)


def request_for(**changes: Any) -> GenerationRequest:
    values: dict[str, Any] = {
        "model": "tiny-film",
        "width": 128,
        "height": 64,
        "steps": 4,
        "guidance_scale": 3.0,
        "scheduler": "euler",
        "schedule_type": "karras",
        "seed": 5,
        "kind": "film",
        "frames": 5,
        "fps": 7,
        "motion_bucket": 90,
        "noise_augmentation": 0.1,
        "start": "start.png",
    }
    return GenerationRequest(**{**values, **changes})


def picture_for(request: GenerationRequest, seed: int = 0) -> Image.Image:
    shape = (request.height, request.width, 3)
    return Image.fromarray(numpy.random.default_rng(seed).integers(0, 256, shape, dtype=numpy.uint8))


def as_tensor(picture: Image.Image) -> Tensor:
    """(1, 3, height, width) in [-1, 1]."""
    return torch.from_numpy(numpy.asarray(picture, dtype=numpy.float32) / 255).permute(2, 0, 1)[None] * 2 - 1


def ours(model: StableVideoDiffusion, request: GenerationRequest, form: str = BATCHED, picture: int = 0) -> Tensor:
    """Final latents, (1, channels, frames, height, width)."""
    generator = torch.Generator().manual_seed(request.seed)
    start = as_tensor(picture_for(request, picture))
    predict = model.predictor(model.encode(model.tokenize(request, form)), request, form, start, generator)
    noise = model.noise(request, generator)
    config = model.scheduler_config
    scheduler = build_scheduler(request.scheduler, request.schedule_type, config, request.steps, "tiny")
    *_, last = denoise(predict, scheduler, noise, request.steps, generator)
    assert last.step == request.steps
    return last.latents


def decoded(model: StableVideoDiffusion, latents: Tensor, chunk: int) -> numpy.ndarray:
    """Frames (frames, height, width, 3), uint8, decoded ``chunk`` at a time."""
    return torch.cat([model.decode(part) for part in latents.split(chunk, dim=2)]).numpy()


def theirs(pipeline: Any, request: GenerationRequest, output_type: str, chunk: int | None = None) -> Any:
    return pipeline(
        picture_for(request),
        height=request.height,
        width=request.width,
        num_frames=request.frames,
        num_inference_steps=request.steps,
        max_guidance_scale=request.guidance_scale,
        fps=request.fps,
        motion_bucket_id=request.motion_bucket,
        noise_aug_strength=request.noise_augmentation,
        decode_chunk_size=chunk,
        generator=torch.Generator().manual_seed(request.seed),
        output_type=output_type,
    ).frames


CASES = {
    "published guidance": {},
    "no guidance": {"guidance_scale": 1.0},
    "strong guidance": {"guidance_scale": 8.0, "steps": 3},
    "square": {"width": 64, "frames": 2},
    "larger than CLIP sees": {"width": 320, "height": 256, "steps": 2, "frames": 3},
    "no augmentation": {"noise_augmentation": 0.0, "motion_bucket": 255, "fps": 1},
    "one step": {"steps": 1},
}


@pytest.mark.parametrize("case", CASES)
def test_latents_and_frames_equal_diffusers_bit_for_bit(pair, case):
    pipeline, model = pair
    request = request_for(**CASES[case])
    latents = ours(model, request, NONE if request.guidance_scale == 1 else BATCHED)
    expected = theirs(pipeline, request, "latent").transpose(1, 2)
    assert expected.isfinite().all()
    assert torch.equal(latents, expected)
    for chunk in (2, request.frames):
        frames = numpy.stack([numpy.asarray(frame) for frame in theirs(pipeline, request, "pil", chunk)[0]])
        assert numpy.array_equal(decoded(model, latents, chunk), frames)


def test_everything_that_the_model_is_told_counts(pair):
    _, model = pair
    variants: list[dict[str, Any]] = [
        {},
        {"motion_bucket": 200},
        {"fps": 24},
        {"noise_augmentation": 0.5},
        {"seed": 6},
        {"guidance_scale": 6.0},
    ]
    films = [ours(model, request_for(**variant)) for variant in variants] + [ours(model, request_for(), picture=1)]
    same = [(a, b) for a in range(len(films)) for b in range(a) if torch.allclose(films[a], films[b], atol=1e-4)]
    assert same == []


def test_the_decoders_chunks_count(pair):
    """Its layers look across frames, so the oracle above can tell chunks apart."""
    _, model = pair
    latents = ours(model, request_for())
    assert not numpy.array_equal(decoded(model, latents, 2), decoded(model, latents, 5))


def test_two_passes_give_the_same_film_as_one_batch(pair):
    _, model = pair
    torch.testing.assert_close(ours(model, request_for(), TWO_PASS), ours(model, request_for()), rtol=1e-3, atol=1e-3)


def test_guidance_rises_from_the_first_frame_to_the_last(pair):
    _, model = pair
    noise, t = model.noise(request_for(), torch.Generator().manual_seed(0)), torch.tensor(0.5)

    def predicted(scale: float, form: str) -> Tensor:
        request = request_for(guidance_scale=scale)
        start, generator = as_tensor(picture_for(request)), torch.Generator().manual_seed(0)
        with torch.inference_mode():
            return model.predictor(None, request, form, start, generator)(noise, t)

    plain, weak, strong = predicted(1, NONE), predicted(3, TWO_PASS), predicted(5, TWO_PASS)
    torch.testing.assert_close(strong[:, :, 0], plain[:, :, 0])
    towards = [((strong - plain)[:, :, frame] / (weak - plain)[:, :, frame]).median().item() for frame in range(1, 5)]
    assert towards == pytest.approx([2.0] * 4, rel=1e-3)  # (5 − 1) / (3 − 1) at every frame
    pull = [(strong - plain)[:, :, frame].abs().mean().item() for frame in range(5)]
    assert pull[0] < pull[1] < pull[2] < pull[3] < pull[4]


def test_a_start_film_comes_back_from_its_latents_shape_by_shape(pair):
    pipeline, model = pair
    film = torch.cat([as_tensor(picture_for(request_for(), seed)) for seed in range(3)])
    latents = model.encode_start(film, torch.Generator().manual_seed(2))
    distribution = pipeline.vae.encode(film).latent_dist
    expected = pipeline.vae.config.scaling_factor * distribution.sample(torch.Generator().manual_seed(2))
    assert latents.shape == (1, 4, 3, 8, 16)
    torch.testing.assert_close(latents[0].transpose(0, 1), expected, rtol=1e-4, atol=1e-5)
    assert model.decode(latents).shape == (3, 64, 128, 3)


def test_it_reads_no_texts_and_sees_a_film_as_a_whole(pair):
    _, model = pair
    assert model.tokenize(request_for(prompt="a red house " * 100), BATCHED).notices == []
    assert model.window(64) is None


def test_noise_has_unit_variance_and_the_films_shape(pair):
    _, model = pair
    noise = model.noise(request_for(frames=14), torch.Generator().manual_seed(0))
    assert noise.shape == (1, 4, 14, 8, 16)
    assert noise.std().item() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (256, 320), (224, 224), (576, 1024), (450, 227), (1000, 65)])
def test_the_resize_for_clip_equals_diffusers(height, width):
    pictures = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert torch.equal(smooth_resize(pictures, 224), _resize_with_antialiasing(pictures, (224, 224)))


def test_the_preview_is_fitted_to_ordinary_latents(pair):
    pipeline, model = pair
    picture = as_tensor(picture_for(request_for()))
    expected = pipeline.vae.encode(picture).latent_dist.mean * pipeline.vae.config.scaling_factor
    torch.testing.assert_close(model.encode_pictures(picture), expected, rtol=1e-4, atol=1e-5)
    assert len(fit(model.encode_pictures).factors) == 4


def test_latents_that_overflow_are_not_shown(pair):
    _, model = pair
    with pytest.raises(ArithmeticError, match="not finite"):
        model.decode(torch.full((1, 4, 2, 8, 8), torch.nan))


def test_loading_reports_progress_and_leaves_nothing_on_the_meta_device(folder):
    events: list[Loading] = []
    loading = StableVideoDiffusion.load(folder, CPU, lambda: None)
    try:
        while True:
            events.append(next(loading))
    except StopIteration as end:
        model = end.value
    fractions = [event.fraction for event in events]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert list(dict.fromkeys(event.what for event in events)) == ["image_encoder", "unet", "vae"]
    for module in model.modules:
        assert {value.device.type for value in (*module.parameters(), *module.buffers())} == {"cpu"}
        assert not any(parameter.requires_grad for parameter in module.parameters())
        assert not module.training


def test_loading_can_be_stopped(folder):
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        loaded(StableVideoDiffusion.load(folder, CPU, stop))


def test_in_float16_the_autoencoders_encoder_stays_in_float32(folder):
    half = Device(torch.device("cpu"), "test", torch.float16, 1)
    model: Any = loaded(StableVideoDiffusion.load(folder, half, lambda: None))
    parts = (model.image_encoder, model.unet, model.vae.decoder, model.vae.encoder, model.vae.quant_conv)
    dtypes = [{parameter.dtype for parameter in part.parameters()} for part in parts]
    assert dtypes == [{torch.float16}] * 3 + [{torch.float32}] * 2
    film = ours(model, request_for(frames=2, steps=1, width=64))
    assert film.dtype == torch.float32
    assert model.decode(film).float().std() > 0


def test_the_position_ids_of_older_files_are_passed_over(folder):
    file = folder / IMAGE_ENCODER
    before: Any = loaded(StableVideoDiffusion.load(folder, CPU, lambda: None))
    name = "vision_model.embeddings.position_ids"
    save_file({**load_file(file), name: torch.zeros(1, 17, dtype=torch.int64)}, file)
    after: Any = loaded(StableVideoDiffusion.load(folder, CPU, lambda: None))
    assert torch.equal(before.image_encoder.get_buffer(name), after.image_encoder.get_buffer(name))
    assert after.image_encoder.get_buffer(name).dtype == torch.int64


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"image_mean": [0, 0, 0], "image_std": [0, 0, 0]}',
                                     '{"image_mean": [0], "image_std": [1]}',
                                     '{"image_mean": "text", "image_std": null}'])  # fmt: skip
def test_a_damaged_preprocessor(folder, content):
    (folder / PREPROCESSOR).write_text(content)
    with pytest.raises(AppError, match=rf"The model tiny-film is damaged: {PREPROCESSOR} "):
        loaded(StableVideoDiffusion.load(folder, CPU, lambda: None))


def test_a_missing_preprocessor(folder):
    (folder / PREPROCESSOR).unlink()
    with pytest.raises(AppError, match=rf"incomplete: {PREPROCESSOR} is missing"):
        loaded(StableVideoDiffusion.load(folder, CPU, lambda: None))


def test_a_missing_tensor(folder):
    file = folder / IMAGE_ENCODER
    save_file({name: value for name, value in load_file(file).items() if "visual_projection" not in name}, file)
    with pytest.raises(AppError, match=r"lacks 1 tensors, such as visual_projection.weight"):
        loaded(StableVideoDiffusion.load(folder, CPU, lambda: None))


def test_a_unet_of_another_kind(folder):
    file = folder / "unet/config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "in_channels": 4}))
    with pytest.raises(AppError, match="U-Net with 4 inputs"):
        loaded(StableVideoDiffusion.load(folder, CPU, lambda: None))


def test_the_published_unet_is_built_without_memory(tmp_path):
    config = {
        "addition_time_embed_dim": 256,
        "block_out_channels": [320, 640, 1280, 1280],
        "cross_attention_dim": 1024,
        "down_block_types": ["CrossAttnDownBlockSpatioTemporal"] * 3 + ["DownBlockSpatioTemporal"],
        "in_channels": 8,
        "layers_per_block": 2,
        "num_attention_heads": [5, 10, 20, 20],
        "num_frames": 25,
        "out_channels": 4,
        "projection_class_embeddings_input_dim": 768,
        "sample_size": 96,
        "transformer_layers_per_block": 1,
        "up_block_types": ["UpBlockSpatioTemporal"] + ["CrossAttnUpBlockSpatioTemporal"] * 3,
    }
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "config.json").write_text(json.dumps(config))
    unet = build_empty(Part(tmp_path, "unet", "weights"), UNetSpatioTemporalConditionModel.from_config)
    assert {value.device.type for value in (*unet.parameters(), *unet.buffers())} == {"meta"}
    assert sum(parameter.numel() for parameter in unet.parameters()) == 1_524_623_082
