"""``launcher`` writes something that really starts this environment's program."""

from __future__ import annotations

import configparser
import os
import plistlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import desktop_app
from desktop_app.cli import main
from desktop_app.commands import launcher
from desktop_app.commands.launcher import start_command, write_bundle, write_desktop_entry

Capture = pytest.CaptureFixture[str]
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason=".desktop entries are of Linux")


def entry_of(path: Path) -> dict[str, str]:
    """The keys of a .desktop entry, with string escapes undone."""
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(path.read_text(encoding="utf-8"))
    return {key: value.replace("\\\\", "\\") for key, value in parser["Desktop Entry"].items()}


def arguments_of(exec_line: str) -> list[str]:
    """Exec split as the specification says: all our arguments are quoted."""
    quoted = re.findall(r'"((?:\\.|[^"\\])*)"', exec_line)
    return [re.sub(r"\\(.)", r"\1", argument).replace("%%", "%") for argument in quoted]


@pytest.fixture
def desktop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's desktop folder, under another name than usual."""
    home = Path.home()
    assert home.is_relative_to(tmp_path)
    (home / "Schreibtisch").mkdir()
    (home / ".config").mkdir()
    (home / ".config" / "user-dirs.dirs").write_text('XDG_DESKTOP_DIR="$HOME/Schreibtisch"\n')
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.delenv("XDG_DESKTOP_DIR", raising=False)
    return home / "Schreibtisch"


@linux
def test_entry_on_desktop_and_in_menu(desktop: Path, capsys: Capture) -> None:
    assert main(["launcher"]) == 0
    menu = Path.home() / ".local/share/applications"
    entries = [menu / "safelight.desktop", desktop / "safelight.desktop"]
    assert capsys.readouterr().out.splitlines() == [str(entry) for entry in entries]
    for path in entries:
        assert os.access(path, os.X_OK)
        entry = entry_of(path)
        assert (entry["Type"], entry["Name"], entry["Terminal"]) == ("Application", "Safelight", "false")
        assert entry["StartupWMClass"] == "Safelight"
        assert Path(entry["Path"]).is_dir()
        assert Path(entry["Icon"]).is_absolute()
        assert Path(entry["Icon"]).read_text().startswith("<svg")


@linux
def test_making_it_again_replaces_and_remove_takes_all_away(desktop: Path, capsys: Capture) -> None:
    assert main(["launcher"]) == main(["launcher"]) == 0
    capsys.readouterr()
    assert main(["launcher", "--remove"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert list(desktop.iterdir()) == []
    assert main(["launcher", "--remove"]) == 0
    assert capsys.readouterr().out == ""


@linux
def test_the_entry_starts_the_program(tmp_path: Path) -> None:
    assert main(["launcher", "--folder", str(tmp_path / "here")]) == 0
    entry = entry_of(tmp_path / "here" / "safelight.desktop")
    command = [*arguments_of(entry["Exec"]), "--version"]
    done = subprocess.run(command, cwd=entry["Path"], capture_output=True, text=True, check=True)
    assert done.stdout == f"Safelight {desktop_app.__version__}\n"


@linux
def test_the_entry_opens_the_window(tmp_path: Path) -> None:
    assert main(["launcher", "--folder", str(tmp_path)]) == 0
    entry = entry_of(tmp_path / "safelight.desktop")
    data = tmp_path / "data"
    command = [*arguments_of(entry["Exec"]), "--data-dir", str(data), "--quit-after", "0.5"]
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(command, cwd=entry["Path"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (data / "window.json").is_file(), "a window that was open remembers where it stood"


@linux
@pytest.mark.parametrize(
    "name", ["plain", "with space", 'qu"ote', "back\\slash", "do$llar", "per%cent", "`tick`", "ü🏠"]
)
def test_odd_folders_survive_the_quoting(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = str(tmp_path / name / "bin" / "python")
    monkeypatch.setattr(launcher, "start_command", lambda: [python, "-m", "desktop_app"])
    write_desktop_entry(tmp_path / "a.desktop")
    assert arguments_of(entry_of(tmp_path / "a.desktop")["Exec"]) == [python, "-m", "desktop_app"]


def test_outside_a_checkout_the_package_is_started_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert start_command("python")[1:] == [str(Path(desktop_app.__file__).parent.parent / "main.py")]
    monkeypatch.setattr(desktop_app, "__file__", str(tmp_path / "site-packages" / "desktop_app" / "__init__.py"))
    assert start_command("python") == ["python", "-P", "-m", "desktop_app"]


@pytest.mark.skipif(os.name != "posix", reason="the bundle's program is a shell script")
def test_the_mac_bundle_starts_the_program(tmp_path: Path) -> None:
    bundle = tmp_path / "Safelight.app"
    write_bundle(bundle)
    facts = plistlib.loads((bundle / "Contents" / "Info.plist").read_bytes())
    program = bundle / "Contents" / "MacOS" / facts["CFBundleExecutable"]
    script = program.read_text()
    assert os.access(program, os.X_OK)
    done = subprocess.run(["sh", "-c", f"{script.strip()} --version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"Safelight {desktop_app.__version__}\n"
    with Image.open(bundle / "Contents" / "Resources" / facts["CFBundleIconFile"]) as image:
        assert image.format == "ICNS"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "file").write_text("mine")
    if sys.platform in ("linux", "darwin"):
        assert main(["launcher", "--folder", str(tmp_path / "file")]) == 1
        assert f"The launcher could not be written to {tmp_path / 'file'}" in capsys.readouterr().err


def test_other_systems_are_told(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr(sys, "platform", "sunos5")
    assert main(["launcher"]) == 1
    assert "A launcher cannot be made on sunos5." in capsys.readouterr().err
