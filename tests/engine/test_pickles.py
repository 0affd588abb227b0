"""Pickled checkpoints: read with consent alone, tensor for tensor, and written anew as safetensors."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from desktop_app.checkpoints.consent import Consents
from desktop_app.checkpoints.identify import identify
from desktop_app.core import paths
from desktop_app.core.errors import AppError
from desktop_app.engine.engine import Engine
from desktop_app.engine.pickles import convert, read_pickled
from tests.engine.conftest import pictures, request_for, run
from tests.original_layout import twice

LAYOUTS = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "in a row"])


def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    whole = torch.randn(6, 4)
    return {
        "a.weight": whole,
        "a.turned": whole.T,
        "b.half": torch.randn(3, 2).half(),
        "b.brain": torch.randn(5).bfloat16(),
        "c.ids": torch.arange(7)[None],
        "d.flag": torch.tensor([True, False, True]),
        "e.single": torch.tensor(4.6),
        "f.empty": torch.zeros(0, 3),
        "ä.name": torch.nn.Parameter(torch.ones(2, dtype=torch.float64)),
    }


def save(path: Path, content: Any, zipped: bool = True) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return path


@LAYOUTS
@pytest.mark.parametrize("wrapped", [True, False])
def test_the_new_file_holds_the_same_tensors(zipped: bool, wrapped: bool, tmp_path: Path) -> None:
    content = {"state_dict": weights(), "global_step": 840_000, "epoch": 3, "callbacks": {}} if wrapped else weights()
    file, done = save(tmp_path / "old.ckpt", content, zipped), []
    written = convert(file, tmp_path / "new.safetensors", done.append)
    found = load_file(written)
    assert found.keys() == weights().keys()
    for name, value in weights().items():
        assert found[name].dtype == value.dtype
        assert torch.equal(found[name], value), name
    assert identify(written).problem is None
    with safe_open(written, "pt") as opened:
        notes = opened.metadata()
    assert (notes["format"], notes["converted_from"]) == ("pt", "old.ckpt")
    assert notes.get("global_step") == ("840000" if wrapped else None)
    assert done == sorted(done)
    assert done[-1] == 1


def test_nothing_is_overwritten_and_nothing_left_behind(tmp_path: Path) -> None:
    file = save(tmp_path / "old.pt", weights())
    taken = tmp_path / "new.safetensors"
    taken.write_text("mine")
    assert convert(file, taken, lambda done: None) == tmp_path / "new-2.safetensors"
    assert taken.read_text() == "mine"

    def full(done: float) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(AppError, match="No space left"):
        convert(file, tmp_path / "more.safetensors", full)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [
        "new-2.safetensors",
        "new.safetensors",
        "old.pt",
    ]


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("was run",)


@LAYOUTS
def test_a_hidden_program_is_named_and_never_run(zipped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = save(tmp_path / "evil.ckpt", {"state_dict": weights(), "x": Evil()}, zipped)
    with pytest.raises(AppError, match=r"evil.ckpt asks for more than weights: .*mkdir"):
        read_pickled(file)
    monkeypatch.setattr("desktop_app.engine.pickles.identify", lambda path: identify(save(tmp_path / "ok.pt", {})))
    with pytest.raises(AppError, match=r"evil.ckpt cannot be read as weights alone"):
        convert(file, tmp_path / "out.safetensors", lambda done: None)
    assert not (tmp_path / "was run").exists()
    assert not (tmp_path / "out.safetensors").exists()


def test_what_is_no_pickle_or_no_plain_tensor_is_refused(tmp_path: Path) -> None:
    file = convert(save(tmp_path / "a.pt", weights()), tmp_path / "a.safetensors", lambda done: None)
    with pytest.raises(AppError, match=r"a.safetensors is not a file of pickled weights"):
        read_pickled(file)
    sparse = save(tmp_path / "s.pt", {"x": torch.zeros(2, dtype=torch.complex64)})
    with pytest.raises(AppError, match=r"s.pt cannot be read as weights alone: x is a tensor of torch.complex64"):
        convert(sparse, tmp_path / "s.safetensors", lambda done: None)


def test_consent_is_for_one_file_as_it_is(tmp_path: Path) -> None:
    one, other = save(tmp_path / "one.pt", {}), save(tmp_path / "other.pt", {})
    consents = Consents(tmp_path / "data" / "consents.json")
    assert not consents.given(one)
    consents.give(one)
    consents.give(other)
    assert Consents(tmp_path / "data" / "consents.json").given(one)
    save(one, {"x": torch.zeros(3)})
    assert not consents.given(one)
    assert consents.given(other)
    (tmp_path / "data" / "consents.json").write_text('{"a": [')
    assert not consents.given(other)


@LAYOUTS
def test_a_checkpoint_makes_the_picture_of_its_folder_once_it_is_trusted(
    zipped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resources, models = twice(tmp_path)
    monkeypatch.setattr(paths, "resources_dir", lambda: resources)
    state = load_file(models / "file.SAFETENSORS")
    file = save(models / "old.ckpt", {"state_dict": state, "global_step": 1}, zipped)
    consents = Consents(tmp_path / "consents.json")
    engine = Engine(models=[models], cache=tmp_path / "cache", device="cpu", trusts=consents.given)
    with pytest.raises(AppError, match=r"old.ckpt is a pickle, a kind of file that can hide programs"):
        run(engine, request_for(model="old", steps=1))
    consents.give(file)
    made = [pictures(run(engine, request_for(model=name, steps=1)))[0].frames for name in ("folder", "old")]
    engine.release()
    assert made[0] == made[1]
