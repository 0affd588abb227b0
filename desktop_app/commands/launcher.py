"""``launcher``: something to double-click that starts this environment's Safelight.

Linux: a .desktop entry (freedesktop.org Desktop Entry Specification 1.5) on the desktop and in the menu. Windows: a
shortcut on the desktop and in the Start menu. macOS: a small application bundle in the user's Applications folder.
"""

from __future__ import annotations

import argparse
import os
import plistlib
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import platformdirs

import desktop_app
from desktop_app.core.errors import AppError
from desktop_app.core.files import replace_file
from desktop_app.core.paths import APP, app_paths, resources_dir

_ABOUT = "Make pictures from words on your own machine"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own arguments."""
    parser.add_argument("--folder", type=Path, metavar="FOLDER", help="put the entry here and nowhere else")
    parser.add_argument("--remove", action="store_true", help="take the entries away again")


def run(options: argparse.Namespace) -> int:
    """Make or remove the entries and print where they are. Raises ``AppError``."""
    if sys.platform not in _SYSTEMS:
        raise AppError("launcher.unsupported", system=sys.platform)
    name, default_folders, write = _SYSTEMS[sys.platform]
    folders = [options.folder.absolute()] if options.folder else default_folders()
    for folder in folders:
        try:
            if options.remove:
                _remove(folder / name)
            else:
                write(folder / name)
                print(folder / name)
        except OSError as problem:
            reason = problem.strerror or str(problem)
            raise AppError("launcher.failed", folder=str(folder), reason=reason) from problem
        except subprocess.CalledProcessError as problem:
            raise AppError("launcher.failed", folder=str(folder), reason=problem.stderr.strip()) from problem
    return 0


def start_command(python: str = sys.executable) -> list[str]:
    """How to start the window from anywhere with this environment's Python."""
    main = Path(desktop_app.__file__).parent.parent / "main.py"
    if main.is_file():  # a checkout
        return [python, str(main)]
    return [python, "-P", "-m", "desktop_app"]  # -P: the folder it is started in must not hide the package


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    elif path.exists():
        path.unlink()
    else:
        return
    print(path)


def _linux_folders() -> list[Path]:
    menu = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "applications"
    desktop = platformdirs.user_desktop_path()
    return [menu, desktop] if desktop.is_dir() else [menu]


def write_desktop_entry(path: Path) -> None:
    """Write a .desktop entry. Raises ``OSError``."""
    entry = {
        "Type": "Application",
        "Name": APP,
        "Comment": _ABOUT,
        "Exec": " ".join(_exec_argument(argument) for argument in start_command()),
        "Path": _string(str(Path.home())),
        "Icon": _string(str(resources_dir() / "icons" / "safelight.svg")),
        "Terminal": "false",
        "Categories": "Graphics;2DGraphics;",
        "StartupWMClass": APP,
    }
    lines = ["[Desktop Entry]", *(f"{key}={value}" for key, value in entry.items())]
    replace_file(path, ("\n".join(lines) + "\n").encode())
    path.chmod(0o755)
    if gio := shutil.which("gio"):  # GNOME starts an entry on the desktop only once it is marked as trusted
        subprocess.run([gio, "set", str(path), "metadata::trusted", "true"], capture_output=True, check=False)


def _exec_argument(argument: str) -> str:
    """One argument of Exec, quoted as the specification wants: first for the shell-like syntax, then as a string."""
    for special in '\\"`$':
        argument = argument.replace(special, f"\\{special}")
    return _string(f'"{argument}"'.replace("%", "%%"))


def _string(value: str) -> str:
    """A value of the type string."""
    return value.replace("\\", "\\\\").replace("\n", "\\n")


def _windows_folders() -> list[Path]:
    menu = Path(os.environ["APPDATA"]) / "Microsoft" / "Windows" / "Start Menu" / "Programs"
    return [menu, platformdirs.user_desktop_path()]


def write_shortcut(path: Path) -> None:
    """Write a Windows shortcut. Raises ``OSError`` or ``CalledProcessError``.

    Values reach PowerShell as environment variables, so that no name in them can become code.
    """
    icon = app_paths().data / "safelight.ico"
    replace_file(icon, _icon("ICO"))
    windowed = Path(sys.executable).with_name("pythonw.exe")
    program, *arguments = start_command(str(windowed) if windowed.is_file() else sys.executable)
    values = {
        "SAFELIGHT_LINK": str(path),
        "SAFELIGHT_PROGRAM": program,
        "SAFELIGHT_ARGUMENTS": subprocess.list2cmdline(arguments),
        "SAFELIGHT_FOLDER": str(Path.home()),
        "SAFELIGHT_ICON": str(icon),
        "SAFELIGHT_ABOUT": _ABOUT,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    script = (
        "$ErrorActionPreference = 'Stop'; "
        "$link = (New-Object -ComObject WScript.Shell).CreateShortcut($env:SAFELIGHT_LINK); "
        "$link.TargetPath = $env:SAFELIGHT_PROGRAM; $link.Arguments = $env:SAFELIGHT_ARGUMENTS; "
        "$link.WorkingDirectory = $env:SAFELIGHT_FOLDER; $link.IconLocation = $env:SAFELIGHT_ICON; "
        "$link.Description = $env:SAFELIGHT_ABOUT; $link.Save()"
    )
    command = ["powershell", "-NoProfile", "-NonInteractive", "-Command", script]
    subprocess.run(command, env={**os.environ, **values}, capture_output=True, text=True, check=True)


def _mac_folders() -> list[Path]:
    return [Path.home() / "Applications"]


def write_bundle(path: Path) -> None:
    """Write a macOS application bundle whose program is a two-line script. Raises ``OSError``."""
    contents = path / "Contents"
    facts = {
        "CFBundleName": APP,
        "CFBundleIdentifier": "org.safelight.launcher",
        "CFBundleVersion": desktop_app.__version__,
        "CFBundlePackageType": "APPL",
        "CFBundleExecutable": "safelight",
        "CFBundleIconFile": "safelight.icns",
        "NSHighResolutionCapable": True,
    }
    script = f"#!/bin/sh\nexec {shlex.join(start_command())}\n"
    replace_file(contents / "Info.plist", plistlib.dumps(facts))
    replace_file(contents / "Resources" / "safelight.icns", _icon("ICNS"))
    replace_file(contents / "MacOS" / "safelight", script.encode())
    (contents / "MacOS" / "safelight").chmod(0o755)


def _icon(format: str) -> bytes:
    """The program's icon in a system's own format: "ICO" or "ICNS"."""
    from io import BytesIO

    from PIL import Image

    file = BytesIO()
    with Image.open(resources_dir() / "icons" / "safelight.png") as image:
        image.save(file, format)
    return file.getvalue()


_SYSTEMS: dict[str, tuple[str, Callable[[], list[Path]], Callable[[Path], None]]] = {
    # sys.platform: (name of the entry, where it goes, what writes it)
    "linux": ("safelight.desktop", _linux_folders, write_desktop_entry),
    "win32": (f"{APP}.lnk", _windows_folders, write_shortcut),
    "darwin": (f"{APP}.app", _mac_folders, write_bundle),
}
