"""A model that runs through diffusers' own pipeline: the window shows what that takes, and says what it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from desktop_app.core.request import EXTEND
from desktop_app.ui.images import image_of
from tests.scripted import frames
from tests.ui.conftest import write_model

FACTS = {"format": 1, "name": "Sprint", "sizes": [[64, 64]], "min_size": 64}


@pytest.fixture
def models(models: Path) -> Path:
    """Beside "postcard", "sprint": a model whose pipeline knows no negative prompt."""
    write_model(models / "sprint", FACTS)
    (models / "sprint" / "model_index.json").write_text('{"_class_name": "SanaSprintPipeline"}')
    return models


def test_the_left_column_shows_what_the_pipeline_takes_and_says_what_it_does_not(stand):
    panel = stand.window.prompt_panel
    assert not panel.limits.isVisible()
    stand.draft.set_value("model", "sprint")
    assert panel.limits.isVisible()
    assert "diffusers' own pipeline" in panel.limits.text()
    for part in (panel.negative_fold, panel.advanced, panel.start):
        assert not part.isVisible()
    for part in (panel.prompt, panel.steps, panel.guidance_scale, panel.size_row, panel.seed_row, panel.count):
        assert part.isVisible()
    assert stand.draft.problem() is None


def test_a_picture_to_start_from_is_refused_in_words(stand, tmp_path):
    path = tmp_path / "boat.png"
    image_of(frames(96, 64, 120)).save(str(path))
    stand.draft.set_value("model", "sprint")
    said = []
    stand.window.frame_actions.said.connect(said.append)
    for arguments in ((path,), (path, EXTEND)):
        stand.window.frame_actions.start_from(*arguments)
    assert stand.draft.value("start") == ""
    assert len(said) == 2
    assert all(text.startswith("The model Sprint runs through diffusers' own pipeline") for text in said)


def test_the_details_say_whose_scheduler_it_was(stand, generate):
    stand.draft.set_value("model", "sprint")
    generate()
    rows = stand.window.side.details_panel.settings.text().splitlines()
    assert "Scheduler: the model's own" in rows
    assert not [row for row in rows if row.startswith("Schedule:")]
