"""Model folders as people have them: old names, shards, half precision; and damaged in every way."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from desktop_app.core.control import StopSignal
from desktop_app.core.errors import AppError
from desktop_app.core.events import Loading
from desktop_app.engine.engine import Engine
from desktop_app.engine.loading import Part, read_tensor, stored_tensors
from tests.engine.conftest import MODEL, loaded, pictures, request_for, run

UNET = "unet/diffusion_pytorch_model.safetensors"
VAE = "vae/diffusion_pytorch_model.safetensors"
TEXT = "text_encoder/model.safetensors"


@pytest.fixture
def folder(models: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model to tamper with."""
    return Path(shutil.copytree(models / MODEL, tmp_path / "models" / MODEL))


def make(folder: Path):
    """The picture of the model in ``folder``."""
    engine = Engine(models=[folder.parent], cache=folder.parent.parent / "cache", device="cpu")
    return pictures(run(engine, request_for()))[0].frames


def rewrite(path: Path, change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> None:
    save_file(change(load_file(path)), path)


def test_files_with_the_names_of_stable_diffusion_1_give_the_same_picture(folder, engine):
    """transformers 4 wrote a prefix and position ids; older diffusers had other names for the decoder's attention."""

    def old_text(tensors):
        renamed = {f"text_model.{name}": value for name, value in tensors.items()}
        return {**renamed, "text_model.embeddings.position_ids": torch.arange(77).reshape(1, 77)}

    def old_vae(tensors):
        for new, old in (
            (".to_q.", ".query."),
            (".to_k.", ".key."),
            (".to_v.", ".value."),
            (".to_out.0.", ".proj_attn."),
        ):
            tensors = {name.replace(new, old): value for name, value in tensors.items()}
        return tensors

    rewrite(folder / TEXT, old_text)
    rewrite(folder / VAE, old_vae)
    assert any(".proj_attn." in name for name in load_file(folder / VAE))
    assert make(folder) == pictures(run(engine, request_for()))[0].frames


def test_sharded_weights_give_the_same_picture(folder, engine):
    tensors = load_file(folder / UNET)
    (folder / UNET).unlink()
    names = sorted(tensors)
    shards = {"a-00001-of-00002.safetensors": names[:50], "a-00002-of-00002.safetensors": names[50:]}
    for file, members in shards.items():
        save_file({name: tensors[name] for name in members}, folder / "unet" / file)
    index = {"weight_map": {name: file for file, members in shards.items() for name in members}}
    (folder / f"{UNET}.index.json").write_text(json.dumps(index))
    assert make(folder) == pictures(run(engine, request_for()))[0].frames
    (folder / "unet" / "a-00002-of-00002.safetensors").unlink()
    with pytest.raises(AppError, match=r"incomplete: unet/a-00002-of-00002.safetensors is missing"):
        make(folder)


def test_a_half_precision_variant_is_found(folder):
    before = make(folder)
    rewrite(folder / UNET, lambda tensors: {name: value.half() for name, value in tensors.items()})
    (folder / UNET).rename(folder / "unet/diffusion_pytorch_model.fp16.safetensors")
    assert make(folder) != before


def test_weights_are_cast_to_the_devices_format_and_nothing_stays_on_the_meta_device(engine):
    run(engine, request_for(steps=1))
    for module in loaded(engine).modules:
        assert {parameter.device.type for parameter in module.parameters()} == {"cpu"}
        assert {buffer.device.type for buffer in module.buffers()} <= {"cpu"}
        assert {parameter.dtype for parameter in module.parameters()} == {torch.float32}
        assert not any(parameter.requires_grad for parameter in module.parameters())
        assert not module.training


def test_loaded_weights_do_not_depend_on_the_file_any_more(folder, engine):
    """A memory map would crash the process here (SIGBUS)."""
    other = Engine(models=[folder.parent], cache=folder.parent, device="cpu")
    expected = pictures(run(other, request_for()))[0].frames
    job = other.generate(request_for(), StopSignal())
    next(job)
    for part in (UNET, VAE, TEXT):
        (folder / part).write_bytes(b"")
    assert [picture.frames for picture in pictures(list(job))] == [expected]


def test_every_stored_format_is_read(tmp_path):
    values = torch.tensor([[1.5, -2.0], [0.0, 448.0]])
    formats = [
        torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2,
        torch.int64, torch.int32, torch.int16, torch.uint8, torch.bool,
    ]  # fmt: skip
    stored = {str(dtype): values.abs().to(dtype) for dtype in formats}
    (tmp_path / "unet").mkdir()
    file = tmp_path / "unet" / "x.safetensors"
    save_file(stored, file)
    part = Part(tmp_path, "unet", "x")
    with file.open("rb", buffering=0) as stream:
        read = {entry.name: read_tensor(part, stream, entry) for entry in stored_tensors(part, file)}
    assert read.keys() == stored.keys()
    for name, tensor in read.items():
        assert tensor.dtype == stored[name].dtype
        assert torch.equal(tensor.float(), stored[name].float())


def truncate(path: Path, keep: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])


@pytest.mark.parametrize("part", [UNET, VAE, TEXT])
@pytest.mark.parametrize("keep", [0.0, 0.00001, 0.5, 0.999999])
def test_truncated_weights(folder, part, keep):
    truncate(folder / part, keep)
    with pytest.raises(AppError, match=rf"The model tiny is damaged: {part} (is empty|is cut off|is only)"):
        make(folder)


@pytest.mark.parametrize("part", [UNET, VAE, TEXT])
def test_weights_that_are_cut_off_while_they_are_loaded(folder, part):
    whole = (folder / part).read_bytes()
    engine = Engine(models=[folder.parent], cache=folder.parent.parent / "cache", device="cpu")
    events = engine.generate(request_for(), StopSignal())
    next(event for event in events if isinstance(event, Loading))
    os.truncate(folder / part, len(whole) // 2)
    with pytest.raises(AppError, match=rf"The model tiny is damaged: {part} is cut off"):
        list(events)
    (folder / part).write_bytes(whole)
    assert pictures(run(engine, request_for()))


@pytest.mark.parametrize(
    "path",
    [UNET, VAE, TEXT, "model_index.json", "unet/config.json", "vae/config.json", "text_encoder/config.json",
     "scheduler/scheduler_config.json"],
)  # fmt: skip
def test_missing_files(folder, path):
    (folder / path).unlink()
    with pytest.raises(AppError, match=r"is missing|There is no model|No model"):
        make(folder)


@pytest.mark.parametrize(
    "path", ["model_index.json", "unet/config.json", "vae/config.json", "text_encoder/config.json",
             "scheduler/scheduler_config.json", "safelight.json"]
)  # fmt: skip
@pytest.mark.parametrize("content", ["{", "[]", "\x00", '"text"'])
def test_damaged_configuration(folder, path, content):
    (folder / path).write_text(content)
    with pytest.raises(AppError, match=r"damaged|cannot be used"):
        make(folder)


@pytest.mark.parametrize("path", ["unet/config.json", "vae/config.json", "text_encoder/config.json"])
def test_a_configuration_that_makes_no_sense(folder, path):
    config = json.loads((folder / path).read_text())
    key = "hidden_size" if "text" in path else "block_out_channels"
    (folder / path).write_text(json.dumps({**config, key: "nonsense"}))
    with pytest.raises(AppError, match=rf"damaged: {path} cannot be used"):
        make(folder)


def test_a_tensor_of_the_wrong_shape(folder):
    rewrite(folder / UNET, lambda tensors: {**tensors, "conv_in.weight": torch.zeros(1, 2)})
    with pytest.raises(AppError, match=r"has a tensor of the wrong shape \(conv_in.weight\)"):
        make(folder)


def test_a_missing_tensor(folder):
    rewrite(folder / UNET, lambda tensors: {k: v for k, v in tensors.items() if k != "conv_in.weight"})
    with pytest.raises(AppError, match=r"lacks 1 tensors, such as conv_in.weight"):
        make(folder)


def test_a_tokenizer_without_its_vocabulary(folder):
    (folder / "tokenizer" / "tokenizer.json").unlink()
    with pytest.raises(AppError, match="tokenizer"):
        make(folder)
    shutil.rmtree(folder / "tokenizer")
    with pytest.raises(AppError, match="tokenizer"):
        make(folder)


def test_a_tokenizer_of_another_model(folder):
    config = json.loads((folder / "text_encoder/config.json").read_text())
    (folder / "text_encoder/config.json").write_text(json.dumps({**config, "vocab_size": 500}))
    table = "embeddings.token_embedding.weight"
    rewrite(folder / TEXT, lambda tensors: {**tensors, table: tensors[table][:500].clone()})
    with pytest.raises(AppError, match="tokenizer has 546 tokens where the text encoder expects 500"):
        make(folder)


def test_a_kind_of_model_that_is_not_known(folder):
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps({**index, "_class_name": "HologramPipeline"}))
    with pytest.raises(AppError, match=r"cannot run yet \(HologramPipeline\)"):
        make(folder)


def test_nothing_but_safetensors_is_opened(folder):
    """A pickle beside the weights is not even looked at; alone it counts as missing."""
    (folder / "unet/diffusion_pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    make(folder)
    (folder / UNET).unlink()
    with pytest.raises(AppError, match="is missing"):
        make(folder)
