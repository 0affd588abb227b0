"""Models that run through diffusers' own pipelines: the same pixels, and everything around them as elsewhere."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DiffusionPipeline
from torch import Tensor

from desktop_app.checkpoints.facts import check_model_files, read_model_facts
from desktop_app.core.control import StopSignal
from desktop_app.core.errors import AppError
from desktop_app.core.events import Cancelled, Decoding, Denoising, Encoding, Event, Finished, Loading, Picture
from desktop_app.core.forecast import forecast
from desktop_app.core.guidance_form import PIPELINE
from desktop_app.core.machine import Machine
from desktop_app.core.memory_plan import Plan
from desktop_app.core.request import GenerationRequest, default_request
from desktop_app.engine.engine import Engine
from desktop_app.engine.parts.latent_grid import encode_pictures
from desktop_app.engine.start import as_pixels
from tests.engine.conftest import CPU, loaded, noisy_pixels, pictures, run, stop_when
from tests.tiny_flow_models import write_flow_model
from tests.tiny_models import SIZE, add_enlarger
from tests.tiny_pipelines import (
    tiny_ldm_pipeline,
    tiny_ltx_pipeline,
    tiny_pixart_pipeline,
    tiny_sd3_pipeline,
    tiny_wan_pipeline,
)

WIDTH, STEPS, FRAMES = 96, 3, 9
PIPELINES = {
    "sd3": tiny_sd3_pipeline,
    "wan": tiny_wan_pipeline,
    "ltx": tiny_ltx_pipeline,
    "pixart": tiny_pixart_pipeline,
    "ldm": tiny_ldm_pipeline,
}
FILMS = ("wan", "ltx")
SHOWN = {"sd3": (1, 8, 12, 3), "wan": (3, 8, 12, 3), "ltx": (2, 2, 3, 3)}
"""Shape of a preview of those that hand their latents out."""
OWN_OPTIONS: dict[str, dict[str, Any]] = {"pixart": {"use_resolution_binning": False}, "ltx": {"frame_rate": 25}}
"""Written out a second time, as a user of diffusers would."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Model folders by the names of :data:`PIPELINES`."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("bridged")
    for name, build in PIPELINES.items():
        write_flow_model(folder / name, build())
    yield folder
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def engine(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return engine_of(folder, tmp_path_factory.mktemp("cache"))


def engine_of(models: Path, cache: Path) -> Engine:
    """An engine that computes in float32, like the oracle, also where another number format would be quicker."""
    engine = Engine(models=[models], cache=cache, device="cpu")
    engine._found = (CPU, ())
    return engine


def request_for(folder: Path, name: str, **changes: Any) -> GenerationRequest:
    values: dict[str, Any] = {"prompt": "a red boat", "width": WIDTH, "steps": STEPS, "seed": 7, "frames": FRAMES}
    return replace(default_request(read_model_facts(folder / name)), **{**values, **changes})


def theirs(folder: Path, request: GenerationRequest) -> Tensor:
    """Pixels (frames, height, width, 3) that diffusers' own pipeline makes, called by itself."""
    pipeline: Any = DiffusionPipeline.from_pretrained(folder / request.model, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    negative = {"negative_prompt": request.negative_prompt} if request.negative_prompt else {}
    film = {"num_frames": request.frames} if request.is_film else {}
    made = pipeline(
        request.prompt,
        width=request.width,
        height=request.height,
        num_inference_steps=request.steps,
        guidance_scale=request.guidance_scale,
        generator=torch.Generator().manual_seed(request.seed),
        output_type="np",
        **negative,
        **film,
        **OWN_OPTIONS.get(request.model, {}),
    )
    pixels = torch.from_numpy(made.frames[0] if request.is_film else made.images)
    assert pixels.isfinite().all()
    return (pixels * 255).round().to(torch.uint8)


def pixels_of(events: list[Event]) -> list[Tensor]:
    return [as_pixels(picture.frames) for picture in pictures(events)]


@pytest.mark.parametrize("name", PIPELINES)
def test_pixels_equal_diffusers_bit_for_bit(engine, folder, name):
    request = request_for(folder, name)
    (made,) = pixels_of(run(engine, request))
    assert torch.equal(made, theirs(folder, request))


def test_pictures_of_a_batch_equal_single_ones(engine, folder):
    request = request_for(folder, "sd3", count=2)
    first, second = pixels_of(run(engine, request))
    assert torch.equal(second, theirs(folder, request.single(1)))
    assert not torch.equal(first, second)


@pytest.mark.parametrize("change", [{"negative_prompt": "the sea"}, {"guidance_scale": 1.5}, {"steps": 4}], ids=str)
def test_what_is_asked_reaches_the_pipeline(engine, folder, change):
    request = request_for(folder, "sd3", **change)
    (made,) = pixels_of(run(engine, request))
    assert torch.equal(made, theirs(folder, request))
    assert not torch.equal(made, pixels_of(run(engine, request_for(folder, "sd3")))[0])


@pytest.mark.parametrize("name", PIPELINES)
def test_every_step_is_told_and_the_picture_is_shown_where_it_can_be(engine, folder, name):
    events = [event for event in run(engine, request_for(folder, name)) if not isinstance(event, Loading)]
    told = [type(event) for event in events]
    assert told == [Encoding, *[Denoising] * (STEPS + 1), Decoding, Picture, Finished]
    steps = [event for event in events if isinstance(event, Denoising)]
    assert [(event.step, event.steps) for event in steps] == [(step, STEPS) for step in range(STEPS + 1)]
    last = steps[-1].preview
    assert (last and last.shape) == SHOWN.get(name)
    assert steps[0].preview is None


def test_a_recipe_says_who_guided_and_repeats(engine, folder):
    (first,) = pictures(run(engine, request_for(folder, "sd3")))
    assert first.result.run.guidance_form == PIPELINE
    assert (first.result.request.scheduler, first.result.steps_done) == ("", STEPS)
    again = list(engine.generate(first.result.request, StopSignal(), replay=first.result.run))
    assert pictures(again)[0].frames == first.frames
    assert not [event for event in again if type(event).__name__ == "Notice"]


def at(kind: type, step: int = -1):
    return lambda event: isinstance(event, kind) and (step < 0 or getattr(event, "step", None) == step)


@pytest.mark.parametrize("name", ["sd3", "pixart", "ldm"])
@pytest.mark.parametrize("reached", [at(Encoding), at(Denoising, 0), at(Denoising, 2), at(Decoding)])
def test_cancel_ends_the_job_at_once(engine, folder, name, reached):
    events = stop_when(engine, request_for(folder, name), reached)
    assert isinstance(events[-1], Cancelled)
    assert reached(events[-2])


def test_after_a_cancel_the_pipeline_is_as_good_as_new(engine, folder):
    request = request_for(folder, "sd3")
    (before,) = pixels_of(run(engine, request))
    stop_when(engine, request, at(Denoising, 2))
    assert torch.equal(pixels_of(run(engine, request))[0], before)


@pytest.mark.parametrize("part", ["text_encoder", "transformer", "vae"])
def test_cancel_reaches_into_a_forward_pass(engine, folder, part):
    """Cancelled by the first layer of a part that runs, the job ends before half of its layers have run."""
    request = request_for(folder, "wan")
    engine.warm("wan")
    leaves = [leaf for leaf in getattr(loaded(engine).pipeline, part).modules() if not any(leaf.children())]
    stop, ran = StopSignal(), []

    def cancel(leaf: Any, *_: Any) -> None:
        ran.append(leaf)
        stop.cancel()

    handles = [leaf.register_forward_hook(cancel) for leaf in leaves]
    try:
        events = list(engine.generate(request, stop, preview=False))
    finally:
        for handle in handles:
            handle.remove()
    assert isinstance(events[-1], Cancelled)
    assert 0 < len(ran) < len(leaves) / 2


def test_closing_the_generator_ends_the_pipeline(engine, folder):
    job = engine.generate(request_for(folder, "sd3"), StopSignal())
    while not isinstance(next(job), Denoising):
        pass
    job.close()
    pipeline = loaded(engine).pipeline
    assert "progress_bar" not in vars(pipeline)
    assert not any(part._forward_pre_hooks for module in loaded(engine).modules for part in module.modules())


@pytest.mark.parametrize("name", ["sd3", "ltx"])
def test_keep_decodes_the_estimate(engine, folder, name):
    request = request_for(folder, name, steps=12, count=2)
    events = stop_when(engine, request, at(Denoising, 5), keep=True)
    (picture,) = pictures(events)
    assert picture.result.steps_done == 6  # the step under way is finished
    assert isinstance(events[-1], Finished)
    assert picture.frames != pictures(run(engine, request))[0].frames


@pytest.mark.parametrize("name", ["pixart", "ldm"])
def test_keep_finishes_the_picture_where_the_pipeline_cannot_stop(engine, folder, name):
    request = request_for(folder, name, count=2)
    events = stop_when(engine, request, at(Denoising, 1), keep=True)
    (picture,) = pictures(events)
    assert picture.result.steps_done == STEPS
    assert picture.frames == pictures(run(engine, request))[0].frames


def test_films_go_there_and_back(engine, folder):
    (once,) = pixels_of(run(engine, request_for(folder, "ltx")))
    (looped,) = pixels_of(run(engine, request_for(folder, "ltx", loop=True)))
    assert torch.equal(looped, torch.cat([once, once[1:-1].flip(0)]))


def test_pictures_are_enlarged_by_the_models_own_enlarger(folder, tmp_path):
    own = shutil.copytree(folder / "sd3", tmp_path / "models" / "sd3")
    add_enlarger(own)
    facts = json.loads((own / "safelight.json").read_text())
    (own / "safelight.json").write_text(json.dumps({**facts, "enlarge": 4}))
    engine = engine_of(tmp_path / "models", tmp_path)
    (made,) = pixels_of(run(engine, request_for(tmp_path / "models", "sd3", enlarge=4)))
    assert made.shape == (1, 4 * SIZE, 4 * WIDTH, 3)


@pytest.mark.parametrize("name", SHOWN)
def test_pictures_are_encoded_in_the_denoisers_scale(engine, folder, name):
    """What the pipeline makes of these latents before it decodes them are the autoencoder's own again."""
    engine.warm(name)
    pipeline = loaded(engine).pipeline
    vae, picture = pipeline.vae, noisy_pixels(1, SIZE).permute(0, 3, 1, 2) / 127.5 - 1
    latents = encode_pictures(vae, picture, torch.device("cpu"))
    if name == "sd3":
        raw, own = latents / vae.config.scaling_factor + vae.config.shift_factor, vae.encode(picture).latent_dist.mode()
    elif name == "wan":
        mean, std = (torch.tensor(vae.config[key]).view(1, -1, 1, 1) for key in ("latents_mean", "latents_std"))
        raw, own = latents * std + mean, vae.encode(picture[:, :, None]).latent_dist.mode()[:, :, 0]
    else:  # four times as large first, because this autoencoder shrinks by 32
        large = torch.nn.functional.interpolate(picture, scale_factor=4)
        raw = pipeline._denormalize_latents(latents[:, :, None], vae.latents_mean, vae.latents_std)[:, :, 0]
        own = vae.encode(large[:, :, None]).latent_dist.mode()[:, :, 0]
    assert torch.allclose(raw, own, atol=1e-5)


# -- what can be wrong


def broken(folder: Path, target: Path, name: str = "sd3") -> tuple[Path, Engine]:
    """A copy of a model to be damaged, and an engine that knows it alone."""
    return shutil.copytree(folder / name, target / "models" / name), engine_of(target / "models", target)


def failure(engine: Engine, request: GenerationRequest) -> AppError:
    with pytest.raises(AppError) as caught:
        run(engine, request)
    return caught.value


def change_index(model: Path, **entries: Any) -> None:
    index = json.loads((model / "model_index.json").read_text())
    (model / "model_index.json").write_text(json.dumps({**index, **entries}))


@pytest.mark.parametrize("part", ["text_encoder_3", "transformer", "vae", "tokenizer_2", "scheduler"])
def test_a_part_that_is_missing_is_named_before_anything_loads(folder, tmp_path, part):
    model, engine = broken(folder, tmp_path)
    shutil.rmtree(model / part)
    problem = failure(engine, request_for(tmp_path / "models", "sd3"))
    assert (problem.message.id, problem.message.values["file"]) == ("model.missing-file", f"{part}/")


def test_weights_that_are_missing_or_cut_off_are_named_before_anything_loads(folder, tmp_path):
    model, _ = broken(folder, tmp_path)
    weights = model / "transformer" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    facts = read_model_facts(model)
    with pytest.raises(AppError, match="damaged: transformer/diffusion_pytorch_model"):
        check_model_files(facts)
    weights.unlink()
    with pytest.raises(AppError, match=r"transformer/\*.safetensors is missing"):
        check_model_files(facts)


def test_a_tensor_that_is_missing_is_named(folder, tmp_path):
    from safetensors.torch import load_file, save_file

    model, engine = broken(folder, tmp_path)
    weights = model / "transformer" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    del tensors["proj_out.bias"]
    save_file(tensors, weights)
    problem = failure(engine, request_for(tmp_path / "models", "sd3"))
    assert problem.message.id == "model.damaged"
    assert "lacks 1 tensors, such as proj_out.bias" in str(problem)


@pytest.mark.parametrize(
    "entry", [["os", "system"], ["subprocess", "Popen"], ["evil", "Transformer"], ["diffusers", "nothing"]], ids=str
)
def test_foreign_code_is_refused(folder, tmp_path, entry):
    model, engine = broken(folder, tmp_path)
    (model / "evil.py").write_text("raise SystemExit('it ran')")
    change_index(model, transformer=entry)
    problem = failure(engine, request_for(tmp_path / "models", "sd3"))
    assert problem.message.id == "model.damaged"
    assert "code that Safelight does not run" in str(problem)


def test_a_tokenizer_without_its_words_is_named(folder, tmp_path):
    model, engine = broken(folder, tmp_path)
    for file in (model / "tokenizer_3").iterdir():
        file.unlink()
    problem = failure(engine, request_for(tmp_path / "models", "sd3"))
    assert (problem.message.id, problem.message.values["file"]) == ("model.damaged", "tokenizer_3")


def test_an_index_without_a_part_is_named(folder, tmp_path):
    model, engine = broken(folder, tmp_path)
    index = json.loads((model / "model_index.json").read_text())
    del index["tokenizer_2"]
    (model / "model_index.json").write_text(json.dumps(index))
    problem = failure(engine, request_for(tmp_path / "models", "sd3"))
    assert (problem.message.id, problem.message.values["file"]) == ("model.damaged", "model_index.json")


def test_half_precision_files_are_read_where_there_are_no_others(folder, tmp_path):
    model, engine = broken(folder, tmp_path)
    for file in model.glob("*/*.safetensors"):
        file.rename(file.with_name(f"{file.stem}.fp16.safetensors"))
    request = request_for(tmp_path / "models", "sd3")
    assert torch.equal(pixels_of(run(engine, request))[0], theirs(folder, request))


def test_what_the_pipeline_refuses_is_said_in_its_words(folder, tmp_path):
    model, engine = broken(folder, tmp_path)
    facts = json.loads((model / "safelight.json").read_text())
    (model / "safelight.json").write_text(json.dumps({**facts, "multiple": 4}))
    problem = failure(engine, request_for(tmp_path / "models", "sd3", width=68))
    assert problem.message.id == "bridge.refused"
    assert "68" in str(problem)


def test_values_that_are_not_numbers_end_in_a_word(folder, tmp_path):
    _, engine = broken(folder, tmp_path)
    request = request_for(tmp_path / "models", "sd3")
    run(engine, request)
    with torch.no_grad():
        loaded(engine).pipeline.vae.decoder.conv_out.weight.fill_(float("nan"))
    assert failure(engine, request).message.id == "engine.not-finite"


@pytest.mark.parametrize(
    ("changes", "id"),
    [
        ({"scheduler": "euler"}, "bridge.scheduler"),
        ({"start": "picture.png"}, "bridge.start"),
        ({"steps": 0}, "steps.range"),
        ({"frames": 10}, "frames.step"),
    ],
)
def test_what_it_cannot_do_is_said_before_it_loads(folder, tmp_path, changes, id):
    engine = engine_of(folder, tmp_path)
    assert failure(engine, request_for(folder, "wan", **changes)).message.id == id
    assert engine.shelf.models == {}


# -- memory


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks /proc what is mapped")
@pytest.mark.parametrize("name", ["sd3", "ldm"])
def test_no_weights_stay_mapped(folder, tmp_path, name):
    """Where a file is cut off while it is mapped, the process ends."""
    _, engine = broken(folder, tmp_path, name)
    engine.warm(name)
    assert loaded(engine).modules
    mapped = [line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if str(tmp_path) in line]
    assert mapped == []


def test_the_autoencoder_of_wan_keeps_its_digits(folder, tmp_path):
    engine = engine_of(folder, tmp_path)
    engine._found = (replace(CPU, dtype=torch.bfloat16), ())
    (made,) = pixels_of(run(engine, request_for(folder, "wan")))
    pipeline = loaded(engine).pipeline
    assert (pipeline.vae.dtype, pipeline.text_encoder.dtype) == (torch.float32, torch.bfloat16)
    assert made.shape == (FRAMES, SIZE, WIDTH, 3)


@pytest.mark.parametrize("name", PIPELINES)
def test_a_forecast_knows_the_weights_that_are_loaded(folder, engine, name):
    request, facts = request_for(folder, name), read_model_facts(folder / name)
    machine = Machine("cpu", "A processor", "float32", memory=10**10, free=10**10, ram_free=10**10)
    found = forecast(request, facts, Plan("float32", PIPELINE), machine)
    assert found is not None
    engine.warm(name)
    weights = [weight for module in loaded(engine).modules for weight in module.state_dict().values()]
    assert found.weights == pytest.approx(sum(weight.nbytes for weight in weights), rel=0.05)
    assert min(found.denoising, found.decoding) > found.weights
