"""The prompt as its model reads it: painted syntax, weights at the cursor, tokens, and LoRAs with sliders."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QTextCharFormat, QTextCursor
from PySide6.QtTest import QTest

from desktop_app.ui.rail import MODELS
from tests.checkpoints.headers import write_header
from tests.tiny_models import tiny_tokenizer
from tests.ui.conftest import FACTS, build, write_model

DOWN = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight"


def write_lora(path: Path, width: int) -> None:
    """A LoRA for a U-Net whose text is ``width`` wide."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_header(path, {DOWN: (4, width), DOWN.replace("down.w", "up.w"): (320, 4)})


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A model with a tokenizer, one that reads weights as text, and LoRAs among the user's own models."""
    bundled = tmp_path / "data" / "bundled"
    write_model(bundled / "postcard", {**FACTS, "vocabulary": {}})
    tiny_tokenizer().save_pretrained(bundled / "postcard" / "tokenizer")
    write_model(bundled / "stubborn", {**FACTS, "name": "Stubborn", "controls": ["prompt", "steps", "seed"]})
    for name, width in (("ink wash", 768), ("Sketch", 1024), ("large", 2048)):
        write_lora(tmp_path / "data" / "models" / "Lora" / f"{name}.safetensors", width)
    return bundled


@pytest.fixture
def panel(stand, qtbot):
    stand.library.refresh()
    qtbot.waitUntil(lambda: not stand.library.scanning)
    return stand.window.prompt_panel


def painted(panel, *, underlined: bool) -> list[str]:
    return [
        selection.cursor.selectedText()
        for selection in panel.prompt.extraSelections()
        if (selection.format.underlineStyle() != QTextCharFormat.UnderlineStyle.NoUnderline) == underlined
    ]


def test_syntax_has_other_colours_and_unknown_loras_are_marked(stand, panel):
    stand.draft.set_value("prompt", "(red:1.2) house 🏠 <lora:Ink Wash:0.5> <lora:nowhere>")
    assert painted(panel, underlined=False) == ["(", ":1.2)", "<lora:Ink Wash:0.5>", "<lora:nowhere>"]
    assert painted(panel, underlined=True) == ["<lora:nowhere>"]
    stand.draft.set_value("negative_prompt", "[rain]")
    assert [selection.cursor.selectedText() for selection in panel.negative.extraSelections()] == ["[", "]"]
    stand.draft.set_value("prompt_dialect", "plain")
    assert painted(panel, underlined=False) == ["<lora:Ink Wash:0.5>", "<lora:nowhere>"]
    assert panel.negative.extraSelections() == []


def test_a_lora_for_another_model_is_marked_with_the_reason(stand, panel):
    stand.draft.set_value("prompt", "a house <lora:ink wash> <lora:large>")
    assert painted(panel, underlined=True) == ["<lora:large>"]
    reason = "The LoRA large was made for Stable Diffusion XL, which Postcard is not."
    assert panel.loras.why_unfit("Large") == reason
    assert panel.loras.why_unfit("ink wash") == panel.loras.why_unfit("nowhere") == ""


def test_ctrl_up_and_down_weigh_the_word_at_the_cursor(stand, panel):
    panel.prompt.set_text("🏠 a red house")  # QTest types no such letters
    panel.prompt.moveCursor(QTextCursor.MoveOperation.End)
    panel.prompt.setFocus()
    for _ in range(2):
        QTest.keyClick(panel.prompt, Qt.Key.Key_Up, Qt.KeyboardModifier.ControlModifier)
    assert stand.draft.request().prompt == "🏠 a red (house:1.1)"
    assert panel.prompt.textCursor().selectedText() == "house"
    QTest.keyClick(panel.prompt, Qt.Key.Key_Down, Qt.KeyboardModifier.ControlModifier)
    assert stand.draft.value("prompt") == "🏠 a red (house:1.05)"
    panel.prompt.undo()
    assert stand.draft.value("prompt") == "🏠 a red (house:1.1)"
    panel.negative_fold.set_opened(True)
    panel.negative.setFocus()
    panel.negative.set_text("night")
    stand.window.actions_by_id["weigh_less"].trigger()
    assert stand.draft.value("negative_prompt") == "(night:0.95)"
    stand.draft.set_value("prompt_dialect", "plain")
    stand.window.actions_by_id["weigh_less"].trigger()
    assert stand.draft.value("negative_prompt") == "(night:0.95)"


def test_tokens_are_counted_as_they_are_typed(stand, panel, qtbot):
    note = panel.tokens.fold.heading.text
    stand.draft.set_value("prompt", "a (red:1.5) house <lora:ink wash:1>")
    qtbot.waitUntil(lambda: note().endswith("3 of 75"))
    panel.tokens.fold.set_opened(True)
    assert [text for _, text in panel.tokens.view.boxes()][0::2] == ["a", "house"]
    stand.draft.set_value("prompt", "the sea, " * 30)
    qtbot.waitUntil(lambda: note().endswith("90 in 2 chunks"))
    boxes = panel.tokens.view.boxes()
    assert [text for _, text in boxes if text.startswith("Chunk")] == ["Chunk 1", "Chunk 2"]
    width = panel.tokens.view.width()
    assert all(place.right() <= width for place, _ in boxes)
    assert panel.tokens.view.height() == boxes[-1][0].bottom() + 1
    stand.draft.set_value("prompt_dialect", "plain")
    qtbot.waitUntil(lambda: note().endswith("75 of 75, 15 cut off"))
    stand.draft.set_value("model", "stubborn")
    qtbot.waitUntil(panel.tokens.isHidden)


def test_textual_inversions_are_painted_and_counted_with_their_vectors(stand, panel, qtbot, tmp_path):
    write_header(tmp_path / "data" / "models" / "Easy Neg.safetensors", {"emb_params": (5, 768)})
    write_header(tmp_path / "data" / "models" / "large.safetensors", {"clip_l": (2, 768), "clip_g": (2, 1280)})
    stand.library.refresh()
    qtbot.waitUntil(lambda: not stand.library.scanning)
    stand.draft.set_value("prompt", "a easy neg house, large")
    assert painted(panel, underlined=False) == ["easy neg"]
    qtbot.waitUntil(lambda: panel.tokens.view.boxes() != [])
    qtbot.waitUntil(lambda: panel.token_reader.reading.chunks[0][1].learned == "easy neg")
    texts = [text for _, text in panel.tokens.view.boxes()]
    assert texts[:7] == ["a", "easy neg", "·", "·", "·", "·", "house"]


def test_a_model_that_takes_weights_for_text_says_so(stand, panel):
    stand.draft.set_value("prompt", "a (red:1.2) house")
    assert panel.hint.isHidden()
    stand.draft.set_value("model", "stubborn")
    assert panel.hint.text() == "Stubborn takes brackets and weights for text."
    assert painted(panel, underlined=False) == []
    stand.draft.set_value("prompt", "a red house")
    assert panel.hint.isHidden()
    stand.draft.set_value("model", "postcard")
    stand.draft.set_value("prompt_dialect", "plain")
    stand.draft.set_value("prompt", "a (red:1.2) house")
    assert panel.hint.text() == "The dialect is plain text: brackets and weights are text as well."


def test_loras_have_sliders_that_write_their_tags(stand, panel):
    stack = panel.loras
    stand.draft.set_value("prompt", "a house <lora:ink wash:0.5>, <lora:Sketch:0.3:0.7>")
    assert [(row.name.text(), row.weight.value()) for row in stack.rows] == [("ink wash", 0.5), ("Sketch", 0.7)]
    stack.rows[0].weight.slider.setValue(16)
    stack.rows[1].weight.number.setValue(1.2)
    assert stand.draft.value("prompt") == "a house <lora:ink wash:0.8>, <lora:Sketch:0.3:1.2>"
    stack.rows[0].remove.click()
    assert stand.draft.value("prompt") == "a house, <lora:Sketch:0.3:1.2>"
    assert [row.name.text() for row in stack.rows] == ["Sketch"]


def test_the_text_encoder_can_be_weighed_by_itself(stand, panel):
    stand.draft.set_value("prompt", "a house <lora:ink wash:0.5>, <lora:Sketch:0.3:0.7>")
    ink, sketch = panel.loras.rows
    assert (ink.text_weight.isHidden(), sketch.text_weight.isHidden(), sketch.text_weight.value()) == (True, False, 0.3)
    ink.split.click()
    ink.text_weight.number.setValue(0.25)
    assert stand.draft.value("prompt") == "a house <lora:ink wash:0.25:0.5>, <lora:Sketch:0.3:0.7>"
    sketch.split.click()
    assert stand.draft.value("prompt") == "a house <lora:ink wash:0.25:0.5>, <lora:Sketch:0.7>"
    assert sketch.text_weight.isHidden()


def test_a_lora_is_switched_off_and_comes_back_as_it_was(stand, panel):
    stand.draft.set_value("prompt", "a house <lora:Sketch:0.3:0.7> <lora:ink wash:0>")
    sketch, ink = panel.loras.rows
    assert (sketch.switch.isChecked(), ink.switch.isChecked()) == (True, False)
    sketch.switch.click()
    ink.switch.click()
    assert stand.draft.value("prompt") == "a house <lora:Sketch:0> <lora:ink wash:1>"
    sketch.switch.click()
    assert stand.draft.value("prompt") == "a house <lora:Sketch:0.3:0.7> <lora:ink wash:1>"


def test_the_words_that_a_lora_was_taught_are_one_click_away(stand, panel, qtbot, tmp_path):
    notes = {"activation text": "ink on paper"}
    (tmp_path / "data" / "models" / "Lora" / "ink wash.json").write_text(json.dumps(notes))
    stand.library.refresh()
    qtbot.waitUntil(lambda: not stand.library.scanning)
    stand.draft.set_value("prompt", "a house, <lora:ink wash:1> <lora:Sketch:1>")
    ink, sketch = panel.loras.rows
    assert (ink.call.text(), ink.call.isHidden(), sketch.call.isHidden()) == ("+ ink on paper", False, True)
    ink.call.click()
    assert stand.draft.value("prompt") == "a house, ink on paper <lora:ink wash:1> <lora:Sketch:1>"
    assert ink.call.isHidden()


def test_a_lora_is_put_on_from_the_models(stand, panel):
    workspace = stand.window.models_workspace
    stand.window._show_workspace(MODELS)
    names = [stand.library.item(row).name for row in range(stand.library.rowCount())]
    workspace.list.setCurrentIndex(stand.library.index(names.index("Sketch"), 0))
    assert (workspace.details.use.text(), workspace.details.use.isEnabled()) == ("Add to the prompt", True)
    workspace.details.use.click()
    assert stand.draft.value("prompt") == "<lora:Sketch:1>"
    assert panel.prompt.isVisible()


def test_more_are_found_by_any_words_of_what_is_known(stand, panel, qtbot):
    stack = panel.loras
    assert stack.isVisible()
    choices = stack.finder.choices
    assert [choices.item(row).name for row in range(choices.rowCount())] == ["ink wash", "Sketch"]
    QTest.keyClicks(stack.finder, "wash INK")
    assert [choices.item(row).name for row in range(choices.rowCount())] == ["ink wash"]
    popup = stack.finder.completer().popup()
    assert popup.isVisible()
    QTest.keyClick(popup, Qt.Key.Key_Down)
    QTest.keyClick(popup, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: stack.finder.text() == "")
    assert stand.draft.value("prompt") == "<lora:ink wash:1>"
    assert choices.rowCount() == 2
    stand.draft.set_value("prompt", "")
    QTest.keyClicks(stack.finder, "nothing like it")
    assert choices.rowCount() == 0
    stack.finder.setText("INK WASH")
    QTest.keyClick(stack.finder, Qt.Key.Key_Return)
    assert stand.draft.value("prompt") == "<lora:ink wash:1>"
    assert stack.finder.text() == ""
    stand.draft.set_value("model", "stubborn")
    assert stack.isHidden()


def test_the_dialect_is_chosen_under_advanced_and_kept(stand, panel, qtbot):
    row = panel.advanced_rows.dialect
    row.combo.activated.emit(row.combo.findData("comfy"))
    assert stand.draft.request().prompt_dialect == "comfy"
    stand.draft.set_value("model", "stubborn")
    assert row.isHidden()
    assert stand.draft.request().prompt_dialect == "comfy"


def test_a_window_without_loras_has_no_stack(qtbot, tmp_path, transport):
    write_model(tmp_path / "other" / "bundled" / "postcard", FACTS)
    stand = build(tmp_path / "other", transport)
    stand.window.show()
    qtbot.waitUntil(lambda: stand.queue.engine_state == "ready")
    assert stand.window.prompt_panel.loras.isHidden()
    stand.close()
