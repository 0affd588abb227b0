"""Checkpoints of real size in single files (random weights, original layout, float16), beside stock diffusers.

    python -m tests.benchmark.single_files                     # SD 1.5 in float32, SDXL with its U-Net in bfloat16
    python -m tests.benchmark.single_files --only sd-1 --size 512
    python -m tests.benchmark.single_files --models FOLDER     # keep the files (9 GB) there, and use them again

For each: seconds and peak memory of loading, to what stays and to stock; two steps, whose latents are to be equal; how
far the forecast was off, without and with what the run taught it. Then the time of a switch between two checkpoints in
memory. Every load has a process of its own. Offline: no configuration or tokenizer comes from anywhere else. Stock
loads SDXL into the same number formats as the program, so that latents can be equal. Wants 11 GB of memory.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import desktop_app.engine.offline  # noqa: F401  (before torch and diffusers)

import torch  # isort: skip
from safetensors.torch import load_file, save_file  # isort: skip

from desktop_app.core.paths import architectures_dir
from tests.benchmark.real_size import random_weight
from tests.engine.test_single_file import empty_parts
from tests.original_layout import original_checkpoint

PRECISION = {"sd-1": "full", "sdxl": "half"}
"""Of the program's settings: float32 of SDXL would want 14 GB."""
PROMPT = "a red house on green hills at sunset"
PARTS: dict[str, dict[str, Any]] = {
    "sd-1": {
        "_class_name": "StableDiffusionPipeline",
        "text_encoder": ["transformers", "CLIPTextModel"],
        "scheduler": ["diffusers", "PNDMScheduler"],
        "requires_safety_checker": False,
    },
    "sdxl": {
        "_class_name": "StableDiffusionXLPipeline",
        "text_encoder": ["transformers", "CLIPTextModel"],
        "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
        "tokenizer_2": ["transformers", "CLIPTokenizer"],
        "scheduler": ["diffusers", "EulerDiscreteScheduler"],
        "force_zeros_for_empty_prompt": True,
    },
}
ALL_HAVE = {
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
}
"""What stock diffusers wants to read in a ``model_index.json``."""
LOAD_GOAL, FORECAST_GOAL, SWITCH_GOAL = 1.1, 0.15, 1.0
MEASURE = """
import json, sys, time
from pathlib import Path
import desktop_app.engine.offline
file, configs, latents, size, precision = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5]
PROMPT = "a red house on green hills at sunset"
def memory(field):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(field)) / 1024
{define}
before, start = memory("VmRSS"), time.perf_counter()
kept = load()
seconds, stays, peak = time.perf_counter() - start, memory("VmRSS") - before, memory("VmHWM") - before
open("/proc/self/clear_refs", "w").write("5")  # the peak begins anew
start = time.perf_counter()
draw(kept)
drawn = time.perf_counter() - start
print(json.dumps(dict(seconds=seconds, stays=stays, peak=peak, run=memory("VmHWM") - before, drawn=drawn, **told())))
"""
STOCK = """
import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline, UNet2DConditionModel
from safetensors.torch import save_file
from desktop_app.engine.device import usable_cores
torch.set_num_threads(usable_cores())  # or the last digits differ
narrow = precision == "half"
def load():
    more, cls = dict(config=configs, local_files_only=True, torch_dtype=torch.float32), StableDiffusionPipeline
    if "xl" in file.name:
        cls = StableDiffusionXLPipeline
    if narrow:
        more["unet"] = UNet2DConditionModel.from_single_file(
            str(file), config=configs, subfolder="unet", local_files_only=True, torch_dtype=torch.bfloat16)
    return cls.from_single_file(str(file), **more)
def casting(layer, arguments, options):
    cast = lambda v: v.to(torch.bfloat16) if torch.is_tensor(v) and v.is_floating_point() and v.dim() else v
    options["added_cond_kwargs"] = {key: cast(v) for key, v in options["added_cond_kwargs"].items()}
    return tuple(cast(v) for v in arguments), {key: cast(v) for key, v in options.items()}
def draw(pipeline):
    pipeline.set_progress_bar_config(disable=True)
    for part in pipeline.components.values():
        if isinstance(part, torch.nn.Module):
            part.requires_grad_(False)  # torch takes other kernels in bfloat16 for weights that might be trained
    pipeline.scheduler = EulerDiscreteScheduler.from_config(pipeline.scheduler.config)
    if narrow:
        pipeline.unet.register_forward_pre_hook(casting, with_kwargs=True)
        pipeline.unet.register_forward_hook(lambda layer, arguments, said: tuple(value.float() for value in said))
    def keep(pipeline, step, t, values):
        save_file({"latents": values["latents"].contiguous()}, latents)
        return values
    pipeline(PROMPT, width=size, height=size, num_inference_steps=2, guidance_scale=7.0,
             generator=torch.Generator().manual_seed(1), callback_on_step_end=keep)
def told():
    return {}
"""
OURS = """
from safetensors.torch import save_file
from desktop_app.checkpoints.facts import read_model_facts
from desktop_app.core.control import StopSignal
from desktop_app.core.measurements import FILE, read_measurements
from desktop_app.core.memory_plan import Wishes
from desktop_app.core.planning import choose
from desktop_app.core.request import GenerationRequest
from desktop_app.engine.device import machine_of
from desktop_app.engine.engine import Engine
cache, wishes = Path(latents).parent / "cache", Wishes(precision, decode="whole")
engine = Engine(models=[file.parent], cache=cache, device="cpu", wishes=wishes)
engine.ready()
request = GenerationRequest(model=file.stem, prompt=PROMPT, width=size, height=size, steps=2, guidance_scale=7.0,
                            scheduler="euler", seed=1)
def foretold():
    facts, machine = read_model_facts(file), machine_of(engine._found[0], 0)
    need = choose(request, facts, machine, wishes, read_measurements(cache / FILE)).need
    return dict(weights=need.weights / 2**20, total=need.total / 2**20)
forecast = foretold()
def load():
    engine.warm(file.stem)
    return next(iter(engine.shelf.models.values()))
def draw(model):
    decode = model.decode
    def keep(values):
        save_file({"latents": values.contiguous()}, latents)
        return decode(values)
    model.decode = keep
    list(engine.generate(request, StopSignal(), preview=False))
def told():
    return dict(forecast=forecast, learned=foretold())
"""
SWITCH = """
import json, sys, time
from pathlib import Path
from desktop_app.core.control import StopSignal
from desktop_app.core.events import Encoding, Loading
from desktop_app.core.memory_plan import Wishes
from desktop_app.core.request import GenerationRequest
from desktop_app.engine.engine import Engine
folder, names = Path(sys.argv[1]), sys.argv[2:]
engine = Engine(models=[folder], cache=folder / "cache", device="cpu", wishes=Wishes("half"))
engine.ready()
for name in names:
    engine.warm(name)
def switch(name):
    start = time.perf_counter()
    job = engine.generate(GenerationRequest(model=name, prompt="a red house", width=256, height=256, steps=1,
                                            scheduler="euler", seed=1), StopSignal(), preview=False)
    for event in job:
        assert not isinstance(event, Loading), "it was not in memory any more"
        if isinstance(event, Encoding):
            break
    job.close()
    return time.perf_counter() - start
print(json.dumps([switch(name) for name in names * 5]))
"""


def write_checkpoint(architecture: str, file: Path) -> None:
    """A checkpoint as it was published, with random weights in float16; several gigabytes."""
    parts = empty_parts(architecture)
    for part in parts.values():
        weights = {name: random_weight(name, value.shape).half() for name, value in part.state_dict().items()}
        part.load_state_dict(weights, assign=True)
    save_file(original_checkpoint(parts, architecture), file)


def stock_configuration(architecture: str, folder: Path) -> Path:
    """What stock diffusers wants beside a single file: our configurations, each tokenizer with its vocabulary."""
    configs = folder / f"configs-{architecture}"
    shutil.copytree(architectures_dir() / architecture, configs, dirs_exist_ok=True)
    shared = architectures_dir() / "tokenizer"
    for tokenizer in configs.glob("tokenizer*"):
        own = json.loads((tokenizer / "tokenizer_config.json").read_text())
        shutil.copytree(shared, tokenizer, dirs_exist_ok=True)
        options = json.loads((shared / "tokenizer_config.json").read_text()) | own
        (tokenizer / "tokenizer_config.json").write_text(json.dumps(options))
    (configs / "model_index.json").write_text(json.dumps({**ALL_HAVE, **PARTS[architecture]}))
    return configs


def run(script: str, *arguments: object) -> Any:
    """What ``script`` prints last, in a process of its own."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def bench(architecture: str, file: Path, folder: Path, size: int) -> None:
    """Loads and draws with both, one after the other, and compares."""
    configs, found = stock_configuration(architecture, folder), {}
    for name, define in (("diffusers", STOCK), ("safelight", OURS)):
        latents = folder / f"{architecture}-{name}.safetensors"
        script = MEASURE.replace("{define}", define)
        one = found[name] = run(script, file, configs, latents, size, PRECISION[architecture])
        print(f"{architecture}, {name}: loads in {one['seconds']:.1f} s, peak {one['peak']:.0f} MiB, stays "
              f"{one['stays']:.0f} MiB, ratio {one['peak'] / one['stays']:.2f}; draws in {one['drawn']:.1f} s, peak "
              f"{one['run']:.0f} MiB")  # fmt: skip
    mine, stock = found["safelight"], found["diffusers"]
    print(f"{architecture}, loading peak to what stays: {mine['peak'] / mine['stays']:.2f} (goal {LOAD_GOAL})")
    print(f"{architecture}, loading peak to stock's: {mine['peak'] / stock['peak']:.2f}")
    theirs, ours = (load_file(folder / f"{architecture}-{name}.safetensors")["latents"] for name in found)
    off = (theirs - ours).abs().max() / theirs.abs().max()
    print(f"{architecture}, latents after two steps equal: {torch.equal(theirs, ours)}, off by {off:.1e} at the most")
    took = max(mine["peak"], mine["run"])
    for name in ("forecast", "learned"):
        error = mine[name]["total"] / took - 1
        found = f"{mine[name]['total']:.0f} MiB for {took:.0f}, {error:+.1%}"
        print(f"{architecture}, {name}: {found} (goal {FORECAST_GOAL:.0%})")
    print(f"{architecture}, forecast of weights: {mine['forecast']['weights'] / mine['stays'] - 1:+.1%}")


def bench_switch(file: Path) -> None:
    """From one checkpoint to another, both in memory, until the prompt is encoded."""
    other = file.with_name(f"{file.stem}-other.safetensors")
    if not other.exists():
        other.hardlink_to(file)
    times = run(SWITCH, file.parent, file.stem, other.stem)
    print(f"a switch between two in memory: longest {max(times):.2f} s of {len(times)} (goal {SWITCH_GOAL:.0f} s)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=(*PRECISION, "switch"), default=(*PRECISION, "switch"))
    parser.add_argument("--size", type=int, default=256, help="width and height in px")
    parser.add_argument("--models", type=Path, help="keep the files in this folder, and use them again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        models: Path = options.models or Path(temporary)
        files = {architecture: models / f"real-{architecture}.safetensors" for architecture in PRECISION}
        for architecture in PRECISION:
            needed = architecture in options.only or (architecture == "sd-1" and "switch" in options.only)
            if needed and not files[architecture].exists():
                models.mkdir(exist_ok=True)
                write_checkpoint(architecture, files[architecture])
            if architecture in options.only:
                bench(architecture, files[architecture], Path(temporary), options.size)
        if "switch" in options.only:
            bench_switch(files["sd-1"])


if __name__ == "__main__":
    main()
