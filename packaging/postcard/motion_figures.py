"""Stage 8: figures of the motion adapter, all on combinations that no training stage has seen.

A film classifier (the motion judge, not shipped) learns on renders to say what moves, and where to; then it reads
generated films. Its own accuracy on held-out renders is reported beside its verdict. The picture judge of
`evaluate_stage` reads the first frame of each film, which shows the scene before anything has moved.
"""

from __future__ import annotations

import json
import random
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from desktop_app.engine.families.animate_diff import animated
from desktop_app.engine.steady import steady
from torch import nn
from torch.nn import functional

from captions import full_caption
from common import contact_sheet, save_atomically, to_picture, to_tensor, train
from evaluate_stage import accuracies, load_judge, reconstruct
from motion_stage import FRAMES, STEADY, film, film_scenes, load_moments, make_film, trained_adapter
from scene import MOTIONS, Scene
from tokenizer import check_tokenizer
from unet_stage import generate, pipeline
from vae_stage import load_vae

JUDGED = 200  # generated films
STEPS = 10  # of their denoising; the program's default is 20
SIDE = 64  # px at which the motion judge looks
JUDGE_FILMS = 3000  # renders that it learns from
TOWARDS = {"pan left": "right", "pan right": "left"}
"""Where things go as the camera pans; before a plain background the one cannot be told from the other."""
PAIRS = tuple((start, start + 3) for start in range(0, FRAMES - 3, 3))


class MotionJudge(nn.Module):
    """Reads films (n, FRAMES, 3, SIDE, SIDE) in -1..1: scores (n, motions), from pairs of frames three apart."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in ((6, 24), (24, 40), (40, 64), (64, 96)):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.GroupNorm(8, after), nn.SiLU()]
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.2), nn.Linear(96 * 16, 128), nn.SiLU())
        self.head = nn.Linear(128, len(MOTIONS))

    def forward(self, films: torch.Tensor) -> torch.Tensor:
        """Scores of every motion."""
        pairs = [torch.cat([films[:, a], 4 * (films[:, b] - films[:, a])], 1) for a, b in PAIRS]
        features = self.body(torch.cat(pairs)).unflatten(0, (len(pairs), len(films)))
        return self.head(features.mean(0))


def small(frames: torch.Tensor) -> torch.Tensor:
    """Frames (n, 3, 128, 128) at the motion judge's size."""
    return functional.avg_pool2d(frames, frames.shape[-1] // SIDE)


def train_motion_judge(out: Path, minutes: float) -> None:
    """Train the motion judge on renders of the training combinations; resumes from out/motion_judge.pt."""
    torch.manual_seed(8)
    judge, (known, films) = MotionJudge(), _renders(out)
    right = torch.tensor([MOTIONS.index(scene.motion) for scene in known])
    weights = torch.bincount(right, minlength=len(MOTIONS)).clamp(min=1).pow(-0.5)[right].tolist()

    def loss_of(store: None, rng: random.Random, share: float) -> torch.Tensor:
        picks = rng.choices(range(len(films)), weights, k=24)
        batch = films[picks].float() / 127.5 - 1
        if rng.random() < 0.5:  # as soft as what the autoencoder draws
            blurred = functional.avg_pool2d(batch.flatten(0, 1), 3, 1, 1, count_include_pad=False)
            batch = blurred.unflatten(0, batch.shape[:2])
        batch = batch + 0.06 * rng.random() * torch.randn_like(batch)
        return functional.cross_entropy(judge(batch), right[picks])

    train(
        out / "motion_judge.pt", judge, torch.optim.AdamW(judge.parameters(), lr=1e-3, weight_decay=0.02), minutes,
        peak=1.5e-3, warm_up=50, store_steps=10**9, new_store=lambda index: None, loss_of=loss_of,
    )  # fmt: skip


def _renders(out: Path) -> tuple[list[Scene], torch.Tensor]:
    """Films (n, FRAMES, 3, SIDE, SIDE), uint8, and their scenes; drawn now unless out/motion_renders.pt holds them."""
    known, path = film_scenes("motion judge", JUDGE_FILMS), out / "motion_renders.pt"
    if not path.exists():
        films = torch.stack([torch.from_numpy(film(scene, SIDE)).permute(0, 3, 1, 2) for scene in known])
        save_atomically({"films": films}, path)
    return known, torch.load(path)["films"]


def evaluate_motion(out: Path, start: int, stop: int) -> None:
    """Make the films number `start` to `stop` of JUDGED, as the program makes them, and keep them; see below."""
    wanted = film_scenes("judged films", JUDGED, held_out=True)
    unet, text = load_moments(out)
    moving, tokenizer = animated(unet, trained_adapter(out)), check_tokenizer(out / "tokenizer")
    vae, scale = load_vae(out)
    for number in range(start, stop):
        path = out / "judged" / f"{number:03}.pt"
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            words = full_caption(wanted[number])
            began = time.monotonic()
            frames = make_film(moving, text, tokenizer, vae, scale, words, 100 + number, STEPS)
            frames = ((frames.clamp(-1, 1) + 1) * 127.5).round().byte()
            held = steady(frames.permute(0, 2, 3, 1), STEADY).permute(0, 3, 1, 2)
            save_atomically({"frames": held, "restless": frames, "seconds": time.monotonic() - began}, path)


def motion_figures(out: Path) -> dict[str, Any]:
    """Figures of the films made by `evaluate_motion`; written to out/motion_figures.json, with a sheet."""
    wanted = film_scenes("judged films", JUDGED, held_out=True)
    made = [number for number in range(JUDGED) if (out / "judged" / f"{number:03}.pt").exists()]
    scenes = [wanted[number] for number in made]
    films, restless = (_kept(out, made, name) for name in ("frames", "restless"))
    judge = MotionJudge()
    judge.load_state_dict(torch.load(out / "motion_judge.pt", weights_only=False)["model"])
    judge.eval()
    renders = torch.stack([to_tensor(film(scene)) for scene in scenes])
    vae, _ = load_vae(out)
    figures: dict[str, Any] = {"films": len(made)}
    figures["motion judge on held-out renders"] = _motions(judge, renders, scenes)
    figures["motion"] = _motions(judge, films, scenes)
    figures["control: motions shuffled"] = _motions(judge, films, scenes[1:] + scenes[:1])["all"]
    pictures = load_judge(out)
    figures["first frames"] = accuracies(pictures, films[:, 0], scenes)
    figures["pictures of the same captions, still"] = accuracies(pictures, _pictures(out, scenes), scenes)
    calm = [k for k, scene in enumerate(scenes) if _is_calm(scene)]
    redrawn = torch.stack([reconstruct(vae, renders[k]) for k in calm[:24]])
    figures["flicker"] = {
        "films": _flicker(films[calm]),
        "films before they are held still": _flicker(restless[calm]),
        "renders": _flicker(renders[calm]),
        "renders through the autoencoder": _flicker(redrawn),
    }
    (out / "motion_figures.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    rows = [[to_picture(frame) for frame in films[k, ::2]] for k in range(0, min(len(made), 12))]
    contact_sheet(rows, out / "motion.png")
    (out / "motion.txt").write_text("\n".join(map(full_caption, scenes[:12])) + "\n", encoding="utf-8")
    return figures


def _kept(out: Path, numbers: list[int], name: str) -> torch.Tensor:
    """The films `numbers` that `evaluate_motion` kept as `name`, (n, FRAMES, 3, 128, 128) in -1..1."""
    films = [torch.load(out / "judged" / f"{number:03}.pt")[name] for number in numbers]
    return torch.stack(films).float() / 127.5 - 1


def _motions(judge: MotionJudge, films: torch.Tensor, scenes: list[Scene]) -> dict[str, float]:
    """Share of films that move as asked for: of all, the same with a pan and its direction as one, for each motion."""
    with torch.no_grad():
        said = torch.cat([judge(small(film)[None]) for film in films]).argmax(1).tolist()
    hits = [MOTIONS[answer] == scene.motion for answer, scene in zip(said, scenes, strict=True)]
    same_way = [_way(MOTIONS[answer]) == _way(scene.motion) for answer, scene in zip(said, scenes, strict=True)]
    shares = {"all": round(float(np.mean(hits)), 3), "right direction": round(float(np.mean(same_way)), 3)}
    for motion in MOTIONS[1:]:
        of_it = [hit for hit, scene in zip(hits, scenes, strict=True) if scene.motion == motion]
        if of_it:
            shares[f"{motion} ({len(of_it)})"] = round(float(np.mean(of_it)), 3)
    return shares


def _way(motion: str) -> str:
    """The direction of a motion, whether the thing moves or the camera."""
    return TOWARDS.get(motion, motion)


def _pictures(out: Path, scenes: list[Scene]) -> torch.Tensor:
    unet, text = load_moments(out)
    pipe = pipeline(load_vae(out)[0], text, check_tokenizer(out / "tokenizer"), unet)
    texts = [full_caption(replace(scene, motion="still")) for scene in scenes]
    return torch.cat([generate(pipe, texts[k : k + 16], 100 + k, STEPS) for k in range(0, len(texts), 16)])


def _is_calm(scene: Scene) -> bool:
    """Whether most of the picture stands still."""
    return not scene.motion.startswith("pan") and scene.weather not in ("rain", "snow")


def _flicker(films: torch.Tensor) -> float:
    """Mean change from frame to frame, in 8-bit levels, of the half of the pixels that change least."""
    change = (films[:, 1:] - films[:, :-1]).abs().mean((1, 2)).flatten(1) * 127.5
    return round(change.sort(1).values[:, : change.shape[1] // 2].mean().item(), 3)
