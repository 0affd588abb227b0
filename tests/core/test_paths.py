"""Folders: portable use keeps everything in one place, and nothing is made before it is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from desktop_app.core import paths
from desktop_app.core.errors import AppError
from desktop_app.core.paths import app_paths, bundled_models_dir, resources_dir


def test_a_data_folder_holds_everything(tmp_path: Path) -> None:
    root = tmp_path / "portable"
    found = app_paths(root)
    places = (found.data, found.cache, found.pictures, found.settings, found.session, found.window, found.log)
    assert all(place.is_relative_to(root) for place in places)
    assert not root.exists()


def test_prepare_makes_the_folders(tmp_path: Path) -> None:
    found = app_paths(tmp_path / "a" / "b")
    found.prepare()
    found.prepare()
    assert found.data.is_dir()
    assert found.cache.is_dir()
    assert found.log.parent.is_dir()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AppError) as caught:
        app_paths(tmp_path / "file" / "data").prepare()
    assert caught.value.message.id == "data-dir.unusable"
    assert str(tmp_path / "file" / "data") in str(caught.value)


def test_relative_and_home_folders_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert app_paths(Path("here")).data == tmp_path / "here"
    assert app_paths(Path("~/x")).data == Path.home() / "x"


def test_without_a_data_folder_the_system_decides() -> None:
    found = app_paths()
    assert {found.data.name, found.pictures.name} == {"Safelight"}
    assert found.data.is_relative_to(Path.home())


def test_resources_lie_beside_the_package_or_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (resources_dir() / "icons" / "safelight.svg").is_file()
    assert bundled_models_dir() == resources_dir() / "models"
    monkeypatch.setattr(paths, "_PACKAGE", tmp_path / "desktop_app")
    assert resources_dir() == tmp_path / "resources"
    (tmp_path / "desktop_app" / "resources").mkdir(parents=True)
    assert resources_dir() == tmp_path / "desktop_app" / "resources"


def test_bundled_models_come_first() -> None:
    found = app_paths()
    assert found.model_folders() == (bundled_models_dir(), found.models)
    more = found.model_folders(["/pictures/models"])
    assert more == (bundled_models_dir(), found.models, Path("/pictures/models"))
