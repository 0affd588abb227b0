"""What was asked for: everything that shapes a result, frozen, validated, serialisable and versioned."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from desktop_app.core.catalog import A1111, FILM, KINDS, PICTURE, PLAIN, PROMPT_DIALECTS, SCHEDULERS, ModelFacts
from desktop_app.core.errors import AppError, RequestError

VERSION = 1
PROMPT_SYNTAX = 1
"""Version of how prompts are read. 0, of old recipes: literal text. 1: as ``prompt_dialect`` says."""

RANDOM_SEED = -1
MAX_SEED = 2**63 - 1
"""Largest seed of ``torch.Generator`` that every file format here can carry as a signed 64-bit number."""
MAX_DRAWN_SEED = 2**32 - 1
"""Random seeds stay in 32 bits, which other programs read as well."""
MAX_STEPS = 1000
MAX_GUIDANCE = 100.0
MAX_COUNT = 1000
MAX_CLIP_SKIP = 12
"""Layers of the text encoder of Stable Diffusion 1; its first layer is skip 12."""
FRAMES, FPS = 16, 8
MAX_FPS = 60
MAX_MOTION_BUCKET = 255
VARY, EXTEND = "vary", "extend"
START_USES = (VARY, EXTEND)
"""What a start picture or film is for: to be drawn anew from partway, or to be continued after its last frame."""
_TYPES = {"str": str, "int": int, "float": (int, float), "bool": bool}


def clean_text(text: str) -> str:
    """``text`` without what no file, database or tokenizer accepts: lone surrogates and NUL; line ends become \\n."""
    text = text.replace("\x00", "").replace("\r\n", "\n").replace("\r", "\n")
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """One job: ``count`` pictures or films of ``width`` × ``height`` px, enlarged afterwards if asked.

    The k-th of them (from 0) is drawn from seed ``seed + k`` alone, so a batch equals single runs. Texts are cleaned
    on the way in; numbers are checked by :func:`validate`, which knows the model.
    """

    model: str
    prompt: str = ""
    negative_prompt: str = ""
    width: int = 512
    height: int = 512
    steps: int = 20
    guidance_scale: float = 7.0
    """Classifier-free guidance (Ho & Salimans 2022, eq. 6 with w + 1); 1 switches it off."""
    scheduler: str = "dpmpp-2m"
    schedule_type: str = "default"
    clip_skip: int = 1
    """Which layer of the text encoder is listened to, counted from its last one, 1. diffusers counts from 0."""
    vae: str = ""
    """Folder name of the autoencoder that takes the place of the model's own; "" is the model's own."""
    refiner: str = ""
    """Name of the model that finishes the picture; "" lets the model itself finish it."""
    refiner_at: float = 0.8
    """Share of the noise schedule, 0 to 1, after which the refiner goes on."""
    seed: int = RANDOM_SEED
    count: int = 1
    enlarge: int = 1
    """The finished picture is drawn this many times as large by the model's enlarger; 1: not."""
    kind: str = PICTURE
    """"picture" or "film"; the film's own fields count for nothing in a picture."""
    frames: int = FRAMES
    """Of a film; of an extended one, all of its new frames."""
    fps: int = FPS
    """Frames per second at which a film is played; some models draw slower or faster motion for it."""
    loop: bool = False
    """The last frame of the film leads back to its first."""
    motion_model: str = ""
    """Folder name of the motion adapter that turns a picture model into a film model; "" is the model's own."""
    motion_bucket: int = 127
    """How much moves, 0 to 255 (Stable Video Diffusion)."""
    noise_augmentation: float = 0.02
    """Noise laid over the start picture, 0 to 1: more of it, freer motion (Stable Video Diffusion)."""
    start: str = ""
    """Path of the picture or film to start from; "" starts from noise alone."""
    start_digest: str = ""
    """SHA-256 of that file's bytes, hexadecimal, when the job was queued; "" is not checked."""
    start_use: str = VARY
    """One of :data:`START_USES`."""
    strength: float = 0.7
    """Share of the noise that ``start`` gets, and of the steps that are taken: 0 keeps it, 1 forgets it."""
    prompt_syntax: int = 0
    """At most :data:`PROMPT_SYNTAX`, so that what an earlier version made can be made again."""
    prompt_dialect: str = PLAIN
    """One of :data:`desktop_app.core.catalog.PROMPT_DIALECTS`; counts from syntax 1 on."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "prompt", clean_text(self.prompt))
        object.__setattr__(self, "negative_prompt", clean_text(self.negative_prompt))

    @property
    def is_film(self) -> bool:
        return self.kind == FILM

    @property
    def dialect(self) -> str:
        """How the texts are read."""
        return self.prompt_dialect if self.prompt_syntax else PLAIN

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in px, as denoised."""
        return (self.width, self.height)

    @property
    def final_size(self) -> tuple[int, int]:
        """(width, height) in px of the finished picture."""
        return (self.width * self.enlarge, self.height * self.enlarge)

    def with_fixed_seed(self) -> GenerationRequest:
        """Itself, or a copy with a drawn seed when the seed is random. Called once, when the job is queued."""
        if self.seed != RANDOM_SEED:
            return self
        return replace(self, seed=random.SystemRandom().randint(0, MAX_DRAWN_SEED))

    def single(self, index: int) -> GenerationRequest:
        """The request that makes the ``index``-th picture (from 0) of this one by itself."""
        return replace(self, seed=(self.seed + index) % (MAX_SEED + 1), count=1)

    def to_json(self) -> dict[str, Any]:
        return {"version": VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, data: object) -> GenerationRequest:
        """Read what :meth:`to_json` wrote, by this version or an older one. Raises ``RequestError``."""
        if not isinstance(data, Mapping):
            raise RequestError("request.malformed", reason="it is not a set of named values")
        version = data.get("version")
        if not isinstance(version, int) or not 1 <= version <= VERSION:
            raise RequestError("request.version", value=version, known=VERSION)
        values = {}
        for field in fields(cls):
            if field.name not in data:
                continue
            value = data[field.name]
            if not isinstance(value, _TYPES[str(field.type)]) or isinstance(value, bool) != (field.type == "bool"):
                raise RequestError("request.malformed", reason=f"{field.name} is {value!r}")
            values[field.name] = _as_float(value) if field.type == "float" else value
        if "model" not in values:
            raise RequestError("request.malformed", reason="it names no model")
        return cls(**values)


def _as_float(value: float) -> float:
    """``value`` as a float; a whole number too large for one becomes infinite, which :func:`validate` refuses."""
    try:
        return float(value)
    except OverflowError:
        return math.inf


def default_request(facts: ModelFacts) -> GenerationRequest:
    """What a newcomer would run on this model."""
    width, height = facts.default_size
    return GenerationRequest(
        model=facts.key,
        width=width,
        height=height,
        steps=facts.steps,
        guidance_scale=facts.guidance_scale,
        scheduler=facts.scheduler,
        schedule_type=facts.schedule_type,
        enlarge=facts.default_enlarge,
        kind=facts.kinds[0],
        frames=facts.film.frames if facts.film else FRAMES,
        fps=facts.film.fps if facts.film else FPS,
        strength=facts.strength,
        motion_model=facts.motion_models[0] if facts.motion_models else "",
        prompt_syntax=PROMPT_SYNTAX,
        prompt_dialect=A1111,
    )


def problems(request: GenerationRequest, facts: ModelFacts) -> list[AppError]:
    """Everything that keeps ``request`` from running on the model ``facts`` describes; empty when it is valid."""
    found = [*_scheduler_problems(request, facts), *_size_problems(request, facts), *_start_problems(request, facts)]
    found += _film_problems(request, facts)
    if not 0 <= request.guidance_scale <= MAX_GUIDANCE or math.isnan(request.guidance_scale):
        found.append(RequestError("guidance.range", value=request.guidance_scale, low=0, high=int(MAX_GUIDANCE)))
    if not RANDOM_SEED <= request.seed <= MAX_SEED:
        found.append(RequestError("seed.range", value=request.seed, high=MAX_SEED))
    if not 1 <= request.count <= MAX_COUNT:
        found.append(RequestError("count.range", value=request.count, high=MAX_COUNT))
    if "clip_skip" in facts.controls and not 1 <= request.clip_skip <= facts.max_clip_skip:
        found.append(RequestError("clip-skip.range", value=request.clip_skip, high=facts.max_clip_skip))
    if request.vae and request.vae not in facts.autoencoders:
        found.append(_vae_problem(request.vae, facts))
    found += _refiner_problems(request, facts)
    if request.enlarge not in (1, facts.enlarge):
        found.append(_enlarge_problem(request.enlarge, facts))
    if not 0 <= request.prompt_syntax <= PROMPT_SYNTAX:
        found.append(RequestError("request.syntax", value=request.prompt_syntax))
    if request.prompt_dialect not in PROMPT_DIALECTS:
        known = ", ".join(PROMPT_DIALECTS)
        found.append(RequestError("prompt-dialect.unknown", value=request.prompt_dialect, known=known))
    return found


def validate(request: GenerationRequest, facts: ModelFacts) -> None:
    """Raise the first of :func:`problems`, a ``RequestError``."""
    for problem in problems(request, facts):
        raise problem


def _refiner_problems(request: GenerationRequest, facts: ModelFacts) -> list[AppError]:
    if not request.refiner:
        return []
    if "refiner" not in facts.controls:
        return [RequestError("refiner.unsupported", model=facts.name)]
    found: list[AppError] = []
    if facts.refiner(request.refiner) is None:
        known = ", ".join(refiner.key for refiner in facts.refiners) or "none"
        found.append(RequestError("refiner.unknown", value=request.refiner, model=facts.name, known=known))
    if not 0 < request.refiner_at < 1:  # also for nan
        found.append(RequestError("refiner.range", value=request.refiner_at))
    return found


def _start_problems(request: GenerationRequest, facts: ModelFacts) -> list[AppError]:
    found: list[AppError] = []
    if request.start_use not in START_USES:
        found.append(RequestError("start.use", value=request.start_use, known=", ".join(START_USES)))
    if not 0 <= request.strength <= 1:  # also for nan
        found.append(RequestError("strength.range", value=request.strength))
    if not request.start and request.is_film and facts.film and facts.film.needs_start:
        found.append(RequestError("start.needed", model=facts.name))
    if not request.start and facts.needs_start:
        found.append(RequestError("start.needed-picture", model=facts.name))
    if not request.start and request.start_use == EXTEND:
        found.append(RequestError("extend.nothing"))
    if request.start_use == EXTEND and not request.is_film:
        found.append(RequestError("extend.picture"))
    return found


def _film_problems(request: GenerationRequest, facts: ModelFacts) -> list[AppError]:
    if request.kind not in KINDS:
        return [RequestError("kind.unknown", value=request.kind, known=", ".join(KINDS))]
    if request.kind not in facts.kinds:
        return [RequestError("kind.no-film" if request.is_film else "kind.no-picture", model=facts.name)]
    if not request.is_film or facts.film is None:
        return []
    found: list[AppError] = []
    if not 1 < request.frames <= facts.film.max_frames:
        found.append(RequestError("frames.range", value=request.frames, low=2, high=facts.film.max_frames))
    elif (nearest := facts.film.nearest_frames(request.frames)) != request.frames:
        step = facts.film.frame_step
        found.append(RequestError("frames.step", value=request.frames, step=step, nearest=nearest))
    if not 1 <= request.fps <= MAX_FPS:
        found.append(RequestError("fps.range", value=request.fps, low=1, high=MAX_FPS))
    if facts.motion_models and request.motion_model not in facts.motion_models:
        known = ", ".join(name or "the model's own" for name in facts.motion_models)
        found.append(RequestError("motion-model.unknown", value=request.motion_model, known=known))
    if not 0 <= request.motion_bucket <= MAX_MOTION_BUCKET:
        found.append(RequestError("motion-bucket.range", value=request.motion_bucket, high=MAX_MOTION_BUCKET))
    if not 0 <= request.noise_augmentation <= 1:
        found.append(RequestError("noise-augmentation.range", value=request.noise_augmentation))
    return found


def _vae_problem(name: str, facts: ModelFacts) -> AppError:
    if "vae" not in facts.controls:
        return RequestError("vae.none", model=facts.name)
    known = ", ".join(facts.autoencoders) or "none"
    return RequestError("vae.unknown", value=name, model=facts.name, known=known)


def _enlarge_problem(factor: int, facts: ModelFacts) -> AppError:
    if facts.enlarge == 1:
        return RequestError("enlarge.none", model=facts.name)
    return RequestError("enlarge.factor", model=facts.name, factor=facts.enlarge, value=factor)


def _scheduler_problems(request: GenerationRequest, facts: ModelFacts) -> list[AppError]:
    if facts.pipeline:
        return _bridge_problems(request, facts)
    known = ", ".join(facts.schedulers)
    scheduler = SCHEDULERS.get(request.scheduler)
    if scheduler is None:
        return [RequestError("scheduler.unknown", value=request.scheduler, known=known)]
    if request.scheduler not in facts.schedulers:
        return [RequestError("scheduler.unsupported", model=facts.name, scheduler=scheduler.label, known=known)]
    found: list[AppError] = []
    if request.schedule_type not in scheduler.schedule_types:
        types = ", ".join(scheduler.schedule_types)
        found.append(
            RequestError("schedule-type.unknown", scheduler=scheduler.label, value=request.schedule_type, known=types)
        )
    if not 1 <= request.steps <= MAX_STEPS:
        found.append(_steps_problem(request))
    elif request.steps > scheduler.max_steps:
        found.append(
            RequestError("steps.scheduler", scheduler=scheduler.label, value=request.steps, high=scheduler.max_steps)
        )
    return found


def _bridge_problems(request: GenerationRequest, facts: ModelFacts) -> list[AppError]:
    """What diffusers' own pipeline cannot do and our loop can."""
    found: list[AppError] = []
    if request.scheduler:
        found.append(RequestError("bridge.scheduler", model=facts.name))
    if request.start:
        found.append(RequestError("bridge.start", model=facts.name))
    if not 1 <= request.steps <= MAX_STEPS:
        found.append(_steps_problem(request))
    return found


def _steps_problem(request: GenerationRequest) -> AppError:
    return RequestError("steps.range", value=request.steps, low=1, high=MAX_STEPS)


def _size_problems(request: GenerationRequest, facts: ModelFacts) -> list[AppError]:
    width, height = request.size
    if not all(facts.min_size <= side <= facts.max_size for side in (width, height)):
        default = "{} × {} px".format(*facts.default_size)
        return [
            RequestError(
                "size.range",
                width=width,
                height=height,
                low=facts.min_size,
                high=facts.max_size,
                default=default,
            )
        ]
    nearest = facts.nearest_size(width, height)
    if nearest != (width, height):
        return [
            RequestError(
                "size.multiple",
                width=width,
                height=height,
                multiple=facts.multiple,
                nearest="{} × {} px".format(*nearest),
            )
        ]
    return []
