"""Facts about schedulers and model families, as plain data that the window and the command line can read.

The verbs (how a family encodes, denoises and decodes) are in ``engine/families/`` under the same keys; how a scheduler
is built is in ``engine/schedulers.py`` under the same keys; a test holds each pair together. A model may carry its own
facts file, which wins over its family (see :mod:`desktop_app.checkpoints.facts`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

PICTURE, FILM = "picture", "film"
KINDS = (PICTURE, FILM)
"""What a model can make."""

SCHEDULE_TYPES: dict[str, tuple[str, str]] = {
    # key: (label, what it does)
    "default": ("Default", "The noise levels the scheduler was published with."),
    "karras": ("Karras", "More of the steps at low noise, where detail appears (Karras et al. 2022)."),
    "exponential": ("Exponential", "Every step lowers the noise by the same factor: still more steps at low noise."),
    "beta": ("Beta", "More steps at both ends, fewer between (Lee et al. 2024)."),
    "sgm-uniform": ("SGM Uniform", "Even steps that begin at the very last noise level; for models made to be quick."),
}
_SPACINGS = tuple(SCHEDULE_TYPES)


PLAIN, A1111, COMFY, INVOKE = "plain", "a1111", "comfy", "invoke"
PROMPT_DIALECTS: dict[str, tuple[str, str]] = {
    PLAIN: ("Plain text", "Every word counts the same; brackets are text."),
    A1111: (
        "Automatic1111",
        "(word:1.2) and (word) weigh more, [word] less; BREAK, [from:to:0.5] and [one|other]. Forge reads the same.",
    ),
    COMFY: ("ComfyUI", "(word:1.2) and (word) weigh more, (word:0.8) less."),
    INVOKE: ("InvokeAI", "word++ and (words)1.3 weigh more, word-- and (words)0.8 less."),
}
"""How a prompt is read: (label, what it understands), by key. In each but old recipes <lora:name:weight> is read."""


@dataclass(frozen=True, slots=True)
class SchedulerFacts:
    """What a person may know of one scheduler (sampler)."""

    label: str
    about: str
    schedule_types: tuple[str, ...] = ("default",)
    max_steps: int = 1000
    """Steps it takes at most, whatever the model's timestep spacing. The training schedule has 1000; those that look
    one or two levels beyond a step need that room."""
    stochastic: bool = False
    """Draws new noise at every step, so the picture keeps changing with the number of steps."""
    flow: bool = False
    """For models of flow matching (Lipman et al. 2023), as all others are not."""


SCHEDULERS: dict[str, SchedulerFacts] = {
    "ddim": SchedulerFacts(
        "DDIM", "The classic deterministic sampler (Song et al. 2020). Predictable, 20–50 steps.", max_steps=999
    ),
    "ddpm": SchedulerFacts(
        "DDPM",
        "The original random walk back from noise (Ho et al. 2020). Wants many steps.",
        max_steps=999,
        stochastic=True,
    ),
    "euler": SchedulerFacts("Euler", "One straight line per step. Quick and dependable.", _SPACINGS),
    "euler-a": SchedulerFacts(
        "Euler a",
        "Euler with fresh noise at every step: livelier, never settles.",
        ("default", "sgm-uniform"),
        stochastic=True,
    ),
    "heun": SchedulerFacts("Heun", "Checks every step with a second look: twice the time per step, finer.", _SPACINGS),
    "dpm2": SchedulerFacts(
        "DPM2", "Looks ahead to the middle of every step: twice the time per step (Karras et al. 2022).", _SPACINGS
    ),
    "dpm2-a": SchedulerFacts(
        "DPM2 a", "DPM2 with fresh noise at every step: livelier, never settles.", _SPACINGS, stochastic=True
    ),
    "lms": SchedulerFacts(
        "LMS", "Draws a curve through the last four steps. Quick; rough with few steps.", _SPACINGS, max_steps=150
    ),
    "pndm": SchedulerFacts(
        "PLMS",
        "Stable Diffusion's first sampler (PNDM, Liu et al. 2022). Like LMS; wants 30–50 steps.",
        max_steps=999,
    ),
    "deis": SchedulerFacts(
        "DEIS",
        "Solves the simple part of every step exactly (Zhang & Chen 2022). Usable from about 10 steps.",
        _SPACINGS,
        max_steps=998,
    ),
    "dpmpp-2m": SchedulerFacts(
        "DPM++ 2M", "Learns from the step before. Good pictures in 15–25 steps.", _SPACINGS, max_steps=998
    ),
    "dpmpp-sde": SchedulerFacts(
        "DPM++ SDE",
        "Fresh noise and a second look at every step: rich texture in few steps, twice the time per step.",
        _SPACINGS,
        max_steps=999,
        stochastic=True,
    ),
    "dpmpp-2m-sde": SchedulerFacts(
        "DPM++ 2M SDE", "DPM++ 2M with fresh noise: richer texture.", _SPACINGS, max_steps=998, stochastic=True
    ),
    "unipc": SchedulerFacts("UniPC", "Predicts and corrects. Usable from about 8 steps.", _SPACINGS, max_steps=998),
    "lcm": SchedulerFacts(
        "LCM", "For models taught to finish in 2–8 steps. Guidance 1–2.", max_steps=50, stochastic=True
    ),
    "flow-euler": SchedulerFacts(
        "Flow Euler",
        "One straight line per step, as flow-matching models were taught.",
        ("default", "karras", "exponential", "beta"),
        flow=True,
    ),
    "flow-dpmpp-2m": SchedulerFacts("Flow DPM++ 2M", "Learns from the step before; fewer steps suffice.", flow=True),
    "flow-unipc": SchedulerFacts("Flow UniPC", "Predicts and corrects; usable from about 8 steps.", flow=True),
}
DIFFUSION_SCHEDULERS = tuple(key for key, facts in SCHEDULERS.items() if not facts.flow)
FLOW_SCHEDULERS = tuple(key for key, facts in SCHEDULERS.items() if facts.flow)


@dataclass(frozen=True, slots=True)
class FilmFacts:
    """How a model makes films."""

    frames: int
    """A newcomer's number of frames."""
    max_frames: int
    fps: int
    """Frames per second a newcomer gets."""
    window: int
    """Frames that the model sees at once; a longer film is made in overlapping windows where the family can."""
    frame_step: int = 1
    """After the first frame they come in so many: an autoencoder that shrinks time knows no others."""
    needs_start: bool = False
    """It makes films of pictures, not of words."""
    shared_noise: float = 0.0
    """0..1, of the variance of the first noise, common to all frames, as the model's own motion adapter expects it."""
    moment_prompt: str = ""
    """What the prompt of one moment of a film says, with "{moment}" and "{prompt}", as the model's own motion adapter
    expects it; "" where all frames have the prompt itself."""
    moments: int = 1
    """How many moments there are, evenly from the first frame to the last; the first is number 1."""
    steady: float = 0.0
    """Of 255 levels: what stays nearer to its mean over the film is held still, if the model's own motion adapter made
    it; 0 leaves the frames as they are."""
    examples: tuple[str, ...] = ()
    """Sentences that say what moves; where there are none, a picture's serve films as well. So it is of the next."""
    surprise: tuple[tuple[str, ...], ...] = ()

    def nearest_frames(self, value: int) -> int:
        """The number of frames it can make that is nearest to ``value``; at least 2."""
        most = (self.max_frames - 1) // self.frame_step
        return 1 + self.frame_step * max(1, min(most, round((value - 1) / self.frame_step)))

    def with_another_adapter(self) -> FilmFacts:
        """Without what holds for the model's own motion adapter alone."""
        return replace(self, shared_noise=0.0, moment_prompt="", moments=1, steady=0.0)


@dataclass(frozen=True, slots=True)
class BridgeFacts:
    """How a family runs through diffusers' own pipeline, which has a sampling loop of its own."""

    guidance: str = ""
    """The pipeline's name for classifier-free guidance, where it is not "guidance_scale"."""
    empty_negative: str = ""
    """What stands for an empty negative prompt, where the pipeline is not guided without one."""


@dataclass(frozen=True, slots=True)
class Family:
    """Facts shared by every model of one architecture, unless the model's own facts file says otherwise."""

    label: str
    pipelines: tuple[str, ...]
    """``_class_name`` values in ``model_index.json`` that belong here."""
    latent_channels: int
    multiple: int
    """Width and height are multiples of this, in px."""
    min_size: int
    max_size: int
    sizes: tuple[tuple[int, int], ...]
    """(width, height) presets in px; the first is the default."""
    steps: int
    guidance_scale: float
    scheduler: str
    schedule_type: str
    schedulers: tuple[str, ...]
    controls: tuple[str, ...]
    """Request fields that have an effect; the window shows no control for the others."""
    parts: tuple[str, ...] = ("text_encoder", "unet", "vae")
    """Sub-folders of a model that hold weights."""
    large_parts: tuple[str, ...] = ("unet",)
    """Those that run in whatever number format suits the device; the others leave float32 for float16 only."""
    float32_parts: tuple[str, ...] = ()
    """Those whose numbers are too large for float16, or too fine for bfloat16."""
    tiny: str = "taesd"
    """Which of :data:`TINY_AUTOENCODERS` knows its latents."""
    told_by: tuple[str, str, object] | None = None
    """(config file, key, value) that tells its models from others with the same pipeline, which a later family has."""
    strength: float = 0.7
    """How much of a start picture a newcomer has drawn anew."""
    needs_start: bool = False
    """Its models draw pictures anew, and none from words alone."""
    refines: str = ""
    """Key of the family whose pictures its models finish."""
    overflows: bool = False
    """Its numbers are too large for float16; bfloat16 takes its place."""
    kinds: tuple[str, ...] = (PICTURE,)
    """What its models make without more; with a motion adapter a picture model makes films as well."""
    film: FilmFacts | None = None
    """How its models make films, if they do or a motion adapter makes them."""
    tokenizer: str = "tokenizer"
    """Folder of the tokenizer that counts a prompt's tokens; "" where nobody knows how many are read."""
    prompt_room: int = 75
    """Tokens of a prompt that are read together, markers left out."""
    architectures: tuple[str, ...] = ()
    """What its models and their LoRAs are known as in :data:`desktop_app.checkpoints.identity.ARCHITECTURES`."""
    animated: bool = False
    """Whether a motion adapter (AnimateDiff, Guo et al. 2023) turns its models into film models."""
    bridge: BridgeFacts | None = None
    """How it runs through diffusers' own pipeline; None for those that run on the program's own sampling loop. What the
    pipeline takes decides over ``controls``, and what a model's folder holds over ``parts``."""


TINY_AUTOENCODERS = ("taesdxl", "taesd3", "taef1", "taesd")
"""Published tiny autoencoders; the name of one may contain that of a later one."""
_XL_SIZES = ((1024, 1024), (832, 1216), (1216, 832), (896, 1152), (1152, 896), (768, 1344), (1344, 768))
_FLUX_SIZES = ((1024, 1024), (896, 1152), (1152, 896), (768, 1344), (1344, 768), (512, 512))
_FLUX_CONTROLS = ("prompt", "lora", "vae", "steps", "scheduler", "size", "seed", "count", "start", "strength")
_FLUX_PARTS = ("text_encoder", "text_encoder_2", "transformer", "vae")
_FLUX_LARGE = ("text_encoder_2", "transformer")

_XL = Family(
    label="Stable Diffusion XL",
    architectures=("sdxl",),
    pipelines=("StableDiffusionXLPipeline",),
    latent_channels=4,
    multiple=8,
    min_size=64,
    max_size=2048,
    sizes=_XL_SIZES,
    steps=25,
    guidance_scale=6.0,
    scheduler="dpmpp-2m",
    schedule_type="karras",
    schedulers=DIFFUSION_SCHEDULERS,
    controls=(
        "prompt",
        "negative_prompt",
        "steps",
        "guidance_scale",
        "scheduler",
        "clip_skip",
        "prompt_dialect",
        "lora",
        "vae",
        "refiner",
        "size",
        "seed",
        "count",
        "start",
        "strength",
    ),
    parts=("text_encoder", "text_encoder_2", "unet", "vae"),
    float32_parts=("vae",),
    tiny="taesdxl",
)

_FLUX = Family(
    label="FLUX.1",
    architectures=("flux-1",),
    tokenizer="tokenizer_2",
    prompt_room=511,
    pipelines=("FluxPipeline",),
    latent_channels=16,
    multiple=16,
    min_size=64,
    max_size=2048,
    sizes=_FLUX_SIZES,
    steps=28,
    guidance_scale=3.5,
    scheduler="flow-euler",
    schedule_type="default",
    schedulers=FLOW_SCHEDULERS,
    controls=(*_FLUX_CONTROLS, "guidance_scale"),
    parts=_FLUX_PARTS,
    large_parts=_FLUX_LARGE,
    tiny="taef1",
    overflows=True,
)

OWN_LOOP: dict[str, Family] = {
    "stable-diffusion": Family(
        label="Stable Diffusion 1/2",
        architectures=("sd-1", "sd-2"),
        pipelines=("StableDiffusionPipeline",),
        latent_channels=4,
        multiple=8,
        min_size=64,
        max_size=2048,
        sizes=((512, 512), (512, 768), (768, 512), (768, 768), (640, 384)),
        steps=20,
        guidance_scale=7.0,
        scheduler="dpmpp-2m",
        schedule_type="karras",
        schedulers=DIFFUSION_SCHEDULERS,
        controls=(
            "prompt",
            "negative_prompt",
            "steps",
            "guidance_scale",
            "scheduler",
            "clip_skip",
            "prompt_dialect",
            "lora",
            "vae",
            "size",
            "seed",
            "count",
            "start",
            "strength",
            "extend",
            "frames",
            "fps",
            "loop",
            "motion_model",
        ),
        film=FilmFacts(frames=16, max_frames=512, fps=8, window=16),
        animated=True,
    ),
    "stable-diffusion-xl": _XL,
    "stable-diffusion-xl-refiner": replace(
        _XL,
        label="Stable Diffusion XL refiner",
        architectures=("sdxl-refiner",),
        pipelines=("StableDiffusionXLImg2ImgPipeline",),
        told_by=("model_index.json", "requires_aesthetics_score", True),
        controls=tuple(control for control in _XL.controls if control not in ("lora", "refiner")),
        parts=("text_encoder_2", "unet", "vae"),
        tokenizer="tokenizer_2",
        strength=0.3,
        needs_start=True,
        refines="stable-diffusion-xl",
    ),
    "stable-video-diffusion": Family(
        label="Stable Video Diffusion",
        pipelines=("StableVideoDiffusionPipeline",),
        latent_channels=4,
        multiple=64,
        min_size=128,
        max_size=2048,
        sizes=((1024, 576), (576, 1024), (768, 768), (512, 512)),
        steps=25,
        guidance_scale=3.0,
        scheduler="euler",
        schedule_type="karras",
        schedulers=("euler",),
        controls=(
            "steps",
            "guidance_scale",
            "scheduler",
            "size",
            "seed",
            "count",
            "start",
            "extend",
            "frames",
            "fps",
            "loop",
            "motion_bucket",
            "noise_augmentation",
        ),
        parts=("image_encoder", "unet", "vae"),
        kinds=(FILM,),
        film=FilmFacts(frames=14, max_frames=64, fps=7, window=25, needs_start=True),
    ),
    "text-to-video": Family(
        label="Text-to-video (ModelScope)",
        pipelines=("TextToVideoSDPipeline",),
        latent_channels=4,
        multiple=8,
        min_size=64,
        max_size=1024,
        sizes=((256, 256), (576, 320), (320, 576), (512, 512)),
        steps=25,
        guidance_scale=9.0,
        scheduler="ddim",
        schedule_type="default",
        schedulers=DIFFUSION_SCHEDULERS,
        controls=(
            "prompt",
            "negative_prompt",
            "steps",
            "guidance_scale",
            "scheduler",
            "clip_skip",
            "prompt_dialect",
            "vae",
            "size",
            "seed",
            "count",
            "start",
            "strength",
            "extend",
            "frames",
            "fps",
            "loop",
        ),
        kinds=(FILM,),
        film=FilmFacts(frames=16, max_frames=128, fps=8, window=24),
    ),
    "flux-schnell": replace(
        _FLUX,
        label="FLUX.1 schnell",
        steps=4,
        guidance_scale=1.0,
        controls=_FLUX_CONTROLS,
        told_by=("transformer/config.json", "guidance_embeds", False),
    ),
    "flux": _FLUX,
}
"""The families on the program's own sampling loop."""


def _bridged(
    label: str,
    pipelines: tuple[str, ...],
    sizes: tuple[tuple[int, int], ...],
    steps: int,
    guidance_scale: float,
    *,
    film: FilmFacts | None = None,
    multiple: int = 16,
    told_by: tuple[str, str, object] | None = None,
    float32_parts: tuple[str, ...] = (),
    bridge: BridgeFacts | None = None,
) -> Family:
    """A family that runs through diffusers' own pipelines, with the model's own scheduler."""
    return Family(
        label=label,
        pipelines=pipelines,
        latent_channels=16,
        multiple=multiple,
        min_size=64,
        max_size=4096,
        sizes=sizes,
        steps=steps,
        guidance_scale=guidance_scale,
        scheduler="",
        schedule_type="default",
        schedulers=(),
        controls=(),
        parts=(),
        told_by=told_by,
        float32_parts=float32_parts,
        overflows=True,
        tokenizer="",
        kinds=(FILM,) if film else (PICTURE,),
        film=film,
        bridge=bridge or BridgeFacts(),
    )


_MEGAPIXEL = _FLUX_SIZES
_SIZES_480 = ((832, 480), (480, 832), (624, 624))
_SIZES_720 = ((1280, 720), (720, 1280), (960, 960))
_QWEN_SIZES = ((1328, 1328), (1664, 928), (928, 1664), (1472, 1104), (1104, 1472), (1584, 1056), (1056, 1584))

BRIDGED: dict[str, Family] = {
    "stable-diffusion-3": _bridged("Stable Diffusion 3", ("StableDiffusion3Pipeline",), _MEGAPIXEL, 28, 4.5),
    "flux-2-klein": _bridged(
        "FLUX.2 klein",
        ("Flux2KleinPipeline", "Flux2KleinKVPipeline"),
        _MEGAPIXEL,
        4,
        1.0,
        told_by=("model_index.json", "is_distilled", True),
    ),
    "flux-2": _bridged("FLUX.2", ("Flux2Pipeline", "Flux2KleinPipeline"), _MEGAPIXEL, 50, 4.0),
    "qwen-image": _bridged(
        "Qwen-Image",
        ("QwenImagePipeline",),
        _QWEN_SIZES,
        50,
        4.0,
        bridge=BridgeFacts(guidance="true_cfg_scale", empty_negative=" "),
    ),
    "z-image-turbo": _bridged(
        "Z-Image Turbo",
        ("ZImagePipeline",),
        _MEGAPIXEL,
        9,
        0.0,
        told_by=("scheduler/scheduler_config.json", "shift", 3.0),
    ),
    "z-image": _bridged("Z-Image", ("ZImagePipeline",), _MEGAPIXEL, 50, 4.0),
    "pixart": _bridged("PixArt", ("PixArtAlphaPipeline", "PixArtSigmaPipeline"), _MEGAPIXEL, 20, 4.5),
    "sana-sprint": _bridged("Sana Sprint", ("SanaSprintPipeline",), _MEGAPIXEL, 2, 4.5, multiple=32),
    "sana": _bridged("Sana", ("SanaPipeline", "SanaPAGPipeline"), _MEGAPIXEL, 20, 4.5, multiple=32),
    "lumina": _bridged("Lumina", ("Lumina2Pipeline", "LuminaPipeline"), _MEGAPIXEL, 30, 4.0),
    "hunyuan-dit": _bridged("Hunyuan-DiT", ("HunyuanDiTPipeline",), _MEGAPIXEL, 50, 5.0),
    "kandinsky-3": _bridged("Kandinsky 3", ("Kandinsky3Pipeline",), _MEGAPIXEL, 25, 3.0, multiple=64),
    "stable-cascade": _bridged(
        "Stable Cascade",
        ("StableCascadeCombinedPipeline",),
        ((1024, 1024), (896, 1152), (1152, 896)),
        12,
        4.0,
        multiple=128,
        bridge=BridgeFacts(guidance="prior_guidance_scale"),
    ),
    "wan-2.2": _bridged(
        "Wan 2.2",
        ("WanPipeline",),
        (*_SIZES_480, *_SIZES_720),
        40,
        4.0,
        float32_parts=("vae",),
        film=FilmFacts(frames=81, max_frames=241, fps=16, window=81, frame_step=4),
        told_by=("model_index.json", "boundary_ratio", 0.875),
    ),
    "wan-2.2-small": _bridged(
        "Wan 2.2 (5B)",
        ("WanPipeline",),
        ((1280, 704), (704, 1280), (832, 480), (480, 832)),
        50,
        5.0,
        float32_parts=("vae",),
        film=FilmFacts(frames=121, max_frames=241, fps=24, window=121, frame_step=4),
        multiple=32,
        told_by=("model_index.json", "expand_timesteps", True),
    ),
    "wan": _bridged(
        "Wan 2.1",
        ("WanPipeline",),
        (*_SIZES_480, *_SIZES_720),
        50,
        5.0,
        float32_parts=("vae",),
        film=FilmFacts(frames=81, max_frames=241, fps=16, window=81, frame_step=4),
    ),
    "ltx-video": _bridged(
        "LTX-Video",
        ("LTXPipeline", "LTXConditionPipeline"),
        ((704, 512), (512, 704), (768, 512), (1216, 704)),
        50,
        3.0,
        film=FilmFacts(frames=121, max_frames=257, fps=25, window=121, frame_step=8),
        multiple=32,
    ),
    "ltx-2": _bridged(
        "LTX-2",
        ("LTX2Pipeline", "LTX2ConditionPipeline"),
        ((768, 512), (512, 768), (1216, 704)),
        30,
        3.0,
        film=FilmFacts(frames=121, max_frames=257, fps=24, window=121, frame_step=8),
        multiple=32,
    ),
    "hunyuan-video": _bridged(
        "HunyuanVideo",
        ("HunyuanVideoPipeline",),
        (*_SIZES_480, *_SIZES_720),
        50,
        6.0,
        film=FilmFacts(frames=61, max_frames=129, fps=24, window=129, frame_step=4),
    ),
    "hunyuan-video-1.5": _bridged(
        "HunyuanVideo 1.5",
        ("HunyuanVideo15Pipeline",),
        (*_SIZES_480, *_SIZES_720),
        50,
        6.0,
        film=FilmFacts(frames=61, max_frames=121, fps=24, window=121, frame_step=4),
    ),
    "cogvideox": _bridged(
        "CogVideoX",
        ("CogVideoXPipeline",),
        ((720, 480), (1360, 768)),
        50,
        6.0,
        film=FilmFacts(frames=49, max_frames=161, fps=8, window=49, frame_step=4),
    ),
    "mochi": _bridged(
        "Mochi",
        ("MochiPipeline",),
        ((848, 480), (480, 848)),
        64,
        4.5,
        film=FilmFacts(frames=31, max_frames=163, fps=30, window=163, frame_step=6),
    ),
    "other": _bridged("Another pipeline of diffusers", (), _MEGAPIXEL, 30, 5.0),
}
"""The families that run through diffusers' own pipelines. The last one is for every pipeline that no family names; its
choices come from the pipeline itself."""
OTHER = "other"
FAMILIES: dict[str, Family] = OWN_LOOP | BRIDGED


FIRST_SIZES: dict[tuple[str, str], tuple[int, int]] = {("sd-2", "v_prediction"): (768, 768)}
"""(width, height) in px that single files of an architecture and a prediction were trained on, unlike their family."""


@dataclass(frozen=True, slots=True)
class PreviewFactors:
    """Linear map from one latent pixel to RGB in [-1, 1]: ``rgb = latent @ factors + bias``.

    ``factors`` has one (r, g, b) row per latent channel, for latents as the denoiser sees them (scaled).
    """

    factors: tuple[tuple[float, float, float], ...]
    bias: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class PartSize:
    """How large one part of a model is, in numbers."""

    name: str
    """Its sub-folder."""
    numbers: int
    group: int
    """Its largest block, and what stands outside of its blocks: as much as computes together."""
    largest: int
    """Its largest tensor."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a model's need of memory follows from; see :mod:`desktop_app.core.forecast`."""

    parts: tuple[PartSize, ...]
    denoiser: str
    """Name of the part that denoises."""
    width: int
    """Channels of the U-Net's first level, or of the transformer."""
    patch: int
    """Latent pixels per token of the transformer, along each side; 1 for a U-Net."""
    vae_width: int
    """Channels of the decoder's last level."""
    shrink: int
    """Pixels per latent pixel, along each side."""
    tile: int
    """Pixels along each side of the tiles it can be decoded in; 0 where it cannot."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """One model that can be chosen: its family's facts with its own laid over them.

    Made by :func:`desktop_app.checkpoints.facts.read_model_facts`.
    """

    key: str
    """Name of the model's folder, or of its file without the ending: what ``--model`` and a saved recipe say."""
    name: str
    folder: str
    """Where it is: a diffusers folder, or a single file."""
    family: str
    description: str
    licence: str
    sizes: tuple[tuple[int, int], ...]
    multiple: int
    min_size: int
    max_size: int
    steps: int
    guidance_scale: float
    scheduler: str
    schedule_type: str
    schedulers: tuple[str, ...]
    controls: tuple[str, ...]
    preview: PreviewFactors | None = None
    examples: tuple[str, ...] = ()
    vocabulary: tuple[str, ...] = ()
    """Words the model was trained on, lower case; empty when it knows ordinary language."""
    synonyms: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Words of the vocabulary that the model draws as another word or phrase of it, and which."""
    surprise: tuple[tuple[str, ...], ...] = ()
    """Phrases in slots, of which one each, in order, makes a sentence; "" leaves the slot out."""
    max_clip_skip: int = 12
    """Layers of its text encoder, as far as they can be skipped."""
    enlarge: int = 1
    """How many times as large its own enlarger draws a finished picture; 1: it has none."""
    default_enlarge: int = 1
    """What a newcomer gets: 1 or ``enlarge``."""
    kinds: tuple[str, ...] = (PICTURE,)
    """What it makes: "picture", "film" or both; the first is a newcomer's."""
    film: FilmFacts | None = None
    """How it makes films; None if it makes none."""
    strength: float = 0.7
    """How much of a start picture a newcomer has drawn anew."""
    needs_start: bool = False
    """It draws pictures anew, and none from words alone."""
    footprint: Footprint | None = None
    """How large it is; None where that cannot be told from its files."""
    autoencoders: tuple[str, ...] = ()
    """Other autoencoders than its own that know its latents, by folder name."""
    tiny_autoencoders: tuple[str, ...] = ()
    """Of those that are tiny, and of the others that only previews can use; by folder name."""
    motion_models: tuple[str, ...] = ()
    """Motion adapters that fit it, by folder name, "" being its own; the first is a newcomer's."""
    refiners: tuple[ModelFacts, ...] = ()
    """Models that can finish its pictures."""
    pipeline: str = ""
    """Which of diffusers' pipelines it runs through; "" on the program's own sampling loop."""

    def refiner(self, key: str) -> ModelFacts | None:
        """The one of ``refiners`` that is called ``key``."""
        return next((facts for facts in self.refiners if facts.key == key), None)

    def examples_of(self, kind: str) -> tuple[str, ...]:
        """Sentences to show a newcomer who wants a picture or a film."""
        return (self.film.examples if self.film and kind == FILM else ()) or self.examples

    def surprise_of(self, kind: str) -> tuple[tuple[str, ...], ...]:
        """Slots of phrases for a picture or a film; see ``surprise``."""
        return (self.film.surprise if self.film and kind == FILM else ()) or self.surprise

    @property
    def default_size(self) -> tuple[int, int]:
        """(width, height) in px."""
        return self.sizes[0]

    def nearest_size(self, width: float, height: float) -> tuple[int, int]:
        """The valid (width, height) nearest to what was asked, in px."""
        return self._nearest(width), self._nearest(height)

    def _nearest(self, value: float) -> int:
        snapped = int((value + self.multiple / 2) // self.multiple) * self.multiple
        return max(self.min_size, min(self.max_size, snapped))
