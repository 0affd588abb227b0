"""Pictures and films read as frames."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from desktop_app.core.errors import AppError
from desktop_app.core.frames import Frames
from desktop_app.export import reading
from desktop_app.export.films import save_film_as
from desktop_app.export.reading import count_frames, first_of_film, fitted, read_frames
from tests.films import moving, write_gif

SHADES = [40 + 30 * index for index in range(6)]


def shades(frames: Frames) -> list[int]:
    size = frames.height * frames.width * 3
    return [frames.data[index * size] for index in range(frames.count)]


def film(path: Path, fps: int = 8) -> Path:
    return save_film_as(moving(width=64, height=48), None, path, fps=fps, quality=100, metadata=False).path


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp", "gif"])
def test_a_picture_is_one_frame_without_a_rate(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.new("RGB", (20, 10), (200, 100, 50)).save(path)
    frames, fps = read_frames(path)
    assert (frames.shape, fps) == ((1, 10, 20, 3), None)
    assert list(frames.data[:3]) == pytest.approx([200, 100, 50], abs=4)


def test_a_photograph_is_turned_as_it_says(tmp_path: Path) -> None:
    picture = Image.new("RGB", (20, 10))
    exif = picture.getexif()
    exif[0x0112] = 6  # a quarter turn
    picture.save(tmp_path / "a.jpg", exif=exif)
    assert read_frames(tmp_path / "a.jpg")[0].shape == (1, 20, 10, 3)


def test_what_is_transparent_becomes_white(tmp_path: Path) -> None:
    Image.new("RGBA", (2, 2), (0, 0, 0, 0)).save(tmp_path / "a.png")
    assert read_frames(tmp_path / "a.png")[0].data == b"\xff" * 12


@pytest.mark.parametrize("suffix", ["mp4", "webm", "gif", "webp"])
@pytest.mark.parametrize(
    ("most", "last", "wanted"),
    [(None, False, SHADES), (2, False, SHADES[:2]), (2, True, SHADES[-2:]), (9, True, SHADES)],
)
def test_a_part_of_a_film(suffix: str, most: int | None, last: bool, wanted: list[int], tmp_path: Path) -> None:
    frames, fps = read_frames(film(tmp_path / f"a.{suffix}", 10), most=most, last=last)
    assert shades(frames) == pytest.approx(wanted, abs=4)
    assert fps == pytest.approx(10, abs=0.1)


def test_the_first_frame_and_the_length(tmp_path: Path) -> None:
    frames, seconds = first_of_film(film(tmp_path / "a.mp4"))
    assert (frames.count, seconds) == (1, pytest.approx(0.75, abs=0.01))
    assert shades(frames) == pytest.approx(SHADES[:1], abs=4)


@pytest.mark.parametrize("name", ["a.mp4", "a.gif", "a.png", "a.txt"])
def test_what_is_no_picture_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"nothing" * 100)
    with pytest.raises(AppError, match=f"“{name}” cannot be read as a picture or a film"):
        read_frames(tmp_path / name)
    assert count_frames(tmp_path / name) == 0
    with pytest.raises(AppError, match="not there any more"):
        read_frames(tmp_path / f"other-{name}")


@pytest.mark.parametrize("suffix", ["mp4", "gif"])
def test_a_film_larger_than_memory_allows_is_refused(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = film(tmp_path / f"a.{suffix}")
    monkeypatch.setattr(reading, "MOST_BYTES", 3 * 64 * 48 * 3)
    with pytest.raises(AppError, match="too long"):
        read_frames(path)
    assert read_frames(path, most=2)[0].count == 2


def test_a_film_that_was_cut_off_still_gives_what_it_has_or_a_sentence(tmp_path: Path) -> None:
    whole = write_gif(tmp_path / "a.gif", moving(), 10).read_bytes()
    (tmp_path / "b.gif").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(AppError, match="cannot be read"):
        read_frames(tmp_path / "b.gif")


def test_fitting_covers_and_crops_in_the_middle() -> None:
    left, middle, right = ((10, 0, 0), (20, 0, 0), (30, 0, 0))
    row = b"".join(bytes(colour) * 8 for colour in (left, middle, right))
    frames = fitted(Frames(2, 8, 24, row * 8 * 2), 4, 4)
    assert frames.shape == (2, 4, 4, 3)
    assert all(abs(value - 20) < 3 for value in frames.data[::3]), "the middle third"
    assert fitted(frames, 4, 4) is frames
