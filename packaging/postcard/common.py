"""What the training stages share: the loop, a budget of active time, checkpoints, rendered scenes, contact sheets."""

from __future__ import annotations

import datetime
import math
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from torch import distributed, nn
from torch.nn.utils import parameters_to_vector

from drawing import render
from scene import Scene, sample_scene

LONGEST_STEP = 5.0  # seconds; a longer step was a pause of the machine and counts as this much
SAVE_EVERY = 180.0  # seconds of active time between checkpoints
SHEET_EVERY = 700.0  # and between contact sheets, for which the other workers wait

torch.backends.cuda.enable_flash_sdp(False)  # holds for the CPU too, where so few tokens are quicker without it


class Budget:
    """Counts active training time: the sum of step durations, each capped, so that pauses cost little."""

    def __init__(self, minutes: float, used: float = 0.0) -> None:
        self.total = minutes * 60
        self.used = used
        self._last = time.monotonic()

    @property
    def share(self) -> float:
        """The part of the budget used up, 0..1."""
        return min(1.0, self.used / self.total)

    def begin(self) -> None:
        """Start the clock of a step (time since the last step is not counted)."""
        self._last = time.monotonic()

    def end(self) -> None:
        """Add the step's duration to the time used."""
        self.used += min(LONGEST_STEP, time.monotonic() - self._last)


def learning_rate(peak: float, step: int, share: float, warm_up: int = 200) -> float:
    """Linear warm-up over `warm_up` steps, then a cosine from `peak` to zero over the budget."""
    return peak * min(1.0, (step + 1) / warm_up) * 0.5 * (1 + math.cos(math.pi * min(1.0, share))) + 1e-7


def mixed_precision() -> torch.autocast:
    """Has matrix products and convolutions work in bfloat16 on processors with units for it, where that is faster."""
    return torch.autocast("cpu", torch.bfloat16, enabled=torch.cpu.get_capabilities().get("amx_bf16", False))


def save_atomically(state: dict[str, Any], path: Path) -> None:
    """Write a checkpoint beside its place and move it there, so that a stop never leaves half a file."""
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)


def trained_pictures(out: Path) -> dict[str, Any]:
    """The last checkpoint in `out` of the U-Net and the text tower: that of the moments stage if there is one."""
    path = out / "moments.pt"
    return torch.load(path if path.exists() else out / "unet.pt", weights_only=False)


def train(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    minutes: float,
    *,
    peak: float,
    warm_up: int,
    store_steps: int,
    new_store: Callable[[int], Any],
    loss_of: Callable[[Any, random.Random, float], torch.Tensor],
    check: Callable[[], dict[str, float]] = dict,
    most_gradient: float = 1.0,
) -> None:
    """Train what `optimizer` holds for `minutes` of active time; resumes from `path`, and saves there.

    `new_store(k)` gives the k-th store of rendered scenes, used for `store_steps` steps; `loss_of(store, rng, share)`
    the loss of one step, with `share` of the budget used up; `check()` figures that are printed and saved with every
    checkpoint. `peak` is the highest learning rate, reached after `warm_up` steps; gradients are cut at the norm
    `most_gradient`.
    """
    step, budget, name = 0, Budget(minutes), path.stem
    if path.exists():
        state = torch.load(path, weights_only=False)
        model.load_state_dict(state["model"])
        if "optimizer" in state:  # else these are the weights of a finished model, to begin with
            optimizer.load_state_dict(state["optimizer"])
            step, budget.used = state["step"], state["used"]
    trained = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    store, store_index, saved = None, -1, budget.used
    while budget.share < 1:
        if step // store_steps != store_index:
            store_index = step // store_steps
            store = new_store(store_index)
        budget.begin()
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(peak, step, budget.share, warm_up)
        loss = loss_of(store, random.Random(f"{name} step {step}"), budget.share)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(trained, most_gradient)
        optimizer.step()
        step += 1
        budget.end()
        if step % 100 == 0:
            print(f"{name} {step} {budget.used:.0f} s loss {loss.item():.4f}", flush=True)
        if budget.used - saved > SAVE_EVERY or budget.share >= 1:
            saved = budget.used
            figures = check()
            print(f"{name} {step} {figures}", flush=True)
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}
            save_atomically(state | {"used": budget.used} | figures, path)


class Worker(Protocol):
    """One of several processes that train together; each sees a part of every batch."""

    step: int

    def state(self) -> dict[str, Any]:
        """Everything needed to go on later."""
        ...

    def load_state(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""
        ...

    def train_step(self, rate: float, share: float) -> float:
        """One step at the learning rate `rate`, with `share` of the budget used up; returns this worker's loss."""
        ...

    def draw_sheet(self, path: Path) -> None:
        """Save a picture of what has been learned so far."""
        ...


def train_together(
    new_trainer: Callable[[Path, int, int], Worker],
    path: Path,
    minutes: float,
    workers: int,
    *,
    peak: float,
    warm_up: int,
) -> None:
    """Train for `minutes` of active time in `workers` processes, or here if that is one; resumes from `path`.

    `new_trainer(folder, worker, workers)`, a function or class of a module, makes what trains in each of them.
    """
    options = (new_trainer, path, minutes, peak, warm_up)
    if workers == 1:
        _work(0, 1, "", *options)
        return
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(_work, (workers, f"file://{folder}/store", *options), nprocs=workers)


def _work(
    worker: int,
    workers: int,
    store: str,
    new_trainer: Callable[[Path, int, int], Worker],
    path: Path,
    minutes: float,
    peak: float,
    warm_up: int,
) -> None:
    """One of the processes that train together; the first one saves at `path`, reports and draws."""
    if workers > 1:
        torch.set_num_threads(1)
        distributed.init_process_group("gloo", store, datetime.timedelta(hours=2), workers, worker)
    trainer = new_trainer(path.parent, worker, workers)
    budget, name = Budget(minutes), path.stem
    if path.exists():
        state = torch.load(path, weights_only=False)
        trainer.load_state(state)
        budget.used = state["used"]
    saved, drawn, losses = budget.used, budget.used, []
    while True:
        used = torch.tensor(budget.used)
        if workers > 1:
            distributed.broadcast(used, 0)  # so that all stop after the same step, at the same rate
        budget.used = used.item()
        if budget.share >= 1:
            break
        budget.begin()
        losses.append(trainer.train_step(learning_rate(peak, trainer.step, budget.share, warm_up), budget.share))
        budget.end()
        if worker == 0 and trainer.step % 100 == 0:
            print(f"{name} {trainer.step} {budget.used:.0f} s loss {sum(losses) / len(losses):.4f}", flush=True)
            losses.clear()
        if worker == 0 and (budget.used - saved > SAVE_EVERY or budget.share >= 1):
            saved = budget.used
            save_atomically(trainer.state() | {"used": budget.used}, path)
            if budget.used - drawn > SHEET_EVERY or budget.share >= 1:
                drawn = budget.used
                trainer.draw_sheet(path.with_name(f"{name}-sheet-{trainer.step:06d}.png"))


def take_step(optimizer: torch.optim.Optimizer, loss: torch.Tensor, rate: float, workers: int) -> None:
    """One optimizer step along the gradient of `loss`, the mean over all workers.

    Every group of parameters has its "share" of the learning rate `rate`.
    """
    optimizer.zero_grad()
    loss.backward()
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    if workers > 1:
        _average_gradients(parameters, workers)
    nn.utils.clip_grad_norm_(parameters, 1.0)
    for group in optimizer.param_groups:
        group["lr"] = rate * group["share"]
    optimizer.step()


def _average_gradients(parameters: list[nn.Parameter], workers: int) -> None:
    """Replace the gradients by their mean over all workers."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = parameters_to_vector(gradients)
    distributed.all_reduce(flat)
    for gradient, mean in zip(gradients, flat.div_(workers).split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def to_tensor(pictures: np.ndarray) -> torch.Tensor:
    """uint8 pictures (n, h, w, 3) as floats in -1..1, shape (n, 3, h, w), channels last in memory."""
    tensor = torch.from_numpy(pictures).permute(0, 3, 1, 2).float().div(127.5).sub(1)
    return tensor.contiguous(memory_format=torch.channels_last)


def to_picture(tensor: torch.Tensor) -> np.ndarray:
    """One picture (3, h, w) in -1..1 as uint8 (h, w, 3)."""
    return ((tensor.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).contiguous().numpy()


def scenes(seed: str, count: int, held_out: bool = False) -> list[Scene]:
    """The same scenes for the same seed, always."""
    rng = random.Random(seed)
    return [sample_scene(rng, held_out) for _ in range(count)]


def render_all(wanted: list[Scene], width: int = 128, height: int = 128, supersampling: int = 3) -> np.ndarray:
    """Pictures of the scenes, uint8 (n, height, width, 3)."""
    return np.stack([render(scene, width, height, supersampling) for scene in wanted])


def chunks(total: int, size: int) -> Iterator[slice]:
    """Slices of at most `size` that cover range(total)."""
    for start in range(0, total, size):
        yield slice(start, min(total, start + size))


def contact_sheet(rows: list[list[np.ndarray]], path: Path, zoom: int = 1) -> None:
    """Save pictures (h, w, 3) as a grid with thin gaps."""
    lines = [np.concatenate([np.pad(p, ((0, 4), (0, 4), (0, 0))) for p in row], 1) for row in rows]
    sheet = Image.fromarray(np.concatenate(lines, 0))
    sheet.resize((sheet.width * zoom, sheet.height * zoom), Image.Resampling.NEAREST).save(path)


def psnr(first: torch.Tensor, second: torch.Tensor) -> float:
    """Peak signal-to-noise ratio in dB of two batches in -1..1 (over all pixels together)."""
    return -10 * math.log10((first.clamp(-1, 1) - second.clamp(-1, 1)).pow(2).mean().item() / 4)
