"""The page before the first picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PySide6.QtGui import QColor

from desktop_app.checkpoints.facts import read_model_facts
from desktop_app.core.catalog import FILM, PICTURE, FilmFacts
from desktop_app.core.messages import Message
from desktop_app.ui import welcome as welcome_module
from desktop_app.ui.images import image_of
from desktop_app.ui.welcome import Welcome
from desktop_app.ui.widgets.chip import Chip
from tests.scripted import frames
from tests.ui.conftest import FACTS, write_model


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


def test_films_have_examples_of_their_own_and_else_a_pictures(qtbot, tmp_path: Path):
    write_model(tmp_path / "model", {**FACTS, "examples": ["a house"], "surprise": []})
    pictures = read_model_facts(tmp_path / "model")
    film = FilmFacts(frames=8, max_frames=16, fps=8, window=8, examples=("a house, the sun rises",))
    films = replace(pictures, film=film, kinds=(PICTURE, FILM))
    page = Welcome()
    qtbot.addWidget(page)
    page.show()
    silent = replace(films, film=replace(film, examples=()))
    for facts, kind, example in (
        (films, PICTURE, "a house"),
        (films, FILM, "a house, the sun rises"),
        (silent, FILM, "a house"),
    ):
        page.show_model(facts, None, kind=kind)
        qtbot.waitUntil(lambda example=example: shown(page) == [example])
    page.close_files()


def shown(page: Welcome) -> list[str]:
    return [chip.text() for chip in page.findChildren(Chip) if chip.isVisible()]
