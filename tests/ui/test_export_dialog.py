"""Saving a film as another file: the dialog, what it says beforehand, and the files it writes."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtWidgets import QFileDialog
from shiboken6 import isValid

from desktop_app.core.errors import AppError
from desktop_app.core.settings import BY_KEY
from desktop_app.export.films import FILM_FORMATS
from desktop_app.export.reading import read_frames
from desktop_app.export.recipes import read_recipe
from desktop_app.studio.film_export import COPY
from desktop_app.ui.export_dialog import ExportDialog
from tests.films import draw_film, film_request, save_gif
from tests.ui.test_access import unnamed

WAIT = 30_000
"""ms; encoders are slow to start on a busy machine."""


@pytest.fixture
def film(qtbot, stand):
    """``film(save)`` makes a film of six frames, saved by ``save`` (by default as a GIF), and shows it."""

    def make(save=None):
        stand.thread._save = save or save_gif(stand.paths.pictures)
        stand.transport.scripts.appendleft(draw_film)
        with qtbot.waitSignal(stand.queue.ended, timeout=5000):
            stand.window.viewer.follow(stand.queue.add(film_request(stand.draft.request())))
        stand.window.viewer.playhead.pause()
        return stand.window.viewer.shown

    return make


@pytest.fixture
def dialog(qtbot, stand):
    """``dialog()`` opens the dialog by the action, and waits until it has said what the file would be."""
    opened: list[ExportDialog] = []

    def open_dialog() -> ExportDialog:
        stand.window.actions_by_id["save_as"].trigger()
        found = stand.window.findChildren(ExportDialog)[-1]
        opened.append(found)
        settled(qtbot, found)
        return found

    yield open_dialog
    for each in opened:
        if isValid(each):  # a dialog that was closed goes by itself
            each.close()


def settled(qtbot, dialog: ExportDialog) -> None:
    qtbot.waitUntil(lambda: "Estimating" not in dialog.estimate.text(), timeout=WAIT)


def saved(qtbot, dialog: ExportDialog) -> Path:
    dialog.save.click()
    assert dialog.progress.isVisible()
    assert not dialog.save.isEnabled()
    qtbot.waitUntil(lambda: not dialog._export.busy, timeout=WAIT)
    assert "Saved as" in dialog.estimate.text(), dialog.problem.text()
    return Path(dialog.file.text())


def refuse(frames, result):
    raise AppError("save.full", file="film.mp4", folder="/full")


def test_the_settings_offer_what_can_be_written():
    assert [key for key, _ in BY_KEY["film_format"].choices] == list(FILM_FORMATS)


def test_everything_in_it_has_a_name_and_a_sentence(film, dialog):
    film()
    made = dialog()
    assert unnamed(made) == []
    assert list(made.formats) == [COPY, *FILM_FORMATS]
    assert all(button.toolTip().endswith(".") for button in made.formats.values())


def test_only_what_counts_is_shown(qtbot, film, dialog):
    film()
    made = dialog()
    assert made.file.isVisible()
    assert not made.fps.isVisible()
    for key, facts in FILM_FORMATS.items():
        made.formats[key].click()
        assert made.fps.isVisible()
        assert made.loops.isVisible() == facts.loops
        assert made.quality.isVisible() == facts.has_quality
        assert Path(made.file.text()).suffix == facts.suffixes[0]
    settled(qtbot, made)


def test_a_copy_is_the_file_itself(qtbot, stand, film, dialog):
    shown = film()
    made = dialog()
    path = saved(qtbot, made)
    assert path == shown.path.with_name(f"{shown.path.stem}-copy.gif")
    assert path.read_bytes() == shown.path.read_bytes()
    qtbot.waitUntil(lambda: stand.pictures.row_of(path) >= 0, timeout=5000)


@pytest.mark.parametrize("format", [key for key in FILM_FORMATS if key != "png"])
def test_a_film_is_written_in_every_format_with_its_recipe(qtbot, film, dialog, tmp_path, format):
    shown = film()
    made = dialog()
    made.formats[format].click()
    made.file.setText(str(tmp_path / f"new{FILM_FORMATS[format].suffixes[0]}"))
    made.fps.setValue(10)
    settled(qtbot, made)
    path = saved(qtbot, made)
    frames, fps = read_frames(path)
    assert (frames.count, frames.width, frames.height) == (6, 64, 64)
    assert fps == pytest.approx(10, abs=0.1)
    assert read_recipe(path) == shown.result
    assert made.open_file.isVisible()
    assert made.show_file.isVisible()


def test_the_recipe_stays_out_when_the_setting_says_so(qtbot, stand, film, dialog, tmp_path):
    film()
    stand.settings.set("metadata", False)
    made = dialog()
    made.formats["mp4"].click()
    made.file.setText(str(tmp_path / "new.mp4"))
    assert read_recipe(saved(qtbot, made)) is None


@pytest.mark.parametrize(("row", "height", "size"), [(1, None, (32, 32)), (2, 48, (48, 48))])
def test_half_size_and_a_height_of_ones_own(qtbot, film, dialog, tmp_path, row, height, size):
    film()
    made = dialog()
    made.formats["gif"].click()
    made.file.setText(str(tmp_path / "small.gif"))
    presets = made.size_row.presets
    presets.setCurrentIndex(row)
    presets.activated.emit(row)
    if height:
        made.size_row.height_box.setValue(height)
    settled(qtbot, made)
    assert "{} × {} px".format(*size) in made.estimate.text()
    frames, _ = read_frames(saved(qtbot, made))
    assert (frames.width, frames.height) == size


def test_the_estimate_follows_the_quality(qtbot, film, dialog):
    film()
    made = dialog()
    made.formats["webp"].click()
    texts = []
    for quality in (1, 100):
        made.quality.slider.setValue(quality)
        assert made.quality.number.value() == quality
        assert "Estimating" in made.estimate.text()
        settled(qtbot, made)
        texts.append(made.estimate.text())
    assert all(text.startswith("About ") for text in texts)
    assert texts[0] != texts[1]


def test_an_existing_file_is_replaced_only_after_the_button_said_so(qtbot, film, dialog, tmp_path):
    film()
    taken = tmp_path / "taken.gif"
    taken.write_text("mine")
    made = dialog()
    made.formats["gif"].click()
    made.file.setText(str(taken))
    assert made.save.text() == "Save"
    made.save.click()  # before anybody has looked whether it exists
    qtbot.waitUntil(lambda: not made._export.busy, timeout=WAIT)
    assert "taken.gif already exists." in made.problem.text()
    assert taken.read_text() == "mine"
    made.fps.setValue(12)
    qtbot.waitUntil(lambda: made.save.text() == "Replace", timeout=WAIT)
    assert "will be replaced" in made.problem.text()
    saved(qtbot, made)
    assert read_frames(taken)[0].count == 6


def test_a_failure_is_a_sentence_in_the_dialog_and_can_be_tried_again(qtbot, stand, film, dialog, tmp_path):
    film()
    (tmp_path / "file").write_text("in the way")
    made = dialog()
    made.formats["mp4"].click()
    made.file.setText(str(tmp_path / "file" / "film.mp4"))
    settled(qtbot, made)
    made.save.click()
    qtbot.waitUntil(lambda: not made._export.busy, timeout=WAIT)
    assert "cannot be written to" in made.problem.text()
    assert made.problem.isVisible()
    assert not stand.window.messages.is_error, "the dialog says it"
    assert (tmp_path / "file").read_text() == "in the way"
    made.file.setText(str(tmp_path / "film.mp4"))
    assert not made.problem.isVisible()
    saved(qtbot, made)


def test_a_film_that_could_not_be_saved_is_saved_again(qtbot, stand, film, dialog, tmp_path):
    shown = film(refuse)
    assert shown.path is None
    stand.settings.set("output_folder", str(tmp_path))
    button = stand.window.status.save_again
    assert button.isVisible()
    button.click()
    made = stand.window.findChildren(ExportDialog)[-1]
    assert made.format == stand.settings.get("film_format")
    assert Path(made.file.text()).parent == tmp_path
    settled(qtbot, made)
    path = saved(qtbot, made)
    made.close()
    assert stand.window.viewer.shown.path == path
    assert not button.isVisible()
    assert read_recipe(path) == shown.result


def test_closing_the_dialog_does_not_stop_the_writing(qtbot, stand, film, dialog, tmp_path):
    film()
    made = dialog()
    made.formats["mp4"].click()
    made.file.setText(str(tmp_path / "later.mp4"))
    settled(qtbot, made)
    made.save.click()
    made.close()
    qtbot.waitUntil(lambda: "Saved as" in stand.window.messages.text.text(), timeout=WAIT)
    assert read_frames(tmp_path / "later.mp4")[0].count == 6


def test_choosing_a_file_asks_for_the_name(qtbot, film, dialog, tmp_path):
    film()
    made = dialog()
    made.formats["webm"].click()
    made.choose.click()
    chooser = made.findChild(QFileDialog)
    assert chooser.acceptMode() is QFileDialog.AcceptMode.AcceptSave
    assert chooser.defaultSuffix() == "webm"
    chooser.fileSelected.emit(str(tmp_path / "chosen.webm"))
    assert made.file.text() == str(tmp_path / "chosen.webm")
    chooser.close()
    settled(qtbot, made)


def test_a_picture_keeps_the_ordinary_save_dialog(stand, generate):
    generate()
    stand.window.actions_by_id["save_as"].trigger()
    assert stand.window.findChildren(ExportDialog) == []
    chooser = stand.window.findChild(QFileDialog)
    assert chooser is not None
    chooser.close()
