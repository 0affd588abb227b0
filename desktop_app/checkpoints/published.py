"""Which repository of Hugging Face has a model of an architecture as a folder that runs here, for who has one file."""

from __future__ import annotations

from collections.abc import Mapping

FOLDERS: Mapping[str, str] = {
    "sd-3": "stabilityai/stable-diffusion-3.5-medium",
    "flux-1": "black-forest-labs/FLUX.1-schnell",
    "flux-2": "black-forest-labs/FLUX.2-dev",
    "qwen-image": "Qwen/Qwen-Image",
    "z-image": "Tongyi-MAI/Z-Image-Turbo",
    "wan-2": "Wan-AI/Wan2.1-T2V-1.3B-Diffusers",
    "ltx": "Lightricks/LTX-Video",
    "ltx-2": "Lightricks/LTX-2",
    "hunyuan-video": "hunyuanvideo-community/HunyuanVideo",
    "hunyuan-video-1.5": "hunyuanvideo-community/HunyuanVideo-1.5-480p_t2v",
    "svd": "stabilityai/stable-video-diffusion-img2vid-xt",
    "modelscope": "damo-vilab/text-to-video-ms-1.7b",
    "cogvideox": "THUDM/CogVideoX-5b",
    "mochi": "genmo/mochi-1-preview",
    "sana": "Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers",
    "pixart": "PixArt-alpha/PixArt-Sigma-XL-2-1024-MS",
    "aura-flow": "fal/AuraFlow",
    "lumina-2": "Alpha-VLLM/Lumina-Image-2.0",
    "chroma": "lodestones/Chroma1-HD",
    "omnigen": "Shitao/OmniGen-v1-diffusers",
    "hunyuan-dit": "Tencent-Hunyuan/HunyuanDiT-Diffusers",
    "kolors": "Kwai-Kolors/Kolors-diffusers",
    "kandinsky-3": "kandinsky-community/kandinsky-3",
    "kandinsky-5": "kandinskylab/Kandinsky-5.0-T2I-Lite-sft-Diffusers",
}
"""Architecture: owner and name. Those of Cosmos, HiDream-I1, Kandinsky 2.2, Stable Cascade and Würstchen are not whole:
their pipelines want another download or package beside them."""
