"""The page before the first picture."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtGui import QColor

from desktop_app.core.messages import Message
from desktop_app.ui import welcome as welcome_module
from desktop_app.ui.images import image_of
from desktop_app.ui.welcome import Welcome
from tests.scripted import frames


def test_a_sample_is_shown_when_the_program_brings_one(qtbot, tmp_path: Path, monkeypatch):
    (tmp_path / "samples").mkdir()
    assert image_of(frames(64, 64, 77)).save(str(tmp_path / "samples" / "a.png"))
    monkeypatch.setattr(welcome_module, "resources_dir", lambda: tmp_path)
    page = Welcome()
    qtbot.addWidget(page)
    page.resize(600, 600)
    page.show_model(None, None)
    page.title.setText("")
    page.sample.show_icon("picture")
    page.show()
    with qtbot.waitSignal(page._files.ready):
        page.load_sample()
    qtbot.waitUntil(lambda: page.sample.grab().toImage().pixelColor(page.sample.rect().center()) == QColor(77, 77, 77))
    page.close_files()


def test_without_a_model_the_reason_is_given(qtbot):
    page = Welcome()
    qtbot.addWidget(page)
    page.show_model(None, Message("model.missing-file", {"model": "postcard", "file": "unet"}))
    assert page.title.text() == "The model postcard is incomplete: unet is missing."
    assert "Reinstall" in page.line.text()
    page.close_files()
