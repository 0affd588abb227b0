"""Stage 3: the U-Net, trained on a pool of encoded scenes; CLIP's text tower, trained already, is tuned along."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from torch import nn
from transformers import CLIPModel, CLIPTextModel, CLIPTokenizer

from captions import caption, full_caption
from clip_stage import READ, WIDTH, attribute_loss, load_clip, tokenize
from common import (
    chunks,
    contact_sheet,
    mixed_precision,
    render_all,
    save_atomically,
    scenes,
    take_step,
    to_picture,
    train_together,
    trained_pictures,
)
from drawing import about_object
from scene import Scene
from tokenizer import check_tokenizer
from vae_stage import LATENT_CHANNELS, encoded, load_vae

PEAK_RATE = 1e-3
TEXT_SHARE = 0.3  # of the learning rate, for the text tower
BATCH = 32
NO_CAPTION = 0.1  # share of captions left empty, for guidance
PLAIN_CAPTION = 0.3  # share of captions that say everything, always in the same words
GAMMA = 5.0  # signal-to-noise ratio above which a timestep counts less and less
HIGH_NOISE = 0.65  # share of the timesteps drawn from the noisier half, where layout is settled
NAMING_WEIGHT = 0.05  # of the loss that keeps every attribute readable in the pooled words
DIFFERENCE_WEIGHT = 4.0  # how much more the frames of a film count in what they differ in
OBJECT_WEIGHT = 2.5  # how much more the picture's object counts than its surroundings
EMA_POWER = 16.0  # the larger, the shorter the memory of the averaged weights
EMA_EVERY = 4
POOL: dict[tuple[int, int], int] = {(128, 128): 14_000, (160, 128): 1_500, (128, 160): 1_500}
SIZE_SHARES: dict[tuple[int, int], float] = {(128, 128): 0.9, (160, 128): 0.05, (128, 160): 0.05}
NOISE_SCHEDULE: dict[str, Any] = {
    "num_train_timesteps": 1000,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.02,
    "prediction_type": "v_prediction",
    "timestep_spacing": "trailing",
}
SHEET_CAPTIONS = (
    "a red house on the left on green hills during the day with the sun",
    "a yellow sailboat on a calm sea at night with a full moon",
    "a purple tent in the middle in a pine forest at dawn with clouds",
    "an orange hot air balloon on the right in desert dunes at sunset",
    "a white lighthouse in the middle on a calm sea at sunset with the sun",
    "a blue tree on the left in snowy mountains during the day with clouds",
    "a red hot air balloon in snowy mountains at dawn",
    "a blue house on the right in desert dunes at night with a full moon",
)


def text_encoder(clip: CLIPModel) -> CLIPTextModel:
    """CLIP's text tower as the text encoder of a pipeline."""
    return clip.text_model.eval()


def new_unet() -> UNet2DConditionModel:
    """An untrained U-Net for 16 x 16 x 8 latents, 6.3 M parameters.

    It attends to itself and to the words at 8 x 8; the words pooled also scale and shift every residual block
    through the time embedding, which is what makes colours follow them early.
    """
    unet = UNet2DConditionModel(
        sample_size=16,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        layers_per_block=1,
        block_out_channels=(64, 160),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=4,  # this library's name for the number of heads
        addition_embed_type="text",
        addition_embed_type_num_heads=8,
        resnet_time_scale_shift="scale_shift",
        norm_num_groups=16,
    )
    with torch.no_grad():  # constant channels: zero padding makes them tell left from right at any noise level
        unet.conv_in.weight[::8] = 0
        unet.conv_in.bias[::8] = 2.0
    return unet


def training_scheduler() -> DDIMScheduler:
    """The noise schedule of the training; its last timestep is nearly pure noise (sigma about 64)."""
    return DDIMScheduler(**NOISE_SCHEDULE, clip_sample=False, set_alpha_to_one=False, steps_offset=1)


def sampling_scheduler() -> DPMSolverMultistepScheduler:
    """The scheduler shipped with the model."""
    return DPMSolverMultistepScheduler(**NOISE_SCHEDULE, algorithm_type="dpmsolver++", solver_order=2, steps_offset=1)


@dataclass
class Pool:
    """Encoded scenes of one picture size: scaled latents (n, channels, h/8, w/8), float16, and their scenes."""

    latents: torch.Tensor
    scenes: list[Scene]


def load_pools(out: Path, vae: AutoencoderKL, scale: float) -> dict[tuple[int, int], Pool]:
    """The pools of all sizes, encoded now unless out/pool-WxH.pt holds them."""
    pools = {}
    for (width, height), count in POOL.items():
        wanted = scenes(f"pool {width}x{height}", count)
        path = out / f"pool-{width}x{height}.pt"
        if not path.exists():
            parts = []
            for part in chunks(count, 32):
                parts.append(encoded(vae, scale, render_all(wanted[part], width, height)))
            save_atomically({"latents": torch.cat(parts)}, path)
            print(f"pool {width}x{height}: {count} scenes", flush=True)
        pools[(width, height)] = Pool(torch.load(path, weights_only=False)["latents"], wanted)
    return pools


@dataclass
class Batch:
    """What a loss is taken of: latents (n, channels, h, w), their captions and scenes, and weights (n, 1, h, w).

    They are films of `frames` frames, one after another.
    """

    latents: torch.Tensor
    captions: list[str]
    scenes: list[Scene]
    weights: torch.Tensor
    frames: int = 1


def stills(pool: Pool, count: int, rng: random.Random) -> Batch:
    """A batch of `count` pictures of the pool."""
    picks = [rng.randrange(len(pool.scenes)) for _ in range(count)]
    chosen, latents = [pool.scenes[k] for k in picks], pool.latents[picks].float()
    captions = [training_caption(scene, rng) for scene in chosen]
    return Batch(latents, captions, chosen, object_weights(chosen, latents))


class Averaged:
    """A running average of a model's weights whose memory grows with the steps taken (a power function)."""

    def __init__(self, model: nn.Module) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Take in the weights after `step` steps; call every EMA_EVERY steps."""
        keep = max(0.0, 1 - EMA_EVERY / (step + 1)) ** (EMA_POWER + 1)
        torch._foreach_lerp_(list(self.model.parameters()), list(model.parameters()), 1 - keep)


class Trainer:
    """The U-Net being trained, its average and the optimizer; one worker of `workers`, each with a part of a batch."""

    def __init__(self, out: Path, worker: int = 0, workers: int = 1) -> None:
        torch.manual_seed(2)
        self.tokenizer, self.text = check_tokenizer(out / "tokenizer"), text_encoder(load_clip(out))
        self.vae, self.scale = load_vae(out)
        self.pools = load_pools(out, self.vae, self.scale)
        self.worker, self.workers = worker, workers
        self.unet = new_unet()
        self.names = nn.Linear(self.unet.time_embedding.linear_2.out_features, sum(map(len, READ.values())))
        self.average, self.text_average = Averaged(self.unet), Averaged(self.text)
        groups = [
            {"params": [*self.unet.parameters(), *self.names.parameters()], "share": 1.0},
            {"params": list(self.text.requires_grad_(True).parameters()), "share": TEXT_SHARE},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=PEAK_RATE, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
        self.schedule = training_scheduler()
        self.step = 0

    def state(self) -> dict[str, Any]:
        """Everything needed to go on later."""
        return {
            "unet": self.unet.state_dict(),
            "text": self.text.state_dict(),
            "names": self.names.state_dict(),
            "average": self.average.model.state_dict(),
            "text average": self.text_average.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""
        self.unet.load_state_dict(state["unet"])
        self.text.load_state_dict(state["text"])
        self.names.load_state_dict(state["names"])
        self.average.model.load_state_dict(state["average"])
        self.text_average.model.load_state_dict(state["text average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]

    def train_step(self, rate: float, share: float) -> float:
        """One step on a batch that the step's number settles; returns this worker's loss."""
        size = random.Random(f"unet size {self.step}").choices(list(SIZE_SHARES), list(SIZE_SHARES.values()))[0]
        loss = self.loss(self.pools[size])
        take_step(self.optimizer, loss, rate, self.workers)
        self.step += 1
        if self.step % EMA_EVERY == 0:
            self.average.update(self.unet, self.step)
            self.text_average.update(self.text, self.step)
        return loss.item()

    def draw_sheet(self, path: Path) -> None:
        """Pictures of the averaged weights."""
        draw_sheet(pipeline(self.vae, self.text_average.model, self.tokenizer, self.average.model), path)

    def loss(self, pool: Pool) -> torch.Tensor:
        """The weighted error of the predicted velocities of this worker's part of a batch."""
        rng = random.Random(f"unet step {self.step} worker {self.worker}")
        generator = torch.Generator().manual_seed(self.step * self.workers + self.worker)
        batch = stills(pool, BATCH // self.workers, rng)
        naming = self.naming_loss(self.pool_words(map(full_caption, batch.scenes)), batch.scenes)
        return self.velocity_loss([batch], generator) + NAMING_WEIGHT * naming

    def velocity_loss(self, batches: list[Batch], generator: torch.Generator) -> torch.Tensor:
        """Mean squared error of the predicted velocities, weighted by timestep and place; all batches count alike.

        The frames of a film have their timestep and noise in common.
        """
        noises, times = [], []
        for batch in batches:
            count = len(batch.latents) // batch.frames
            noise = torch.randn((count, *batch.latents.shape[1:]), generator=generator)
            t = timesteps((torch.arange(count) + torch.rand(count, generator=generator)) / count)
            noises.append(noise.repeat_interleave(batch.frames, 0))
            times.append(t.repeat_interleave(batch.frames))
        latents, noise, t = torch.cat([batch.latents for batch in batches]), torch.cat(noises), torch.cat(times)
        noisy = self.schedule.add_noise(latents, noise, t)
        target = self.schedule.get_velocity(latents, noise, t)
        with mixed_precision():
            words = encode_texts(self.tokenizer, self.text, [text for batch in batches for text in batch.captions])
            predicted = self.unet(noisy, t, words).sample
        losses = []
        errors = (predicted.float() - target).split([len(batch.latents) for batch in batches])
        for batch, error, t in zip(batches, errors, times, strict=True):
            error = stress_differences(error, batch.frames).pow(2) * batch.weights
            losses.append((timestep_weights(self.schedule, t) * error.mean((1, 2, 3))).mean())
        return torch.stack(losses).mean()

    def pool_words(self, captions: Iterable[str]) -> torch.Tensor:
        """What the residual blocks get of the captions, (n, width of the time embedding)."""
        with mixed_precision():
            words = encode_texts(self.tokenizer, self.text, list(captions))
            return self.unet.add_embedding(words).float()

    def naming_loss(self, pooled: torch.Tensor, batch: list[Scene]) -> torch.Tensor:
        """Cross-entropy of reading each attribute of the scenes off the pooled words of complete captions.

        Without it, words that change few pixels (the place) hardly change the pooled words, and are never followed.
        """
        return attribute_loss(self.names(pooled), READ, batch)


def stress_differences(error: torch.Tensor, frames: int) -> torch.Tensor:
    """Errors (films * frames, channels, h, w) with more weight on what the frames of a film do not have in common.

    What moves, and what must stand still between frames, is a small part of a picture's error and would come last.
    """
    films = error.unflatten(0, (-1, frames))
    common = films.mean(1, keepdim=True)
    return (common + DIFFERENCE_WEIGHT**0.5 * (films - common)).flatten(0, 1)


def training_caption(scene: Scene, rng: random.Random) -> str:
    """A caption for one visit: mostly worded afresh, sometimes plain and complete, sometimes empty."""
    chance = rng.random()
    if chance < NO_CAPTION:
        return ""
    return full_caption(scene) if chance < NO_CAPTION + PLAIN_CAPTION else caption(scene, rng)


def encode_texts(tokenizer: CLIPTokenizer, text: CLIPTextModel, texts: list[str]) -> torch.Tensor:
    """Hidden states (n, MAX_LENGTH, WIDTH) of the captions."""
    return text(tokenize(tokenizer, texts)).last_hidden_state.float()


def timesteps(shares: torch.Tensor) -> torch.Tensor:
    """Timesteps 0..999 of shares in 0..1; HIGH_NOISE of them are 500 or more."""
    low = 1 - HIGH_NOISE
    t = torch.where(shares < low, shares / low, 1 + (shares - low) / HIGH_NOISE) * 500
    return t.long().clamp(0, 999)


def timestep_weights(schedule: DDIMScheduler, t: torch.Tensor) -> torch.Tensor:
    """Loss weights: 1 where noise prevails (layout, colours), falling where little noise is left."""
    signal = schedule.alphas_cumprod[t]
    return (GAMMA + 1) / (signal / (1 - signal) + 1).clamp(min=GAMMA + 1)


def object_weights(batch: list[Scene], latents: torch.Tensor, seconds: Iterable[float] = repeat(0.0)) -> torch.Tensor:
    """Loss weights (n, 1, h, w) of the latents' places: OBJECT_WEIGHT about the object, 1 elsewhere.

    `seconds` says for each of the scenes how long it has been going on.
    """
    height, width = latents.shape[2:]
    weights = torch.ones(len(batch), 1, height, width)
    for weight, scene, moment in zip(weights, batch, seconds, strict=False):
        weight[:, *about_object(scene, height, width, moment)] = OBJECT_WEIGHT
    return weights


def pipeline(
    vae: AutoencoderKL, text: CLIPTextModel, tokenizer: CLIPTokenizer, unet: UNet2DConditionModel
) -> StableDiffusionPipeline:
    """The complete pipeline of these parts."""
    pipe = StableDiffusionPipeline(
        vae=vae,
        text_encoder=text,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=sampling_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def generate(
    pipe: StableDiffusionPipeline,
    texts: list[str],
    seed: int,
    steps: int = 20,
    guidance: float = 2.5,
    width: int = 128,
    height: int = 128,
) -> torch.Tensor:
    """Pictures for the captions, float (n, 3, height, width) in -1..1; picture k uses the seed `seed + k`."""
    generators = [torch.Generator().manual_seed(seed + k) for k in range(len(texts))]
    result = pipe(
        list(texts),
        width=width,
        height=height,
        num_inference_steps=steps,
        guidance_scale=guidance,
        generator=generators,
        output_type="pt",
    )
    return result.images * 2 - 1


def draw_sheet(pipe: StableDiffusionPipeline, path: Path) -> None:
    """Eight fixed captions and eight held-out ones, with fixed seeds."""
    held_out = [full_caption(scene) for scene in scenes("sheet", 8, held_out=True)]
    pictures = [to_picture(picture) for picture in generate(pipe, [*SHEET_CAPTIONS, *held_out], 3)]
    contact_sheet([pictures[:8], pictures[8:]], path)


def load_trained(out: Path, tokenizer: CLIPTokenizer) -> StableDiffusionPipeline:
    """The pipeline of the checkpoints in `out`, with averaged weights."""
    unet, clip, state = new_unet(), load_clip(out), trained_pictures(out)
    unet.load_state_dict(state["average"])
    clip.text_model.load_state_dict(state["text average"])
    return pipeline(load_vae(out)[0], text_encoder(clip), tokenizer, unet.eval())


def train_unet(out: Path, minutes: float, workers: int) -> None:
    """Train the U-Net for `minutes` of active time on `workers` processes; resumes from out/unet.pt."""
    load_pools(out, *load_vae(out))
    train_together(Trainer, out / "unet.pt", minutes, workers, peak=PEAK_RATE, warm_up=300)
