"""The Models workspace over real files in real folders."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent, QImage
from PySide6.QtTest import QTest

from desktop_app.ui.model_cards import what_it_is
from desktop_app.ui.rail import CREATE, MODELS
from tests.checkpoints import original_layouts as original
from tests.checkpoints.gguf_files import write_gguf
from tests.checkpoints.headers import write_header

LORA = "lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight"


def write_weights(path: Path, names: dict[str, list[int]], metadata: dict[str, str] | None = None) -> Path:
    """A safetensors file of the names and shapes, in half precision, without real data."""
    header, end = {}, 0
    for name, shape in names.items():
        size = 2
        for length in shape:
            size *= length
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    if metadata:
        header["__metadata__"] = metadata
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A LoRA with a preview and notes, an embedding, and a web page that pretends to be a model."""
    root = tmp_path / "my models"
    lora = write_weights(
        root / "Lora" / "soft light.safetensors", {LORA: [4, 320], LORA.replace("down.w", "up.w"): [320, 4]}
    )
    QImage(64, 64, QImage.Format.Format_RGB32).save(str(lora.with_suffix(".preview.png")))
    lora.with_suffix(".json").write_text(json.dumps({"description": "Evening.", "activation text": "golden hour"}))
    write_weights(root / "embeddings" / "easy.safetensors", {"emb_params": [8, 768]})
    (root / "page.safetensors").write_text("<html>please sign in")
    return root


@pytest.fixture
def workspace(stand, folder, qtbot):
    stand.settings.set("model_folders", [str(folder)])
    stand.library.refresh()
    qtbot.waitUntil(lambda: not stand.library.scanning)
    stand.window._show_workspace(MODELS)
    return stand.window.models_workspace


def names(stand) -> list[str]:
    return [stand.library.item(row).name for row in range(stand.library.rowCount())]


def choose(stand, workspace, name: str) -> None:
    workspace.list.setCurrentIndex(stand.library.index(names(stand).index(name), 0))


def test_the_rail_switches_between_the_workspaces(stand):
    window = stand.window
    QTest.mouseClick(window.rail.buttons[MODELS], Qt.MouseButton.LeftButton)
    assert window.workspaces.currentWidget() is window.models_workspace
    window.actions_by_id["create"].trigger()
    assert window.workspaces.currentWidget() is window.splitter
    assert window.rail.buttons[CREATE].isChecked()
    window.actions_by_id["find_model"].trigger()
    assert window.workspaces.currentWidget() is window.models_workspace
    window.actions_by_id["focus_prompt"].trigger()
    assert window.workspaces.currentWidget() is window.splitter


def test_without_models_it_says_what_to_do(stand, qtbot):
    stand.library.refresh()
    qtbot.waitUntil(lambda: not stand.library.scanning)
    workspace = stand.window.models_workspace
    assert workspace.pages.currentWidget() is workspace.empty
    assert workspace.empty.title.text() == "No models yet"
    assert not workspace.empty.add.isHidden()


def test_everything_in_the_folders_is_listed(stand, workspace):
    assert names(stand) == ["easy", "page", "soft light"]
    assert workspace.count.text() == "3 models"
    assert [workspace.kind.itemText(row) for row in range(workspace.kind.count())] == [
        "Kind", "Embedding", "LoRA", "Unknown",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("soft", ["soft light"]),
        ("GOLDEN hour", ["soft light"]),
        ("embeddings", ["easy"]),
        ("soft easy", []),
        ("", ["easy", "page", "soft light"]),
    ],
)
def test_search(stand, workspace, text, found):
    workspace.search.setText(text)
    assert names(stand) == found
    if not found:
        assert workspace.empty.title.text() == "Nothing found"


def test_a_filter_hides_the_other_kinds(stand, workspace):
    workspace.kind.setCurrentIndex(workspace.kind.findData("lora"))
    assert names(stand) == ["soft light"]
    assert workspace.count.text() == "3 models · 1 shown"


def test_details_tell_what_is_known(stand, workspace, qtbot):
    choose(stand, workspace, "soft light")
    details = workspace.details
    assert details.isVisibleTo(workspace)
    assert details.notes.text() == "Evening."
    assert "Trigger words: golden hour" in details.table.text()
    assert details.verdict.text().startswith("This LoRA changes what a model draws.")
    assert (details.use.text(), details.use.isEnabled()) == ("Add to the prompt", True)
    qtbot.waitUntil(lambda: not details.preview.isHidden())


def test_an_embedding_tells_how_it_is_written(stand, workspace):
    choose(stand, workspace, "easy")
    assert "Write easy into the prompt" in workspace.details.verdict.text()
    assert workspace.details.verdict.property("role") == "", "nothing is wrong with it"
    assert workspace.details.use.isHidden()


def test_a_part_that_nothing_uses_says_so(stand, workspace, folder, qtbot):
    write_weights(
        folder / "ControlNet" / "lines.safetensors", {"controlnet_cond_embedding.conv_in.weight": [16, 3, 3, 3]}
    )
    stand.library.refresh()
    qtbot.waitUntil(lambda: "lines" in names(stand))
    choose(stand, workspace, "lines")
    assert workspace.details.verdict.text() == "ControlNet: Safelight does not use files of this kind."
    assert workspace.details.verdict.property("role") == "muted", "nothing is wrong with it"
    assert workspace.details.use.isHidden()


def test_a_textual_inversion_says_how_it_is_named(stand, workspace):
    choose(stand, workspace, "easy")
    assert workspace.details.verdict.text().startswith("This textual inversion stands for words. Write easy into the")
    assert workspace.details.use.isHidden()


def test_nothing_wrong_is_said_of_a_model_before_it_was_looked_into(stand, workspace, qtbot, folder):
    write_header(folder / "late.safetensors", original.checkpoint(original.SD_1))
    stand.library.refresh()
    qtbot.waitUntil(lambda: not stand.library.scanning)
    choose(stand, workspace, "late")
    assert workspace.details.verdict.text().strip() == "Safelight is still looking into this model."
    with qtbot.waitSignal(stand.window._models.looked):
        stand.window._models.refresh(stand.library.models)
    assert "looking" not in workspace.details.verdict.text()
    assert workspace.details.use.isVisible()


def test_a_damaged_file_is_named_with_a_remedy(stand, workspace):
    choose(stand, workspace, "page")
    assert "This file is a web page, not a model" in workspace.details.verdict.text()
    assert workspace.details.verdict.property("role") == "hint"
    assert "download it again" in workspace.details.verdict.text()


def test_the_chosen_model_stays_chosen_while_the_list_changes(stand, workspace):
    choose(stand, workspace, "soft light")
    workspace.search.setText("light")
    assert workspace.details.title.text() == "soft light"
    workspace.search.setText("easy")
    assert not workspace.details.isVisibleTo(workspace)
    workspace.search.clear()


def test_a_model_that_can_be_used_makes_the_next_picture(stand, models, qtbot):
    stand.settings.set("model_folders", [str(models)])
    stand.library.refresh()
    qtbot.waitUntil(lambda: not stand.library.scanning)
    workspace = stand.window.models_workspace
    stand.window._show_workspace(MODELS)
    choose(stand, workspace, "postcard")
    assert workspace.details.use.isEnabled()
    assert not workspace.details.use.isHidden()
    QTest.keyClick(workspace.list, Qt.Key.Key_Return)
    assert stand.window.workspaces.currentWidget() is stand.window.splitter
    assert stand.draft.value("model") == "postcard"


def test_own_models_are_asked_for_while_only_the_programs_are_there(stand, models, qtbot):
    workspace = stand.window.models_workspace
    assert workspace.invitation.isHidden()
    stand.library._folders = lambda: [models]
    stand.library.refresh()
    qtbot.waitUntil(lambda: not stand.library.scanning)
    assert not workspace.invitation.isHidden()
    workspace.search.setText("nothing like it")
    assert workspace.invitation.isHidden()
    workspace.search.clear()
    stand.settings.set("model_folders", [str(models)])
    stand.library.refresh()
    qtbot.waitUntil(lambda: not stand.library.scanning)
    assert workspace.invitation.isHidden()


def test_names_are_in_the_order_that_people_count(stand, tmp_path, qtbot):
    for name in ("v10", "V2", "v1", "a"):
        write_weights(tmp_path / "more" / f"{name}.safetensors", {"emb_params": [8, 768]})
    stand.settings.set("model_folders", [str(tmp_path / "more")])
    stand.library.refresh()
    qtbot.waitUntil(lambda: not stand.library.scanning)
    assert names(stand) == ["a", "v1", "V2", "v10"]


def test_a_file_that_is_packed_says_so(stand, tmp_path, qtbot):
    wan = {
        "head.modulation": (2, 256),
        "blocks.0.cross_attn.k.weight": (256, 256),
        "text_embedding.0.weight": (256, 256),
    }
    write_gguf(tmp_path / "packed" / "w.gguf", wan, "Q4_K")
    stand.settings.set("model_folders", [str(tmp_path / "packed")])
    stand.library.refresh()
    qtbot.waitUntil(lambda: not stand.library.scanning)
    assert what_it_is(stand.library.item(0)) == "Wan 2 · U-Net or transformer · GGUF Q4_K"
    choose(stand, stand.window.models_workspace, "w")
    assert "cannot run models in GGUF files" in stand.window.models_workspace.details.verdict.text()


@pytest.fixture
def single_file(models: Path) -> Path:
    """A checkpoint of Stable Diffusion 1 in one file, beside the bundled model; a header and a hole."""
    return write_header(models / "dream v1.5.safetensors", original.checkpoint(original.SD_1))


def test_a_single_file_is_chosen_like_a_folder(single_file, stand, models, qtbot):
    assert stand.window.prompt_panel.model.findText("dream v1.5") >= 0
    stand.settings.set("model_folders", [str(models)])
    stand.library.refresh()
    qtbot.waitUntil(lambda: not stand.library.scanning)
    workspace = stand.window.models_workspace
    stand.window._show_workspace(MODELS)
    choose(stand, workspace, "dream v1.5")
    assert workspace.details.verdict.text().startswith("Runs here")
    QTest.keyClick(workspace.list, Qt.Key.Key_Return)
    assert stand.draft.value("model") == "dream v1.5"
    assert stand.draft.request().size == (512, 512)


def test_folders_are_added_once(stand, folder):
    workspace = stand.window.models_workspace
    workspace.add_folders([folder, folder / "Lora"])
    workspace.add_folders([folder])
    assert stand.settings.get("model_folders") == [str(folder), str(folder / "Lora")]


def drop(workspace, *paths: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    nothing, left = Qt.KeyboardModifier.NoModifier, Qt.MouseButton.LeftButton
    workspace.dropEvent(QDropEvent(QPointF(5, 5), Qt.DropAction.CopyAction, data, left, nothing))


def test_files_folders_and_comfys_list_can_be_dropped(stand, folder, tmp_path):
    file = tmp_path / "extra_model_paths.yaml"
    file.write_text(f"comfy:\n  base_path: {folder}\n  loras: Lora\n")
    drop(stand.window.models_workspace, folder / "page.safetensors", file)
    assert stand.settings.get("model_folders") == [str(folder), str(folder / "Lora")]
    file.write_text("[")
    drop(stand.window.models_workspace, file)
    assert "cannot be read as YAML" in stand.window.messages.text.text()


def test_every_row_is_painted_in_both_themes(stand, workspace, qtbot):
    workspace.resize(900, 600)
    choose(stand, workspace, "soft light")
    image = workspace.list.grab().toImage()
    colours = {image.pixelColor(x, 30).name() for x in range(0, image.width(), 3)}
    assert len(colours) > 3, "a row has text in it"
