"""What the engine says while it works: small frozen events, in the order things happen.

``Engine.generate`` yields them; a transport carries them as a JSON header and raw bytes (see
:mod:`desktop_app.core.wire`). One job is: Loading* · Notice* · Encoding · (Denoising* · Decoding · Picture)+ and then
exactly one of Finished, Cancelled, Failed. A job that only enlarges an earlier picture is Loading* · Decoding · Picture
and the end.
"""

from __future__ import annotations

from dataclasses import dataclass

from desktop_app.core.frames import Frames
from desktop_app.core.machine import Machine
from desktop_app.core.messages import Message
from desktop_app.core.result import Result, RunRecord


@dataclass(frozen=True, slots=True)
class EngineReady:
    """The engine is up and has found its device; sent once by every engine process, outside any job."""

    run: RunRecord
    machine: Machine
    notices: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class Loading:
    """Weights are being read. ``what`` names the part ("unet"), ``fraction`` of the whole model is in [0, 1]."""

    what: str
    fraction: float


@dataclass(frozen=True, slots=True)
class Encoding:
    """The text encoder reads the prompt."""


@dataclass(frozen=True, slots=True)
class Denoising:
    """``step`` of ``steps`` (the user's steps; 0 before the first) of picture ``picture`` (from 0) of ``pictures``.

    ``preview`` shows the current estimate of the finished picture, or of all frames of the film, at latent resolution
    or below, or is None.
    """

    picture: int
    pictures: int
    step: int
    steps: int
    preview: Frames | None = None


@dataclass(frozen=True, slots=True)
class Decoding:
    """The autoencoder turns the latents of picture ``picture`` into pixels, and the enlarger makes more of them."""

    picture: int


@dataclass(frozen=True, slots=True)
class Picture:
    """Picture or film ``index`` (from 0) is finished."""

    index: int
    frames: Frames
    result: Result


@dataclass(frozen=True, slots=True)
class Notice:
    """Something worth knowing that does not stop the job."""

    message: Message


@dataclass(frozen=True, slots=True)
class Finished:
    """All pictures are made; the whole job took ``seconds``."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The user stopped the job. Not an error."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The job cannot go on. ``details`` is for the log and the report (a traceback), never for the first sentence."""

    message: Message
    details: str = ""


Event = EngineReady | Loading | Encoding | Denoising | Decoding | Picture | Notice | Finished | Cancelled | Failed
END = (Finished, Cancelled, Failed)
"""The events that end a job."""
