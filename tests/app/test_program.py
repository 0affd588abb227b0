"""The whole program: the real window, the real thread, the real engine in its process, the bundled model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox

from desktop_app.app import Program
from desktop_app.core.paths import AppPaths, app_paths
from desktop_app.export.recipes import read_recipe


@pytest.fixture(scope="module")
def paths(tmp_path_factory) -> AppPaths:
    paths = app_paths(tmp_path_factory.mktemp("data"))
    paths.prepare()
    return paths


@pytest.fixture
def program(qapp, paths) -> Iterator[Program]:
    program = Program(paths)
    program.start()
    yield program
    program.queue.clear_waiting()
    program.window._may_close = True
    program.window.close()
    program.close()


def generated(qtbot, program: Program):
    """Press Generate and wait for the job's end."""
    jobs = []
    program.queue.ended.connect(jobs.append)
    qtbot.mouseClick(program.window.prompt_panel.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: bool(jobs), timeout=120_000)
    return jobs[0]


def test_from_a_typed_sentence_to_a_picture_on_disk_and_the_same_bytes_again(qtbot, program, paths):
    window = program.window
    qtbot.keyClicks(window.prompt_panel.prompt, "a red house on green hills at sunset")
    program.draft.set_value("steps", 3)
    previews = []
    program.queue.progressed.connect(lambda job: previews.append(job.preview))
    job = generated(qtbot, program)
    assert job.state == "finished", job.message
    assert any(previews)
    path = job.finished[0].path
    assert path.parent == paths.pictures
    recipe = read_recipe(path)
    assert recipe.request.prompt == "a red house on green hills at sunset"
    assert recipe.seed == program.draft.value("seed")
    assert program.pictures.item(0).path == path

    ended = []
    program.queue.ended.connect(ended.append)
    program.queue.add(recipe.request, replay=recipe.run)
    qtbot.waitUntil(lambda: bool(ended), timeout=60_000)
    assert ended[0].finished[0].frames == job.finished[0].frames
    assert ended[0].finished[0].path != path


def test_the_prompt_and_the_pictures_are_there_after_a_restart(qtbot, program):
    assert program.draft.value("prompt") == "a red house on green hills at sunset"
    assert program.window.prompt_panel.prompt.toPlainText() == program.draft.value("prompt")
    qtbot.waitUntil(lambda: program.pictures.rowCount() == 2)


def test_a_folder_that_cannot_be_written_loses_nothing(qtbot, program, tmp_path, monkeypatch):
    spare = tmp_path / "spare"
    spare.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(spare))
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    program.settings.set("output_folder", str(blocked / "pictures"))
    program.draft.set_value("steps", 1)
    job = generated(qtbot, program)
    program.settings.set("output_folder", "")
    finished = job.finished[0]
    assert finished.path == spare / f"safelight-{finished.result.seed}.png"
    assert read_recipe(finished.path).seed == finished.result.seed
    assert finished.message.id == "save.kept-aside"
    assert program.window.messages.is_error
    assert str(finished.path) in program.window.messages.accessibleName()
    assert program.window.viewer.shown.path == finished.path


def test_where_nothing_can_be_written_the_picture_stays_in_front(qtbot, program, tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    monkeypatch.setattr("tempfile.tempdir", str(blocked / "temporary"))
    program.settings.set("output_folder", str(blocked / "pictures"))
    program.draft.set_value("steps", 1)
    job = generated(qtbot, program)
    program.settings.set("output_folder", "")
    finished = job.finished[0]
    assert finished.path is None
    assert finished.message.id == "save.folder"
    assert program.window.messages.is_error
    assert program.window.viewer.shown.image is not None
    program.window.close()
    assert program.window.closing.box is not None
    program.window.closing.box.reject()
    assert program.window.isVisible()
    kept = program.window.viewer.shown
    program.window.picture_actions.save_copy(kept, kept.image, tmp_path / "again.png")
    qtbot.waitUntil(lambda: not program.window.viewer.has_unsaved)
    assert read_recipe(tmp_path / "again.png").seed == finished.result.seed


def test_closing_in_the_middle_of_a_picture_asks(qtbot, program):
    program.draft.set_value("steps", 1000)
    program.window.jobs.generate()
    qtbot.waitUntil(lambda: program.queue.current and program.queue.current.state == "denoising", timeout=60_000)
    program.window.close()
    box = program.window.findChild(QMessageBox)
    assert box is not None
    assert program.window.isVisible()
    box.reject()
    program.queue.cancel()
    qtbot.waitUntil(lambda: program.queue.current is None, timeout=10_000)


_WINDOW = [sys.executable, "-m", "desktop_app"]


def start_window(folder: Path, *more: str) -> subprocess.Popen:
    root = Path(__file__).parents[2]
    return subprocess.Popen([*_WINDOW, "--data-dir", str(folder), *more], cwd=root, env={**os.environ})


@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
def test_a_window_killed_at_once_leaves_no_engine_and_starts_again(tmp_path):
    window = start_window(tmp_path, "--quit-after", "60")
    process = psutil.Process(window.pid)
    engines = []
    for _ in range(600):
        engines = [child for child in process.children() if "desktop_app.engine.process" in child.cmdline()]
        if engines:
            break
        psutil.wait_procs([process], timeout=0.1)
    assert engines
    os.kill(window.pid, signal.SIGKILL)
    window.wait()
    gone, _ = psutil.wait_procs(engines, timeout=10)
    assert gone
    assert start_window(tmp_path, "--quit-after", "1").wait(60) == 0
    json.loads((tmp_path / "window.json").read_text())


def test_the_window_s_process_starts_without_the_engine_s_libraries(tmp_path):
    code = """
import sys
from pathlib import Path
from PySide6.QtWidgets import QApplication
from desktop_app.app import Program
from desktop_app.core.paths import app_paths
app = QApplication([])
paths = app_paths(Path(sys.argv[1])); paths.prepare()
program = Program(paths)
program.window.show()
app.processEvents()
sys.exit(", ".join({"torch", "diffusers", "transformers", "numpy", "PIL", "psutil"} & set(sys.modules)) or None)
"""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=root, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
