"""The rows of a refiner: only where one of the models is one, and never silent about one that is gone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from desktop_app.core.catalog import FAMILIES
from tests.ui.conftest import write_model

XL = {"format": 1, "name": "Large", "sizes": [[64, 64]]}
REFINER = '{"_class_name": "StableDiffusionXLImg2ImgPipeline", "requires_aesthetics_score": true}'


@pytest.fixture
def models(models: Path) -> Path:
    """Beside "postcard": "xl", an SDXL model, and "refiner"."""
    write_model(models / "xl", XL)
    (models / "xl" / "model_index.json").write_text('{"_class_name": "StableDiffusionXLPipeline"}')
    write_model(models / "refiner", {**XL, "name": "Finisher"})
    (models / "refiner" / "model_index.json").write_text(REFINER)
    return models


@pytest.fixture
def rows(stand):
    return stand.window.prompt_panel.refiner


def offered(rows) -> list[str]:
    return [rows.refiner.combo.itemText(place) for place in range(rows.refiner.combo.count())]


def test_they_are_there_for_models_that_have_a_refiner(stand, rows):
    assert not rows.isVisible()
    stand.draft.set_value("model", "xl")
    assert rows.isVisible()
    assert offered(rows) == ["None", "Finisher"]
    assert not rows.switch.isVisible()
    stand.draft.set_value("model", "refiner")
    assert not rows.isVisible()


def test_what_is_chosen_reaches_the_request_and_the_details(stand, rows, generate):
    stand.draft.set_value("model", "xl")
    rows.refiner.combo.activated.emit(1)
    assert rows.switch.isVisible()
    assert (rows.refiner.combo.currentText(), rows.switch.value()) == ("Finisher", 0.8)
    rows.switch.edited.emit(0.7)
    assert (stand.draft.request().refiner, stand.draft.request().refiner_at) == ("refiner", 0.7)
    assert stand.draft.problem() is None
    generate()
    assert stand.transport.requests[-1].refiner == "refiner"
    told = stand.window.side.details_panel.settings.text().splitlines()
    assert "Refiner: refiner, from 0.7 on" in told
    rows.refiner.combo.activated.emit(0)
    assert stand.draft.request().refiner == ""
    assert not rows.switch.isVisible()


def test_another_family_forgets_it(stand, rows):
    stand.draft.set_value("model", "xl")
    stand.draft.set_value("refiner", "refiner")
    stand.draft.set_value("model", "postcard")
    assert stand.draft.request().refiner == ""
    assert not rows.isVisible()


@pytest.mark.parametrize("name", ["gone", "postcard"])
def test_a_recipe_with_another_one_is_not_made_without_it(stand, rows, name):
    stand.draft.set_value("model", "xl")
    stand.draft.recall(replace(stand.draft.request(), refiner=name, refiner_at=0.9), "all")
    assert offered(rows) == ["None", "Finisher", f"Missing: {name}"]
    assert rows.refiner.combo.currentText() == f"Missing: {name}"
    assert not stand.window.prompt_panel.button.isEnabled()
    assert f"no refiner called “{name}”" in stand.window.prompt_panel.button.toolTip()
    stand.draft.recall(replace(stand.draft.request(), refiner="refiner"), "all")
    assert (rows.refiner.combo.currentText(), rows.switch.value()) == ("Finisher", 0.9)
    assert stand.window.prompt_panel.button.isEnabled()


def test_a_refiner_by_itself_asks_for_a_picture(stand):
    stand.draft.set_value("model", "refiner")
    assert stand.draft.value("strength") == FAMILIES["stable-diffusion-xl-refiner"].strength == 0.3
    assert "needs a start picture" in stand.window.prompt_panel.button.toolTip()
    note = stand.window.prompt_panel.start.note
    assert note.text() == "Finisher draws a picture anew: give it one to start from."
    assert note.isVisible()
    stand.draft.set_value("model", "postcard")
    assert stand.draft.problem() is None
    assert not note.isVisible()
