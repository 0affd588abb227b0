"""The rules of the house that a machine can check."""

from __future__ import annotations

import ast
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from desktop_app.core.messages import ENGLISH

ROOT = Path(__file__).parent.parent.parent
SOURCES = sorted((ROOT / "desktop_app").rglob("*.py"))
README = (ROOT / "README.md").read_text(encoding="utf-8")


def imports(path: Path) -> Iterator[str]:
    """Full names that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)


def files(*rooms: str) -> list[Path]:
    return [path for path in SOURCES if path.relative_to(ROOT / "desktop_app").parts[0] in rooms]


def test_the_contracts_between_rooms_hold() -> None:
    pytest.importorskip("importlinter", reason="the linters are in the dev extra")
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    done = subprocess.run([*command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("rooms", "forbidden"),
    [
        (
            ("core", "prompt", "checkpoints", "export", "download", "engine", "commands", "cli.py"),
            ("PySide6", "shiboken6"),
        ),
        (("studio",), ("PySide6.QtWidgets", "PySide6.QtGui.QPixmap")),
        (("studio", "ui"), ("desktop_app.engine",)),
        (
            ("core", "prompt", "checkpoints", "export", "download", "studio", "ui", "commands", "cli.py", "app.py"),
            ("torch", "diffusers", "transformers", "accelerate", "safetensors"),
        ),
    ],
)
def test_no_room_imports_what_it_must_not(rooms: tuple[str, ...], forbidden: tuple[str, ...]) -> None:
    for path in files(*rooms):
        for name in imports(path):
            assert not any(name == other or name.startswith(f"{other}.") for other in forbidden), f"{path}: {name}"


def test_broad_excepts_stand_at_the_doors_only() -> None:
    doors = {"cli.py", "engine.py", "generation_thread.py", "background.py", "diagnostics.py"}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            broad = isinstance(node, ast.ExceptHandler) and (
                node.type is None or (isinstance(node.type, ast.Name) and node.type.id == "Exception")
            )
            assert not broad or path.name in doors, f"{path}:{node.lineno}"


def test_every_module_says_what_it_is() -> None:
    for path in SOURCES:
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path


def test_readme_has_the_lines_that_do_everything() -> None:
    for line in (
        "python3 -m pip install . && python3 main.py",
        'python3 -m pip install . && python3 main.py generate "a red house on green hills at sunset" -o house.png',
        'python3 -m pip install ".[test]" && python3 -m pytest',
    ):
        assert f"\n{line}\n" in README, line


def test_readme_links_to_what_exists() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("http") or (ROOT / target).exists(), target


def test_contributing_names_files_that_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:[\w.]+/)+[\w.]*|[\w]+\.(?:py|toml|md))`", text)
    assert len(named) > 20
    for name in named:
        assert (ROOT / name).exists() or (ROOT / "desktop_app" / name).exists(), name


def test_readme_installs_what_the_error_message_names() -> None:
    packages = re.findall(r"\blib[\w.+-]+", ENGLISH["qt.libraries"][1])
    assert packages
    assert set(packages) <= set(re.findall(r"\blib[\w.+-]+", README))


@pytest.mark.skipif(sys.platform == "win32", reason="this system has no executable bit")
def test_ci_can_be_run() -> None:
    assert (ROOT / ".ci" / "run").stat().st_mode & stat.S_IXUSR
    subprocess.run(["bash", "-n", str(ROOT / ".ci" / "run")], check=True)
