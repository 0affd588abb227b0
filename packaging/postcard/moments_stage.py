"""Stage 7: the picture U-Net and the text tower learn moments of films: "moment 5, a red sailboat …, sails left".

A frame of a film is a picture whose caption says which moment it shows. Text that moves things thus works through the
same layers as text that places them; the motion adapter of the next stage need only keep the frames in agreement.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from captions import full_caption
from clip_stage import load_clip
from common import contact_sheet, in_workers, join_workers, take_step, to_picture, train_together
from motion_stage import FPS, FRAMES, SHEET_CAPTIONS, at_moment, film_caption, film_noise, load_films
from scene import MOTIONS, Scene
from tokenizer import check_tokenizer
from unet_stage import (
    EMA_EVERY,
    NAMED,
    NAMING_WEIGHT,
    SIZE_SHARES,
    Averaged,
    Pool,
    encode_texts,
    load_pools,
    new_unet,
    object_weights,
    sampling_scheduler,
    text_encoder,
    timestep_weights,
    timesteps,
    training_caption,
    training_scheduler,
)
from vae_stage import load_vae

PEAK_RATE = 7e-4
TEXT_SHARE = 0.6  # of the learning rate, for the text tower
BATCH = 16  # half of it pictures, half moments of films
PROGRESS_WEIGHT = 100.0  # of the loss that keeps what moves, and how far it is, readable in the pooled words


class Trainer:
    """U-Net and text tower being trained, and their averages; one worker of `workers`, each with a part of a batch."""

    def __init__(self, out: Path, worker: int = 0, workers: int = 1) -> None:
        torch.manual_seed(7)
        self.worker, self.workers, self.step = worker, workers, 0
        self.tokenizer = check_tokenizer(out / "tokenizer")
        self.vae, self.scale = load_vae(out)
        self.pools, self.films = load_pools(out, self.vae, self.scale), load_films(out, self.vae, self.scale)
        state = torch.load(out / "unet.pt", weights_only=False)
        self.unet, self.text = new_unet(), text_encoder(load_clip(out))
        self.unet.load_state_dict(state["average"])
        self.text.load_state_dict(state["text average"])
        width = self.unet.time_embedding.linear_2.out_features
        self.names = nn.Linear(width, sum(map(len, NAMED.values())))
        self.names.load_state_dict(state["names"])
        self.progress = nn.Linear(width, len(MOTIONS))
        self.average, self.text_average = Averaged(self.unet), Averaged(self.text)
        groups = [
            {"params": [*self.unet.parameters(), *self.names.parameters(), *self.progress.parameters()], "share": 1.0},
            {"params": list(self.text.requires_grad_(True).parameters()), "share": TEXT_SHARE},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=PEAK_RATE, betas=(0.9, 0.99), weight_decay=0.01)
        self.schedule = training_scheduler()

    def state(self) -> dict[str, Any]:
        """Everything needed to go on later."""
        return {
            "unet": self.unet.state_dict(),
            "text": self.text.state_dict(),
            "names": self.names.state_dict(),
            "progress": self.progress.state_dict(),
            "average": self.average.model.state_dict(),
            "text average": self.text_average.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""
        for name in ("unet", "text", "names", "progress", "optimizer"):
            getattr(self, name).load_state_dict(state[name])
        self.average.model.load_state_dict(state["average"])
        self.text_average.model.load_state_dict(state["text average"])
        self.step = state["step"]

    def train_step(self, rate: float, share: float) -> float:
        """One step on a batch that the step's number settles; returns this worker's loss."""
        size = random.Random(f"moments size {self.step}").choices(list(SIZE_SHARES), list(SIZE_SHARES.values()))[0]
        loss = self.loss(self.pools[size])
        take_step(self.optimizer, loss, rate, self.workers)
        self.step += 1
        if self.step % EMA_EVERY == 0:
            self.average.update(self.unet, self.step)
            self.text_average.update(self.text, self.step)
        return loss.item()

    def loss(self, pool: Pool) -> torch.Tensor:
        """The weighted error of this worker's part of a batch: pictures, and moments of as many films."""
        rng = random.Random(f"moments step {self.step} worker {self.worker}")
        generator = torch.Generator().manual_seed(self.step * self.workers + self.worker)
        count = BATCH // self.workers // 2
        picks = [rng.randrange(len(pool.scenes)) for _ in range(count)]
        stills = [pool.scenes[k] for k in picks]
        loss = self._velocity_loss(
            pool.latents[picks].float(),
            [training_caption(scene, rng) for scene in stills],
            object_weights(stills, pool.latents[picks]),
            generator,
        )
        numbers, frames = [self.films.pick(rng) for _ in range(count)], [rng.randrange(FRAMES) for _ in range(count)]
        moving = [self.films.scenes[k] for k in numbers]
        latents = self.films.latents[numbers, frames].float()
        seconds = [frame / FPS for frame in frames]
        captions = [at_moment(film_caption(scene, rng), frame + 1) for scene, frame in zip(moving, frames, strict=True)]
        loss = loss + self._velocity_loss(latents, captions, object_weights(moving, latents, seconds), generator)
        return loss / 2 + NAMING_WEIGHT * self._words_loss(stills, moving, frames)

    def _velocity_loss(
        self, latents: torch.Tensor, captions: list[str], weights: torch.Tensor, generator: torch.Generator
    ) -> torch.Tensor:
        count = len(latents)
        noise = torch.randn(latents.shape, generator=generator)
        t = timesteps((torch.arange(count) + torch.rand(count, generator=generator)) / count)
        noisy = self.schedule.add_noise(latents, noise, t)
        words = encode_texts(self.tokenizer, self.text, captions)
        error = (self.unet(noisy, t, words).sample - self.schedule.get_velocity(latents, noise, t)).pow(2) * weights
        return (timestep_weights(self.schedule, t) * error.mean((1, 2, 3))).mean()

    def _words_loss(self, stills: list[Scene], moving: list[Scene], frames: list[int]) -> torch.Tensor:
        """What keeps the pooled words readable: cross-entropy of every attribute, squared error of what moves how far.

        Without the latter, words that say a moment change nothing for thousands of steps.
        """
        texts = [full_caption(scene) for scene in stills]
        texts += [at_moment(full_caption(scene), frame + 1) for scene, frame in zip(moving, frames, strict=True)]
        pooled = self.unet.add_embedding(encode_texts(self.tokenizer, self.text, texts))
        scores = self.names(pooled).split([len(answers) for answers in NAMED.values()], 1)
        losses = [
            functional.cross_entropy(
                part, torch.tensor([answers.index(getattr(scene, name)) for scene in stills + moving])
            )
            for (name, answers), part in zip(NAMED.items(), scores, strict=True)
        ]
        progress = torch.zeros(len(texts), len(MOTIONS))
        for row, scene, frame in zip(progress[len(stills) :], moving, frames, strict=True):
            row[MOTIONS.index(scene.motion)] = 0.3 + frame / FRAMES  # named from the first frame on
        losses.append(PROGRESS_WEIGHT * (self.progress(pooled) - progress).pow(2).sum(1).mean())
        return torch.stack(losses).sum()

    def draw_sheet(self, path: Path) -> None:
        """Moments drawn by the averaged weights from noise that they mostly share."""
        rows = []
        for seed, text in enumerate(SHEET_CAPTIONS):
            frames = draw_moments(self.average.model, self.text_average.model, self.tokenizer, text, seed)
            with torch.no_grad():
                rows.append([to_picture(frame) for frame in self.vae.decode(frames / self.scale).sample])
        contact_sheet(rows, path)


@torch.no_grad()
def draw_moments(unet, text, tokenizer, words: str, seed: int, steps: int = 8, guidance: float = 2.5) -> torch.Tensor:
    """Latents of every other frame of a film, made without an adapter."""
    scheduler = sampling_scheduler()
    scheduler.set_timesteps(steps)
    latents = film_noise((FRAMES, 4, 16, 16), torch.Generator().manual_seed(seed))[::2]
    both = encode_texts(
        tokenizer, text, [""] * len(latents) + [at_moment(words, frame + 1) for frame in range(0, FRAMES, 2)]
    )
    for t in scheduler.timesteps:
        without, told = unet(torch.cat([latents, latents]), t, both).sample.chunk(2)
        latents = scheduler.step(without + guidance * (told - without), t, latents).prev_sample
    return latents


def train_moments(out: Path, minutes: float, workers: int) -> None:
    """Train for `minutes` of active time on `workers` processes; resumes from out/moments.pt."""
    in_workers(_work, workers, out, minutes)


def _work(worker: int, workers: int, store: str, out: Path, minutes: float) -> None:
    join_workers(worker, workers, store)
    trainer = Trainer(out, worker, workers)
    train_together(trainer, out / "moments.pt", minutes, worker, workers, peak=PEAK_RATE, warm_up=100)
