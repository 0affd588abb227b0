"""How a picture was made: the other half of a recipe, written by the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from desktop_app.core.errors import RequestError
from desktop_app.core.request import GenerationRequest

RECIPE_VERSION = 1


@dataclass(frozen=True, slots=True)
class UsedFile:
    """A LoRA that was worn or a textual inversion that was named: what it is known by when it is called otherwise."""

    kind: str
    """"lora" or "embedding"."""
    name: str
    """Of its file, without the ending, as the prompt has it."""
    digest: str
    """SHA-256 in hexadecimal, as :mod:`desktop_app.checkpoints.digests` takes it."""
    size: int
    """Bytes of the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """How the engine ran a request; with the request it reproduces the same bytes on the same machine and versions."""

    device: str
    """``torch.device`` type: "cpu", "cuda" or "mps"."""
    device_name: str
    dtype: str
    """Of the denoiser: "float32", "float16" or "bfloat16"."""
    guidance_form: str
    """"batched", "two-pass", "none" (guidance 1) or "pipeline" (whatever diffusers' own does)."""
    threads: int
    tiled: bool = False
    """Decoded in tiles, because the whole did not fit into memory; seams can differ a little from the whole."""
    eight_bits: bool = False
    """The denoiser's weights were kept as float8 (e4m3fn)."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Of safelight, torch, diffusers and transformers."""
    files: tuple[UsedFile, ...] = ()
    """As far as their digests were known in time."""

    @property
    def precision(self) -> str:
        """For people: "float16", or "float16, weights of 8 bits"."""
        return f"{self.dtype}, weights of 8 bits" if self.eight_bits else self.dtype

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RunRecord:
        """Read what ``dataclasses.asdict`` gives. Raises ``KeyError``, ``TypeError`` or ``ValueError``."""
        texts = {name: str(data[name]) for name in ("device", "device_name", "dtype", "guidance_form")}
        versions = {str(name): str(version) for name, version in dict(data["versions"]).items()}
        tiled, eight_bits = (bool(data.get(name, False)) for name in ("tiled", "eight_bits"))  # not in older recipes
        files = tuple(
            UsedFile(*(str(one[name]) for name in ("kind", "name", "digest")), size=int(one["size"]))
            for one in data.get("files", ())
        )
        threads = int(data["threads"])
        return cls(**texts, threads=threads, tiled=tiled, eight_bits=eight_bits, versions=versions, files=files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One finished picture's recipe. ``request`` is the single-picture request with the seed that was used."""

    request: GenerationRequest
    run: RunRecord | None
    """None where another program made it."""
    seconds: float
    """From the start of this picture's first step to its finished pixels; 0 where nobody knows."""
    steps_done: int
    """Of the user's steps; fewer than ``request.steps`` after "Stop and keep"."""
    program: str = ""
    """Name of the other program that made it, with its version if it said so; "" where it is ours."""

    @property
    def seed(self) -> int:
        return self.request.seed

    def to_json(self) -> dict[str, Any]:
        """The recipe as saved inside a picture."""
        return {
            "recipe": RECIPE_VERSION,
            "request": self.request.to_json(),
            "run": self.run.to_json() if self.run else None,
            "seconds": round(self.seconds, 3),
            "steps_done": self.steps_done,
            **({"program": self.program} if self.program else {}),
        }

    @classmethod
    def from_json(cls, data: object) -> Result:
        """Read what :meth:`to_json` wrote. Raises ``RequestError``."""
        if not isinstance(data, Mapping):
            raise RequestError("request.malformed", reason="it is not a set of named values")
        if not isinstance(data.get("recipe"), int) or not 1 <= data["recipe"] <= RECIPE_VERSION:
            raise RequestError("request.version", value=data.get("recipe"), known=RECIPE_VERSION)
        try:
            return cls(
                request=GenerationRequest.from_json(data["request"]),
                run=None if data.get("program") else RunRecord.from_json(data["run"]),
                seconds=float(data["seconds"]),
                steps_done=int(data["steps_done"]),
                program=str(data.get("program", "")),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as problem:
            raise RequestError("request.malformed", reason=str(problem)) from problem
