"""Models deep inside the folders of other programs are found, named apart, and looked into only when asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from desktop_app.checkpoints import finding
from desktop_app.checkpoints.facts import read_model_facts
from desktop_app.checkpoints.finding import files_in, find_models, first_model, name_of, named, resolve_model
from desktop_app.checkpoints.index import Index
from desktop_app.checkpoints.single_file import known
from desktop_app.core.errors import AppError, RequestError
from desktop_app.studio.model_library import scan_library
from tests.checkpoints import original_layouts as original
from tests.checkpoints.headers import write_header

CHECKPOINT = original.checkpoint(original.SD_1)
SNAPSHOT = "hub/models--someone--a-model/snapshots/0123abc"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Folders as Automatic1111, ComfyUI, InvokeAI and the cache of Hugging Face have them."""
    root = tmp_path / "models"
    for name in (
        "a1111/Stable-diffusion/anime/dream.safetensors",
        "comfy/checkpoints/dream.safetensors",
        "invoke/5a1c9f/model.SFT",
        f"{SNAPSHOT}/one.safetensors",
    ):
        write_header(root / name, CHECKPOINT)
    write_header(root / "a1111/Lora/dream.safetensors", {"lora_unet_x.lora_down.weight": (4, 320)})
    (root / "hub/models--someone--whole/snapshots/1").mkdir(parents=True)
    index = root / "hub/models--someone--whole/snapshots/1/model_index.json"
    index.write_text('{"_class_name": "StableDiffusionPipeline"}')
    return root


NAMES = {
    "dream": "a1111/Stable-diffusion/anime/dream.safetensors",
    "checkpoints/dream": "comfy/checkpoints/dream.safetensors",
    "model": "invoke/5a1c9f/model.SFT",
    "someone/a-model/one.safetensors": f"{SNAPSHOT}/one.safetensors",
    "someone/whole": "hub/models--someone--whole/snapshots/1",
}


def test_every_whole_model_has_a_name_by_which_it_is_found(root: Path) -> None:
    found = find_models([root])
    assert found == {name: root / file for name, file in NAMES.items()}
    for name, path in found.items():
        assert resolve_model(name, files_in([root])) == path
        assert name_of(path, files_in([root])) == name
        assert read_model_facts(path, key=name).key == name
    assert resolve_model("dream", files_in([root / "comfy", root])) == root / NAMES["checkpoints/dream"]
    assert resolve_model(str(root / NAMES["model"]), []) == root / NAMES["model"]
    assert name_of(root / NAMES["model"], []) == str(root / NAMES["model"])


def test_a_third_of_a_name_is_called_by_its_path() -> None:
    paths = [Path("/a/x/m.safetensors"), Path("/b/x/m.safetensors"), Path("/c/x/m.safetensors")]
    assert list(named(paths)) == ["m", "x/m", "/c/x/m.safetensors"]


def test_the_library_calls_models_as_the_command_line_does(root: Path, tmp_path: Path) -> None:
    scan = scan_library([root], Index(tmp_path / "index.json"), lambda: False)
    assert scan.models == find_models([root])
    names = {item.identity.path: item.name for item in scan.items}
    assert {path: names[path] for path in scan.models.values()} == {path: name for name, path in scan.models.items()}
    assert names[root / "a1111/Lora/dream.safetensors"] == "dream"


def test_only_files_of_the_asked_name_are_looked_into(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = []
    is_model = finding.is_model
    monkeypatch.setattr(finding, "is_model", lambda path, *more: looked.append(path) or is_model(path, *more))
    for number in range(300):
        (root / f"{number}.safetensors").write_bytes(b"")
    assert resolve_model("model", files_in([root])) == root / NAMES["model"]
    assert looked == [root / NAMES["model"]]
    looked.clear()
    with pytest.raises(RequestError, match=r"Known here: .*dream"):
        resolve_model("draem", files_in([root]))
    assert len(looked) < 30


def test_a_name_that_no_model_has_is_answered_with_those_like_it(root: Path) -> None:
    with pytest.raises(RequestError) as caught:
        resolve_model("someone/hole", files_in([root]))
    assert caught.value.message.values["known"].startswith("someone/whole, ")
    with pytest.raises(AppError) as none:
        resolve_model("draem", files_in([root / "a1111" / "Lora"]))
    assert none.value.message.id == "model.none"


def test_a_file_of_that_name_that_is_no_model_says_why(root: Path) -> None:
    with pytest.raises(AppError, match=r"dream.safetensors cannot be run: it holds only this: LoRA"):
        resolve_model("dream", files_in([root / "a1111" / "Lora"]))
    write_header(root / "unet" / "flux1-dev.safetensors", original.flux())
    with pytest.raises(AppError, match=r"of another architecture \(FLUX.1\)"):
        resolve_model("flux1-dev", files_in([root]))
    with pytest.raises(AppError, match=r"flux1-dev.safetensors cannot be run"):
        resolve_model("unet/flux1-dev", files_in([root]))


def test_the_first_model_is_the_first_folders(root: Path) -> None:
    assert first_model(files_in([root / "missing", root / "comfy", root])) == root / NAMES["checkpoints/dream"]


def test_a_damaged_file_is_found_and_says_what_is_wrong(root: Path) -> None:
    (root / "page.safetensors").write_text("<html>please sign in")
    with pytest.raises(AppError, match=r"page.safetensors is a web page"):
        read_model_facts(resolve_model("page", files_in([root])))


def test_a_file_that_has_not_changed_is_looked_into_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find_models([root])
    monkeypatch.setattr("desktop_app.checkpoints.single_file.identify", None)
    assert known(root / NAMES["model"]).architecture == "sd-1"
