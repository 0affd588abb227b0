"""Stage 6: figures for the model card, all on combinations that no training stage has seen.

A picture classifier (the judge, not shipped) learns to read object, colour, terrain, time and place off renders, some
of them drawn by the model's autoencoder; then it reads generated pictures. Its own accuracy on renders is reported
beside its verdict: what it gets wrong there says how far its verdict can be trusted.
"""

from __future__ import annotations

import dataclasses
import json
import random
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from torch import nn
from torch.nn import functional

from captions import full_caption
from clip_stage import ATTRIBUTES, check_clip
from common import chunks, contact_sheet, psnr, render_all, scenes, to_picture, to_tensor, train
from export_stage import read_clip
from scene import Scene, sample_scene
from unet_stage import generate

JUDGED = 512  # generated pictures read by the judge
CONTROL = 96  # pictures for each point of a curve and for each control
JUDGE_STORE, JUDGE_STEPS = 3000, 250  # renders held at a time, steps before they are replaced
CURVES: dict[str, tuple[float, ...]] = {"guidance": (1.0, 1.5, 2.5, 4.0, 6.0), "steps": (5, 10, 30)}


class Judge(nn.Module):
    """Reads pictures (n, 3, 128, 128) in -1..1; one row of scores per question."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in ((3, 24), (24, 40), (40, 64), (64, 96), (96, 128)):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.GroupNorm(8, after), nn.SiLU()]
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.2))
        self.heads = nn.ModuleDict({name: nn.Linear(128 * 16, len(answers)) for name, answers in ATTRIBUTES.items()})

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Scores of every answer to every question."""
        features = self.body(x)
        return {name: head(features) for name, head in self.heads.items()}


def answers_of(wanted: list[Scene]) -> dict[str, torch.Tensor]:
    """The right answers' numbers, one tensor (n,) per question."""
    return {
        name: torch.tensor([answers.index(getattr(scene, name)) for scene in wanted])
        for name, answers in ATTRIBUTES.items()
    }


def reconstruct(vae: AutoencoderKL, x: torch.Tensor) -> torch.Tensor:
    """Pictures after encoding and decoding, (n, 3, h, w)."""
    with torch.no_grad():
        return torch.cat([vae.decode(vae.encode(part).latent_dist.mode()).sample for part in x.split(16)])


def train_judge(out: Path, vae: AutoencoderKL, minutes: float) -> None:
    """Train the judge on renders of the training combinations, an eighth of them as the autoencoder draws them."""
    torch.manual_seed(3)
    judge = Judge()
    optimizer = torch.optim.AdamW(judge.parameters(), lr=1e-3, weight_decay=0.02)

    def new_store(index: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        known = scenes(f"judge {index}", JUDGE_STORE)
        x = to_tensor(render_all(known))
        x[::8] = reconstruct(vae, x[::8])
        return x, answers_of(known)

    def loss_of(store: tuple[torch.Tensor, dict[str, torch.Tensor]], rng: random.Random, share: float) -> torch.Tensor:
        x, right = store
        picks = [rng.randrange(len(x)) for _ in range(48)]
        batch = x[picks]
        scores = judge(batch + torch.randn_like(batch) * 0.12 * torch.rand(len(batch), 1, 1, 1))
        return torch.stack([functional.cross_entropy(scores[name], right[name][picks]) for name in ATTRIBUTES]).sum()

    train(
        out / "judge.pt", judge, optimizer, minutes, peak=1.5e-3, warm_up=50, store_steps=JUDGE_STEPS,
        new_store=new_store, loss_of=loss_of, most_gradient=float("inf"),
    )  # fmt: skip


def load_judge(out: Path) -> Judge:
    """The judge in out/judge.pt."""
    judge = Judge()
    judge.load_state_dict(torch.load(out / "judge.pt", weights_only=False)["model"])
    return judge.eval()


def accuracies(judge: Judge, x: torch.Tensor, wanted: list[Scene]) -> dict[str, float]:
    """Share of pictures on which the judge reads what was asked for, per question and for all together."""
    right = answers_of(wanted)
    with torch.no_grad():
        parts = [judge(part) for part in x.split(64)]
    hits = {name: torch.cat([part[name] for part in parts]).argmax(1) == right[name] for name in ATTRIBUTES}
    hits["all five"] = torch.stack(list(hits.values())).all(0)
    return {name: round(hit.float().mean().item(), 3) for name, hit in hits.items()}


def evaluate(out: Path, target: Path) -> None:
    """Measure the finished model in `target`; writes figures.json and evaluation.png into `out`."""
    pipe = StableDiffusionPipeline.from_pretrained(target, safety_checker=None, local_files_only=True)
    pipe.to(torch.float32).set_progress_bar_config(disable=True)
    figures: dict[str, Any] = {}
    judge = load_judge(out)
    for name, work in (
        ("renders", lambda: _judge_renders(pipe, judge)),
        ("clip", lambda: check_clip(read_clip(target), pipe.tokenizer, 500)),
        ("speed", lambda: _measure(pipe)),
        ("generated", lambda: _judge_generated(pipe, judge, out)),
        ("curves", lambda: _curves(pipe, judge)),
        ("diversity", lambda: _diversity(pipe)),
        ("nearest", lambda: _nearest(out, pipe)),
    ):
        figures[name] = work()
        print(json.dumps({name: figures[name]}), flush=True)
        (out / "figures.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def _judge_renders(pipe: StableDiffusionPipeline, judge: Judge) -> dict[str, Any]:
    unseen = scenes("evaluation", 512, held_out=True)
    x = to_tensor(render_all(unseen))
    y = reconstruct(pipe.vae, x)
    return {
        "autoencoder psnr dB": round(psnr(x, y), 2),
        "judge on held-out renders": accuracies(judge, x, unseen),
        "judge on held-out renders through the autoencoder": accuracies(judge, y, unseen),
    }


def _judge_generated(pipe: StableDiffusionPipeline, judge: Judge, out: Path) -> dict[str, Any]:
    """The main figures, on held-out combinations, with two controls: other captions' pictures, and no text."""
    wanted = scenes("judged held-out", JUDGED, held_out=True)
    drawn = _draw(pipe, wanted)
    pictures = [to_picture(picture) for picture in drawn[:32]]
    contact_sheet([pictures[k : k + 8] for k in range(0, 32, 8)], out / "evaluation.png")
    captions = "\n".join(full_caption(scene) for scene in wanted[:32])
    (out / "evaluation.txt").write_text(captions + "\n", encoding="utf-8")
    without = torch.cat([generate(pipe, [""] * 16, 5000 + start) for start in range(0, CONTROL, 16)])
    return {
        "held-out combinations": accuracies(judge, drawn, wanted),
        "control: captions shuffled": accuracies(judge, drawn, wanted[1:] + wanted[:1]),
        "control: no text": accuracies(judge, without, wanted[:CONTROL]),
    }


def _curves(pipe: StableDiffusionPipeline, judge: Judge) -> dict[str, Any]:
    wanted = scenes("curves", CONTROL, held_out=True)
    figures: dict[str, Any] = {}
    for value in CURVES["guidance"]:
        figures[f"guidance {value:g}"] = accuracies(judge, _draw(pipe, wanted, guidance=value), wanted)
    for value in CURVES["steps"]:
        figures[f"{value:g} steps"] = accuracies(judge, _draw(pipe, wanted, steps=int(value)), wanted)
    return figures


def _measure(pipe: StableDiffusionPipeline) -> dict[str, float]:
    """Seconds for one picture at default settings (the best of three), and the process's peak memory so far."""
    seconds = []
    for seed in range(3):
        start = time.perf_counter()
        generate(pipe, ["a red house on green hills"], seed)
        seconds.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds a picture": round(min(seconds), 2), "peak MiB of this stage": round(peak)}


def _diversity(pipe: StableDiffusionPipeline, captions: int = 8, seeds: int = 8) -> dict[str, float]:
    """Mean pixel distance (root mean square, 0..2) between pictures of one caption: generated, and rendered."""
    rng = random.Random("diversity")
    generated, rendered = [], []
    for scene in scenes("diversity", captions, held_out=True):
        generated.append(_spread(generate(pipe, [full_caption(scene)] * seeds, 7000)))
        same = [dataclasses.replace(scene, seed=rng.randrange(1 << 30)) for _ in range(seeds)]
        rendered.append(_spread(to_tensor(render_all(same))))
    return {"generated": round(float(np.mean(generated)), 3), "rendered": round(float(np.mean(rendered)), 3)}


def _spread(x: torch.Tensor) -> float:
    flat = x.flatten(1)
    distances = torch.cdist(flat, flat) / flat.shape[1] ** 0.5
    return (distances.sum() / (len(x) * (len(x) - 1))).item()


def _nearest(out: Path, pipe: StableDiffusionPipeline, count: int = 8, renders: int = 4000) -> dict[str, float]:
    """Distance of generated pictures from the nearest of many training renders; nearest.png shows the pairs."""
    rng = random.Random("nearest")
    wanted = [sample_scene(rng) for _ in range(count)]
    drawn = generate(pipe, [full_caption(scene) for scene in wanted], 9000)
    fresh = to_tensor(render_all([dataclasses.replace(scene, seed=scene.seed + 1) for scene in wanted]))
    best, shown, of_fresh = torch.full((count,), 9.0), [None] * count, torch.full((count,), 9.0)
    known = scenes("pool 128x128", renders)
    for part in chunks(renders, 500):
        x = to_tensor(render_all(known[part]))
        distances = _distances(drawn, x)
        of_fresh = torch.minimum(of_fresh, _distances(fresh, x).min(1).values)
        values, where = distances.min(1)
        for k in range(count):
            if values[k] < best[k]:
                best[k], shown[k] = values[k], to_picture(x[int(where[k])])
    contact_sheet(
        [[to_picture(picture) for picture in drawn], [p for p in shown if p is not None]], out / "nearest.png"
    )
    return {"generated": round(best.mean().item(), 3), "fresh renders": round(of_fresh.mean().item(), 3)}


def _distances(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    return torch.cdist(first.flatten(1), second.flatten(1)) / first[0].numel() ** 0.5


def _draw(pipe: StableDiffusionPipeline, wanted: list[Scene], steps: int = 20, guidance: float = 2.5) -> torch.Tensor:
    parts = []
    for start in range(0, len(wanted), 16):
        texts = [full_caption(scene) for scene in wanted[start : start + 16]]
        parts.append(generate(pipe, texts, 1000 + start, steps, guidance))
    return torch.cat(parts)
