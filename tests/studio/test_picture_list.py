from __future__ import annotations

import os

from PySide6.QtTest import QAbstractItemModelTester

from desktop_app.studio.picture_list import PictureList, newest_pictures


def put(folder, name, age, data=b"x"):
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(data)
    os.utime(path, (1_700_000_000 - age, 1_700_000_000 - age))
    return path


def test_the_newest_pictures_come_first_and_only_pictures_come(tmp_path):
    folder = tmp_path / "out"
    old, new = put(folder, "a.png", 50), put(folder, "b.JPG", 5)
    put(folder, "notes.txt", 1)
    put(folder, ".safelight-x.png", 1)
    put(folder, "reserved.png", 1, b"")
    assert [item.path for item in newest_pictures(folder)] == [new, old]
    assert [item.path for item in newest_pictures(folder, most=1)] == [new]
    assert newest_pictures(tmp_path / "nowhere") == ()


def test_the_list_follows_scans_additions_and_removals(qtbot, tmp_path, background):
    folder = tmp_path / "out"
    first = put(folder, "a.png", 50)
    pictures = PictureList(lambda: folder, background)
    tester = QAbstractItemModelTester(pictures, QAbstractItemModelTester.FailureReportingMode.Fatal)
    pictures.refresh()
    qtbot.waitUntil(lambda: pictures.rowCount() == 1)
    second = put(folder, "b.png", 100)
    pictures.added(second)
    assert [pictures.item(row).path for row in range(2)] == [second, first]
    assert pictures.row_of(first) == 1
    pictures.forget(second)
    assert pictures.row_of(second) == -1
    assert pictures.index(0).data(PictureList.PathRole) == first
    assert tester.model() is pictures
