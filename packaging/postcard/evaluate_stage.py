"""Stage 4: figures for the model card, all on combinations that no training stage has seen.

A small picture classifier (the judge, not shipped) learns to read object, colour, terrain, time and place off
renders, some of them drawn by the model's autoencoder; then it reads generated pictures. Its own accuracy on
renders is reported beside its verdict: what it gets wrong there says how far its verdict can be trusted.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from torch import nn
from torch.nn import functional

from common import (
    Budget,
    contact_sheet,
    learning_rate,
    psnr,
    render_all,
    save_atomically,
    scenes,
    to_picture,
    to_tensor,
)
from scene import COLOURS, OBJECTS, PLACES, TERRAINS, TIMES, Scene, full_caption
from unet_stage import generate

QUESTIONS: dict[str, tuple[str, ...]] = {
    "object": OBJECTS,
    "colour": tuple(COLOURS),
    "terrain": tuple(TERRAINS),
    "time": TIMES,
    "place": PLACES,
}
JUDGED = 128  # generated pictures read by the judge
JUDGE_STORE = 4000


class Judge(nn.Module):
    """Reads pictures (n, 3, 128, 128) in -1..1; one row of scores per question."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in ((3, 24), (24, 48), (48, 64), (64, 96)):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.GroupNorm(8, after), nn.SiLU()]
        self.body = nn.Sequential(nn.AvgPool2d(2), *layers, nn.Flatten(), nn.Dropout(0.2))
        self.heads = nn.ModuleDict(
            {name: nn.Linear(96 * 16, len(answers)) for name, answers in QUESTIONS.items()}
        )

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Scores of every answer to every question."""
        features = self.body(x)
        return {name: head(features) for name, head in self.heads.items()}


def answers_of(wanted: list[Scene]) -> dict[str, torch.Tensor]:
    """The right answers' numbers, one tensor (n,) per question."""
    return {
        name: torch.tensor([answers.index(getattr(scene, name)) for scene in wanted])
        for name, answers in QUESTIONS.items()
    }


def reconstruct(vae: AutoencoderKL, x: torch.Tensor) -> torch.Tensor:
    """Pictures after encoding and decoding, (n, 3, h, w)."""
    with torch.no_grad():
        return torch.cat([vae.decode(vae.encode(part).latent_dist.mode()).sample for part in x.split(16)])


def train_judge(vae: AutoencoderKL, minutes: float) -> Judge:
    """Train the judge on renders of all combinations, a quarter of them as the autoencoder draws them."""
    torch.manual_seed(3)
    rng = random.Random("judge")
    known = scenes("judge", JUDGE_STORE * 17 // 20) + scenes("judge", JUDGE_STORE * 3 // 20, held_out=True)
    x = to_tensor(render_all(known))
    x[::4] = reconstruct(vae, x[::4])
    right = answers_of(known)
    judge = Judge()
    optimizer = torch.optim.AdamW(judge.parameters(), lr=1e-3, weight_decay=0.02)
    budget, step = Budget(minutes), 0
    while budget.share < 1:
        budget.begin()
        picks = [rng.randrange(len(known)) for _ in range(32)]
        batch = x[picks]
        batch = batch + torch.randn_like(batch) * 0.15 * torch.rand(len(batch), 1, 1, 1)
        scores = judge(batch)
        loss = torch.stack(
            [functional.cross_entropy(scores[name], right[name][picks]) for name in QUESTIONS]
        ).sum()
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(1e-3, step, budget.share, warm_up=50)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
        budget.end()
    return judge.eval()


def load_judge(out: Path, vae: AutoencoderKL, minutes: float) -> Judge:
    """The judge in out/judge.pt, trained now unless it is there."""
    path = out / "judge.pt"
    if not path.exists():
        save_atomically(train_judge(vae, minutes).state_dict(), path)
    judge = Judge()
    judge.load_state_dict(torch.load(path))
    return judge.eval()


def accuracies(judge: Judge, x: torch.Tensor, wanted: list[Scene]) -> dict[str, float]:
    """Share of pictures on which the judge reads what was asked for, per question and for all together."""
    right = answers_of(wanted)
    with torch.no_grad():
        scores = judge(x)
    hits = {name: scores[name].argmax(1) == right[name] for name in QUESTIONS}
    together = torch.stack(list(hits.values())).all(0)
    return {
        name: round(hit.float().mean().item(), 3) for name, hit in (hits | {"all five": together}).items()
    }


def evaluate(out: Path, target: Path, minutes: float) -> None:
    """Measure the finished model in `target`; writes figures.json and evaluation.png into `out`."""
    pipe = StableDiffusionPipeline.from_pretrained(target, safety_checker=None, local_files_only=True)
    pipe.to(torch.float32).set_progress_bar_config(disable=True)
    figures: dict[str, object] = {}
    unseen = scenes("evaluation", 256, held_out=True)
    x = to_tensor(render_all(unseen))
    y = reconstruct(pipe.vae, x)
    figures["autoencoder psnr dB"] = round(psnr(x, y), 2)
    judge = load_judge(out, pipe.vae, minutes)
    figures["judge on unseen renders"] = accuracies(judge, x, unseen)
    figures["judge on unseen renders through the autoencoder"] = accuracies(judge, y, unseen)
    for name, held_out in (("held-out", True), ("trained", False)):
        wanted = scenes(f"judged {name}", JUDGED, held_out)
        drawn = _draw(pipe, wanted)
        figures[f"judge on generated pictures of {name} combinations"] = accuracies(judge, drawn, wanted)
        if held_out:
            pictures = [to_picture(picture) for picture in drawn[:16]]
            contact_sheet([pictures[:8], pictures[8:]], out / "evaluation.png")
            (out / "evaluation.txt").write_text(
                "\n".join(full_caption(s) for s in wanted[:16]), encoding="utf-8"
            )
    (out / "figures.json").write_text(json.dumps(figures, indent=2), encoding="utf-8")
    print(json.dumps(figures, indent=2))


def _draw(pipe: StableDiffusionPipeline, wanted: list[Scene]) -> torch.Tensor:
    parts = []
    for start in range(0, len(wanted), 16):
        parts.append(
            generate(pipe, [full_caption(scene) for scene in wanted[start : start + 16]], seed=1000 + start)
        )
    return torch.cat(parts)
