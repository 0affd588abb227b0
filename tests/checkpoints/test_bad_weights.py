"""Every bad file of the collection is named by what is wrong with it, in bounded memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from desktop_app.checkpoints.identify import identify
from tests.checkpoints.bad_weights import MEGABYTE, write_all

if os.name != "posix":
    pytest.skip("pipes, links and a process's greatest memory are POSIX", allow_module_level=True)


def test_every_bad_file_is_named_and_takes_little_memory(tmp_path: Path) -> None:
    folder = tmp_path / "bad"
    folder.mkdir()
    made = write_all(folder)
    command = [sys.executable, "-m", "tests.checkpoints.bad_weights", str(folder)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    result = json.loads(ran.stdout)
    assert result["said"] == {path.stem: id for path, id in made.values()}
    assert result["memory"] < 200 * MEGABYTE


def test_names_that_no_text_can_hold(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 243 + ".safetensors")
    long.write_bytes(b"<!doctype html>")
    broken = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.safetensors"))
    broken.write_bytes(b"<!doctype html>")
    for path in (long, broken):
        problem = identify(path).problem
        assert problem
        assert problem.id == "file.web-page"
        str(problem).encode()


def test_a_path_that_is_too_long_is_not_there(tmp_path: Path) -> None:
    problem = identify(tmp_path / ("x" * 5000)).problem
    assert problem
    assert problem.id in ("file.missing", "file.unreadable")
