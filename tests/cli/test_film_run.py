"""``film`` from the options to the file, with a tiny model, the real engine and the real encoder."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from PIL import Image

from desktop_app.cli import main
from desktop_app.export.reading import read_frames
from desktop_app.export.recipes import read_recipe
from tests.cli.conftest import Run

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def film(data_dir: Path) -> Run:
    """``film`` on the tiny model, which has a motion adapter here: four frames in one step."""
    from tests.tiny_models import add_motion_adapter

    add_motion_adapter(data_dir / "models" / "tiny")

    def run(*arguments: str) -> int:
        few = ["--frames", "4", "--steps", "1", "--seed", "3"]
        return main(["film", "--model", "tiny", "--data-dir", str(data_dir), *few, *arguments])

    return run


@pytest.mark.parametrize("suffix", ["mp4", "gif"])
def test_the_name_chooses_the_format_and_the_recipe_is_inside(
    suffix: str, film: Run, tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "new" / f"boat.{suffix}"
    assert film("a red boat", "-o", str(path), "--fps", "10", "--size", "96x64") == 0
    out, err = capsys.readouterr()
    assert out == f"{path}\n"
    assert "Seed 3" in err
    frames, fps = read_frames(path)
    assert frames.shape == (4, 64, 96, 3)
    assert fps == pytest.approx(10, abs=0.1)
    recipe = read_recipe(path)
    assert recipe is not None
    assert (recipe.request.kind, recipe.request.prompt, recipe.request.frames) == ("film", "a red boat", 4)


def test_without_o_the_settings_name_the_format_and_the_folder(film: Run, data_dir: Path, capsys: Capture) -> None:
    settings = {"file_name": "{prompt}/{seed}", "film_format": "webm", "film_quality": 30}
    (data_dir / "settings.json").write_text(json.dumps(settings))
    assert film("a red boat") == 0
    assert capsys.readouterr().out == f"{data_dir / 'pictures' / 'a-red-boat' / '3.webm'}\n"


def test_a_film_of_a_picture_and_a_film_that_goes_on(film: Run, tmp_path: Path) -> None:
    start = tmp_path / "start.png"
    Image.new("RGB", (64, 64), (200, 30, 30)).save(start)
    first, longer = tmp_path / "first.mp4", tmp_path / "longer.mp4"
    assert film("x", "-o", str(first), "--image", str(start), "--strength", "0.5", "--steps", "2") == 0
    recipe = read_recipe(first)
    assert recipe is not None
    assert recipe.request.start_digest == hashlib.sha256(start.read_bytes()).hexdigest()
    assert film("x", "-o", str(longer), "--extend", str(first)) == 0
    assert read_frames(longer)[0].count == 8


def test_a_batch_is_numbered_and_told_as_json(film: Run, tmp_path: Path, capsys: Capture) -> None:
    assert film("x", "-o", f"{tmp_path}/b.gif", "--count", "2", "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["path"] for line in lines] == [f"{tmp_path}/b.gif", f"{tmp_path}/b-2.gif"]
    assert [line["recipe"]["request"]["seed"] for line in lines] == [3, 4]


def test_an_ending_that_is_no_film_is_refused(film: Run, tmp_path: Path, capsys: Capture) -> None:
    assert film("x", "-o", f"{tmp_path}/boat.txt") == 2
    assert ".txt" in capsys.readouterr().err


def test_a_picture_drawn_from_another(generate: Run, tmp_path: Path) -> None:
    start, kept, new = tmp_path / "start.png", tmp_path / "kept.png", tmp_path / "new.png"
    Image.new("RGB", (64, 64), (200, 30, 30)).save(start)
    options = ["--image", str(start), "--steps", "4", "--seed", "1"]
    assert generate("x", "-o", str(kept), "--strength", "0.25", *options) == 0
    assert generate("x", "-o", str(new), "--strength", "1", *options) == 0
    recipe = read_recipe(kept)
    assert recipe is not None
    assert (recipe.request.start, recipe.request.strength) == (str(start), 0.25)
    with Image.open(kept) as near, Image.open(new) as far:
        assert near.tobytes() != far.tobytes()


def test_a_start_file_that_is_no_picture_is_named(generate: Run, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "notes.txt").write_text("not a picture")
    assert generate("x", "-o", f"{tmp_path}/a.png", "--image", f"{tmp_path}/notes.txt") == 1
    assert "notes.txt” cannot be read as a picture or a film" in capsys.readouterr().err
    assert not (tmp_path / "a.png").exists()
