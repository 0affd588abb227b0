from __future__ import annotations

import subprocess
import sys

from desktop_app.studio.single_instance import SingleInstance

_SECOND = """
import sys
from pathlib import Path
from PySide6.QtCore import QCoreApplication
from desktop_app.studio.single_instance import SingleInstance
app = QCoreApplication([])
sys.exit(0 if SingleInstance(Path(sys.argv[1])).take() else 3)
"""


def start_second(folder):
    return subprocess.Popen([sys.executable, "-c", _SECOND, str(folder)])


def test_a_second_start_raises_the_first_and_leaves(qtbot, tmp_path):
    first = SingleInstance(tmp_path)
    assert first.take()
    with qtbot.waitSignal(first.raised, timeout=10_000):
        second = start_second(tmp_path)
    assert second.wait(10) == 3
    first.release()


def test_the_folder_is_free_again_after_release_and_for_other_folders(qapp, tmp_path):
    first = SingleInstance(tmp_path)
    assert first.take()
    (tmp_path / "other").mkdir()
    other = SingleInstance(tmp_path / "other")
    assert other.take()
    other.release()
    first.release()
    assert start_second(tmp_path).wait(20) == 0
