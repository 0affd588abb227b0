"""``doctor`` tells what is here and what is missing, also on a machine where half of it is."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

import pytest

import desktop_app
from desktop_app.cli import main
from desktop_app.commands import doctor
from desktop_app.core.messages import Message
from desktop_app.core.paths import app_paths

Capture = pytest.CaptureFixture[str]


def test_it_lists_everything(data_dir: Path, capsys: Capture) -> None:
    main(["doctor", "--json", "--data-dir", str(data_dir)])
    report = json.loads(capsys.readouterr().out)
    assert report["safelight"] == desktop_app.__version__
    assert report["packages"]["torch"] == importlib.metadata.version("torch")
    assert report["device"]["kind"] in ("cpu", "cuda", "mps")
    assert report["device"]["dtype"] in ("float32", "bfloat16", "float16")
    assert report["memory"]["total"] >= report["memory"]["available"] > 0
    models = {model["name"]: model["state"] for model in report["models"]}
    assert models["tiny"] == "ready"
    folders = {place["use"]: place for place in report["folders"]}
    assert folders["pictures"]["folder"] == str(data_dir / "pictures")
    assert all(place["writable"] and place["free"] > 0 for place in folders.values())


def test_the_text_names_the_same(data_dir: Path, capsys: Capture) -> None:
    code = main(["doctor", "--data-dir", str(data_dir)])
    out = capsys.readouterr().out
    for word in ("Safelight", "Python", "torch", "PySide6_Essentials", "Device", "tiny: ready", str(data_dir)):
        assert word in out
    assert (code == 0) == ("Everything that is needed is here." in out)


def test_missing_packages_are_named_with_the_command(
    data_dir: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.metadata.version

    def version(name: str) -> str:
        if name in ("torch", "PySide6_Essentials", "PySide6_Addons"):
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr("importlib.metadata.version", version)
    assert main(["doctor", "--data-dir", str(data_dir)]) == 1
    out = capsys.readouterr().out
    assert "torch missing" in out
    assert "The Python package torch is not installed here. Run: python3 -m pip install ." in out
    assert "The Python package PySide6_Essentials is not installed here." in out


def test_a_torch_that_does_not_load_is_named(data_dir: Path, tmp_path: Path, python: list[str]) -> None:
    broken = tmp_path / "broken" / "torch"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise OSError('libtorch_cpu.so: cannot open shared object file')")
    script = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); "
        "from desktop_app.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [python[0], "-c", script, str(broken.parent), "doctor", "--data-dir", str(data_dir)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "The engine cannot start (libtorch_cpu.so: cannot open shared object file)" in done.stdout


def test_missing_system_libraries_of_qt_are_named(
    data_dir: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_qt_problem", lambda: "ImportError: libEGL.so.1: cannot open shared object file")
    assert main(["doctor", "--data-dir", str(data_dir)]) == 1
    out = capsys.readouterr().out
    assert "libEGL.so.1" in out
    assert "sudo apt-get install libegl1" in out


def test_why_qt_fails_is_found_in_a_process_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken" / "PySide6"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('libEGL.so.1: cannot open shared object file')")
    monkeypatch.setenv("PYTHONPATH", str(broken.parent))
    assert doctor._qt_problem() == "ImportError: libEGL.so.1: cannot open shared object file"


def test_damaged_models_and_folders_are_named(tmp_path: Path, capsys: Capture) -> None:
    model = tmp_path / "data" / "models" / "broken"
    model.mkdir(parents=True)
    (model / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    (tmp_path / "file").write_text("")
    (tmp_path / "data" / "settings.json").write_text(json.dumps({"output_folder": str(tmp_path / "file" / "out")}))
    assert main(["doctor", "--data-dir", str(tmp_path / "data")]) == 1
    out = capsys.readouterr().out
    assert "The model broken is incomplete: text_encoder/*.safetensors is missing." in out
    assert f"{tmp_path / 'file' / 'out'} cannot be used" in out


def test_no_model_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("desktop_app.core.paths.resources_dir", lambda: tmp_path)
    report = doctor.examine(app_paths(tmp_path))
    assert any("No model was found" in problem for problem in report["problems"])


def test_no_qt_is_imported(data_dir: Path, python: list[str]) -> None:
    script = (
        "import sys; from desktop_app.cli import main; main(sys.argv[1:]); "
        "print([name for name in sys.modules if name.startswith('PySide6')])"
    )
    command = [python[0], "-c", script, "doctor", "--data-dir", str(data_dir)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_without_ffmpeg_it_says_what_to_install(
    data_dir: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    main(["doctor", "--json", "--data-dir", str(data_dir)])
    report = json.loads(capsys.readouterr().out)
    assert Path(report["ffmpeg"]).is_file()
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    main(["doctor", "--json", "--data-dir", str(data_dir)])
    without = json.loads(capsys.readouterr().out)
    assert without["ffmpeg"] is None
    assert [line for line in without["advice"] if line not in report["advice"]] == [str(Message("ffmpeg.missing"))]
    assert without["problems"] == report["problems"], "pictures need none"
    main(["doctor", "--data-dir", str(data_dir)])
    assert "not needed for pictures" in capsys.readouterr().out
