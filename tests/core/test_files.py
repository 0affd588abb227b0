"""Whatever call fails, a file is whole or absent, and no other file is touched."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from desktop_app.core.files import create_file, place_file, place_folder, replace_file, temporary_name

CALLS = ("open", "replace", "fsync")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder


class FailNth:
    """Makes the ``n``-th of the calls that a write consists of fail with "disk full"."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, n: int) -> None:
        self.left = n
        for place, name in ((Path, "open"), (Path, "replace"), (os, "fsync")):
            monkeypatch.setattr(place, name, self._wrap(getattr(place, name)))

    def _wrap(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            self.left -= 1
            if self.left == 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(*arguments, **options)

        return call


@pytest.mark.parametrize("write", [create_file, replace_file])
def test_whichever_call_fails_the_old_files_stay(
    write: Callable[[Path, bytes], object], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = folder / "a.txt"
    old.write_text("old")
    failed = 0
    for n in range(1, 20):
        with monkeypatch.context() as patch:
            counter = FailNth(patch, n)
            try:
                write(old, b"new")
            except OSError:
                failed += 1
            reached = counter.left <= 0
        files = {path.name: path.read_text() for path in folder.iterdir()}
        if not reached:
            break
        assert set(files.values()) <= {"old", "new"}, "no half file, no placeholder"
        assert not [name for name in files if name.endswith(".tmp")]
        if write is create_file:
            assert files["a.txt"] == "old"
        for path in folder.iterdir():
            path.unlink()
        old.write_text("old")
    assert failed >= 3, "at least opening, syncing and naming were tried"


def test_create_numbers_what_is_taken(folder: Path) -> None:
    paths = [create_file(folder / "new" / "a.b.png", str(n).encode()) for n in range(3)]
    assert [path.name for path in paths] == ["a.b.png", "a.b-2.png", "a.b-3.png"]
    assert [path.read_bytes() for path in paths] == [b"0", b"1", b"2"]


def test_create_without_number_refuses(folder: Path) -> None:
    (folder / "a").write_text("old")
    with pytest.raises(FileExistsError):
        create_file(folder / "a", b"new", number=False)
    assert [path.read_text() for path in folder.iterdir()] == ["old"]


def test_a_broken_link_is_a_taken_name(folder: Path) -> None:
    (folder / "a").symlink_to(folder / "nowhere")
    assert create_file(folder / "a", b"new").name == "a-2"
    assert not (folder / "nowhere").exists()


def test_names_are_exclusive_among_threads(folder: Path) -> None:
    names: list[Path] = []
    start = threading.Barrier(8)

    def work() -> None:
        start.wait()
        names.extend(create_file(folder / "a.png", b"x" * 1000) for _ in range(10))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(names)) == 80
    assert {path.stat().st_size for path in folder.iterdir()} == {1000}
    assert sorted(names) == sorted(folder.iterdir())


def test_replace_is_one_step_for_a_reader(folder: Path) -> None:
    path = folder / "a"
    replace_file(path, b"0" * 50_000)
    seen: set[bytes] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for n in range(20):
        replace_file(path, str(n % 10).encode() * 50_000)
    done.set()
    reader.join()
    assert all(len(set(content)) == 1 and len(content) == 50_000 for content in seen)


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
def test_files_have_the_mode_that_open_gives(folder: Path) -> None:
    umask = os.umask(0o027)
    try:
        path = create_file(folder / "a", b"x")
        replace_file(folder / "b", b"x")
    finally:
        os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((folder / "b").stat().st_mode) == 0o640


def unfinished(folder: Path, text: str) -> Path:
    path = temporary_name(folder)
    path.write_text(text)
    return path


def test_a_finished_file_takes_a_free_name_or_the_place_of_the_old_one(folder: Path) -> None:
    (folder / "a.mp4").write_text("old")
    assert place_file(unfinished(folder, "second"), folder / "a.mp4").name == "a-2.mp4"
    with pytest.raises(FileExistsError):
        place_file(unfinished(folder, "third"), folder / "a.mp4", number=False)
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"a.mp4": "old", "a-2.mp4": "second"}
    assert place_file(unfinished(folder, "new"), folder / "a.mp4", overwrite=True).name == "a.mp4"
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"a.mp4": "new", "a-2.mp4": "second"}


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_finished_file_that_cannot_be_placed_leaves_the_old_one(
    overwrite: bool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a.mp4").write_text("old")

    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    temporary = unfinished(folder, "new")
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        place_file(temporary, folder / "a.mp4", overwrite=overwrite)
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"a.mp4": "old"}


def test_a_finished_file_may_outlive_a_failure(folder: Path) -> None:
    temporary, taken = temporary_name(folder), folder / "name"
    for path in (temporary, taken):
        path.write_bytes(b"data")
    with pytest.raises(FileExistsError):
        place_file(temporary, taken, number=False, keep=True)
    assert temporary.read_bytes() == b"data"
    with pytest.raises(FileExistsError):
        place_file(temporary, taken, number=False)
    assert not temporary.exists()


def test_a_finished_folder_takes_a_free_name(folder: Path) -> None:
    for number in range(3):
        temporary = temporary_name(folder)
        temporary.mkdir()
        (temporary / "1.png").write_text(str(number))
        if number < 2:
            place_folder(temporary, folder / "film")
        else:
            with pytest.raises(FileExistsError):
                place_folder(temporary, folder / "film", number=False)
            assert temporary.is_dir(), "what was made is not lost"
    placed = {path.name: (path / "1.png").read_text() for path in folder.glob("film*")}
    assert placed == {"film": "0", "film-2": "1"}
