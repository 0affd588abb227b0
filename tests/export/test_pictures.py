"""Files hold the exact pixels, get names of their own, and a failed save leaves nothing behind."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from desktop_app.core.errors import AppError
from desktop_app.core.frames import Frames
from desktop_app.core.result import Result
from desktop_app.core.settings import BY_KEY
from desktop_app.export.pictures import FORMATS, Saved, format_of, save_as, save_picture

NOW = datetime(2026, 1, 2, 3, 4, 5)


def save(frames: Frames, result: Result, folder: Path, **changes: Any) -> Saved:
    options: dict[str, Any] = {
        "folder": folder,
        "template": "{prompt}",
        "format": "png",
        "quality": 92,
        "metadata": True,
    }
    return save_picture(frames, result, **{**options, **changes})


def test_every_format_of_the_settings_can_be_written() -> None:
    assert {key for key, _ in BY_KEY["format"].choices} == set(FORMATS)


def test_png_keeps_every_pixel(frames: Frames, result: Result, folder: Path) -> None:
    with Image.open(save(frames, result, folder).path) as image:
        assert (image.mode, image.size) == ("RGB", (frames.width, frames.height))
        assert image.tobytes() == frames.data


@pytest.mark.parametrize("format", ["jpeg", "webp"])
def test_lossy_formats_open_and_obey_quality(format: str, frames: Frames, result: Result, folder: Path) -> None:
    low = save(frames, result, folder, format=format, quality=5).path
    high = save(frames, result, folder, format=format, quality=95).path
    assert low.stat().st_size < high.stat().st_size
    with Image.open(high) as image:
        image.load()
        assert image.size == (frames.width, frames.height)
        assert image.format == FORMATS[format].label.upper()


@pytest.mark.parametrize("format", FORMATS)
def test_the_suffix_is_that_of_the_format(format: str, frames: Frames, result: Result, folder: Path) -> None:
    path = save(frames, result, folder, format=format).path
    assert format_of(path) is FORMATS[format]


def test_the_template_names_file_and_folder(frames: Frames, result: Result, folder: Path) -> None:
    saved = save(frames, result, folder / "new", template="{date}/{time} {prompt} {seed} {model}", now=NOW)
    assert saved.path == folder / "new/2026-01-02/03-04-05 a-red-house-on-green-hills 7 postcard.png"
    assert saved.path.is_file()


def test_a_taken_name_gets_a_number(frames: Frames, result: Result, folder: Path) -> None:
    first = save(frames, result, folder).path
    content = first.read_bytes()
    assert save(frames, result, folder).path.name == f"{first.stem}-2.png"
    assert first.read_bytes() == content


def test_pictures_saved_at_once_never_share_a_name(frames: Frames, result: Result, folder: Path) -> None:
    names: list[Path] = []
    threads = [threading.Thread(target=lambda: names.append(save(frames, result, folder).path)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(names)) == 12
    assert sorted(names) == sorted(folder.iterdir())


def fail_with(number: int) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("call", ["os.fsync", "pathlib.Path.replace"])
def test_a_full_disk_leaves_nothing(
    number: int, call: str, frames: Frames, result: Result, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call, fail_with(number))
    with pytest.raises(AppError) as caught:
        save(frames, result, folder)
    assert caught.value.message.id == "save.full"
    assert str(folder) in str(caught.value)
    monkeypatch.undo()
    assert list(folder.iterdir()) == []
    assert save(frames, result, folder).path.is_file(), "the picture can still be saved afterwards"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_write_to_a_really_full_device(
    frames: Frames, result: Result, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_open = Path.open

    def open_full(path: Path, mode: str = "r", *args: Any, **options: Any) -> Any:
        if path.suffix == ".tmp":
            return real_open(Path("/dev/full"), "wb")
        return real_open(path, mode, *args, **options)

    monkeypatch.setattr(Path, "open", open_full)
    with pytest.raises(AppError) as caught:
        save(frames, result, folder)
    assert caught.value.message.id == "save.full"
    assert list(folder.iterdir()) == []


def test_a_folder_that_refuses(frames: Frames, result: Result, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pathlib.Path.open", fail_with(errno.EACCES))
    with pytest.raises(AppError, match="Permission denied") as caught:
        save(frames, result, folder)
    assert caught.value.message.id == "save.folder"


@pytest.mark.skipif(os.name != "posix", reason="folders have no modes on this system")
def test_a_read_only_folder(frames: Frames, result: Result, folder: Path) -> None:
    folder.chmod(0o500)
    user = os.geteuid()
    if user == 0:  # root may write everywhere
        os.seteuid(65534)
    try:
        with pytest.raises(AppError, match="Permission denied") as caught:
            save(frames, result, folder)
    finally:
        os.seteuid(user)
        folder.chmod(0o700)
    assert caught.value.message.id == "save.folder"
    assert list(folder.iterdir()) == []


def test_a_file_where_the_folder_should_be(frames: Frames, result: Result, folder: Path) -> None:
    (folder / "file").write_text("mine")
    with pytest.raises(AppError) as caught:
        save(frames, result, folder / "file")
    assert caught.value.message.id == "save.folder"
    assert (folder / "file").read_text() == "mine"


def test_an_unknown_format(frames: Frames, result: Result, folder: Path) -> None:
    with pytest.raises(AppError, match="png, jpeg, webp"):
        save(frames, result, folder, format="bmp")


@pytest.mark.parametrize("name", ["house.png", "house.JPG", "house.jpeg", "house.webp"])
def test_save_as_takes_the_format_from_the_suffix(name: str, frames: Frames, result: Result, folder: Path) -> None:
    path = folder / "new folder" / name
    assert save_as(frames, result, path, quality=90, metadata=True).path == path
    with Image.open(path) as image:
        assert image.format in ("PNG", "JPEG", "WEBP")
        assert format_of(path).label.upper() == image.format


@pytest.mark.parametrize("name", ["house", "house.bmp", ".png"])
def test_save_as_refuses_other_suffixes(name: str, frames: Frames, result: Result, folder: Path) -> None:
    with pytest.raises(AppError) as caught:
        save_as(frames, result, folder / name, quality=90, metadata=True)
    assert caught.value.message.id == "save.format"
    assert list(folder.iterdir()) == []


def test_save_as_overwrites_only_when_told(frames: Frames, result: Result, folder: Path) -> None:
    path = folder / "house.png"
    path.write_text("mine")
    with pytest.raises(AppError, match=r"house\.png already exists"):
        save_as(frames, result, path, quality=90, metadata=True)
    assert path.read_text() == "mine"
    save_as(frames, result, path, quality=90, metadata=True, overwrite=True)
    with Image.open(path) as image:
        assert image.tobytes() == frames.data
    assert list(folder.iterdir()) == [path]


def test_a_failed_overwrite_keeps_the_old_file(
    frames: Frames, result: Result, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "house.png"
    path.write_text("mine")
    monkeypatch.setattr("os.fsync", fail_with(errno.ENOSPC))
    with pytest.raises(AppError):
        save_as(frames, result, path, quality=90, metadata=True, overwrite=True)
    assert path.read_text() == "mine"
    assert list(folder.iterdir()) == [path]


def test_save_as_into_a_file_as_folder(frames: Frames, result: Result, folder: Path) -> None:
    (folder / "file").write_text("mine")
    with pytest.raises(AppError) as caught:
        save_as(frames, result, folder / "file" / "house.png", quality=90, metadata=True)
    assert caught.value.message.id == "save.folder"
