"""Settings come back as they were saved; damage costs what is damaged and is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from desktop_app.core.errors import AppError
from desktop_app.core.settings import BY_KEY, SETTINGS, default_settings, load_settings, save_settings


def test_keys_are_unique_and_defaults_acceptable() -> None:
    assert len(BY_KEY) == len(SETTINGS)
    for setting in SETTINGS:
        assert setting.accepts(setting.default), setting.key
        assert setting.label
        assert setting.help.endswith((".", ")")), setting.key


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "new" / "settings.json"
    values = {**default_settings(), "theme": "dark", "quality": 50, "output_folder": "/ü/🏠", "preview": False}
    save_settings(path, values)
    assert load_settings(path) == (values, None)


def test_no_file_means_defaults(tmp_path: Path) -> None:
    assert load_settings(tmp_path / "settings.json") == (default_settings(), None)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("quality", 0),
        ("quality", 101),
        ("quality", "92"),
        ("quality", 92.5),
        ("quality", True),
        ("theme", "pink"),
        ("theme", None),
        ("preview", 1),
        ("idle_minutes", -1),
        ("output_folder", ["a"]),
        ("unknown", 1),
    ],
)
def test_a_value_out_of_range_falls_back_alone(key: str, value: Any, tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text(json.dumps({key: value, "format": "webp"}))
    assert load_settings(path) == ({**default_settings(), "format": "webp"}, None)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe\x00", b"null", b"[" * 100_000])
def test_a_damaged_file_is_kept_aside_and_said(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(content)
    values, message = load_settings(path)
    assert values == default_settings()
    assert message is not None
    assert message.id == "settings.damaged"
    kept = Path(message.values["file"])
    assert kept.read_bytes() == content
    assert not path.exists()


def test_settings_that_cannot_be_saved_say_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AppError):
        save_settings(tmp_path / "file" / "settings.json", default_settings())
