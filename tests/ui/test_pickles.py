"""A pickled file is read after a question alone: converted in a process of its own, or allowed as it is."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from desktop_app.checkpoints.consent import Consents
from desktop_app.ui.rail import MODELS
from tests.checkpoints import original_layouts as original


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A whole checkpoint whose tensors all look at the same number, an embedding, and a text that is no pickle."""
    root = tmp_path / "my models"
    root.mkdir()
    one = torch.zeros(1, dtype=torch.float16)
    checkpoint = {name: one.expand(shape) for name, shape in original.checkpoint(original.SD_1).items()}
    torch.save({"state_dict": checkpoint}, root / "dream.ckpt")
    torch.save({"string_to_param": {"*": torch.ones(2, 768)}}, root / "easy.pt")
    (root / "page.ckpt").write_text("<html>please sign in")
    return root


@pytest.fixture
def workspace(stand, folder, qtbot):
    stand.settings.set("model_folders", [str(folder)])
    stand.library.refresh()
    qtbot.waitUntil(lambda: not stand.library.scanning)
    stand.window._show_workspace(MODELS)
    return stand.window.models_workspace


def choose(stand, workspace, name: str) -> None:
    names = [stand.library.item(row).name for row in range(stand.library.rowCount())]
    workspace.list.setCurrentIndex(stand.library.index(names.index(name), 0))


def press(workspace, text: str) -> None:
    box = workspace.pickle_question.box
    next(button for button in box.buttons() if button.text() == text).click()


def test_nothing_is_read_before_the_question_is_answered(stand, workspace):
    choose(stand, workspace, "dream")
    assert workspace.details.verdict.text().startswith("A pickle, a kind of file that can hide programs.")
    assert workspace.details.use.isHidden()
    assert "dream" not in stand.library.models
    workspace.details.pickle.click()
    box = workspace.pickle_question.box
    assert "can hide programs" in box.text()
    assert "nothing but the weights" in box.informativeText()
    press(workspace, "Leave it alone")
    assert workspace.pickle_question.box is None
    assert stand.library.conversion.file is None
    choose(stand, workspace, "page")
    assert workspace.details.pickle.isHidden()


def test_an_allowed_checkpoint_is_a_model(stand, workspace, folder, qtbot):
    choose(stand, workspace, "dream")
    workspace.details.pickle.click()
    with qtbot.waitSignal(stand.library.scanned):
        press(workspace, "Allow as it is")
    qtbot.waitUntil(lambda: not stand.library.scanning)
    assert stand.library.models["dream"] == folder / "dream.ckpt"
    assert Consents(stand.paths.consents).given(folder / "dream.ckpt")
    stand.draft._models.refresh(stand.library.models)
    qtbot.waitUntil(lambda: not workspace.details.use.isHidden())
    workspace.details.use.click()
    assert stand.draft.value("model") == "dream"


def test_an_allowed_embedding_is_read(stand, workspace, folder, qtbot):
    choose(stand, workspace, "easy")
    workspace.details.pickle.click()
    with qtbot.waitSignal(stand.library.scanned):
        press(workspace, "Allow as it is")
    qtbot.waitUntil(lambda: not stand.library.scanning)
    assert workspace.details.verdict.text().startswith("This textual inversion stands for words. Write easy into")
    workspace.details.pickle.click()
    assert "Allow as it is" not in [button.text() for button in workspace.pickle_question.box.buttons()]


def test_a_file_is_converted_with_progress(stand, workspace, folder, qtbot):
    choose(stand, workspace, "easy")
    workspace.details.pickle.click()
    with qtbot.waitSignal(stand.library.conversion.finished, timeout=60_000):
        press(workspace, "Convert to .safetensors")
        assert workspace.details.pickle.text() == "Converting, 0 %"
    assert torch.equal(load_file(folder / "easy.safetensors")["string_to_param.*"], torch.ones(2, 768))
    assert workspace.details.pickle.text() == "Convert or allow…"
    assert "easy.safetensors is written" in stand.window.messages.text.text()
    qtbot.waitUntil(lambda: not stand.library.scanning)
    assert stand.library.row_of(folder / "easy.safetensors") >= 0


def test_what_goes_wrong_is_told(stand, workspace, folder, qtbot):
    with qtbot.waitSignal(stand.library.conversion.failed, timeout=60_000) as failed:
        stand.library.conversion.start(folder / "page.ckpt")
    assert "is a web page" in str(failed.args[0])
    stand.library.conversion.start(folder / "easy.pt")
    stand.library.conversion.stop()
    assert not list(folder.glob("*.safetensors"))
