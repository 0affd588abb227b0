"""The command line without a command: what keeps a window from opening is said before Qt starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import desktop_app
from desktop_app.cli import main
from desktop_app.commands import window

Capture = pytest.CaptureFixture[str]
DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux may be without a display")
def test_no_display_is_said_before_qt_starts(capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in DISPLAYS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(sys.modules, "desktop_app.app", None)  # importing it would give another message
    assert main(["--data-dir", str(tmp_path)]) == 1
    err = capsys.readouterr().err
    assert "There is no display to open a window on." in err
    assert "generate" in err


@pytest.mark.parametrize("name", DISPLAYS)
def test_any_display_will_do(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for other in DISPLAYS:
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, "something")
    assert window.has_display()


@pytest.mark.parametrize(
    ("problem", "sentence"),
    [
        (ModuleNotFoundError("No module", name="PySide6"), "package PySide6 is not installed"),
        (ModuleNotFoundError("No module", name="psutil"), "package psutil is not installed"),
        (ImportError("libEGL.so.1: cannot open shared object file"), "sudo apt-get install libegl1"),
    ],
)
def test_a_window_that_cannot_be_imported(
    problem: ImportError, sentence: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refuse:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "desktop_app.app":
                raise problem

    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    monkeypatch.delitem(sys.modules, "desktop_app.app", raising=False)
    monkeypatch.delattr(desktop_app, "app", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Refuse(), *sys.meta_path])
    assert main([]) == 1
    assert sentence in capsys.readouterr().err


def test_the_options_reach_the_window(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: dict[str, Any] = {}
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    stand_in = type(sys)("desktop_app.app")
    stand_in.run = lambda **options: seen.update(options) or 3  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "desktop_app.app", stand_in)
    assert main(["--data-dir", str(tmp_path), "--in-process", "--debug", "--quit-after", "1.5"]) == 3
    assert seen == {"data_dir": tmp_path, "in_process": True, "debug": True, "quit_after": 1.5}


def test_a_package_that_the_commands_need_is_named(python: list[str], tmp_path: Path) -> None:
    (tmp_path / "platformdirs.py").write_text("raise ModuleNotFoundError('no', name='platformdirs')")
    script = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); "
        "from desktop_app.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [python[0], "-c", script, str(tmp_path), "doctor"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "The Python package platformdirs is not installed here. Run: python3 -m pip install ." in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [["main.py"], ["-m", "desktop_app"]])
def test_both_ways_to_start(command: list[str], python: list[str]) -> None:
    done = subprocess.run([python[0], *command, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"Safelight {desktop_app.__version__}\n"
