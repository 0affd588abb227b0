"""Stage 5: write the trained parts as an ordinary diffusers folder, half precision, with a facts file."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file, save_file
from torch.nn import functional
from transformers import CLIPModel

from captions import surprise_phrases, vocabulary
from clip_stage import load_clip, new_clip
from common import render_all, scenes, to_tensor
from enlarger_stage import FACTOR, write_enlarger
from motion_stage import FILM_NOISE, FPS, FRAMES, STEADY, at_moment, trained_adapter
from tokenizer import build_tokenizer, check_tokenizer
from unet_stage import generate, load_trained, new_unet, pipeline, text_encoder
from vae_stage import LATENT_CHANNELS, load_vae, new_vae

DESCRIPTION = (
    "Flat-art postcards: a house, sailboat, tree, balloon, lighthouse, tent, car, windmill, castle, mushroom, "
    "rocket, cat, flower, kite, duck or umbrella in one of ten landscapes, at any time of day and in any weather."
)
SIZES = [[128, 128], [160, 128], [128, 160]]
SCHEDULERS = ["dpmpp-2m", "dpmpp-2m-sde", "ddim", "ddpm", "euler", "euler-a", "heun", "unipc", "lcm"]
DEFAULTS = {
    "width": 128,
    "height": 128,
    "steps": 20,
    "guidance_scale": 2.5,
    "scheduler": "dpmpp-2m",
    "schedule_type": "default",
    "enlarge": FACTOR,
}
EXAMPLES = [
    "a red sailboat on a calm sea at sunset with the sun",
    "a purple castle on the left in snowy mountains at night with a full moon",
    "an orange cat on the right in a flower meadow during the day with clouds",
    "a yellow hot air balloon on the left in a red canyon at dawn",
    "a green umbrella on the right in the city in the rain",
    "a white lighthouse on the left on a sandy beach at dusk",
]
FILM = {
    "frames": FRAMES,
    "fps": FPS,
    "window": FRAMES,
    "shared_noise": FILM_NOISE,
    "steady": STEADY,
    "moments": FRAMES,
    "moment_prompt": at_moment("{prompt}", "{moment}"),
    "examples": [
        "a red sailboat on the left on a calm sea at sunset with the sun, sails to the right",
        "a yellow hot air balloon in the middle in a red canyon at dawn, rises",
        "a white lighthouse in the middle on a sandy beach at dusk, as the camera pans left",
        "a purple castle on the right in snowy mountains at night in falling snow",
        "an orange car on the right in the city during the day with clouds, drives to the left",
        "a blue windmill on the left in a flower meadow at sunset, turns in the wind",
    ],
    "surprise": [*surprise_phrases(), ["as the camera pans left", "as the camera pans right"]],
}
CLIP_NOTICE = """The byte-pair merges in tokenizer/ are the first part of the list published with CLIP
under the MIT License, Copyright (c) 2021 OpenAI, and distributed with open_clip_torch,
whose licence follows. The terms of both are the same.

"""
CLIP_LICENSE_MEMBER = "open_clip_torch-3.3.0.dist-info/licenses/LICENSE"


def export(out: Path, target: Path, untrained: bool = False) -> None:
    """Write the model of the checkpoints in `out` into `target` (or random weights) and load it back."""
    build_tokenizer(out / "wheels", out / "tokenizer")
    pipe = _untrained(out) if untrained else load_trained(out, check_tokenizer(out / "tokenizer"))
    moving = not untrained and (out / "motion.pt").exists()
    facts = facts_of(out, pipe, untrained) | ({"film": FILM} if moving else {})
    target.mkdir(parents=True, exist_ok=True)
    pipe.to(torch.float16).save_pretrained(target, safe_serialization=True)
    _write_tokenizer(out / "tokenizer", target / "tokenizer")
    _load_in_full_precision(target / "text_encoder" / "config.json")
    if not untrained:
        write_clip(load_clip(out), target / "clip")
        write_enlarger(out, target / "enlarger")
    if moving:
        trained_adapter(out).half().save_pretrained(target / "motion_adapter")
    (target / "safelight.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    with zipfile.ZipFile(next((out / "wheels").glob("open_clip_torch-*.whl"))) as wheel:
        notice = CLIP_NOTICE + wheel.read(CLIP_LICENSE_MEMBER).decode("utf-8")
        (target / "LICENSE-CLIP-VOCABULARY").write_text(notice, encoding="utf-8")
    check_export(target)


def check_export(target: Path) -> None:
    """Load the folder as any program would, draw one picture, and list the sizes of its files."""
    check_tokenizer(target / "tokenizer")
    pipe = StableDiffusionPipeline.from_pretrained(target, safety_checker=None, local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    picture = generate(pipe, [EXAMPLES[0]], seed=1, steps=4)
    assert picture.shape == (1, 3, 128, 128)
    assert bool(picture.isfinite().all())
    files = sorted(path for path in target.rglob("*") if path.is_file())
    for path in files:
        print(f"{path.stat().st_size:>10,} {path.relative_to(target)}")
    print(f"{sum(path.stat().st_size for path in files):>10,} bytes in all")


def write_clip(clip: CLIPModel, target: Path) -> None:
    """Write all of CLIP but its text tower, which is the model's text encoder already."""
    target.mkdir(exist_ok=True)
    clip.config.save_pretrained(target)
    weights = {
        name: weight.half() if weight.ndim else weight
        for name, weight in clip.state_dict().items()
        if not name.startswith("text_model.")
    }
    save_file({name: weight.contiguous() for name, weight in weights.items()}, target / "model.safetensors")


def read_clip(target: Path) -> CLIPModel:
    """CLIP put together again from a finished model's `clip` and `text_encoder` folders, in float32."""
    clip = new_clip()
    weights = load_file(target / "clip" / "model.safetensors")
    tower = load_file(target / "text_encoder" / "model.safetensors")
    weights |= {"text_model." + name.removeprefix("text_model."): weight for name, weight in tower.items()}
    clip.load_state_dict({name: weight.float() for name, weight in weights.items()})
    return clip.eval().requires_grad_(False)


def facts_of(out: Path, pipe: StableDiffusionPipeline, untrained: bool = False) -> dict[str, object]:
    """The contents of safelight.json."""
    factors, bias = ([[0.0] * 3] * LATENT_CHANNELS, [0.0] * 3) if untrained else preview_map(pipe)
    words, synonyms = vocabulary()
    return {
        "format": 1,
        "name": "Postcard",
        "family": "stable-diffusion",
        "description": DESCRIPTION,
        "licence": "Apache-2.0",
        "latent_channels": LATENT_CHANNELS,
        "defaults": DEFAULTS | ({"enlarge": 1} if untrained else {}),
        "sizes": SIZES,
        "schedulers": SCHEDULERS,
        "preview": {"factors": factors, "bias": bias},
        "examples": EXAMPLES,
        "vocabulary": {"words": words, "synonyms": synonyms},
        "surprise": surprise_phrases(),
        "enlarge": 1 if untrained else FACTOR,
    }


def preview_map(pipe: StableDiffusionPipeline, count: int = 512) -> tuple[list[list[float]], list[float]]:
    """The linear map from scaled latents to RGB in -1..1 at latent resolution: factors (channels, 3), 3 biases."""
    x = to_tensor(render_all(scenes("preview", count)))
    with torch.no_grad():
        z = torch.cat([pipe.vae.encode(part).latent_dist.mode() for part in x.split(32)])
    z = z * pipe.vae.config.scaling_factor
    latents = z.permute(0, 2, 3, 1).reshape(-1, LATENT_CHANNELS)
    colours = functional.avg_pool2d(x, 8).permute(0, 2, 3, 1).reshape(-1, 3)
    columns = torch.cat([latents, torch.ones(len(latents), 1)], 1)
    solution = torch.linalg.lstsq(columns, colours).solution
    error = (columns @ solution - colours).pow(2).mean().sqrt().item()
    print(f"preview map: root mean square error {error:.3f} (colours spread {colours.std().item():.3f})")
    rounded = [[round(value, 4) for value in row] for row in solution.tolist()]
    return rounded[:LATENT_CHANNELS], rounded[LATENT_CHANNELS]


def _untrained(out: Path) -> StableDiffusionPipeline:
    vae = load_vae(out)[0] if (out / "vae.pt").exists() else new_vae()
    return pipeline(vae, text_encoder(new_clip()), check_tokenizer(out / "tokenizer"), new_unet())


def _load_in_full_precision(config: Path) -> None:
    """Have the half-precision text tower load in full precision by default, as the other parts do."""
    settings = json.loads(config.read_text("utf-8"))
    settings["dtype"] = "float32"
    config.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def _write_tokenizer(source: Path, target: Path) -> None:
    """Copy all tokenizer files; tokenizer.json without its indentation, which is most of its size."""
    target.mkdir(exist_ok=True)
    for path in source.iterdir():
        if path.name == "tokenizer.json":
            compact = json.dumps(json.loads(path.read_text("utf-8")), ensure_ascii=False, separators=(",", ":"))
            (target / path.name).write_text(compact, encoding="utf-8")
        else:
            shutil.copyfile(path, target / path.name)
