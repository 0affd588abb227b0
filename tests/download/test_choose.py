"""Of a repository only what is needed, whatever else is in it."""

from __future__ import annotations

import pytest

from desktop_app.download.choose import choices, components
from desktop_app.download.offer import RemoteFile

INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.42.0",
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
    "image_encoder": [None, None],
    "requires_safety_checker": True,
}
PARTS = components(INDEX)


def remote(*paths: str) -> list[RemoteFile]:
    return [RemoteFile(path, f"https://example.org/{path}", 10) for path in paths]


def folder(*paths: str, parts=PARTS) -> list[str]:
    """Paths of the folder that is offered first."""
    first = choices("name", remote(*paths), parts)[0]
    assert first.folder
    assert first.name == "name"
    return [file.path for file in first.files]


def names(*paths: str, parts=frozenset()) -> list[str]:
    return [choice.name for choice in choices("name", remote(*paths), parts)]


def test_the_index_says_which_folders_count():
    assert {"unet", "vae", "text_encoder", "tokenizer", "scheduler"} == PARTS


def test_a_repository_full_of_duplicates_gives_one_set():
    wanted = [
        "model_index.json",
        "scheduler/scheduler_config.json",
        "text_encoder/config.json",
        "text_encoder/model.fp16.safetensors",
        "tokenizer/merges.txt",
        "tokenizer/vocab.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors",
    ]
    others = [
        *("README.md", ".gitattributes", "v1-5.safetensors", "v1-5.ckpt", "safety_checker/model.safetensors"),
        *("text_encoder/model.safetensors", "text_encoder/pytorch_model.bin", "text_encoder/flax_model.msgpack"),
        *("unet/diffusion_pytorch_model.safetensors", "unet/diffusion_pytorch_model.bin", "unet/model.onnx"),
        *("unet/diffusion_pytorch_model.non_ema.safetensors", "unet/openvino_model.xml", "unet/model.onnx_data"),
        *("vae/diffusion_pytorch_model.bin", "vae_decoder/model.onnx", "vae_decoder/config.json", "sample.png"),
    ]
    assert folder(*wanted, *others) == wanted
    offered = choices("name", remote(*wanted, *others), PARTS)
    assert [choice.name for choice in offered[1:]] == ["model.safetensors", "v1-5.safetensors", "v1-5.ckpt"]
    assert [choice.pickled for choice in offered[1:]] == [False, False, True]


@pytest.mark.parametrize(
    ("weights", "taken"),
    [
        (["a.safetensors", "a.bf16.safetensors"], ["a.safetensors"]),
        (["a.bf16.safetensors"], ["a.bf16.safetensors"]),
        (
            ["a.fp16.safetensors", "a-00001-of-00002.safetensors", "a-00002-of-00002.safetensors"],
            ["a.fp16.safetensors"],
        ),
        (
            ["a-00001-of-00002.safetensors", "a-00002-of-00002.safetensors", "a.safetensors.index.json"],
            ["a-00001-of-00002.safetensors", "a-00002-of-00002.safetensors", "a.safetensors.index.json"],
        ),
        (  # what is read here are shards without a variant
            [
                *("a-00001-of-00001.safetensors", "a.safetensors.index.json"),
                *("a.fp16-00001-of-00001.safetensors", "a.safetensors.index.fp16.json"),
            ],
            ["a-00001-of-00001.safetensors", "a.safetensors.index.json"],
        ),
        (
            ["a.fp16-00001-of-00001.safetensors", "a.safetensors.index.fp16.json", "a-00001-of-00002.safetensors"],
            ["a.fp16-00001-of-00001.safetensors", "a.safetensors.index.fp16.json"],
        ),
    ],
)
def test_one_complete_set_of_weights(weights, taken):
    base = "unet/diffusion_pytorch_model"
    paths = [name.replace("a", base, 1) for name in weights]
    chosen = folder("model_index.json", "unet/config.json", *paths, parts={"unet"})
    assert chosen[2:] == [name.replace("a", base, 1) for name in taken]


def test_a_part_of_its_own_is_a_folder():
    paths = ["config.json", "diffusion_pytorch_model.fp16.safetensors", "diffusion_pytorch_model.safetensors"]
    assert folder(*paths, "README.md", parts=()) == paths[:2]


def test_single_files_are_offered_one_by_one():
    paths = ("split/b.safetensors", "a.gguf", "C.safetensors", "old.ckpt", "x-00001-of-00002.safetensors", "README.md")
    assert names(*paths) == ["a.gguf", "C.safetensors", "b.safetensors", "old.ckpt"]


def test_a_pipeline_without_readable_weights_is_not_offered():
    assert names("model_index.json", "unet/config.json", "unet/diffusion_pytorch_model.bin", parts={"unet"}) == []


def test_nothing_is_nothing():
    assert names("README.md", "config.json", "optimizer.pt") == []
