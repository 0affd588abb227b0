"""Time, memory and cancel latency at the real size of Stable Diffusion 1.5 (random weights), beside stock diffusers.

    python -m tests.benchmark.real_size                  # pictures; about six minutes on two cores
    python -m tests.benchmark.real_size --only step load --rounds 5
    python -m tests.benchmark.real_size --only film      # 8 frames at 256 px with a motion adapter; wants 16 GB

Steps are timed turn by turn in one process over the same weights; loads run in processes of their own, so that peaks of
memory are theirs alone. Stop other work first: ratios bear a busy machine, latencies do not.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import desktop_app.engine.offline  # noqa: F401  (before torch and diffusers)

import torch  # isort: skip
import tqdm  # isort: skip
from diffusers import AnimateDiffPipeline, AutoencoderKL, DDIMScheduler, MotionAdapter  # isort: skip
from diffusers import StableDiffusionPipeline, UNet2DConditionModel  # isort: skip
from safetensors.torch import save_file  # isort: skip
from transformers import CLIPTextConfig, CLIPTextModel  # isort: skip

from desktop_app.core.control import StopSignal
from desktop_app.core.events import Cancelled, Decoding, Denoising, Encoding, Event, Loading
from desktop_app.core.request import GenerationRequest
from desktop_app.engine.engine import Engine
from desktop_app.engine.preview import Previewer, fit
from tests.tiny_models import tiny_tokenizer

MODEL, MOTION_MODEL = "real-size", "real-motion"
FRAMES, FILM_SIZE = 8, 256
USUAL = ("load", "step", "preview", "cancel")
PROMPT = "a red house on green hills at sunset"
VOCABULARY = 49408
LOAD_THEIRS = """
import torch
from diffusers import StableDiffusionPipeline
def load():
    return StableDiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32, local_files_only=True,
                                                   safety_checker=None, requires_safety_checker=False)
"""
LOAD_OURS = """
from pathlib import Path
from desktop_app.engine.engine import Engine
engine = Engine(models=[Path(folder).parent], cache=Path(folder).parent / "cache", device="cpu")
engine.ready()
def load():
    engine.warm(Path(folder).name)
"""
FILM_THEIRS = """
import torch
from diffusers import AnimateDiffPipeline, DDIMScheduler, MotionAdapter
def load():
    adapter = MotionAdapter.from_pretrained(folder + "/../real-motion", torch_dtype=torch.float32)
    pipeline = AnimateDiffPipeline.from_pretrained(folder, motion_adapter=adapter, torch_dtype=torch.float32,
                                                   local_files_only=True)
    pipeline("a red house", num_frames=8, width=256, height=256, num_inference_steps=1, output_type="latent")
    return pipeline
"""
FILM_OURS = """
from pathlib import Path
from desktop_app.core.control import StopSignal
from desktop_app.core.events import Decoding
from desktop_app.engine.engine import Engine
from tests.benchmark.real_size import film_request
engine = Engine(models=[Path(folder).parent], cache=Path(folder).parent / "cache", device="cpu")
engine.ready()
def load():
    job = engine.generate(film_request(), StopSignal(), preview=False)
    next(event for event in job if isinstance(event, Decoding))
    return job
"""
LOAD = """
import json, sys, time
import desktop_app.engine.offline
folder = sys.argv[1]
{define}
def memory(field):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(field)) / 1024
before, start = memory("VmRSS"), time.perf_counter()
kept = load()
seconds, after = time.perf_counter() - start, memory("VmRSS")
print(json.dumps(dict(seconds=seconds, peak=memory("VmHWM") - before, stays=after - before)))
"""


def write_model(folder: Path, dtype: torch.dtype) -> None:
    """A Stable Diffusion 1.5 folder with random weights stored in ``dtype``."""
    with torch.device("meta"):
        unet = UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8)
        vae = AutoencoderKL(
            block_out_channels=[128, 256, 512, 512],
            down_block_types=["DownEncoderBlock2D"] * 4,
            up_block_types=["UpDecoderBlock2D"] * 4,
            layers_per_block=2,
            sample_size=512,
        )
        text_encoder = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=VOCABULARY,
                hidden_size=768,
                intermediate_size=3072,
                num_hidden_layers=12,
                num_attention_heads=12,
                eos_token_id=VOCABULARY - 1,
            )
        )
    parts = {"unet": unet, "vae": vae, "text_encoder": text_encoder}
    for name, module in parts.items():
        stem = "model" if name == "text_encoder" else "diffusion_pytorch_model"
        write_weights(module, folder / name / f"{stem}.safetensors", dtype)
        module.config.to_json_file(
            str(folder / name / "config.json")
        ) if name == "text_encoder" else module.save_config(folder / name)
    tiny_tokenizer(VOCABULARY).save_pretrained(folder / "tokenizer")
    DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, steps_offset=1
    ).save_pretrained(folder / "scheduler")
    index: dict[str, Any] = {"_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.42.1"}
    index |= {"unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]}
    index |= {"text_encoder": ["transformers", "CLIPTextModel"], "tokenizer": ["transformers", "CLIPTokenizer"]}
    index |= {"scheduler": ["diffusers", "DDIMScheduler"], "safety_checker": [None, None]}
    index |= {"feature_extractor": [None, None], "image_encoder": [None, None], "requires_safety_checker": False}
    (folder / "model_index.json").write_text(json.dumps(index, sort_keys=True))


def write_motion_model(folder: Path, dtype: torch.dtype) -> None:
    """A motion adapter of the published size with random weights stored in ``dtype``."""
    with torch.device("meta"):
        adapter = MotionAdapter()
    write_weights(adapter, folder / "diffusion_pytorch_model.safetensors", dtype)
    adapter.save_config(folder)


def write_weights(module: torch.nn.Module, file: Path, dtype: torch.dtype) -> None:
    """Random weights for ``module``."""
    weights = {key: random_weight(key, value.shape).to(dtype) for key, value in module.state_dict().items()}
    file.parent.mkdir(parents=True)
    save_file(weights, file, metadata={"format": "pt"})


def random_weight(name: str, shape: torch.Size) -> torch.Tensor:
    if len(shape) < 2:
        return torch.ones(shape) if name.endswith("weight") else torch.zeros(shape)
    return torch.randn(shape) / shape[1:].numel() ** 0.5


def request_for(size: int, **changes: Any) -> GenerationRequest:
    values = {"prompt": PROMPT, "width": size, "height": size, "steps": 1, "scheduler": "ddim", "seed": 1}
    return GenerationRequest(model=MODEL, **{**values, **changes})


def film_request() -> GenerationRequest:
    return request_for(FILM_SIZE, kind="film", frames=FRAMES, motion_model=MOTION_MODEL)


def median_and_max(values: list[float]) -> str:
    return f"median {statistics.median(values):.3f} s, max {max(values):.3f} s ({len(values)} times)"


def bench_load(what: str, theirs: str, ours: str, folder: Path, rounds: int, goal: float) -> None:
    """Peak and lasting memory, and seconds, of ``load()`` in the scripts ``theirs`` and ``ours``, to float32."""
    found: dict[str, list[dict[str, float]]] = {"diffusers": [], "safelight": []}
    for _ in range(rounds):
        for name, define in (("diffusers", theirs), ("safelight", ours)):
            script = LOAD.format(define=define)
            done = subprocess.run(
                [sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=True
            )
            found[name].append(json.loads(done.stdout.splitlines()[-1]))
    middle = {
        name: {key: statistics.median(run[key] for run in runs) for key in runs[0]} for name, runs in found.items()
    }
    for name, run in middle.items():
        print(f"{what}, {name}: {run['seconds']:.1f} s, peak {run['peak']:.0f} MiB, stays {run['stays']:.0f} MiB")
    mine, stock = middle["safelight"], middle["diffusers"]
    print(f"{what} peak memory ratio: {mine['peak'] / stock['peak']:.2f} (goal {goal})")
    print(f"{what} peak to what stays: {mine['peak'] / mine['stays']:.2f}")


def bench_step(engine: Engine, size: int, rounds: int) -> float:
    """Seconds of a step of a picture; returns ours."""
    model: Any = next(iter(engine.shelf.models.values()))
    pipeline = StableDiffusionPipeline(
        **stock_parts(model),
        unet=model.unet,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)

    def theirs() -> None:
        pipeline(PROMPT, width=size, height=size, num_inference_steps=1, guidance_scale=7.0, output_type="latent")

    return compare("step", theirs, lambda: denoise_only(engine, request_for(size)), rounds)


def bench_film(engine: Engine, models: Path, rounds: int) -> None:
    """Seconds of a step of a film; diffusers copies the layers of U-Net and adapter into a U-Net of its own."""
    denoise_only(engine, film_request())
    model: Any = next(iter(engine.shelf.models.values()))
    adapter = MotionAdapter.from_pretrained(models / MOTION_MODEL, local_files_only=True)
    pipeline = AnimateDiffPipeline(**stock_parts(model), unet=model.unet, motion_adapter=adapter)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.unet.requires_grad_(False)

    def theirs() -> None:
        size = {"num_frames": FRAMES, "width": FILM_SIZE, "height": FILM_SIZE}
        pipeline(PROMPT, **size, num_inference_steps=1, guidance_scale=7.0, output_type="latent")

    compare("film step", theirs, lambda: denoise_only(engine, film_request()), rounds)


def stock_parts(model: Any) -> dict[str, Any]:
    """What diffusers' pipelines are given of a loaded ``model``, besides its U-Net."""
    return {
        "vae": model.autoencoder.module,
        "text_encoder": model.text.encoder,
        "tokenizer": model.text.tokenizer,
        "scheduler": DDIMScheduler.from_config(model.scheduler_config),
    }


def denoise_only(engine: Engine, request: GenerationRequest) -> None:
    """A job up to its finished latents."""
    job = engine.generate(request, StopSignal(), preview=False)
    next(event for event in job if isinstance(event, Decoding))
    job.close()


def compare(what: str, theirs: Callable[[], None], ours: Callable[[], None], rounds: int) -> float:
    """Prints the seconds that both take, in turns; returns ours."""
    times = [(timed(theirs), timed(ours)) for _ in range(rounds + 1)][1:]  # the first round warms up
    stock, mine = (statistics.median(pair[who][0] for pair in times) for who in (0, 1))
    print(f"{what}, diffusers: {stock:.2f} s; safelight: {mine:.2f} s")
    for clock, name in enumerate(("time", "processor time")):
        ratios = [ours_took[clock] / theirs_took[clock] for theirs_took, ours_took in times]
        listed = ", ".join(f"{ratio:.3f}" for ratio in ratios)
        print(f"{what} {name} ratio: {statistics.median(ratios):.3f} of {listed} (goal 1.02)")
    return mine


def timed(work: Callable[[], None]) -> tuple[float, float]:
    """Seconds by the clock, and of processor time over all threads, which other programs disturb less."""
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - processor


def bench_preview(engine: Engine, size: int, step: float) -> None:
    """One preview, as a share of a step, and the fit that a model without factors needs once."""
    model: Any = next(iter(engine.shelf.models.values()))
    start = time.perf_counter()
    factors = fit(model.encode_pictures)
    print(f"fitting preview factors, once per model: {time.perf_counter() - start:.2f} s")
    painter = Previewer(factors, torch.device("cpu"))
    latents = torch.randn(1, 4, size // 8, size // 8)
    times = []
    for _ in range(50):
        start = time.perf_counter()
        painter.paint(latents, always=True)
        times.append(time.perf_counter() - start)
    cost = statistics.median(times)
    print(f"preview: {cost * 1000:.2f} ms, {100 * cost / step:.3f} % of a step (goal 0.5 %)")


def cancel_after(engine: Engine, request: GenerationRequest, stage: Callable[[Event], bool], wait: float) -> float:
    """Seconds from pressing Cancel, ``wait`` seconds into ``stage``, to the end of the job."""
    stop, pressed = StopSignal(), [0.0]

    def press() -> None:
        pressed[0] = time.perf_counter()
        stop.cancel()

    timer = threading.Timer(wait, press)
    last: Event | None = None
    for event in engine.generate(request, stop, preview=False):
        last = event
        if timer.ident is None and stage(event):
            timer.start()
    ended = time.perf_counter()
    timer.join()
    if not isinstance(last, Cancelled):
        raise RuntimeError(f"the job ended with {type(last).__name__} before Cancel was pressed; wait less")
    return ended - pressed[0]


def bench_cancel(engine: Engine, models: Path, size: int, step: float, rounds: int) -> None:
    """Latency of Cancel in each stage, pressed at random moments."""
    draw = random.Random(0)
    stages: tuple[tuple[str, type, float, int, dict[str, Any]], ...] = (
        ("encoding the prompt", Encoding, 0.03, 2 * rounds, {}),
        ("denoising", Denoising, step * 0.8, 4 * rounds, {}),
        ("decoding", Decoding, step * 0.5, rounds, {"guidance_scale": 1.0}),
    )
    for name, event, longest, count, changes in stages:
        request = request_for(size, **changes)
        waits = [draw.uniform(0.1, 1) * longest for _ in range(count)]
        times = [cancel_after(engine, request, lambda seen, kind=event: isinstance(seen, kind), w) for w in waits]
        print(f"cancel while {name}: {median_and_max(times)}")
    times = []
    for _ in range(2 * rounds):
        fresh = Engine(models=[models], cache=models / "cache", device="cpu")
        wait = draw.uniform(0, 0.5)
        times.append(cancel_after(fresh, request_for(size), lambda seen: isinstance(seen, Loading), wait))
    print(f"cancel while loading: {median_and_max(times)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=(*USUAL, "film"), default=USUAL)
    parser.add_argument("--stored", choices=("float16", "float32"), default="float16", help="format of the files")
    parser.add_argument("--size", type=int, default=512, help="width and height in px")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--models", type=Path, help="keep the model in this folder, and use it again")
    options = parser.parse_args()
    wanted = set(options.only)
    tqdm.tqdm.monitor_interval = 0
    with tempfile.TemporaryDirectory() as temporary:
        models: Path = options.models or Path(temporary)
        if not (models / MODEL / "model_index.json").exists():
            write_model(models / MODEL, getattr(torch, options.stored))
        if "film" in wanted and not (models / MOTION_MODEL).exists():
            write_motion_model(models / MOTION_MODEL, getattr(torch, options.stored))
        if "load" in wanted:
            bench_load("load", LOAD_THEIRS, LOAD_OURS, models / MODEL, options.rounds, goal=0.8)
        if "film" in wanted:
            bench_load("film of one step", FILM_THEIRS, FILM_OURS, models / MODEL, options.rounds, goal=1.02)
        if wanted == {"load"}:
            return
        engine = Engine(models=[models], cache=models / "cache", device="cpu")
        engine.warm(MODEL)
        print(f"{engine.ready().run.device_name}, {engine.ready().run.threads} threads, {engine.ready().run.dtype}")
        if "film" in wanted:
            bench_film(engine, models, options.rounds)
        step = bench_step(engine, options.size, options.rounds) if wanted & {"step", "preview", "cancel"} else 0.0
        if "preview" in wanted:
            bench_preview(engine, options.size, step)
        if "cancel" in wanted:
            bench_cancel(engine, models, options.size, step, options.rounds)


if __name__ == "__main__":
    main()
