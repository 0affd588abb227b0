"""Films written in every format and read back, and everything that keeps one from being written."""

from __future__ import annotations

import os
import stat
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from desktop_app.core.errors import AppError, RequestError
from desktop_app.core.frames import Frames
from desktop_app.core.result import Result
from desktop_app.export.films import FILM_FORMATS, Saved, estimate_bytes, film_format_of, save_film, save_film_as
from desktop_app.export.metadata import parameters_text
from desktop_app.export.reading import count_frames, read_frames
from desktop_app.export.recipes import read_recipe
from tests.export.conftest import make_result

FILES = [key for key in FILM_FORMATS if key != "png"]
COLOURS = ((200, 30, 30), (30, 160, 60), (40, 60, 220), (240, 220, 60), (128, 128, 128))


def film(count: int = 5, width: int = 64, height: int = 48) -> Frames:
    """Every frame is of one colour."""
    colours = (bytes(COLOURS[index % len(COLOURS)]) for index in range(count))
    return Frames(count, height, width, b"".join(colour * (width * height) for colour in colours))


def film_result(**changes: Any) -> Result:
    return make_result(**{"kind": "film", "frames": 5, "fps": 8, **changes})


def write(path: Path, frames: Frames, result: Result | None = None, **options: Any) -> Saved:
    return save_film_as(frames, result, path, **{"fps": 8, "quality": 90, "metadata": True, **options})


def colours(frames: Frames) -> numpy.ndarray:
    """(frames, 3): the pixel in the middle of each."""
    pixels = numpy.frombuffer(frames.data, "uint8").reshape(frames.shape)
    return pixels[:, frames.height // 2, frames.width // 2].astype(int)


@pytest.mark.parametrize("format", FILES)
@pytest.mark.parametrize("fps", [8, 24, 12.5])
def test_what_is_written_is_read_back(format: str, fps: float, tmp_path: Path) -> None:
    path = write(tmp_path / "out" / f"a{FILM_FORMATS[format].suffixes[0]}", film(), film_result(), fps=fps).path
    frames, rate = read_frames(path)
    assert frames.shape == (5, 48, 64, 3)
    assert rate == pytest.approx(fps, rel=0.06)  # the delays of a GIF are hundredths of a second
    assert numpy.abs(colours(frames) - COLOURS).max() <= 5
    assert read_recipe(path) == film_result()
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_one_picture_for_every_frame(tmp_path: Path) -> None:
    path = write(tmp_path / "walk.png", film(), film_result()).path
    assert path == tmp_path / "walk" / "walk-001.png"
    files = sorted(path.parent.iterdir())
    assert [file.name for file in files] == [f"walk-00{number}.png" for number in range(1, 6)]
    assert [tuple(colours(read_frames(file)[0])[0]) for file in files] == list(COLOURS)
    assert all(read_recipe(file) == film_result() for file in files)
    with pytest.raises(AppError, match="walk already exists"):
        write(tmp_path / "walk.png", film())
    assert write(tmp_path / "walk.png", film(), number=True).path.parent.name == "walk-2"
    assert sorted(tmp_path.glob("*walk*")) == [tmp_path / "walk", tmp_path / "walk-2"]
    assert list(tmp_path.glob(".safelight*")) == []


@settings(max_examples=8, deadline=None)
@given(
    st.integers(1, 5), st.integers(16, 40), st.integers(16, 40), st.sampled_from(FILES), st.sampled_from([1, 7, 30, 60])
)
def test_odd_sizes_and_counts(count: int, width: int, height: int, format: str, fps: int) -> None:
    """yuv420p has even sides: one column or row is repeated there, and nowhere else."""
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder, f"a{FILM_FORMATS[format].suffixes[0]}"), film(count, width, height), fps=fps).path
        frames, _ = read_frames(path)
    extra = 1 if format in ("mp4", "webm") else 0
    assert frames.shape == (count, height + extra * (height % 2), width + extra * (width % 2), 3)
    assert numpy.abs(colours(frames) - [COLOURS[index % 5] for index in range(count)]).max() <= 8


@pytest.mark.parametrize("format", FILES)
@pytest.mark.parametrize(
    "prompt", ["", "a = b; c # d \\ e", "Grüße 🐈 “so” \"so\" <x> & 'y'", "first\nsecond\n\n[CHAPTER]\nx=1", "x" * 9000]
)
def test_any_prompt_comes_back(format: str, prompt: str, tmp_path: Path) -> None:
    result = film_result(prompt=prompt, negative_prompt="=;#\\")
    path = write(tmp_path / f"a{FILM_FORMATS[format].suffixes[0]}", film(2, 16, 16), result).path
    assert read_recipe(path) == result
    assert count_frames(path) == 2


@pytest.mark.parametrize("format", list(FILM_FORMATS))
def test_without_metadata_nothing_is_told(format: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"a{FILM_FORMATS[format].suffixes[0]}", film(), film_result(), metadata=False).path
    assert read_recipe(path) is None
    assert b"red house" not in path.read_bytes()


def test_the_infotext_says_what_other_programs_know() -> None:
    result = film_result(start="a.png", strength=0.6)
    assert "Denoising strength: 0.6" in parameters_text(result)
    assert "Frames: 5, FPS: 8" in parameters_text(result)
    assert "Frames" not in parameters_text(make_result())


@pytest.mark.parametrize(("loops", "stored"), [(0, 0), (1, None), (3, 2)])
def test_a_gif_says_how_often_it_is_shown(loops: int, stored: int | None, tmp_path: Path) -> None:
    """The Netscape extension counts repetitions after the first showing."""
    with Image.open(write(tmp_path / "a.gif", film(), loops=loops).path) as image:
        assert image.info.get("loop") == stored


def test_a_webp_says_how_often_it_is_shown(tmp_path: Path) -> None:
    with Image.open(write(tmp_path / "a.webp", film(), loops=3).path) as image:
        assert image.info["loop"] == 3


def test_an_mp4_begins_with_its_index_and_names_its_colours(tmp_path: Path) -> None:
    data = write(tmp_path / "a.mp4", film()).path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    place = data.index(b"colrnclx") + 8
    assert data[place : place + 6] == b"\0\1\0\1\0\1", "primaries, transfer and matrix of BT.709"


@pytest.mark.parametrize("format", ["mp4", "webm", "webp"])
def test_quality_costs_bytes(format: str, tmp_path: Path) -> None:
    noise = numpy.random.default_rng(0).integers(0, 255, (5, 48, 64, 3), "uint8")
    frames = Frames(5, 48, 64, noise.tobytes())
    sizes = [write(tmp_path / f"{q}.{format}", frames, quality=q).path.stat().st_size for q in (1, 100)]
    assert sizes[0] < sizes[1] / 2


@pytest.mark.parametrize("format", list(FILM_FORMATS))
def test_the_estimate_is_near(format: str, tmp_path: Path) -> None:
    frames = film(24)
    estimate = estimate_bytes(frames, format=format, fps=8, quality=80, size=(64, 48))
    path = write(tmp_path / f"a{FILM_FORMATS[format].suffixes[0]}", frames, quality=80).path
    found = sum(file.stat().st_size for file in path.parent.glob("*.png")) if format == "png" else path.stat().st_size
    assert found / 2 < estimate < found * 2


def test_another_size(tmp_path: Path) -> None:
    assert read_frames(write(tmp_path / "a.mp4", film(), size=(32, 24)).path)[0].shape == (5, 24, 32, 3)


def test_a_film_is_saved_under_a_name_of_its_own(tmp_path: Path) -> None:
    options: dict[str, Any] = {"format": "gif", "quality": 80, "metadata": True, "now": datetime(2026, 1, 2)}
    paths = [save_film(film(), film_result(), folder=tmp_path, template="{date}/{seed}", **options).path for _ in "ab"]
    assert paths == [tmp_path / "2026-01-02" / "7.gif", tmp_path / "2026-01-02" / "7-2.gif"]
    assert read_frames(paths[0])[1] == pytest.approx(8, rel=0.06)
    with pytest.raises(AppError, match="no film format called “avi”"):
        save_film(film(), film_result(), folder=tmp_path, template="x", **{**options, "format": "avi"})


@pytest.mark.parametrize("format", FILES)
def test_an_existing_file_is_kept_unless_the_caller_says_otherwise(format: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{FILM_FORMATS[format].suffixes[0]}"
    path.write_text("mine")
    with pytest.raises(AppError, match="already exists"):
        write(path, film())
    assert path.read_text() == "mine"
    assert write(path, film(), number=True).path.stem == "a-2"
    assert write(path, film(), overwrite=True).path == path
    assert read_frames(path)[0].count == 5


def test_the_suffix_names_the_format() -> None:
    assert film_format_of(Path("a.MP4")) == "mp4"
    with pytest.raises(RequestError, match=r"“\.txt”"):
        film_format_of(Path("a.txt"))


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.mark.skipif(os.name != "posix", reason="uses shell scripts")
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("exec 0<&-; sleep 0.1; echo broken pixels >&2; exit 3", "ffmpeg stopped: broken pixels."),
        ("cat > /dev/null; exit 3", "it ended with code 3"),
        ("cat > /dev/null; echo 'av_write: No space left on device' >&2; exit 1", "The disk is full"),
        ("cat > /dev/null; exit 0", "has 0 frames instead of 5"),
    ],
)
def test_an_encoder_that_fails_leaves_nothing_behind(
    text: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(script(tmp_path / "ffmpeg", text)))
    out = tmp_path / "out"
    with pytest.raises(AppError, match=sentence):
        write(out / "a.mp4", film(5, 640, 480))
    assert list(out.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="uses file permissions")
def test_an_encoder_that_cannot_be_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ffmpeg").write_text("no program")
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "ffmpeg"))
    with pytest.raises(AppError, match="cannot be started: Permission denied") as caught:
        write(tmp_path / "out" / "a.webm", film())
    assert "PNG films need no ffmpeg" in caught.value.message.remedy
    assert write(tmp_path / "out" / "a.webp", film()).path.is_file()
    assert write(tmp_path / "out" / "b.png", film()).path.is_file()


def test_no_encoder_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import imageio_ffmpeg

    def nothing() -> str:
        raise RuntimeError("No ffmpeg exe could be found.")

    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", nothing)
    with pytest.raises(AppError, match="ffmpeg was not found"):
        write(tmp_path / "a.mp4", film())
    assert [*tmp_path.glob("a*"), *tmp_path.glob(".safelight*")] == []


@pytest.mark.parametrize("format", list(FILM_FORMATS))
def test_a_folder_that_takes_no_files(format: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(AppError, match="cannot be written to"):
        write(tmp_path / "file" / f"a{FILM_FORMATS[format].suffixes[0]}", film())
