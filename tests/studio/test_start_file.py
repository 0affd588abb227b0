from __future__ import annotations

import hashlib
import os

import pytest

from desktop_app.core.errors import AppError
from desktop_app.studio.start_file import StartFile, keep_frame
from tests.scripted import frames


@pytest.fixture
def look(qtbot, background):
    """``look(path)`` waits for what is said about the file."""
    file = StartFile(background)

    def run(path: str) -> StartFile:
        with qtbot.waitSignal(file.changed, timeout=5000):
            file.look(path)
        return file

    return run


def test_the_digest_is_known_a_moment_later(tmp_path, background, qtbot):
    path = tmp_path / "a.png"
    path.write_bytes(b"boat")
    file = StartFile(background)
    file.look(str(path))
    assert (file.digest, file.modified, file.message) == ("", 0, None)
    qtbot.waitUntil(lambda: file.looked, timeout=5000)
    assert file.digest == hashlib.sha256(b"boat").hexdigest()
    assert file.modified == path.stat().st_mtime_ns


def test_a_changed_file_is_read_again_and_an_unchanged_one_is_not(tmp_path, look, background):
    path = tmp_path / "a.png"
    path.write_bytes(b"boat")
    file = look(str(path))
    first = file.digest
    seen = []
    file.changed.connect(lambda: seen.append(file.digest))
    file.look(str(path))
    background._pool.submit(lambda: None).result(5)
    path.write_bytes(b"ship")
    os.utime(path, ns=(1, 1))
    assert look(str(path)).digest == hashlib.sha256(b"ship").hexdigest()
    assert seen == [file.digest]
    assert file.digest != first


def test_what_was_asked_for_last_counts(tmp_path, look):
    (tmp_path / "a.png").write_bytes(b"a")
    file = look(str(tmp_path / "a.png"))
    file.look("")
    assert (file.digest, file.message) == ("", None)


@pytest.mark.parametrize(("name", "id"), [("gone.png", "start.missing"), (".", "start.unreadable")])
def test_a_file_that_cannot_be_used_has_a_reason(tmp_path, look, name, id):
    file = look(str(tmp_path / name))
    assert file.message.id == id
    assert file.digest == ""


def test_a_path_that_no_system_takes_has_a_reason_too(look):
    assert look("a\x00b").message.id == "start.unreadable"


def test_a_frame_is_kept_once_under_a_name_that_tells_its_contents(tmp_path):
    folder = tmp_path / "starts"
    first, again = (keep_frame(frames(8, 8, 90), folder, "film-001") for _ in range(2))
    other = keep_frame(frames(8, 8, 91), folder, "film-001")
    assert first == again != other
    assert sorted(folder.iterdir()) == sorted({first, other})


def test_a_frame_that_cannot_be_kept_has_a_reason(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(AppError) as caught:
        keep_frame(frames(8, 8), tmp_path / "file", "a")
    assert caught.value.message.id == "save.folder"
