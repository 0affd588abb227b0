"""Tokens: in the keyring, or in a file for its owner alone. Speed: over the last seconds."""

from __future__ import annotations

import stat
import sys
import types
from pathlib import Path

import pytest

from desktop_app.core.errors import AppError
from desktop_app.download.links import Sites
from desktop_app.download.rate import Rate
from desktop_app.download.tokens import Tokens


class NoKeyring(Exception):
    """What keyring raises where nothing is open."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "tokens.json"


@pytest.fixture
def without_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str], str]:
    """A keyring in memory, with the functions that are used of the package."""
    kept: dict[tuple[str, str], str] = {}
    module, errors = types.ModuleType("keyring"), types.ModuleType("keyring.errors")
    functions = {
        "get_password": lambda service, name: kept.get((service, name)),
        "set_password": lambda service, name, value: kept.update({(service, name): value}),
        "delete_password": lambda service, name: kept.pop((service, name)),
        "errors": errors,
    }
    vars(module).update(functions)
    vars(errors).update(KeyringError=NoKeyring)
    monkeypatch.setitem(sys.modules, "keyring", module)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    return kept


@pytest.mark.usefixtures("without_keyring")
def test_a_file_for_its_owner_alone(file: Path) -> None:
    tokens = Tokens(file, {})
    assert tokens.get("huggingface") == ""
    assert tokens.keep("huggingface", " hf_secret\n") == "file"
    assert Tokens(file, {}).get("huggingface") == "hf_secret"
    assert tokens.by_origin(Sites()) == {"https://huggingface.co": "hf_secret", "https://civitai.com": ""}
    if sys.platform != "win32":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["tokens.json"]
    assert "hf_secret" not in f"{tokens!r} {vars(tokens)}"
    assert tokens.keep("huggingface", "") == ""
    assert not file.exists()


@pytest.mark.usefixtures("without_keyring")
def test_a_damaged_file_holds_no_tokens(file: Path) -> None:
    file.parent.mkdir()
    for text in ("[", "[]", '{"huggingface": 5}'):
        file.write_text(text)
        assert Tokens(file, {}).get("huggingface") == ""


@pytest.mark.usefixtures("without_keyring")
def test_the_environment_comes_first(file: Path) -> None:
    tokens = Tokens(file, {"HF_TOKEN": "from outside"})
    tokens.keep("huggingface", "kept")
    assert tokens.get("huggingface") == "from outside"


@pytest.mark.usefixtures("without_keyring")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "in the way").write_text("")
    with pytest.raises(AppError) as raised:
        Tokens(tmp_path / "in the way" / "tokens.json", {}).keep("civitai", "secret")
    assert raised.value.message.id == "download.folder"
    assert "secret" not in str(raised.value)


def test_the_keyring_where_there_is_one(file: Path, keyring: dict[tuple[str, str], str]) -> None:
    tokens = Tokens(file, {})
    assert tokens.keep("civitai", "secret") == "keyring"
    assert keyring == {("Safelight", "civitai"): "secret"}
    assert not file.exists()
    assert tokens.get("civitai") == "secret"
    tokens.keep("civitai", "")
    assert keyring == {}
    tokens.keep("civitai", "")


def test_a_keyring_that_is_locked_leaves_it_to_the_file(
    file: Path, keyring: dict[tuple[str, str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*arguments: str) -> None:
        raise NoKeyring

    for name in ("get_password", "set_password"):
        monkeypatch.setattr(sys.modules["keyring"], name, locked)
    tokens = Tokens(file, {})
    assert tokens.keep("civitai", "secret") == "file"
    assert tokens.get("civitai") == "secret"


def test_speed_and_time_left() -> None:
    now = 100.0
    rate = Rate(lambda: now)
    assert (rate.speed, rate.left(1000)) == (0, None)
    for second in range(5):
        now = 100.0 + second
        rate.add(100 * second)
    assert (rate.speed, rate.left(1000), rate.left(None)) == (100, 6, None)
    for second in range(20):
        now = 105.0 + second
        rate.add(400 + 10 * second)
    assert rate.speed == pytest.approx(10), "the last seconds count"
    rate.add(0)
    assert rate.speed == 0, "begun anew"
