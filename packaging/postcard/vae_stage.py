"""Stage 1: the autoencoder between 128-pixel pictures and 16 x 16 x 8 latents."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch.nn import functional

from common import contact_sheet, mixed_precision, psnr, render_all, scenes, to_picture, to_tensor, train
from drawing import object_centre
from scene import Scene

PEAK_RATE = 1.0e-3
STORE = 3000  # rendered scenes held at a time
STORE_STEPS = 1500  # steps before they are replaced by new ones
CROP, CROPS = 64, 16  # pixels, crops a step
WHOLE = 4  # whole pictures a step in the last part
WHOLE_FROM = 0.75  # share of the budget after which whole pictures are used
NOISE_FROM = 0.75  # share after which the decoder also sees noisy latents
NOISE = 0.12  # most noise, in standard deviations of the latents
KL_WEIGHT = 3e-4
TINT_WEIGHT = 8.0
LATENT_CHANNELS = 8


def new_vae() -> AutoencoderKL:
    """A small untrained autoencoder: factor 8, eight latent channels, 2.6 M parameters.

    Its encoder starts out nearly certain of its latents: with the usual start the decoder sees little but
    noise and learns to ignore the latents first.
    """
    vae = AutoencoderKL(
        in_channels=3,
        out_channels=3,
        latent_channels=LATENT_CHANNELS,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(16, 32, 64, 128),
        layers_per_block=1,
        norm_num_groups=8,
        sample_size=128,
        mid_block_add_attention=False,
    )
    with torch.no_grad():
        vae.quant_conv.weight[LATENT_CHANNELS:].mul_(0.1)
        vae.quant_conv.bias[LATENT_CHANNELS:].fill_(-6.0)
    return vae.to(memory_format=torch.channels_last)


def load_vae(out: Path) -> tuple[AutoencoderKL, float]:
    """The autoencoder of the checkpoints in `out` and its scaling factor (1 / standard deviation of its latents)."""
    finished = out / "decoder.pt"
    state = torch.load(finished if finished.exists() else out / "vae.pt", weights_only=False)
    vae = new_vae()
    vae.load_state_dict(state["model"])
    vae.register_to_config(scaling_factor=state["scale"])
    return vae.eval().requires_grad_(False), state["scale"]


def train_vae(out: Path, minutes: float) -> None:
    """Train the autoencoder for `minutes` of active time; resumes from out/vae.pt."""
    torch.manual_seed(1)
    _train(new_vae(), out / "vae.pt", minutes)


def train_decoder(out: Path, minutes: float) -> None:
    """Go on with the decoder alone, while the latents stay as the U-Net knows them; resumes from out/decoder.pt."""
    torch.manual_seed(6)
    vae, _ = load_vae(out)
    vae.decoder.requires_grad_(True)
    vae.post_quant_conv.requires_grad_(True)
    _train(vae.train(), out / "decoder.pt", minutes)


def _train(vae: AutoencoderKL, path: Path, minutes: float) -> None:
    """Train what of `vae` is not frozen; resumes from `path`."""
    wanted = [parameter for parameter in vae.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(wanted, lr=PEAK_RATE, betas=(0.9, 0.99), weight_decay=1e-4)

    def new_store(index: int) -> tuple[np.ndarray, list[Scene]]:
        drawn = scenes(f"{path.stem} {index}", STORE)
        return render_all(drawn), drawn

    def loss_of(store: tuple[np.ndarray, list[Scene]], rng: random.Random, share: float) -> torch.Tensor:
        return _loss(vae, _batch(*store, rng, share > WHOLE_FROM), noisy=share > NOISE_FROM)

    def check() -> dict[str, float]:
        value, scale = check_vae(vae, path.with_name(f"{path.stem}-sheet.png"))
        return {"psnr": value, "scale": scale}

    train(
        path, vae, optimizer, minutes, peak=PEAK_RATE, warm_up=60, store_steps=STORE_STEPS,
        new_store=new_store, loss_of=loss_of, check=check,
    )  # fmt: skip


def check_vae(vae: AutoencoderKL, sheet: Path | None = None, count: int = 64) -> tuple[float, float]:
    """PSNR in dB on held-out scenes, and 1 / standard deviation of their latents."""
    x = to_tensor(render_all(scenes("vae held out", count, held_out=True)))
    with torch.no_grad():
        z = torch.cat([vae.encode(part).latent_dist.mode() for part in x.split(16)])
        y = torch.cat([vae.decode(part).sample for part in z.split(16)])
    if sheet:
        contact_sheet([[to_picture(p) for p in x[:8]], [to_picture(p) for p in y[:8]]], sheet)
    return psnr(x, y), 1 / z.std().item()


@torch.no_grad()
def encoded(vae: AutoencoderKL, scale: float, pictures: np.ndarray) -> torch.Tensor:
    """Scaled latents (n, channels, h/8, w/8), float16, of uint8 pictures (n, h, w, 3)."""
    with mixed_precision():
        return (vae.encode(to_tensor(pictures)).latent_dist.mode() * scale).half()


def _batch(store: np.ndarray, store_scenes: list[Scene], rng: random.Random, whole: bool) -> torch.Tensor:
    """Whole pictures, or square crops of which two thirds lie about the object."""
    picks = [rng.randrange(len(store)) for _ in range(WHOLE if whole else CROPS)]
    if whole:
        return to_tensor(store[picks])
    room = store.shape[1] - CROP
    crops = []
    for index in picks:
        left, top = rng.randint(0, room), rng.randint(0, room)
        if rng.random() < 0.66:
            x, y = object_centre(store_scenes[index])
            left = round(min(room, max(0, x * 128 - CROP / 2 + rng.uniform(-20, 20))))
            top = round(min(room, max(0, y * 128 - CROP / 2 + rng.uniform(-20, 20))))
        crops.append(store[index, top : top + CROP, left : left + CROP])
    return to_tensor(np.stack(crops))


def _loss(vae: AutoencoderKL, x: torch.Tensor, noisy: bool) -> torch.Tensor:
    """Reconstruction loss (L1, squared, neighbours, mean colours) plus a little KL."""
    with mixed_precision():
        moments = vae.quant_conv(vae.encoder(x))
    mean, log_variance = moments.float().chunk(2, 1)
    log_variance = log_variance.clamp(-30, 20)
    z = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
    if noisy:
        strength = torch.rand(len(x), 1, 1, 1) * NOISE * mean.detach().std()
        z = z + torch.randn_like(z) * strength * (torch.rand(len(x), 1, 1, 1) < 0.5)
    with mixed_precision():
        y = vae.decoder(vae.post_quant_conv(z)).float()
    error = y - x
    across, down = error[..., 1:] - error[..., :-1], error[..., 1:, :] - error[..., :-1, :]
    tint = functional.avg_pool2d(error, 6).pow(2).mean()  # rare colours of small things, which L1 gives up
    kl = 0.5 * (mean.pow(2) + log_variance.exp() - 1 - log_variance).mean()
    loss = (
        error.abs().mean() + error.pow(2).mean() + TINT_WEIGHT * tint + 0.5 * (across.abs().mean() + down.abs().mean())
    )
    return loss + KL_WEIGHT * kl
