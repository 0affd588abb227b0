"""Stage 4: the network that makes 128-pixel pictures into crisp 512-pixel ones.

It learns from scenes drawn at both sizes; the small ones have gone through the autoencoder, their latents disturbed as
a denoiser leaves them, so that it also learns to sharpen what comes out blurred. Where an edge could run here or there,
differences of pixels alone are smallest for a soft one; a critic that tells drawn from enlarged pieces (Goodfellow et
al. 2014; Ledig et al. 2017, "SRGAN") asks for a crisp one.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from common import chunks, contact_sheet, mixed_precision, psnr, render_all, scenes, to_picture, to_tensor, train
from drawing import object_centre
from scene import Scene
from vae_stage import load_vae

sys.path.append(str(Path(__file__).resolve().parents[2]))
from desktop_app.engine.enlarger import Enlarger

PEAK_RATE = 1e-3
SMALL, FACTOR = 128, 4
STORE, STORE_STEPS = 400, 300  # scenes held at a time, steps before they are replaced
CROP, CROPS = 40, 16  # pixels of a small picture, crops a step
CONFIG = {"width": 64, "depth": 8, "factor": FACTOR}
DISTURBED = 0.2  # most noise in the latents, in their standard deviations
CRITIC_FROM = 0.35  # share of the budget after which the critic is listened to
CRITIC_WEIGHT = 0.15
CRITIC_RATE = 4e-4
ENLARGER = "enlarger."  # before the names of its weights in a checkpoint


def train_enlarger(out: Path, minutes: float) -> None:
    """Train the enlarger for `minutes` of active time; resumes from out/enlarger.pt."""
    torch.manual_seed(5)
    vae, scale = load_vae(out)
    enlarger, critic = Enlarger(**CONFIG), new_critic()
    both = nn.ModuleDict({"enlarger": enlarger, "critic": critic})
    optimizer = torch.optim.AdamW(enlarger.parameters(), lr=PEAK_RATE, betas=(0.9, 0.99), weight_decay=1e-4)
    critics = torch.optim.AdamW(critic.parameters(), lr=CRITIC_RATE, betas=(0.5, 0.99))

    def new_store(index: int) -> tuple[np.ndarray, np.ndarray, list[Scene]]:
        drawn = scenes(f"enlarger {index}", STORE)
        return *pairs(vae, scale, drawn, index), drawn

    def loss_of(store: tuple[np.ndarray, np.ndarray, list[Scene]], rng: random.Random, share: float) -> torch.Tensor:
        x, y = _crops(*store, rng)
        with mixed_precision():
            enlarged = enlarger(x)
        loss = _loss(enlarged.float(), y)
        if share < CRITIC_FROM:
            return loss
        with mixed_precision():
            doubt = functional.relu(1 - critic(y)).mean() + functional.relu(1 + critic(enlarged.detach())).mean()
        critics.zero_grad()
        doubt.backward()
        critics.step()
        with mixed_precision():
            return loss - CRITIC_WEIGHT * critic(enlarged).float().mean()

    def check() -> dict[str, float]:
        return check_enlarger(enlarger, vae, scale, out / "enlarger-sheet.png")

    train(
        out / "enlarger.pt", both, optimizer, minutes, peak=PEAK_RATE, warm_up=50, store_steps=STORE_STEPS,
        new_store=new_store, loss_of=loss_of, check=check,
    )  # fmt: skip


def new_critic() -> nn.Module:
    """Scores overlapping pieces of large pictures: above 0 where they look drawn, below where enlarged."""
    layers: list[nn.Module] = []
    for before, after in ((3, 24), (24, 48), (48, 64)):
        layers += [spectral_norm(nn.Conv2d(before, after, 4, stride=2, padding=1)), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, spectral_norm(nn.Conv2d(64, 1, 3, padding=1)))


def pairs(vae: AutoencoderKL, scale: float, wanted: list[Scene], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures as the autoencoder draws them from slightly wrong latents, and renders four times as large."""
    generator = torch.Generator().manual_seed(seed)
    small = []
    for part in chunks(len(wanted), 16):
        with torch.no_grad():
            z = vae.encode(to_tensor(render_all(wanted[part], SMALL, SMALL))).latent_dist.mode()
            strength = torch.rand(len(z), 1, 1, 1, generator=generator) * DISTURBED / scale
            z = z + torch.randn(z.shape, generator=generator) * strength
            small += [to_picture(picture) for picture in vae.decode(z).sample]
    return np.stack(small), render_all(wanted, SMALL * FACTOR, SMALL * FACTOR, supersampling=2)


def check_enlarger(enlarger: Enlarger, vae: AutoencoderKL, scale: float, sheet: Path) -> dict[str, float]:
    """PSNR in dB of enlarged held-out pictures, and of bilinear enlargement, against large renders."""
    small, large = pairs(vae, scale, scenes("enlarger held out", 24, held_out=True), 0)
    x, y = to_tensor(small), to_tensor(large)
    with torch.no_grad():
        enlarged = enlarger(x)
    plain = functional.interpolate(x, scale_factor=FACTOR, mode="bilinear")
    rows = [[to_picture(p) for p in pictures[:4]] for pictures in (plain, enlarged, y)]
    contact_sheet(rows, sheet)
    return {
        "psnr": round(psnr(enlarged, y), 2),
        "bilinear": round(psnr(plain, y), 2),
        "edges": round(_edges(enlarged) / _edges(y), 3),
        "bilinear edges": round(_edges(plain) / _edges(y), 3),
    }


def write_enlarger(out: Path, target: Path) -> None:
    """Write the trained enlarger as the program reads it."""
    target.mkdir(parents=True, exist_ok=True)
    state = torch.load(out / "enlarger.pt", weights_only=False)["model"]
    weights = {name.removeprefix(ENLARGER): value for name, value in state.items() if name.startswith(ENLARGER)}
    save_file({name: weight.half().contiguous() for name, weight in weights.items()}, target / "model.safetensors")
    (target / "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n", encoding="utf-8")


def _crops(
    small: np.ndarray, large: np.ndarray, store_scenes: list[Scene], rng: random.Random
) -> tuple[torch.Tensor, torch.Tensor]:
    """Matching crops of both sizes, half of them about the object."""
    xs, ys, room = [], [], SMALL - CROP
    for _ in range(CROPS):
        index = rng.randrange(len(small))
        left, top = rng.randint(0, room), rng.randint(0, room)
        if rng.random() < 0.5:
            x, y = object_centre(store_scenes[index])
            left = round(min(room, max(0, x * SMALL - CROP / 2 + rng.uniform(-16, 16))))
            top = round(min(room, max(0, y * SMALL - CROP / 2 + rng.uniform(-16, 16))))
        xs.append(small[index, top : top + CROP, left : left + CROP])
        rows = slice(top * FACTOR, (top + CROP) * FACTOR)
        ys.append(large[index, rows, left * FACTOR : (left + CROP) * FACTOR])
    return to_tensor(np.stack(xs)), to_tensor(np.stack(ys))


def _edges(x: torch.Tensor) -> float:
    """Root mean square of the differences of neighbours: lower than a render's where edges are soft."""
    return (x[..., 1:] - x[..., :-1]).pow(2).mean().sqrt().item()


def _loss(out: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """L1, and L1 of the differences of neighbours."""
    error = out - right
    across, down = error[..., 1:] - error[..., :-1], error[..., 1:, :] - error[..., :-1, :]
    return error.abs().mean() + 2.0 * (across.abs().mean() + down.abs().mean())
