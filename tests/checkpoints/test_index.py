"""What is known of files is kept, and never trusted more than the files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from desktop_app.checkpoints import index as module
from desktop_app.checkpoints.identity import Identity
from desktop_app.checkpoints.index import VERSION, Index


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Files that were really looked into."""
    looked: list[Path] = []

    def identify(path: Path) -> Identity:
        looked.append(path)
        return Identity(path, kind="lora", parameters=path.stat().st_size, parts=("denoiser",), metadata={"a": "b"})

    monkeypatch.setattr(module, "identify", identify)
    return looked


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{name}.safetensors" for name in ("one", "two")]
    for path in paths:
        path.write_bytes(b"12345")
    return paths


def test_a_file_is_looked_into_once(tmp_path: Path, files: list[Path], looked_at: list[Path]) -> None:
    cache = tmp_path / "cache" / "models.json"
    first = Index(cache).identities(files)
    assert looked_at == files
    again = Index(cache).identities(reversed(files))
    assert looked_at == files
    assert again == list(reversed(first))
    assert again[0].metadata == {"a": "b"}


def test_a_changed_file_is_looked_into_again(tmp_path: Path, files: list[Path], looked_at: list[Path]) -> None:
    index = Index(tmp_path / "models.json")
    index.identities(files)
    files[0].write_bytes(b"123456")
    os.utime(files[1], ns=(1, 1))
    assert [identity.parameters for identity in index.identities(files)] == [6, 5]
    assert looked_at == files * 2


def test_a_file_that_is_gone_is_forgotten(tmp_path: Path, files: list[Path], looked_at: list[Path]) -> None:
    index = Index(tmp_path / "models.json")
    index.identities(files)
    files[0].unlink()
    assert [identity.path for identity in index.identities(files)] == files[1:]
    assert list(json.loads((tmp_path / "models.json").read_text())["files"]) == [str(files[1])]


def test_a_folder_changes_with_what_describes_it(tmp_path: Path, looked_at: list[Path]) -> None:
    folder = tmp_path / "whole"
    folder.mkdir()
    (folder / "model_index.json").write_text("{}")
    index = Index(tmp_path / "models.json")
    index.identities([folder])
    (folder / "note.txt").write_text("x")
    index.identities([folder])
    assert len(looked_at) == 1
    (folder / "model_index.json").write_text("{ }")
    index.identities([folder])
    assert len(looked_at) == 2


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"version": 0, "files": {}}', f'{{"version": {VERSION}, "files": []}}', "[" * 100_000],
)
def test_a_damaged_index_is_made_anew(content: str, tmp_path: Path, files: list[Path], looked_at: list[Path]) -> None:
    cache = tmp_path / "models.json"
    cache.write_text(content)
    assert len(Index(cache).identities(files)) == 2
    assert json.loads(cache.read_text())["version"] == VERSION


def test_an_entry_that_makes_no_sense_is_looked_up_again(
    tmp_path: Path, files: list[Path], looked_at: list[Path]
) -> None:
    cache = tmp_path / "models.json"
    Index(cache).identities(files)
    known = json.loads(cache.read_text())
    known["files"][str(files[0])]["identity"] = {"kind": "lora"}
    known["files"][str(files[1])] = 5
    cache.write_text(json.dumps(known))
    assert len(Index(cache).identities(files)) == 2
    assert looked_at == files * 2


def test_a_scan_can_be_stopped(tmp_path: Path, files: list[Path], looked_at: list[Path]) -> None:
    answers = iter([False, True])
    assert len(Index(tmp_path / "models.json").identities(files, lambda: next(answers))) == 1


def test_an_index_that_cannot_be_written_is_no_error(tmp_path: Path, files: list[Path], looked_at: list[Path]) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert len(Index(blocked / "models.json").identities(files)) == 2
