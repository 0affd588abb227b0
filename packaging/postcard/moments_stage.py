"""Stage 7: the picture U-Net and the text tower learn moments of films: "moment 5, a red sailboat …, sails left".

A frame of a film is a picture whose caption says which moment it shows. Text that moves things thus works through the
same layers as text that places them; the motion adapter of the next stage need only keep the frames in agreement.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import torch
from desktop_app.engine.families.animate_diff import animated
from torch import nn

import unet_stage
from captions import full_caption
from common import train_together
from motion_stage import FRAMES, FilmPool, at_moment, draw_films, film_caption, film_weights, load_films, new_adapter
from scene import MOTIONS, Scene
from unet_stage import BATCH, NAMING_WEIGHT, Batch, Pool, stills
from vae_stage import load_vae

PEAK_RATE = 7e-4
TEXT_SHARE = 0.6  # of the learning rate, for the text tower
TOGETHER = 4  # moments of one film in a batch
PICTURES = 0.25  # share of a batch that stands still
PROGRESS_WEIGHT = 100.0  # of the loss that keeps what moves, and how far it is, readable in the pooled words


class Trainer(unet_stage.Trainer):
    """The U-Net stage's, going on from its averages, with moments of films in most of every batch."""

    def __init__(self, out: Path, worker: int = 0, workers: int = 1) -> None:
        super().__init__(out, worker, workers)
        self.films = load_films(out, self.vae, self.scale)
        state = torch.load(out / "unet.pt", weights_only=False)
        for part, average, name in (
            (self.unet, self.average, "average"),
            (self.text, self.text_average, "text average"),
        ):
            part.load_state_dict(state[name])
            average.model.load_state_dict(state[name])
        if "names" in state:
            self.names.load_state_dict(state["names"])
        self.progress = nn.Linear(self.names.in_features, len(MOTIONS))
        networks, words = self.optimizer.param_groups
        networks["params"] += self.progress.parameters()
        words["share"] = TEXT_SHARE

    def state(self) -> dict[str, Any]:
        """Everything needed to go on later."""
        return super().state() | {"progress": self.progress.state_dict()}

    def load_state(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""
        super().load_state(state)
        self.progress.load_state_dict(state["progress"])

    def loss(self, pool: Pool) -> torch.Tensor:
        """The weighted error of this worker's part of a batch: pictures, and moments of films."""
        rng = random.Random(f"moments step {self.step} worker {self.worker}")
        generator = torch.Generator().manual_seed(self.step * self.workers + self.worker)
        count = BATCH // self.workers
        pictures = stills(pool, int(count * PICTURES), rng)
        moving, frames = moments(self.films, int(count * (1 - PICTURES)) // TOGETHER, rng)
        alike = pictures.latents.shape == moving.latents.shape  # then one pass through the U-Net does for both
        passes = [[pictures, moving]] if alike else [[pictures], [moving]]
        velocity = torch.stack([self.velocity_loss(batches, generator) for batches in passes]).mean()
        return velocity + NAMING_WEIGHT * self._words_loss(pictures.scenes, moving.scenes, frames)

    def _words_loss(self, stills: list[Scene], moving: list[Scene], frames: list[int]) -> torch.Tensor:
        """What keeps the pooled words readable: cross-entropy of every attribute, squared error of what moves how far.

        Without the latter, words that say a moment change nothing for thousands of steps.
        """
        texts = [full_caption(scene) for scene in stills]
        texts += [at_moment(full_caption(scene), frame + 1) for scene, frame in zip(moving, frames, strict=True)]
        pooled = self.pool_words(texts)
        progress = torch.zeros(len(texts), len(MOTIONS))
        for row, scene, frame in zip(progress[len(stills) :], moving, frames, strict=True):
            row[MOTIONS.index(scene.motion)] = 0.3 + frame / FRAMES  # named from the first frame on
        error = (self.progress(pooled) - progress).pow(2).sum(1).mean()
        return self.naming_loss(pooled, stills + moving) + PROGRESS_WEIGHT * error

    def draw_sheet(self, path: Path) -> None:
        """Films of the averaged weights, with an adapter that changes nothing yet."""
        moving = animated(self.average.model, new_adapter().eval())
        draw_films(moving, self.text_average.model, self.tokenizer, self.vae, self.scale, path)


def moments(films: FilmPool, count: int, rng: random.Random) -> tuple[Batch, list[int]]:
    """TOGETHER moments of each of `count` films, and which frames they are."""
    scenes, frames, latents, captions, weights = [], [], [], [], []
    for _ in range(count):
        number = films.pick(rng)
        scene, whole = films.scenes[number], films.latents[number].float()
        words, chosen = film_caption(scene, rng), sorted(rng.sample(range(FRAMES), TOGETHER))
        scenes += [scene] * TOGETHER
        frames += chosen
        captions += [at_moment(words, frame + 1) for frame in chosen]
        latents.append(whole[chosen])
        weights.append(film_weights(scene, whole)[chosen])
    return Batch(torch.cat(latents), captions, scenes, torch.cat(weights), TOGETHER), frames


def train_moments(out: Path, minutes: float, workers: int) -> None:
    """Train for `minutes` of active time on `workers` processes; resumes from out/moments.pt."""
    load_films(out, *load_vae(out))
    train_together(Trainer, out / "moments.pt", minutes, workers, peak=PEAK_RATE, warm_up=100)
