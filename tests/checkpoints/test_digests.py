"""Files are known by what is in them, and read once."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from desktop_app.checkpoints.digests import Digests, uses
from desktop_app.core.result import UsedFile

NUMBERS = bytes(range(200))


def lora_file(path: Path, note: str = "") -> Path:
    header = json.dumps({"__metadata__": {"note": note}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + NUMBERS)
    return path


@pytest.fixture
def digests(tmp_path: Path) -> Digests:
    return Digests(tmp_path / "digests.json")


def test_a_lora_is_its_numbers_and_an_embedding_all_of_its_file(digests: Digests, tmp_path: Path) -> None:
    one, other = lora_file(tmp_path / "a.safetensors"), lora_file(tmp_path / "b.safetensors", "a longer note")
    expected = hashlib.sha256(NUMBERS).hexdigest()
    assert digests.read(one, "lora") == digests.read(other, "lora") == expected
    assert digests.read(one, "embedding") == hashlib.sha256(one.read_bytes()).hexdigest()


def test_what_has_not_changed_is_not_read_again(digests: Digests, tmp_path: Path, monkeypatch) -> None:
    path = lora_file(tmp_path / "a.safetensors")
    assert digests.known(path, "lora") == ""
    found = digests.read(path, "lora")
    monkeypatch.setattr(hashlib, "file_digest", lambda *_: pytest.fail("it was read again"))
    assert digests.read(path, "lora") == Digests(tmp_path / "digests.json").known(path, "lora") == found
    lora_file(path, "changed")
    assert digests.known(path, "lora") == ""
    path.unlink()
    assert digests.known(path, "lora") == ""


@pytest.mark.parametrize("text", ["", "[1]", '{"version": 9, "files": {}}', '{"version": 1}'])
def test_a_damaged_file_of_digests_is_made_anew(text: str, tmp_path: Path) -> None:
    (tmp_path / "digests.json").write_text(text)
    path = lora_file(tmp_path / "a.safetensors")
    digests = Digests(tmp_path / "digests.json")
    assert digests.read(path, "lora") == digests.known(path, "lora")


def test_a_thread_reads_them_and_passes_over_what_is_gone(digests: Digests, tmp_path: Path) -> None:
    path = lora_file(tmp_path / "a.safetensors")
    gone = lora_file(tmp_path / "gone.safetensors")
    used = uses([gone, path], [])
    gone.unlink()
    digests.begin(used).join()
    assert used[path] == UsedFile("lora", "a", "", path.stat().st_size)
    assert digests.known(path, "lora") == hashlib.sha256(NUMBERS).hexdigest()
    assert uses([gone], []) == {}
