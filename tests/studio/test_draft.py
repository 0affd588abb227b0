from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from desktop_app.checkpoints.facts import FACTS_FILE
from desktop_app.core.request import RANDOM_SEED
from desktop_app.studio.draft import FIELDS, Draft
from desktop_app.studio.model_list import ModelList


def model_folder(folder: Path, key: str, **own) -> Path:
    """A model as far as its facts go; no weights."""
    path = folder / key
    path.mkdir(parents=True)
    (path / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionPipeline"}))
    if own:
        (path / FACTS_FILE).write_text(json.dumps({"format": 1, **own}))
    return path


@pytest.fixture
def make_draft(tmp_path, background):
    model_folder(
        tmp_path / "models",
        "card",
        name="Card",
        defaults={"width": 128, "height": 128, "steps": 12, "guidance_scale": 4.0, "scheduler": "euler"},
        schedulers=["euler", "lcm"],
        vocabulary={"words": ["a", "red", "house"]},
    )
    model_folder(tmp_path / "models", "full")
    model_folder(tmp_path / "models", "large", enlarge=4, defaults={"enlarge": 4})
    (tmp_path / "models" / "large" / "text_encoder").mkdir()
    (tmp_path / "models" / "large" / "text_encoder" / "config.json").write_text('{"num_hidden_layers": 3}')
    models = ModelList(lambda: (tmp_path / "models",), background)

    def make() -> Draft:
        return Draft(models, tmp_path / "session.json", background)

    return make


def test_a_new_user_gets_the_first_models_defaults(make_draft):
    draft = make_draft()
    assert (draft.value("model"), draft.value("width"), draft.value("steps")) == ("card", 128, 12)
    assert draft.problem() is None
    assert draft.request().seed == RANDOM_SEED


def test_values_are_clamped_and_snapped_to_what_the_model_takes(make_draft):
    draft = make_draft()
    draft.set_size(131, 100_000)
    assert (draft.value("width"), draft.value("height")) == (128, 2048)
    for name, value, fitted in [
        ("steps", 0, 1),
        ("steps", 10**6, 1000),
        ("guidance_scale", -1, 0.0),
        ("count", 0, 1),
        ("scheduler", "unipc", "euler"),
        ("schedule_type", "polyexponential", "default"),
    ]:
        draft.set_value(name, value)
        assert draft.value(name) == fitted
    assert draft.problem() is None


def test_not_a_number_is_refused(make_draft):
    draft = make_draft()
    with pytest.raises(ValueError, match="guidance_scale"):
        draft.set_value("guidance_scale", float("nan"))


def test_a_scheduler_with_fewer_steps_lowers_them(make_draft):
    draft = make_draft()
    draft.set_value("steps", 200)
    draft.set_value("scheduler", "lcm")
    assert draft.value("steps") == 50


def test_choosing_a_model_brings_its_defaults_and_keeps_the_prompt(make_draft, qtbot):
    draft = make_draft()
    draft.set_value("prompt", "a red house")
    with qtbot.waitSignal(draft.facts_changed):
        draft.set_value("model", "full")
    assert (draft.value("width"), draft.value("steps"), draft.value("prompt")) == (512, 20, "a red house")


def test_clip_skip_comes_back_from_a_recipe_and_keeps_to_the_layers_of_the_model(make_draft):
    draft = make_draft()
    draft.recall(replace(draft.request(), clip_skip=5), "all")
    assert draft.request().clip_skip == 5
    draft.set_value("model", "large")
    assert draft.limits("clip_skip") == (1, 3)
    assert draft.request().clip_skip == 3


def test_only_a_change_is_announced(make_draft, qtbot):
    draft = make_draft()
    seen = []
    draft.changed.connect(seen.append)
    draft.set_value("steps", 30)
    draft.set_value("steps", 30)
    assert seen == ["steps"]


def test_unknown_words_are_marked_where_they_stand(make_draft):
    draft = make_draft()
    draft.set_value("prompt", "A red dragon, house2 d’or")
    marked = [draft.value("prompt")[start : start + length] for start, length in draft.unknown_words()]
    assert marked == ["dragon", "d’or"]
    draft.set_value("model", "full")
    assert draft.unknown_words() == []


def test_recall_takes_what_was_asked_for_and_can_be_undone(make_draft):
    draft = make_draft()
    recipe = replace(draft.request(), prompt="old", steps=33, seed=5, model="full", width=512, height=768)
    before = {name: draft.value(name) for name in FIELDS}
    draft.recall(recipe, "all")
    assert draft.request() == recipe
    assert draft.undo_recall()
    assert {name: draft.value(name) for name in FIELDS} == before
    assert not draft.undo_recall()
    draft.recall(recipe, "seed")
    assert draft.request() == replace(make_draft().request(), seed=5)
    draft.recall(recipe, "remix")
    assert (draft.value("prompt"), draft.value("height"), draft.value("seed")) == ("old", 768, 5)


def test_enlarging_is_what_the_model_offers_or_nothing(make_draft, background):
    draft = make_draft()
    for value in (1, 4):
        draft.set_value("enlarge", value)
        assert draft.request().enlarge == 1
    draft.set_value("model", "large")
    assert draft.request().enlarge == 4
    for value, fitted in ((1, 1), (2, 4), (0, 1), (8, 4)):
        draft.set_value("enlarge", value)
        assert draft.request().enlarge == fitted
    draft.set_value("enlarge", 1)
    draft.save()
    background.run(lambda: None)
    wait_for(background)
    assert (make_draft().value("model"), make_draft().value("enlarge")) == ("large", 1)
    draft.recall(replace(draft.request(), enlarge=4), "remix")
    assert draft.value("enlarge") == 4
    draft.set_value("model", "full")
    assert (draft.value("enlarge"), draft.problem()) == (1, None)


def test_what_was_typed_survives_a_restart(make_draft, background):
    draft = make_draft()
    draft.set_value("prompt", "ein rotes Haus 🏠")
    draft.set_value("model", "full")
    draft.set_value("steps", 31)
    draft.save()
    background.run(lambda: None)
    wait_for(background)
    again = make_draft()
    assert {name: again.value(name) for name in FIELDS} == {name: draft.value(name) for name in FIELDS}


@pytest.mark.parametrize("text", ["", "[]", "{", '{"steps": "many", "seed": null, "model": 3, "width": 1e99}'])
def test_a_damaged_session_file_counts_as_a_new_start(make_draft, tmp_path, text):
    (tmp_path / "session.json").write_text(text)
    draft = make_draft()
    assert (draft.value("steps"), draft.problem()) == (12, None)


def test_without_any_model_there_is_a_reason(tmp_path, background):
    draft = Draft(ModelList(lambda: (tmp_path,), background), tmp_path / "session.json", background)
    assert draft.facts is None
    assert draft.problem().id == "model.none"


def test_a_damaged_model_is_named(tmp_path, background):
    (model_folder(tmp_path, "bad") / FACTS_FILE).write_text("{")
    draft = Draft(ModelList(lambda: (tmp_path,), background), tmp_path / "session.json", background)
    assert draft.problem().id == "model.facts"


def wait_for(background) -> None:
    """Until everything submitted so far is done."""
    background._pool.submit(lambda: None).result(5)
