"""Wherever the program is installed from, packages and resources are found alike. Builds need no network."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import desktop_app

ROOT = Path(__file__).parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PRESENT = """
import json, sys, desktop_app
from pathlib import Path
from desktop_app.cli import main
from desktop_app.core.paths import bundled_models_dir, resources_dir
print(json.dumps({
    "package": str(Path(desktop_app.__file__).parent),
    "resources": str(resources_dir()),
    "models": sorted(folder.name for folder in bundled_models_dir().iterdir()),
    "files": sorted(path.relative_to(resources_dir()).as_posix() for path in resources_dir().rglob("*.s*")),
}))
"""
"""Says where a program run from elsewhere finds itself; *.s* are the icons and the weights."""


def hatchling(folder: Path, *arguments: str) -> None:
    """Run the build backend on the project in ``folder``."""
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", *arguments],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def python(code: str, *arguments: str, path: Path | None = None, cwd: Path) -> str:
    """Run ``code`` with this environment's packages; ``path`` comes first, and the checkout is not in reach."""
    environment = {**os.environ, "PYTHONPATH": str(path or "")}
    command = [sys.executable, "-P", "-c", code, *arguments]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def checkout() -> dict[str, object]:
    """What the checkout says of itself."""
    found = subprocess.run([sys.executable, "-c", PRESENT], cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(found.stdout)


@pytest.fixture(scope="session")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked source distribution."""
    folder = tmp_path_factory.mktemp("sdist")
    hatchling(ROOT, "-t", "sdist", "-d", str(folder))
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    (unpacked,) = (path for path in folder.iterdir() if path.is_dir())
    return unpacked


@pytest.fixture(scope="session")
def wheel(sdist: Path) -> Path:
    """The unpacked wheel, built from the source distribution."""
    hatchling(sdist, "-t", "wheel", "-d", str(sdist.parent))
    (archive,) = sdist.parent.glob("*.whl")
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(sdist.parent / "wheel")
    return sdist.parent / "wheel"


def test_the_checkout_finds_its_own(checkout: dict[str, object]) -> None:
    assert checkout["package"] == str(ROOT / "desktop_app")
    assert checkout["resources"] == str(ROOT / "resources")
    assert "postcard" in str(checkout["models"])


def test_the_source_distribution_is_whole(sdist: Path) -> None:
    for name in ("desktop_app", "resources", "tests", "packaging", "main.py", "pyproject.toml", "README.md", "LICENSE",
                 "CONTRIBUTING.md", "CHANGELOG.md"):  # fmt: skip
        assert (sdist / name).exists(), name
    assert not list(sdist.rglob("__pycache__"))


def test_a_wheel_of_the_source_distribution_finds_the_same(
    wheel: Path, checkout: dict[str, object], tmp_path: Path
) -> None:
    found = json.loads(python(PRESENT, path=wheel, cwd=tmp_path))
    assert found["package"] == str(wheel / "desktop_app")
    assert found["resources"] == str(wheel / "desktop_app" / "resources")
    assert (found["models"], found["files"]) == (checkout["models"], checkout["files"])


def test_the_wheel_carries_the_package_and_nothing_else(wheel: Path) -> None:
    names = {path.name for path in wheel.iterdir()}
    assert names == {"desktop_app", f"safelight-{desktop_app.__version__}.dist-info"}
    sources = {path.relative_to(ROOT / "desktop_app") for path in (ROOT / "desktop_app").rglob("*.py")}
    assert {path.relative_to(wheel / "desktop_app") for path in wheel.rglob("*.py")} == sources


def test_the_wheel_runs(wheel: Path, tmp_path: Path) -> None:
    run = "import sys; from desktop_app.cli import main; main(sys.argv[1:])"
    report = json.loads(python(run, "doctor", "--json", "--data-dir", str(tmp_path), path=wheel, cwd=tmp_path))
    (postcard,) = (model for model in report["models"] if model["name"] == "postcard")
    assert postcard["state"] == "ready"
    assert Path(postcard["folder"]).is_relative_to(wheel)


def test_the_wheel_names_entry_points_that_exist(wheel: Path) -> None:
    (info,) = wheel.glob("*.dist-info")
    points = importlib.metadata.Distribution.at(info).entry_points
    assert {(point.group, point.name) for point in points} == {
        ("console_scripts", "safelight"),
        ("gui_scripts", "safelight-gui"),
    }
    assert all(callable(point.load()) for point in points)


def test_the_wheel_carries_licence_and_notices(wheel: Path) -> None:
    (info,) = wheel.glob("*.dist-info")
    metadata = importlib.metadata.Distribution.at(info).metadata
    assert metadata["License-Expression"] == "Apache-2.0"
    assert set(metadata.get_all("License-File") or ()) == {"LICENSE", "resources/NOTICES.md"}


def test_an_editable_install_finds_the_checkout(checkout: dict[str, object], tmp_path: Path) -> None:
    build = "import sys; from hatchling.build import build_editable; print(build_editable(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", build, str(tmp_path)], cwd=ROOT, capture_output=True, check=True)
    assert done.returncode == 0
    (archive,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(site)
    (link,) = site.glob("*.pth")
    found = python(PRESENT, path=Path(link.read_text(encoding="utf-8").strip()), cwd=tmp_path)
    assert json.loads(found) == checkout


def test_every_dependency_has_an_upper_bound() -> None:
    extras = PROJECT["optional-dependencies"]
    for requirement in [*PROJECT["dependencies"], *(line for extra in extras.values() for line in extra)]:
        assert ">=" in requirement, requirement
        assert "<" in requirement, requirement


def test_versions_known_to_fail_are_out_of_range() -> None:
    ranges = dict(line.split(">=", 1) for line in PROJECT["dependencies"])
    assert ranges["torch"].endswith("<2.14")
    for package in ("PySide6_Essentials", "PySide6_Addons"):
        assert ranges[package] == "6.11,<6.12", "6.12.0 aborts on Python 3.11 after some hundred signals"
