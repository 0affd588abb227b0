"""U-Nets that are told numbers of the picture, such as its size, beside the words (SDXL, Podell et al. 2023)."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor

from desktop_app.core.events import Loading
from desktop_app.core.request import GenerationRequest
from desktop_app.engine.device import Device
from desktop_app.engine.guidance import Conditioning, Predict, guided
from desktop_app.engine.parts.autoencoder import Autoencoder
from desktop_app.engine.parts.clip_readers import ClipReaders
from desktop_app.engine.parts.latent_diffusion import M, load_parts
from desktop_app.engine.parts.tiny_autoencoder import TinyAutoencoder
from desktop_app.engine.source import Source, find_source


def load_told(
    cls: type[M],
    readers: Callable[[Source], ClipReaders],
    model: Path,
    device: Device,
    check: Callable[[], None],
    shared: Autoencoder | TinyAutoencoder | None = None,
) -> Generator[Loading, None, M]:
    """Load the model at ``model`` as a ``cls``; see :func:`load_parts`. Raises ``AppError``.

    The autoencoder that was published with SDXL has numbers too large for float16, which its configuration says.
    """
    build = UNet2DConditionModel.from_config
    loaded = yield from load_parts(cls, readers, build, find_source(model), device, check, shared)
    if loaded.autoencoder.module.config.force_upcast:
        loaded.autoencoder.module.float()
    return loaded


def predict_told(
    unet: Any,
    device: Device,
    conditioning: tuple[Conditioning, Conditioning],
    sizes: Conditioning,
    request: GenerationRequest,
    form: str,
) -> Predict:
    """The guided prediction of ``unet`` in the ``form`` of guidance; float32 in and out, whatever its own dtype.

    ``conditioning`` are text and pooled embeddings, and ``sizes``, (1, numbers), is what each of the two texts says of
    the picture; its ``negative`` is left out where guidance is off.
    """
    words, pooled = conditioning

    def evaluate(model_input: Tensor, t: Tensor, embeddings: Tensor, whole: Tensor, numbers: Tensor) -> Tensor:
        added = {"text_embeds": whole, "time_ids": numbers.expand(len(whole), -1)}
        model_input = model_input.to(device.dtype)
        return unet(model_input, t, embeddings, added_cond_kwargs=added, return_dict=False)[0].float()

    told = Conditioning(sizes.positive, None if words.negative is None else sizes.negative)
    return guided(evaluate, words, request.guidance_scale, form, pooled, told)
