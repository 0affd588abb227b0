"""What cannot be saved where it should be is kept, pixel for pixel, in the first folder that takes it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from desktop_app.core.errors import AppError
from desktop_app.core.frames import Frames
from desktop_app.export.aside import keep_aside
from desktop_app.export.reading import read_frames
from desktop_app.export.recipes import read_recipe
from tests.export.conftest import make_result

PROBLEM = AppError("ffmpeg.missing")


def _noise(count: int) -> Frames:
    return Frames(count, 16, 24, random.Random(count).randbytes(count * 16 * 24 * 3))


@pytest.mark.parametrize(("count", "suffix"), [(1, ".png"), (5, ".webp")])
def test_pixel_for_pixel_with_its_recipe(folder: Path, count: int, suffix: str) -> None:
    frames = _noise(count)
    result = make_result(kind="film", frames=count) if count > 1 else make_result()
    path, message = keep_aside(frames, result, [folder], PROBLEM, metadata=True)
    assert path == folder / f"safelight-{result.seed}{suffix}"
    assert read_frames(path)[0].data == frames.data
    assert read_recipe(path) == result
    assert str(path) in message.text
    assert PROBLEM.message.text in message.text
    assert message.remedy == PROBLEM.message.remedy


def test_the_first_folder_that_takes_it(folder: Path, frames: Frames) -> None:
    blocked = folder / "file"
    blocked.write_text("in the way")
    path, _ = keep_aside(frames, make_result(), [blocked, folder], PROBLEM, metadata=True)
    again, _ = keep_aside(frames, make_result(), [folder], PROBLEM, metadata=True)
    assert path.parent == again.parent == folder
    assert path != again


def test_the_setting_leaves_the_recipe_out(folder: Path, frames: Frames) -> None:
    path, _ = keep_aside(frames, make_result(), [folder], PROBLEM, metadata=False)
    assert read_recipe(path) is None


def test_where_files_go_for_a_time_comes_last(folder: Path, frames: Frames, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    blocked = folder / "file"
    blocked.write_text("in the way")
    path, _ = keep_aside(frames, make_result(), [blocked], PROBLEM, metadata=True)
    assert path.parent == folder


def test_where_none_takes_it_the_first_problem_is_said(
    folder: Path, frames: Frames, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = folder / "file"
    blocked.write_text("in the way")
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr("tempfile._candidate_tempdir_list", lambda: [str(blocked / "temporary")])
    with pytest.raises(AppError) as caught:
        keep_aside(frames, make_result(), [blocked], PROBLEM, metadata=True)
    assert caught.value is PROBLEM
