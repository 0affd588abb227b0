"""Stage 8: the motion adapter (AnimateDiff, Guo et al. 2023), which keeps the frames of a film in agreement.

The U-Net and the text tower stay as the moments stage left them. The frames of a film share most of their noise
("Preserve Your Own Correlation", Ge et al. 2023), so that even the untrained adapter begins with nearly one film.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from desktop_app.engine.families.animate_diff import animated
from diffusers import AutoencoderKL, MotionAdapter, UNet2DConditionModel
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.transformers.transformer_temporal import TransformerTemporalModel
from diffusers.models.unets.unet_motion_model import AnimateDiffTransformer3D
from torch import nn
from transformers import CLIPTextModel, CLIPTokenizer

from captions import caption, full_caption
from clip_stage import load_clip
from common import (
    contact_sheet,
    mixed_precision,
    save_atomically,
    take_step,
    to_picture,
    train_together,
)
from drawing import render
from scene import Scene, sample_scene
from tokenizer import check_tokenizer
from unet_stage import (
    EMA_EVERY,
    NO_CAPTION,
    PLAIN_CAPTION,
    Averaged,
    encode_texts,
    new_unet,
    object_weights,
    sampling_scheduler,
    stress_differences,
    text_encoder,
    timestep_weights,
    timesteps,
    training_scheduler,
)
from vae_stage import LATENT_CHANNELS, encoded, load_vae

FILMS = 3000  # in the pool
FRAMES, FPS = 16, 8
SHARED_NOISE = 0.97  # of the variance of each frame's noise, in training on the noisiest timesteps
ALL_SHARED = 600  # timestep below which frames have all their noise in common in training too
FILM_NOISE = 1.0  # the same when films are made: calmer, and nothing that moves is lost
STEADY = 6.0  # levels of 255: what stays nearer to its mean over a film is held still when films are made
PEAK_RATE = 1e-3
FEW_FRAMES = 8  # of a film that are seen in most steps, at their own positions
ALL_FRAMES = 0.15  # share of the steps that see all of them, and of the budget at the end in which all do
STILL = 0.1  # share of the films in the pool in which nothing moves but what falls from the sky
WINDOWS = 0.3  # share of the steps in which the adapter's positions do not say which moments it sees
MOVING_WEIGHT = 4.0  # how much more what moves counts than what does not
HARD = {"disc up": 3, "disc down": 3, "clouds left": 3, "clouds right": 3, "turn": 2, "beam": 4, "left": 2, "right": 2}
"""How much more often films come of what is small or faint where it moves, and so is learned last."""
SHEET_CAPTIONS = (
    "a red sailboat on the left on a calm sea at sunset with the sun, sails to the right",
    "a white lighthouse in the middle on a sandy beach at dusk, as the camera pans left",
    "a blue castle in the city at dawn, the sun rises",
    "a green balloon in a canyon at dawn, rises",
    "an orange duck on the right on a calm sea, swims to the left",
    "a tree in the fields during the day, sways in the wind",
)


def new_adapter() -> MotionAdapter:
    """An untrained adapter of 2.5 M parameters that changes nothing yet."""
    adapter = MotionAdapter(
        block_out_channels=(64, 160),
        motion_layers_per_block=1,
        motion_num_attention_heads=4,
        motion_norm_num_groups=16,
        motion_max_seq_length=32,
    )
    for module in adapter.modules():
        if isinstance(module, (AnimateDiffTransformer3D, TransformerTemporalModel)):
            nn.init.zeros_(module.proj_out.weight)
            nn.init.zeros_(module.proj_out.bias)
    return adapter


@dataclass
class FilmPool:
    """Encoded films: scaled latents (n, FRAMES, channels, 16, 16), float16, and their scenes."""

    latents: torch.Tensor
    scenes: list[Scene]

    def __post_init__(self) -> None:
        counts = Counter(scene.motion for scene in self.scenes)
        self.weights = [HARD.get(scene.motion, 1) * counts[scene.motion] ** -0.5 for scene in self.scenes]

    def pick(self, rng: random.Random) -> int:
        """Number of a film; rare motions, and hard ones, come more often than they are."""
        return rng.choices(range(len(self.scenes)), self.weights)[0]


def film_scenes(seed: str, count: int, held_out: bool = False, still: float = 0.0) -> list[Scene]:
    """The same moving scenes for the same seed, always; in a share `still` of them nothing moves."""
    rng = random.Random(seed)
    return [sample_scene(rng, held_out, moving=rng.random() >= still) for _ in range(count)]


def film(scene: Scene, side: int = 128) -> np.ndarray:
    """The frames of a scene, uint8 (FRAMES, side, side, 3)."""
    return np.stack([render(scene, side, side, seconds=index / FPS) for index in range(FRAMES)])


def load_films(out: Path, vae: AutoencoderKL, scale: float) -> FilmPool:
    """The pool of films, encoded now unless out/films.pt holds it."""
    wanted, path = film_scenes("film pool", FILMS, still=STILL), out / "films.pt"
    if not path.exists():
        parts = []
        for scene in wanted:
            parts.append(encoded(vae, scale, film(scene)))
            if len(parts) % 200 == 0:
                print(f"films {len(parts)} of {FILMS}", flush=True)
        save_atomically({"latents": torch.stack(parts)}, path)
    return FilmPool(torch.load(path)["latents"], wanted)


class _Positions(nn.Module):
    """The adapter's positions of the frames that are looked at, which need not be the first ones."""

    def __init__(self, pe: torch.Tensor, numbers: list[int]) -> None:
        super().__init__()
        self.register_buffer("pe", pe)
        self.numbers = numbers

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.pe[:, self.numbers]


def film_noise(shape: tuple[int, ...], generator: torch.Generator, shared: float = SHARED_NOISE) -> torch.Tensor:
    """Unit noise (frames, channels, height, width), with a part `shared` of its variance common to all frames."""
    own = torch.randn(shape, generator=generator)
    common = torch.randn((1, *shape[1:]), generator=generator)
    return shared**0.5 * common + (1 - shared) ** 0.5 * own


class Trainer:
    """The adapter being trained, and its average; one worker of `workers`, each with a film."""

    def __init__(self, out: Path, worker: int = 0, workers: int = 1) -> None:
        torch.manual_seed(7)
        self.worker, self.workers, self.step = worker, workers, 0
        self.tokenizer = check_tokenizer(out / "tokenizer")
        self.vae, self.scale = load_vae(out)
        self.pool = load_films(out, self.vae, self.scale)
        unet, self.text = load_moments(out)
        self.adapter = new_adapter()
        self.average = Averaged(self.adapter)
        self.moving_average = animated(unet, self.average.model)
        self.positions: list[int] = []
        for block in self.adapter.modules():
            if isinstance(block, BasicTransformerBlock):
                block.pos_embed = _Positions(block.pos_embed.pe, self.positions)
        self.moving = animated(unet, self.adapter)
        groups = [{"params": list(self.adapter.parameters()), "share": 1.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=PEAK_RATE, betas=(0.9, 0.99), weight_decay=0.01)
        self.schedule = training_scheduler()

    def state(self) -> dict[str, Any]:
        """Everything needed to go on later."""
        return {
            "adapter": self.adapter.state_dict(),
            "average": self.average.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""
        self.adapter.load_state_dict(state["adapter"])
        self.average.model.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]

    def train_step(self, rate: float, share: float) -> float:
        """One step on films that the step's number settles; returns this worker's loss."""
        rng = random.Random(f"motion step {self.step} worker {self.worker}")
        few = share < 1 - ALL_FRAMES and random.Random(f"motion frames {self.step}").random() >= ALL_FRAMES
        numbers = sorted(rng.sample(range(FRAMES), FEW_FRAMES if few else FRAMES))
        self.positions[:] = range(len(numbers)) if rng.random() < WINDOWS else numbers
        loss = self._velocity_loss(rng, numbers)
        take_step(self.optimizer, loss, rate, self.workers)
        self.step += 1
        if self.step % EMA_EVERY == 0:
            self.average.update(self.adapter, self.step)
        return loss.item()

    def _velocity_loss(self, rng: random.Random, numbers: list[int]) -> torch.Tensor:
        """The weighted error of the predicted velocities of the frames `numbers` of one film."""
        generator = torch.Generator().manual_seed(self.step * self.workers + self.worker)
        number = self.pool.pick(rng)
        scene, latents = self.pool.scenes[number], self.pool.latents[number].float()
        weights = film_weights(scene, latents)[numbers]
        latents = latents[numbers]
        t = timesteps((self.worker + torch.rand(1, generator=generator)) / self.workers)
        noise = film_noise(tuple(latents.shape), generator, 1.0 if t.item() < ALL_SHARED else SHARED_NOISE)
        noisy = self.schedule.add_noise(latents, noise, t)
        target = self.schedule.get_velocity(latents, noise, t)
        text = film_caption(scene, rng)
        with torch.no_grad():
            words = encode_texts(self.tokenizer, self.text, [at_moment(text, number + 1) for number in numbers])
        with mixed_precision():
            predicted = unfold(self.moving(fold(noisy), t, words))
        error = stress_differences(predicted.float() - target, len(numbers)).pow(2) * weights
        return timestep_weights(self.schedule, t)[0] * error.mean()

    def draw_sheet(self, path: Path) -> None:
        """Films of the averaged weights."""
        draw_films(self.moving_average, self.text, self.tokenizer, self.vae, self.scale, path)


def film_weights(scene: Scene, latents: torch.Tensor) -> torch.Tensor:
    """Loss weights (frames, 1, h, w): more about the object, and more where anything moves."""
    frames = len(latents)
    weights = object_weights([scene] * frames, latents, [index / FPS for index in range(frames)])
    moving = latents.std(0).mean(0) / latents.std()
    return weights + MOVING_WEIGHT * moving.clamp(max=1)


def film_caption(scene: Scene, rng: random.Random) -> str:
    """A caption for one visit: as a picture's, with what moves."""
    chance = rng.random()
    if chance < NO_CAPTION:
        return ""
    return full_caption(scene) if chance < NO_CAPTION + PLAIN_CAPTION else caption(scene, rng)


def at_moment(text: str, moment: int | str) -> str:
    """The caption of one frame of a film, the first being moment 1; no caption stays none."""
    return text and f"moment {moment}, {text}"


def fold(frames: torch.Tensor) -> torch.Tensor:
    """Frames (n, channels, h, w) as one film (1, channels, n, h, w)."""
    return frames.transpose(0, 1)[None]


def unfold(film: torch.Tensor) -> torch.Tensor:
    """The inverse of `fold`."""
    return film[0].transpose(0, 1)


def load_moments(out: Path) -> tuple[UNet2DConditionModel, CLIPTextModel]:
    """The U-Net and the text tower that know moments, frozen."""
    state = torch.load(out / "moments.pt", weights_only=False)
    unet, text = new_unet(), text_encoder(load_clip(out))
    unet.load_state_dict(state["average"])
    text.load_state_dict(state["text average"])
    return unet.eval().requires_grad_(False), text.requires_grad_(False)


def trained_adapter(out: Path) -> MotionAdapter:
    """The adapter of the checkpoint in `out`, with averaged weights."""
    adapter = new_adapter()
    adapter.load_state_dict(torch.load(out / "motion.pt", weights_only=False)["average"])
    return adapter.eval()


@torch.no_grad()
def make_film(
    moving: nn.Module,
    text: CLIPTextModel,
    tokenizer: CLIPTokenizer,
    vae: AutoencoderKL,
    scale: float,
    words: str,
    seed: int,
    steps: int = 20,
    guidance: float = 2.5,
) -> torch.Tensor:
    """The frames (FRAMES, 3, 128, 128) in -1..1 of a film, with the scheduler shipped with the model."""
    scheduler = sampling_scheduler()
    scheduler.set_timesteps(steps)
    latents = film_noise((FRAMES, LATENT_CHANNELS, 16, 16), torch.Generator().manual_seed(seed), FILM_NOISE)
    captions = [at_moment(words, moment + 1) for moment in range(FRAMES)]
    both = encode_texts(tokenizer, text, [""] * FRAMES + captions)
    for t in scheduler.timesteps:
        seen = fold(latents)
        without, told = moving(torch.cat([seen, seen]), t, both).chunk(2)
        prediction = unfold(without + guidance * (told - without))
        latents = scheduler.step(prediction, t, latents).prev_sample
    return torch.cat([vae.decode(part / scale).sample for part in latents.split(8)])


def draw_films(
    moving: nn.Module, text: CLIPTextModel, tokenizer: CLIPTokenizer, vae: AutoencoderKL, scale: float, path: Path
) -> None:
    """Save films of fixed captions and seeds as a sheet, every other frame, one film a row."""
    rows = []
    for seed, words in enumerate(SHEET_CAPTIONS):
        frames = make_film(moving, text, tokenizer, vae, scale, words, seed, 8)
        rows.append([to_picture(frame) for frame in frames[::2]])
    contact_sheet(rows, path)


def train_motion(out: Path, minutes: float, workers: int) -> None:
    """Train the adapter for `minutes` of active time on `workers` processes; resumes from out/motion.pt."""
    load_films(out, *load_vae(out))
    train_together(Trainer, out / "motion.pt", minutes, workers, peak=PEAK_RATE, warm_up=200)
