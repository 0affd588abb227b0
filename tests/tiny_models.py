"""Tiny random models in the layout of real ones, written to a folder in about a second, for every test that generates.

Every part is the real class with real (random) weights: a CLIP tokenizer with a byte alphabet and a few whole words, a
two-layer text encoder, a U-Net of two resolutions and an autoencoder that shrinks by 8. 64 × 64 px takes milliseconds.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import desktop_app.engine.offline  # noqa: F401  (before torch and diffusers: no network)

import torch  # isort: skip
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel  # isort: skip
from diffusers import AutoencoderKLTemporalDecoder, EulerDiscreteScheduler, TextToVideoSDPipeline  # isort: skip
from diffusers import MotionAdapter, StableVideoDiffusionPipeline, UNet3DConditionModel  # isort: skip
from diffusers import StableDiffusionXLImg2ImgPipeline, StableDiffusionXLPipeline  # isort: skip
from diffusers import UNetSpatioTemporalConditionModel  # isort: skip
from safetensors.torch import save_file  # isort: skip
from transformers import CLIPImageProcessor, CLIPTextConfig, CLIPTextModel, CLIPTokenizer  # isort: skip
from transformers import CLIPTextModelWithProjection  # isort: skip
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection  # isort: skip

from desktop_app.engine.enlarger import Enlarger  # isort: skip

WORDS = ("sunset", "house", "green", "hills", "night", "boat", "red", "sea", "the", "on", "at", "a")
"""Longest first, so that the merges of a short word do not split a long one."""
START, END = "<|startoftext|>", "<|endoftext|>"
MAX_TOKENS = 77
SIZE = 64
"""Default width and height in px of a tiny model that brings its own facts."""


def _byte_alphabet() -> list[str]:
    """The 256 printable stand-ins of byte-level BPE (GPT-2's table): bytes that print stand for themselves."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = (chr(256 + index) for index in range(256 - len(printable)))
    return [chr(byte) if byte in printable else next(others) for byte in range(256)]


def tiny_tokenizer(size: int = 0) -> CLIPTokenizer:
    """A CLIP tokenizer that knows :data:`WORDS` as whole words and spells everything else out byte by byte.

    Tokens that no text contains fill it up to ``size``.
    """
    letters = _byte_alphabet()
    vocabulary = dict.fromkeys([*letters, *(letter + "</w>" for letter in letters)])
    merges: dict[str, None] = {}
    for word in WORDS:
        parts = [*word[:-1], word[-1] + "</w>"]
        while len(parts) > 1:
            merges[f"{parts[0]} {parts[1]}"] = None
            parts[:2] = [parts[0] + parts[1]]
            vocabulary[parts[0]] = None
    fillers = (f"<filler {index}>" for index in range(size - len(vocabulary) - 2))
    tokens = [*vocabulary, *fillers, START, END]
    return CLIPTokenizer(
        vocab={token: index for index, token in enumerate(tokens)},
        merges=[tuple(merge.split(" ")) for merge in merges],
        model_max_length=MAX_TOKENS,
    )


def tiny_pipeline(prediction_type: str = "epsilon", seed: int = 0, **scheduler: Any) -> StableDiffusionPipeline:
    """diffusers' own pipeline over the tiny parts, random weights drawn from ``seed``; also the oracle of our loop."""
    torch.manual_seed(seed)
    tokenizer = tiny_tokenizer()
    text_encoder = CLIPTextModel(
        CLIPTextConfig(
            hidden_size=16,
            intermediate_size=24,
            num_attention_heads=2,
            num_hidden_layers=2,
            vocab_size=len(tokenizer),
            max_position_embeddings=MAX_TOKENS,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    unet = UNet2DConditionModel(
        block_out_channels=(8, 16),
        layers_per_block=1,
        sample_size=SIZE // 8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=16,
        norm_num_groups=2,
        attention_head_dim=2,
    )
    vae = AutoencoderKL(
        block_out_channels=[8, 8, 8, 8],
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        norm_num_groups=2,
        sample_size=SIZE,
    )
    config = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "clip_sample": False}
    return StableDiffusionPipeline(
        vae=vae.eval(),
        text_encoder=text_encoder.eval(),
        tokenizer=tokenizer,
        unet=unet.eval(),
        scheduler=DDIMScheduler(
            **{**config, "steps_offset": 1, "set_alpha_to_one": False, "prediction_type": prediction_type, **scheduler}
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def tiny_xl_pipeline(seed: int = 0, *, zeros: bool = True) -> StableDiffusionXLPipeline:
    """SDXL in small: a second text encoder that pads with another token, and a U-Net that is told sizes.

    ``zeros`` is ``force_zeros_for_empty_prompt``.
    """
    first = tiny_pipeline(seed=seed)
    config = CLIPTextConfig.from_dict(
        {**first.text_encoder.config.to_dict(), "hidden_size": 24, "num_hidden_layers": 3, "projection_dim": 12}
    )
    unet = UNet2DConditionModel(
        block_out_channels=(8, 16),
        layers_per_block=2,
        sample_size=SIZE // 8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=16 + 24,
        norm_num_groups=2,
        attention_head_dim=(1, 2),
        transformer_layers_per_block=(1, 2),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=12 + 6 * 8,
    )
    tokenizer = tiny_tokenizer()
    tokenizer.pad_token = "!"
    return StableDiffusionXLPipeline(
        vae=first.vae,
        text_encoder=first.text_encoder,
        text_encoder_2=CLIPTextModelWithProjection(config).eval(),
        tokenizer=first.tokenizer,
        tokenizer_2=tokenizer,
        unet=unet.eval(),
        scheduler=first.scheduler,
        force_zeros_for_empty_prompt=zeros,
        add_watermarker=False,
    )


def tiny_xl_refiner_pipeline(seed: int = 1) -> StableDiffusionXLImg2ImgPipeline:
    """The refiner of SDXL in small: one text encoder, and a U-Net that is told five numbers."""
    whole = tiny_xl_pipeline(seed=seed)
    config = {
        **whole.unet.config,
        "cross_attention_dim": 24,
        "projection_class_embeddings_input_dim": 12 + 5 * 8,
        "transformer_layers_per_block": 2,
    }
    return StableDiffusionXLImg2ImgPipeline(
        vae=whole.vae,
        text_encoder=None,
        text_encoder_2=whole.text_encoder_2,
        tokenizer=None,
        tokenizer_2=whole.tokenizer_2,
        unet=UNet2DConditionModel.from_config(config).eval(),
        scheduler=whole.scheduler,
        requires_aesthetics_score=True,
        force_zeros_for_empty_prompt=False,
        add_watermarker=False,
    )


def tiny_facts(**changes: Any) -> dict[str, Any]:
    """A facts file for a tiny model: 64 px, five steps, and the sizes that tests use."""
    return {
        "format": 1,
        "name": "Tiny",
        "description": "Random weights, for tests.",
        "licence": "Apache-2.0",
        "defaults": {"width": SIZE, "height": SIZE, "steps": 5, "guidance_scale": 5.0, "scheduler": "ddim",
                     "schedule_type": "default"},
        "sizes": [[SIZE, SIZE], [96, SIZE], [128, 128]],
        "min_size": 64,
        "max_size": 512,
        "examples": ["a red house on green hills at sunset"],
        **changes,
    }  # fmt: skip


def tiny_model(
    folder: Path,
    *,
    facts: Mapping[str, Any] | None = None,
    prediction_type: str = "epsilon",
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    **scheduler: Any,
) -> Path:
    """Write a tiny random Stable Diffusion model to ``folder`` (its name is the model's key) and return ``folder``.

    ``facts`` changes fields of :func:`tiny_facts`, which is written as ``safelight.json``; ``scheduler`` changes fields
    of the scheduler's config.
    """
    pipeline = tiny_pipeline(prediction_type, seed, **scheduler)
    pipeline.to(dtype=dtype).save_pretrained(folder)
    (folder / "safelight.json").write_text(json.dumps(tiny_facts(**(facts or {}))), encoding="utf-8")
    return folder


def add_enlarger(folder: Path, *, width: int = 8, depth: int = 2, factor: int = 4, seed: int = 0) -> Enlarger:
    """Write a random enlarger into the model ``folder`` (its facts must speak of it) and return the same network."""
    torch.manual_seed(seed)
    enlarger = Enlarger(width, depth, factor).half().float()  # what float16 keeps of it
    (folder / "enlarger").mkdir(exist_ok=True)
    config = {"width": width, "depth": depth, "factor": factor}
    (folder / "enlarger" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    weights = {name: weight.half() for name, weight in enlarger.state_dict().items()}
    save_file(weights, folder / "enlarger" / "model.safetensors")
    return enlarger


def add_autoencoder(folder: Path, seed: int = 1) -> AutoencoderKL:
    """Write the autoencoder of another :func:`tiny_pipeline` to ``folder``, by itself, and return it."""
    autoencoder = tiny_pipeline(seed=seed).vae
    autoencoder.save_pretrained(folder)
    return autoencoder.requires_grad_(False)


def tiny_motion_adapter(longest: int = 16, seed: int = 0, **changes: Any) -> MotionAdapter:
    """A random motion adapter for :func:`tiny_pipeline` that tells ``longest`` frames apart.

    ``changes`` are options of ``MotionAdapter``; an adapter with some of them fits no picture model.
    """
    torch.manual_seed(seed)
    options: dict[str, Any] = {"block_out_channels": (8, 16), "motion_layers_per_block": 1, **changes}
    adapter = MotionAdapter(
        motion_num_attention_heads=2, motion_norm_num_groups=2, motion_max_seq_length=longest, **options
    )
    for name, weight in adapter.named_parameters():
        if name.endswith("proj_out.weight"):
            torch.nn.init.normal_(weight, std=0.2)
    return adapter.eval()


def add_motion_adapter(folder: Path, *, longest: int = 16, seed: int = 0) -> MotionAdapter:
    """Write :func:`tiny_motion_adapter` into the model ``folder`` as its own and return it."""
    adapter = tiny_motion_adapter(longest, seed)
    adapter.save_pretrained(folder / "motion_adapter")
    return adapter


def tiny_video_diffusion_pipeline(seed: int = 0) -> StableVideoDiffusionPipeline:
    """Stable Video Diffusion in small; its layers' groups of 32 channels are fixed. The scheduler is the published one.

    The blending of space and time is random as well: at its first value, 0.5, an exchange of the two would not show.
    """
    torch.manual_seed(seed)
    image_encoder = CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=16,
            intermediate_size=24,
            num_attention_heads=2,
            num_hidden_layers=2,
            image_size=224,
            patch_size=56,
            projection_dim=16,
        )
    )
    unet = UNetSpatioTemporalConditionModel(
        block_out_channels=(32, 64),
        down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
        up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
        layers_per_block=1,
        cross_attention_dim=16,
        num_attention_heads=(2, 4),
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=24,
        num_frames=4,
        sample_size=SIZE // 8,
    )
    vae = AutoencoderKLTemporalDecoder(
        block_out_channels=(32, 32, 32, 32), down_block_types=("DownEncoderBlock2D",) * 4, sample_size=SIZE
    )
    for module in (unet, vae):
        for name, weight in module.named_parameters():
            if name.endswith("mix_factor"):
                torch.nn.init.normal_(weight)
    return StableVideoDiffusionPipeline(
        vae=vae.eval(),
        image_encoder=image_encoder.eval(),
        unet=unet.eval(),
        scheduler=EulerDiscreteScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            prediction_type="v_prediction",
            timestep_spacing="leading",
            timestep_type="continuous",
            steps_offset=1,
            sigma_min=0.002,
            sigma_max=700.0,
            use_karras_sigmas=True,
        ),
        feature_extractor=CLIPImageProcessor(),
    )


def tiny_text_to_video_pipeline(seed: int = 0) -> TextToVideoSDPipeline:
    """The 3-D U-Net of ModelScope in small, with the text encoder and autoencoder of :func:`tiny_pipeline`."""
    pictures = tiny_pipeline(seed=seed)
    unet = UNet3DConditionModel(
        block_out_channels=(8, 16),
        layers_per_block=1,
        sample_size=SIZE // 8,
        down_block_types=("CrossAttnDownBlock3D", "DownBlock3D"),
        up_block_types=("UpBlock3D", "CrossAttnUpBlock3D"),
        cross_attention_dim=16,
        norm_num_groups=2,
        attention_head_dim=4,
    )
    for name, weight in unet.named_parameters():
        if ".conv4." in name:  # zero at first, which would switch the temporal convolutions off
            torch.nn.init.normal_(weight, std=0.1)
    return TextToVideoSDPipeline(
        vae=pictures.vae,
        text_encoder=pictures.text_encoder,
        tokenizer=pictures.tokenizer,
        unet=unet.eval(),
        scheduler=pictures.scheduler,
    )


def tiny_film_facts(**changes: Any) -> dict[str, Any]:
    """A facts file for a tiny film model: four frames of 64 px, a guidance and scheduler of the family's own."""
    facts = tiny_facts(sizes=[[SIZE, SIZE], [128, SIZE]], film={"frames": 4, "fps": 8}, **changes)
    defaults = {name: value for name, value in facts["defaults"].items() if name in ("width", "height", "steps")}
    return {**facts, "defaults": defaults}


def write_film_model(folder: Path, pipeline: StableVideoDiffusionPipeline | TextToVideoSDPipeline) -> Path:
    """Write the tiny film model ``pipeline`` and its facts to ``folder`` and return ``folder``."""
    pipeline.save_pretrained(folder)
    (folder / "safelight.json").write_text(json.dumps(tiny_film_facts()), encoding="utf-8")
    return folder


def loaded(loading: Generator[Any, None, Any]) -> Any:
    """What a family's ``load`` returns in the end, its events passed over."""
    while True:
        try:
            next(loading)
        except StopIteration as end:
            return end.value
