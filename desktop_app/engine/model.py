"""What a loaded model of any family offers; the engine knows no more of it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from desktop_app.core.messages import Message
from desktop_app.core.request import GenerationRequest
from desktop_app.engine.device import Device
from desktop_app.engine.guidance import Predict


class Texts(Protocol):
    """The texts of a request as the model reads them; a model that reads none has empty ones."""

    @property
    def notices(self) -> list[Message]:
        """What was left out of them."""
        ...


class Model(Protocol):
    """One loaded model; all its tensors live on its device.

    Latents are (1, channels, height, width) of a picture and (1, channels, frames, height, width) of a film, float32
    and of about unit variance. A request for a film says how many frames the model is to see, known ones included.
    """

    @property
    def device(self) -> Device: ...

    @property
    def scheduler_config(self) -> dict[str, Any]:
        """Of the model's own scheduler, which knows how the model was trained."""
        ...

    @property
    def latent_shrink(self) -> int:
        """Pixels per latent pixel, along each side."""
        ...

    @property
    def decode_chunk(self) -> int:
        """Frames that are decoded together, memory permitting."""
        ...

    @property
    def modules(self) -> tuple[nn.Module, ...]:
        """Everything that computes, so that Cancel can reach into it."""
        ...

    def tokenize(self, request: GenerationRequest, form: str) -> Texts:
        """The texts of ``request``; the negative one counts only where the guidance ``form`` uses it."""
        ...

    def encode(self, texts: Any) -> Any:
        """What all pictures of a job are conditioned on, from :meth:`tokenize`; encoded once for them."""
        ...

    def predictor(
        self,
        conditioning: Any,
        request: GenerationRequest,
        form: str,
        start: Tensor | None,
        generator: torch.Generator,
    ) -> Predict:
        """The guided prediction for one picture or film, in and out in the shape of the latents.

        ``conditioning`` comes from :meth:`encode`. ``start``, (1, 3, height, width) in [-1, 1] on the CPU, is the
        picture to make a film of, for families whose films begin with one; they draw from ``generator`` here, before
        :meth:`noise` does.
        """
        ...

    def window(self, wanted: int) -> int | None:
        """How many frames it sees at once where ``wanted`` are asked; None where it must see the film as a whole."""
        ...

    def noise(self, request: GenerationRequest, generator: torch.Generator) -> Tensor:
        """Unit noise to start from, in the shape of the latents, drawn as diffusers' pipeline draws it."""
        ...

    def start_noise(self, request: GenerationRequest, generator: torch.Generator) -> Tensor:
        """Unit noise to lay over :meth:`encode_start`, drawn after it as diffusers' pipeline draws it."""
        ...

    def encode_start(self, start: Tensor, generator: torch.Generator) -> Tensor:
        """Latents of ``start``, (frames, 3, height, width) in [-1, 1], drawn from the autoencoder's distribution.

        One frame for a picture; for a film as many as it has.
        """
        ...

    def encode_pictures(self, pictures: Tensor) -> Tensor:
        """Mean latents (n, channels, height, width) of pictures (n, 3, height, width) in [-1, 1], each by itself."""
        ...

    def tiles(self) -> AbstractContextManager[bool]:
        """While it is entered :meth:`decode` works in overlapping tiles; gives whether the model can."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """Frames (n, height, width, 3), uint8 on the CPU, all of ``latents`` together.

        Raises ``ArithmeticError`` when they are not finite. An autoencoder that overflows in float16 is moved to
        float32 for good.
        """
        ...
