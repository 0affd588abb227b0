from __future__ import annotations

import threading

from PySide6.QtCore import QThread

from desktop_app.core.errors import AppError


def test_results_come_back_on_the_main_thread(qtbot, background):
    threads = []
    background.run(threading.get_ident, lambda worker: threads.extend((worker, threading.get_ident())))
    qtbot.waitUntil(lambda: len(threads) == 2)
    assert threads[1] == threading.get_ident() != threads[0]
    assert background.thread() is QThread.currentThread()


def test_the_newest_of_many_writes_wins(background, tmp_path):
    for number in range(50):
        background.write(tmp_path / "x", b"%d" % number)
    background._pool.submit(lambda: None).result(5)
    assert (tmp_path / "x").read_bytes() == b"49"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "x"]


def test_a_write_that_fails_is_a_message(qtbot, background, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with qtbot.waitSignal(background.failed) as caught:
        background.write(tmp_path / "file" / "x", b"data")
    assert caught.args[0].id == "save.folder"


def test_an_app_error_is_a_message_and_nothing_else_happens(qtbot, background):
    def work():
        raise AppError("model.none")

    called = []
    with qtbot.waitSignal(background.failed) as caught:
        background.run(work, called.append)
    assert caught.args[0].id == "model.none"
    assert called == []


def test_what_is_asked_after_the_end_is_not_begun(background):
    background.close()
    called = []
    background.run(lambda: called.append("begun"))
    assert called == []
