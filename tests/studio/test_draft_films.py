"""The draft's fields for films and start pictures."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication

from desktop_app.studio.draft import Draft
from desktop_app.studio.model_list import ModelList
from tests.studio.test_draft import model_folder, wait_for

CARD = {"defaults": {"width": 128, "height": 128}, "sizes": [[128, 128], [192, 128]], "multiple": 8, "min_size": 64}


def config(folder: Path, kind: str) -> None:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"_class_name": kind, "block_out_channels": [8, 16]}))


@pytest.fixture
def folders(tmp_path) -> tuple[Path, Path]:
    """Bundled: "both" with two motion adapters, "pictures". The user's own: "video", which needs a start."""
    bundled, own = tmp_path / "bundled", tmp_path / "own"
    both = model_folder(bundled, "both", name="Both", film={"frames": 12, "max_frames": 40, "fps": 6}, **CARD)
    config(both / "unet", "UNet2DConditionModel")
    config(both / "motion_adapter", "MotionAdapter")
    model_folder(bundled, "pictures", name="Pictures", **CARD)
    config(own / "drifting", "MotionAdapter")
    video = model_folder(own, "video", name="Video")
    (video / "model_index.json").write_text(json.dumps({"_class_name": "StableVideoDiffusionPipeline"}))
    return bundled, own


@pytest.fixture
def make_draft(tmp_path, folders, background, qtbot):
    def make(refresh: bool = True) -> Draft:
        models = ModelList(lambda: folders, background)
        draft = Draft(models, tmp_path / "session.json", background)
        if refresh:
            with qtbot.waitSignal(models.changed, timeout=5000):
                models.refresh()
        return draft

    return make


@pytest.fixture
def picture(tmp_path) -> Path:
    path = tmp_path / "boat.png"
    path.write_bytes(b"a boat")
    return path


def looked(qtbot, draft: Draft) -> None:
    qtbot.waitUntil(lambda: draft.start_file.looked, timeout=5000)


def test_a_newcomer_makes_pictures_and_gets_the_models_own_film_numbers(make_draft):
    request = make_draft().request()
    assert (request.kind, request.frames, request.fps, request.motion_model) == ("picture", 12, 6, "")


def test_film_values_are_clamped_to_what_the_model_takes(make_draft):
    draft = make_draft()
    for name, value, fitted in [
        ("kind", "film", "film"),
        ("kind", "opera", "picture"),
        ("frames", 1, 2),
        ("frames", 1000, 40),
        ("fps", 0, 1),
        ("fps", 1000, 60),
        ("loop", 1, True),
        ("motion_model", "drifting", "drifting"),
        ("motion_model", "unheard of", ""),
        ("motion_bucket", 999, 255),
        ("noise_augmentation", -1, 0.0),
        ("strength", 0.456, 0.46),
        ("strength", 2, 1.0),
        ("start_use", "extend", "vary"),
    ]:
        draft.set_value(name, value)
        assert draft.value(name) == fitted, name
    assert draft.problem() is None


def test_the_kind_falls_to_what_the_model_offers(make_draft):
    draft = make_draft()
    draft.set_value("kind", "film")
    for model, kind in (("pictures", "picture"), ("both", "picture"), ("video", "film"), ("both", "film")):
        draft.set_value("model", model)
        assert draft.value("kind") == kind
    assert (draft.value("frames"), draft.value("fps")) == (12, 6)
    draft.reset("kind")
    assert draft.value("kind") == "picture"


def test_a_motion_adapter_of_the_users_own_is_known_at_the_first_look(make_draft):
    draft = make_draft(refresh=False)
    assert draft.facts.motion_models == ("", "drifting")


def test_the_digest_follows_in_the_background(make_draft, picture, qtbot):
    draft = make_draft()
    draft.use_start(picture)
    request = draft.request()
    assert (request.start, request.start_digest, request.start_use) == (str(picture), "", "vary")
    looked(qtbot, draft)
    assert draft.request().start_digest == hashlib.sha256(b"a boat").hexdigest()
    draft.clear_start()
    assert (draft.request().start, draft.request().start_digest) == ("", "")


def test_extending_makes_a_film_and_a_picture_ends_it(make_draft, picture, qtbot):
    draft = make_draft()
    draft.use_start(picture, "extend")
    looked(qtbot, draft)
    assert (draft.value("kind"), draft.value("start_use"), draft.problem()) == ("film", "extend", None)
    draft.set_value("kind", "picture")
    assert (draft.value("start_use"), draft.problem()) == ("vary", None)
    draft.use_start(picture, "extend")
    draft.clear_start()
    assert (draft.value("kind"), draft.value("start_use"), draft.problem()) == ("film", "vary", None)


def test_a_model_for_pictures_refuses_to_extend_and_says_so(make_draft, picture, qtbot):
    draft = make_draft()
    draft.set_value("model", "pictures")
    draft.use_start(picture, "extend")
    looked(qtbot, draft)
    assert (draft.value("kind"), draft.value("start_use")) == ("picture", "vary")
    assert draft.problem().id == draft.start_message().id == "kind.no-film"
    draft.set_value("model", "both")
    assert (draft.problem(), draft.value("start")) == (None, str(picture))
    draft.set_value("model", "pictures")
    draft.use_start(picture, "extend")
    draft.clear_start()
    assert draft.problem() is None


def test_a_model_that_needs_a_start_says_so_until_it_has_one(make_draft, picture, qtbot):
    draft = make_draft()
    draft.set_value("model", "video")
    assert draft.problem().id == "start.needed"
    draft.use_start(picture)
    looked(qtbot, draft)
    assert draft.problem() is None


def test_a_model_without_start_pictures_is_not_asked_for_one(make_draft, folders, picture, qtbot):
    model_folder(folders[0], "words", controls=["prompt"])
    draft = make_draft()
    draft.use_start(picture)
    looked(qtbot, draft)
    draft.set_value("model", "words")
    assert (draft.takes_start, draft.request().start, draft.value("start")) == (False, "", str(picture))
    draft.set_value("model", "both")
    assert draft.request().start == str(picture)


def test_a_start_that_is_gone_keeps_its_path_and_says_why_nothing_can_be_made(make_draft, picture, background, qtbot):
    draft = make_draft()
    draft.use_start(picture, "extend")
    draft.set_value("strength", 0.3)
    looked(qtbot, draft)
    draft.save()
    wait_for(background)
    again = make_draft()
    looked(qtbot, again)
    assert again.request() == draft.request()
    picture.unlink()
    again.look_at_start()
    qtbot.waitUntil(lambda: again.problem() is not None, timeout=5000)
    assert again.problem().id == "start.missing"
    gone = make_draft()
    looked(qtbot, gone)
    assert (gone.value("start"), gone.problem().id) == (str(picture), "start.missing")
    picture.write_bytes(b"another boat")
    gone.look_at_start()
    qtbot.waitUntil(lambda: gone.problem() is None, timeout=5000)
    assert gone.start_message().id == "start.differs"
    assert gone.request().start_digest == hashlib.sha256(b"another boat").hexdigest()


def test_a_recipe_brings_its_film_and_start_and_undo_takes_them_away(make_draft, picture, qtbot):
    draft = make_draft()
    before = draft.request()
    recipe = replace(
        before,
        **{"kind": "film", "frames": 20, "fps": 12, "loop": True, "motion_model": "drifting", "strength": 0.25},
        **{"start": str(picture), "start_digest": hashlib.sha256(b"a boat").hexdigest(), "start_use": "extend"},
        seed=5,
    )
    for what in ("all", "remix"):
        draft.recall(recipe, what)
        looked(qtbot, draft)
        assert draft.request() == (recipe if what == "all" else replace(recipe, seed=-1))
        assert draft.start_message() is None
        assert draft.undo_recall()
        assert draft.request() == before
    draft.recall(recipe, "prompt")
    assert draft.request().start == ""


def test_a_start_that_is_not_the_recipes_any_more_is_spoken_of(make_draft, picture, qtbot):
    draft = make_draft()
    draft.recall(replace(draft.request(), start=str(picture), start_digest="0" * 64), "all")
    qtbot.waitUntil(lambda: draft.start_message() is not None, timeout=5000)
    assert (draft.start_message().id, draft.problem()) == ("start.differs", None)


def test_the_users_own_model_comes_back_with_its_values_once_it_is_found(make_draft, background):
    draft = make_draft()
    draft.set_value("model", "video")
    assert draft.value("kind") == "film"
    draft.set_value("frames", 30)
    draft.set_value("prompt", "first")
    draft.save()
    wait_for(background)
    again = make_draft(refresh=False)
    assert again.value("model") == "both"
    again.set_value("prompt", "typed meanwhile")
    again._models.refresh()
    wait_for(background)
    QCoreApplication.processEvents()
    assert (again.value("model"), again.value("kind"), again.value("frames")) == ("video", "film", 30)
    assert again.value("prompt") == "typed meanwhile"


@pytest.mark.parametrize(
    ("proportion", "size"),
    [(1.0, None), (1.5, (192, 128)), (1.51, (192, 128)), (2.0, (184, 88)), (0.5, (88, 184)), (0.99, None)],
)
def test_the_shape_of_a_picture_is_the_nearest_size_the_model_takes(make_draft, proportion, size):
    draft = make_draft()
    assert draft.shape_like(proportion) == size
    if size:
        draft.set_size(*size)
        assert (draft.request().size, draft.shape_like(proportion)) == (size, None)


def test_a_damaged_session_is_left_out_bit_by_bit(make_draft, tmp_path):
    (tmp_path / "session.json").write_text(
        '{"kind": 3, "frames": Infinity, "start": [1], "strength": NaN, "fps": "x", "loop": null, "motion_model": {}}'
    )
    draft = make_draft()
    assert draft.problem() is None
    assert (draft.value("kind"), draft.value("frames"), draft.value("start")) == ("picture", 12, "")


def test_a_model_on_diffusers_own_pipeline_keeps_to_what_that_takes(make_draft, folders, picture, qtbot):
    wan = model_folder(folders[1], "wan", name="Wan", sizes=[[64, 64]], multiple=16, min_size=64)
    (wan / "model_index.json").write_text(json.dumps({"_class_name": "WanPipeline"}))
    draft = make_draft()
    draft.set_value("scheduler", "euler")
    earlier = draft.request()
    draft.use_start(picture)
    looked(qtbot, draft)
    draft.set_value("model", "wan")
    assert (draft.value("kind"), draft.value("scheduler"), draft.value("frames")) == ("film", "", 81)
    draft.set_value("frames", 40)
    assert draft.value("frames") == 41
    assert draft.problem() is None, "the start picture waits for a model that takes one"
    assert draft.request().start == ""
    draft.recall(replace(earlier, model="unheard of"), "all")
    assert (draft.value("model"), draft.value("scheduler")) == ("wan", "")
    assert draft.problem() is None
