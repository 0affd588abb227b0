"""Stage 2: the text tower and the U-Net, trained together on a pool of encoded scenes."""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass
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
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from common import (
    SAVE_EVERY,
    Budget,
    chunks,
    contact_sheet,
    learning_rate,
    render_all,
    save_atomically,
    scenes,
    to_picture,
    to_tensor,
)
from scene import Scene, caption, full_caption, object_centre
from tokenizer import MAX_LENGTH, check_tokenizer
from vae_stage import load_vae

PEAK_RATE = 1e-3
BATCH = 16
NO_CAPTION = 0.1  # share of captions left empty, for guidance
PLAIN_CAPTION = 0.3  # share of captions that say everything, always in the same words
GAMMA = 5.0  # signal-to-noise ratio above which a timestep counts less and less
OBJECT_WEIGHT = 2.5  # how much more the picture's object counts than its surroundings
EMA_POWER = 16.0  # the larger, the shorter the memory of the averaged weights
EMA_EVERY = 4
POOL: dict[tuple[int, int], int] = {(128, 128): 16_000, (160, 128): 2_000, (128, 160): 2_000}
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


def new_text_encoder() -> CLIPTextModel:
    """An untrained text tower: 3 causal layers of width 192 over 8000 entries, 2.6 M parameters."""
    size = 8000
    config = CLIPTextConfig(
        vocab_size=size,
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=MAX_LENGTH,
        hidden_act="quick_gelu",
        projection_dim=192,
        bos_token_id=size - 2,
        eos_token_id=size - 1,
        pad_token_id=size - 1,
    )
    return CLIPTextModel(config)


def new_unet() -> UNet2DConditionModel:
    """An untrained U-Net for 16 x 16 x 4 latents; attends to itself and to the words at 8 x 8 only."""
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=(64, 144),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=192,
        attention_head_dim=6,  # this library's name for the number of heads
        norm_num_groups=16,
    )


def training_scheduler() -> DDIMScheduler:
    """The noise schedule of the training; its last timestep is nearly pure noise (sigma about 64)."""
    return DDIMScheduler(**NOISE_SCHEDULE, clip_sample=False, set_alpha_to_one=False, steps_offset=1)


def sampling_scheduler() -> DPMSolverMultistepScheduler:
    """The scheduler shipped with the model."""
    return DPMSolverMultistepScheduler(
        **NOISE_SCHEDULE, algorithm_type="dpmsolver++", solver_order=2, steps_offset=1
    )


@dataclass
class Pool:
    """Encoded scenes of one picture size: scaled latents (n, 4, h/8, w/8), float16, and their scenes."""

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
                with torch.no_grad():
                    x = to_tensor(render_all(wanted[part], width, height))
                    parts.append((vae.encode(x).latent_dist.mode() * scale).half())
            save_atomically({"latents": torch.cat(parts)}, path)
            print(f"pool {width}x{height}: {count} scenes", flush=True)
        pools[(width, height)] = Pool(torch.load(path, weights_only=False)["latents"], wanted)
    return pools


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
    """The models being trained, their averages and the optimizer."""

    def __init__(self, tokenizer: CLIPTokenizer) -> None:
        torch.manual_seed(2)
        self.tokenizer = tokenizer
        self.text, self.unet = new_text_encoder(), new_unet()
        self.text_average, self.unet_average = Averaged(self.text), Averaged(self.unet)
        self.parameters = [*self.text.parameters(), *self.unet.parameters()]
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=PEAK_RATE, betas=(0.9, 0.99), weight_decay=0.01
        )
        self.schedule = training_scheduler()
        self.step = 0

    def state(self) -> dict[str, Any]:
        """Everything needed to go on later."""
        return {
            "text": self.text.state_dict(),
            "unet": self.unet.state_dict(),
            "text_average": self.text_average.model.state_dict(),
            "unet_average": self.unet_average.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""
        self.text.load_state_dict(state["text"])
        self.unet.load_state_dict(state["unet"])
        self.text_average.model.load_state_dict(state["text_average"])
        self.unet_average.model.load_state_dict(state["unet_average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]

    def train_step(self, pools: dict[tuple[int, int], Pool], rate: float) -> float:
        """One step on a batch that the step's number settles; returns the loss."""
        rng = random.Random(f"unet step {self.step}")
        noise_rng = torch.Generator().manual_seed(self.step)
        pool = pools[rng.choices(list(SIZE_SHARES), list(SIZE_SHARES.values()))[0]]
        picks = [rng.randrange(len(pool.scenes)) for _ in range(BATCH)]
        texts = [training_caption(pool.scenes[k], rng) for k in picks]
        latents = pool.latents[picks].float()
        noise = torch.randn(latents.shape, generator=noise_rng)
        t = (
            ((torch.arange(BATCH) + torch.rand(BATCH, generator=noise_rng)) / BATCH * 1000)
            .long()
            .clamp(0, 999)
        )
        noisy = self.schedule.add_noise(latents, noise, t)
        target = self.schedule.get_velocity(latents, noise, t)
        output = self.unet(noisy, t, encode_texts(self.tokenizer, self.text, texts)).sample
        error = (output - target).pow(2) * object_weights([pool.scenes[k] for k in picks], latents)
        loss = (timestep_weights(self.schedule, t) * error.mean((1, 2, 3))).mean()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.step += 1
        if self.step % EMA_EVERY == 0:
            self.text_average.update(self.text, self.step)
            self.unet_average.update(self.unet, self.step)
        return loss.item()


def training_caption(scene: Scene, rng: random.Random) -> str:
    """A caption for one visit: mostly worded afresh, sometimes plain and complete, sometimes empty."""
    chance = rng.random()
    if chance < NO_CAPTION:
        return ""
    return full_caption(scene) if chance < NO_CAPTION + PLAIN_CAPTION else caption(scene, rng)


class ThreadChoice:
    """Runs on all threads or on one, whichever is faster now: on a busy machine threads wait for others."""

    PERIOD, TRIAL = 60, 4  # steps between comparisons, steps of each trial

    def __init__(self, most: int) -> None:
        self.most, self.seconds = most, {1: 0.0, most: 0.0}

    def before(self, step: int) -> None:
        """Set the number of threads for this step."""
        phase = step % self.PERIOD
        if phase == 0:
            self.seconds = dict.fromkeys(self.seconds, 0.0)
        if phase < 2 * self.TRIAL:
            torch.set_num_threads(self.most if phase < self.TRIAL else 1)
        elif phase == 2 * self.TRIAL:
            torch.set_num_threads(min(self.seconds, key=lambda threads: self.seconds[threads]))

    def after(self, step: int, seconds: float) -> None:
        """Take note of how long the step took."""
        phase = step % self.PERIOD
        if phase < 2 * self.TRIAL and phase % self.TRIAL:  # the first step of a trial warms up
            self.seconds[self.most if phase < self.TRIAL else 1] += seconds


def encode_texts(tokenizer: CLIPTokenizer, text: CLIPTextModel, texts: list[str]) -> torch.Tensor:
    """Hidden states (n, MAX_LENGTH, 192) of the captions."""
    ids = tokenizer(
        texts, padding="max_length", truncation=True, max_length=MAX_LENGTH, return_tensors="pt"
    ).input_ids
    return text(ids).last_hidden_state


def timestep_weights(schedule: DDIMScheduler, t: torch.Tensor) -> torch.Tensor:
    """Loss weights: 1 where noise prevails (layout, colours), falling where little noise is left."""
    signal = schedule.alphas_cumprod[t]
    return (GAMMA + 1) / (signal / (1 - signal) + 1).clamp(min=GAMMA + 1)


def object_weights(batch: list[Scene], latents: torch.Tensor) -> torch.Tensor:
    """Loss weights (n, 1, h, w) of the latents' places: OBJECT_WEIGHT about the object, 1 elsewhere."""
    height, width = latents.shape[2:]
    reach = 0.28 * min(height, width)
    weights = torch.ones(len(batch), 1, height, width)
    for weight, scene in zip(weights, batch, strict=True):
        x, y = object_centre(scene)
        left, top = max(0, round(x * width - reach)), max(0, round(y * height - reach * 1.1))
        weight[:, top : round(y * height + reach), left : round(x * width + reach)] = OBJECT_WEIGHT
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
    text, unet = new_text_encoder(), new_unet()
    state = torch.load(out / "unet.pt", weights_only=False)
    text.load_state_dict(state["text_average"])
    unet.load_state_dict(state["unet_average"])
    return pipeline(load_vae(out / "vae.pt")[0], text.eval(), tokenizer, unet.eval())


def train_unet(out: Path, minutes: float) -> None:
    """Train text tower and U-Net for `minutes` of active time; resumes from out/unet.pt."""
    tokenizer = check_tokenizer(out / "tokenizer")
    vae, scale = load_vae(out / "vae.pt")
    pools = load_pools(out, vae, scale)
    trainer, budget, path = Trainer(tokenizer), Budget(minutes), out / "unet.pt"
    if path.exists():
        state = torch.load(path, weights_only=False)
        trainer.load_state(state)
        budget.used = state["used"]
    pipe = pipeline(vae, trainer.text_average.model, tokenizer, trainer.unet_average.model)
    saved, losses = budget.used, []
    threads = ThreadChoice(torch.get_num_threads())
    while budget.share < 1:
        before = budget.used
        threads.before(trainer.step)
        budget.begin()
        rate = learning_rate(PEAK_RATE, trainer.step, budget.share, warm_up=300)
        losses.append(trainer.train_step(pools, rate))
        budget.end()
        threads.after(trainer.step - 1, budget.used - before)
        if trainer.step % 100 == 0:
            mean, count = sum(losses) / len(losses), torch.get_num_threads()
            print(f"unet {trainer.step} {budget.used:.0f} s loss {mean:.4f} threads {count}", flush=True)
            losses.clear()
        if budget.used - saved > SAVE_EVERY or budget.share >= 1:
            saved = budget.used
            save_atomically(trainer.state() | {"used": budget.used}, path)
            draw_sheet(pipe, out / f"unet-sheet-{trainer.step:06d}.png")
