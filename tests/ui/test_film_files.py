"""Films read back from files of all kinds."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QSize

from desktop_app.core.frames import Frames
from desktop_app.export import reading
from desktop_app.ui.film_files import FilmError, first_frame, read_film
from desktop_app.ui.images import DURATION, ImageFiles, image_of
from desktop_app.ui.thumbnails import Thumbnails
from tests.films import moving, write_gif

SHADES = [40 + 30 * i for i in range(6)]


def write_by_ffmpeg(path, frames: Frames, fps: int):
    from imageio_ffmpeg import write_frames

    codec = "libvpx-vp9" if path.suffix == ".webm" else "libx264"
    writer = write_frames(str(path), (frames.width, frames.height), fps=fps, codec=codec, macro_block_size=2)
    writer.send(None)
    size = frames.width * frames.height * 3
    for index in range(frames.count):
        writer.send(frames.data[index * size : (index + 1) * size])
    writer.close()
    return path


def shades(film) -> list[int]:
    return [film.image(index).pixelColor(3, 3).red() for index in range(film.count)]


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_a_film_of_ffmpeg_comes_back_frame_by_frame(qapp, tmp_path, suffix):
    path = write_by_ffmpeg(tmp_path / f"a{suffix}", moving(width=64, height=48), 8)
    film = read_film(path)
    assert (film.count, film.fps) == (6, 8)
    assert film.frames.shape == (6, 48, 64, 3)
    assert shades(film) == pytest.approx(SHADES, abs=4)
    image, seconds = first_frame(path)
    assert image.pixelColor(3, 3).red() == pytest.approx(SHADES[0], abs=4)
    assert seconds == pytest.approx(0.75, abs=0.15)


def test_a_gif_comes_back_frame_by_frame(qapp, tmp_path):
    film = read_film(write_gif(tmp_path / "a.gif", moving(), 10))
    assert (film.count, film.fps) == (6, 10)
    assert shades(film) == SHADES


def test_an_animated_webp_is_a_film_and_a_still_one_is_none(qtbot, tmp_path):
    from PIL import Image

    first, second = (Image.new("RGB", (16, 16), (shade, shade, shade)) for shade in (10, 200))
    first.save(tmp_path / "film.webp", save_all=True, append_images=[second], duration=125, lossless=True)
    first.save(tmp_path / "still.webp", lossless=True)
    files = ImageFiles(1)
    with qtbot.waitSignal(files.film, timeout=5000) as read:
        files.read("a", tmp_path / "film.webp")
    film = read.args[1]
    assert (film.count, film.fps) == (2, 8)
    assert shades(film) == [10, 200]
    with qtbot.assertNotEmitted(files.film), qtbot.waitSignal(files.ready, timeout=5000) as read:
        files.read("b", tmp_path / "still.webp")
    assert DURATION not in read.args[1].textKeys()
    files.close()


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_a_broken_film_is_told_and_shows_nothing(qtbot, tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"nothing" * 100)
    with pytest.raises(FilmError):
        read_film(path)
    files = ImageFiles(1)
    with qtbot.waitSignal(files.ready, timeout=5000) as read:
        files.read("a", path)
    assert read.args[1].isNull()
    assert read.args[2]
    files.close()


def test_a_film_larger_than_memory_allows_is_refused(qapp, tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MOST_BYTES", 3 * 24 * 32 * 3)
    with pytest.raises(FilmError, match="too long"):
        read_film(write_gif(tmp_path / "a.gif", moving(), 10))


def test_a_thumbnail_of_a_film_is_its_first_frame_and_knows_its_length(qtbot, tmp_path):
    thumbnails = Thumbnails()
    films = {
        write_by_ffmpeg(tmp_path / "a.mp4", moving(width=64, height=48), 8): 0.75,
        write_gif(tmp_path / "b.gif", moving(width=64, height=48), 10): 0.6,
    }
    for path, seconds in films.items():
        with qtbot.waitSignal(thumbnails.ready, timeout=5000):
            assert thumbnails.get(path, 1.0, 32) is None
        made = thumbnails.get(path, 1.0, 32)
        assert made.size() == QSize(32, 24)
        assert made.toImage().pixelColor(3, 3).red() == pytest.approx(SHADES[0], abs=4)
        assert thumbnails.seconds(path, 1.0) == pytest.approx(seconds, abs=0.15)
    thumbnails.close()


def test_there_is_no_frame_beyond_the_last(qapp):
    with pytest.raises(IndexError):
        image_of(moving(2), 2)
