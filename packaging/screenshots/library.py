"""A folder of model files to photograph: real headers over holes, so that a thousand models take a few megabytes."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path

from PIL import Image

GALLERY = Path(__file__).resolve().parents[2] / "resources" / "screenshots" / "gallery.webp"
SIDE, GAP, COLUMNS = 256, 8, 4

Shapes = dict[str, tuple[int, ...]]
_ATTENTION = "transformer_blocks.0.attn2.to_k.weight"
_PARTS = {"first_stage_model.x": (1,), "cond_stage_model.x": (1,)}
SD_1: Shapes = {f"model.diffusion_model.input_blocks.1.1.{_ATTENTION}": (320, 768), **_PARTS}
SDXL: Shapes = {
    f"model.diffusion_model.input_blocks.4.1.{_ATTENTION}": (640, 2048),
    "model.diffusion_model.label_emb.0.0.weight": (1280, 2816),
    "first_stage_model.x": (1,),
    "conditioner.embedders.0.x": (1,),
    "conditioner.embedders.1.x": (1,),
}
FLUX: Shapes = {
    "double_blocks.0.img_attn.qkv.weight": (9216, 3072),
    "double_blocks.0.img_attn.norm.key_norm.scale": (128,),
    "vector_in.in_layer.weight": (3072, 768),
    "txt_in.weight": (3072, 4096),
}
WAN: Shapes = {
    "head.modulation": (1, 2, 1536),
    "blocks.0.cross_attn.k.weight": (1536, 1536),
    "text_embedding.0.weight": (1536, 4096),
}
VAE: Shapes = {
    "decoder.conv_in.weight": (512, 4, 3, 3),
    "decoder.conv_out.weight": (3, 128, 3, 3),
    "encoder.conv_in.weight": (128, 3, 3, 3),
}
ENLARGER: Shapes = {"conv_first.weight": (64, 3, 3, 3), "body.0.rdb1.conv1.weight": (32, 64, 3, 3)}
EMBEDDING: Shapes = {"emb_params": (8, 768)}


def lora(width: int) -> Shapes:
    """A LoRA for cross attention that reads text of this ``width``."""
    layer = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
    return {f"{layer}.lora_down.weight": (16, width), f"{layer}.lora_up.weight": (640, 16)}


def write_ten(root: Path) -> None:
    """What a person may have: checkpoints, what is added to them, one half downloaded."""
    _write(root / "Stable-diffusion" / "v1-5-pruned-emaonly.safetensors", SD_1, 1_066_000_000)
    _write(root / "Stable-diffusion" / "sd_xl_base_1.0.safetensors", SDXL, 3_470_000_000)
    _write(root / "unet" / "flux1-dev-Q4_K_S.gguf", FLUX, 11_900_000_000)
    _write(root / "unet" / "wan2.1_t2v_1.3B_bf16.safetensors", WAN, 1_420_000_000, "BF16")
    _write(root / "VAE" / "vae-ft-mse-840000.safetensors", VAE, 83_653_863, "F32")
    _write(root / "Lora" / "evening light.safetensors", lora(2048), 46_000_000)
    _write(root / "Lora" / "ink and water.safetensors", lora(768), 18_000_000)
    _write(root / "embeddings" / "soft-negative.safetensors", EMBEDDING, 0)
    _write(root / "ESRGAN" / "4x-plain.safetensors", ENLARGER, 16_700_000, "F32")
    broken = _write(root / "Stable-diffusion" / "interrupted download.safetensors", SDXL, 3_470_000_000)
    with broken.open("r+b") as file:
        file.truncate(1_200_000_000)
    _add_notes(root / "Lora" / "evening light.safetensors", 9)
    _add_notes(root / "Lora" / "ink and water.safetensors", 4)
    _add_preview(root / "Stable-diffusion" / "sd_xl_base_1.0.safetensors", 7)


def write_thousand(root: Path) -> None:
    """Many LoRAs in folders, every third with a picture."""
    motifs = ("lighthouse", "castle", "balloon", "sailboat", "umbrella", "windmill", "rocket", "flower", "duck", "cat")
    styles = ("ink", "gouache", "paper cut", "linocut", "pastel", "poster", "pixel", "woodcut", "chalk", "watercolour")
    for number in range(1000):
        name = f"{styles[number // 10 % 10]} {motifs[number % 10]} v{number // 100 + 1}"
        file = _write(
            root / "Lora" / f"{name}.safetensors", lora((768, 2048)[number % 2]), 18_000_000 + 40_000 * number
        )
        if number % 3 == 0:
            _add_preview(file, number % 12)


def _write(path: Path, shapes: Shapes, parameters: int, dtype: str = "F16") -> Path:
    """A file of ``shapes`` and one tensor more that brings it to about ``parameters``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rest = parameters - sum(map(math.prod, shapes.values()))
    whole = {**shapes, "rest": (rest // 256, 256)} if rest > 0 else shapes
    start, size = _gguf(whole) if path.suffix == ".gguf" else _safetensors(whole, dtype)
    with path.open("wb") as file:
        file.write(start)
        file.truncate(len(start) + size)
    return path


def _safetensors(shapes: Shapes, dtype: str) -> tuple[bytes, int]:
    """(header, bytes that follow)."""
    header: dict[str, object] = {}
    end = 0
    for name, shape in shapes.items():
        begin, end = end, end + math.prod(shape) * (4 if dtype == "F32" else 2)
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text, end


def _gguf(shapes: Shapes) -> tuple[bytes, int]:
    """The same as GGUF in Q4_K: blocks of 256 weights in 144 bytes; what makes no whole blocks is float32."""
    start, end = b"GGUF" + struct.pack("<IQQ", 3, len(shapes), 0), 0
    for name, shape in shapes.items():
        kind, weights, size = (12, 256, 144) if shape[-1] % 256 == 0 else (0, 1, 4)
        start += struct.pack("<Q", len(name)) + name.encode()
        start += struct.pack(f"<I{len(shape)}QIQ", len(shape), *reversed(shape), kind, end)
        end += -(-(math.prod(shape) // weights * size) // 32) * 32
    return start.ljust(-(-len(start) // 32) * 32, b"\0"), end


def _add_notes(file: Path, picture: int) -> None:
    notes = {
        "description": "Warm light from low on the left, long shadows. Made from my own photographs of one autumn.",
        "activation text": "evening light, long shadows",
        "preferred weight": 0.8,
    }
    file.with_suffix(".json").write_text(json.dumps(notes), encoding="utf-8")
    _add_preview(file, picture)


def _add_preview(file: Path, number: int) -> None:
    """One of the twelve pictures of the README's gallery."""
    left, top = number % COLUMNS * (SIDE + GAP), number // COLUMNS * (SIDE + GAP)
    with Image.open(GALLERY) as gallery:
        gallery.convert("RGB").crop((left, top, left + SIDE, top + SIDE)).save(file.with_suffix(".preview.png"))
