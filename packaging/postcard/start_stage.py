"""Checkpoints made from a finished model, so that its training can go on where no run folder was kept."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKL, MotionAdapter, UNet2DConditionModel
from safetensors.torch import load_file

from clip_stage import WHOLE_CLIP
from common import save_atomically
from enlarger_stage import ENLARGER
from export_stage import read_clip


def start_from(model: Path, out: Path) -> None:
    """Write vae.pt, clip.pt, unet.pt and enlarger.pt, and for a model that films moments.pt and motion.pt, into `out`.

    They hold weights alone: optimizers, and what only the training reads, begin anew.
    """
    vae = AutoencoderKL.from_pretrained(model / "vae", torch_dtype=torch.float32)
    save_atomically({"model": vae.state_dict(), "scale": vae.config.scaling_factor}, out / "vae.pt")
    clip = read_clip(model)
    save_atomically({"model": {WHOLE_CLIP + name: value for name, value in clip.state_dict().items()}}, out / "clip.pt")
    unet = UNet2DConditionModel.from_pretrained(model / "unet", torch_dtype=torch.float32)
    pictures = {"average": unet.state_dict(), "text average": clip.text_model.state_dict()}
    save_atomically(pictures, out / "unet.pt")
    enlarger = {name: value.float() for name, value in load_file(model / "enlarger" / "model.safetensors").items()}
    save_atomically({"model": {ENLARGER + name: value for name, value in enlarger.items()}}, out / "enlarger.pt")
    if (model / "motion_adapter").is_dir():
        adapter = MotionAdapter.from_pretrained(model / "motion_adapter", torch_dtype=torch.float32)
        save_atomically(pictures, out / "moments.pt")
        save_atomically({"average": adapter.state_dict()}, out / "motion.pt")
