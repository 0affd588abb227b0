"""U-Nets that are told numbers of the picture, such as its size, beside the words (SDXL, Podell et al. 2023)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from desktop_app.core.request import GenerationRequest
from desktop_app.engine.device import Device
from desktop_app.engine.guidance import Conditioning, Predict, guided


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
