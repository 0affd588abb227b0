"""Any prompt gives a name that every system accepts."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from desktop_app.core.errors import AppError
from desktop_app.export.names import MAX_COMPONENT, check_template, picture_path
from tests.export.conftest import make_result

NOW = datetime(2026, 1, 2, 3, 4, 5)


def name_for(template: str, **changes: str) -> str:
    return picture_path(template, make_result(**changes), NOW, ".png").as_posix()


@given(prompt=st.text(max_size=400), model=st.text(max_size=40))
@example(prompt="con", model="NUL.safetensors")
@example(prompt="../../etc/passwd", model="..")
@example(prompt="\u202egnp.exe", model="\ud800")
@example(prompt="🏠" * 100, model="e\u0301" * 100)
def test_names_are_safe_everywhere(prompt: str, model: str) -> None:
    for template in ("{prompt}", "{model}", "{model}/{prompt}", "{prompt}{prompt}{prompt}{model}", "{prompt}.{model}"):
        path = picture_path(template, make_result(prompt=prompt, model=model), NOW, ".png")
        assert len(path.parts) == template.count("/") + 1
        for part in path.parts:
            assert 1 <= len(part.encode()) <= MAX_COMPONENT
            assert not set(part) & set('<>:"/\\|?*\0')
            assert not any(unicodedata.category(character).startswith("C") for character in part)
            assert part == part.strip(" .") == unicodedata.normalize("NFC", part)
            assert not PureWindowsPath(part).is_reserved()
        assert path.suffix == ".png"
        assert path.stem


@pytest.mark.parametrize(
    ("template", "changes", "name"),
    [
        ("{date}-{time}-{prompt}-{seed}", {}, "2026-01-02-03-04-05-a-red-house-on-green-hills-7.png"),
        ("{prompt}", {"prompt": ""}, "picture.png"),
        ("{prompt}", {"prompt": "...\n"}, "picture.png"),
        ("{prompt}", {"prompt": "a house,\n(red:1.2) & 'small'"}, "a-house-red-1.2-small.png"),
        ("{prompt}", {"prompt": "nul"}, "nul_.png"),
        ("com1.x", {}, "com1_.x.png"),
        ("con .x", {}, "con_ .x.png"),
        (" . ", {}, "picture.png"),
        ("{model}", {"model": "/somewhere/else/tiny"}, "tiny.png"),
        ("a//b/", {}, "a/b/picture.png"),
        ("C:\\x|y", {}, "C--x-y.png"),
    ],
)
def test_names(template: str, changes: dict[str, str], name: str) -> None:
    assert name_for(template, **changes) == name


def test_long_prompts_leave_the_seed_in_the_name() -> None:
    name = name_for("{date}-{time}-{prompt}-{seed}", prompt="very " * 1000)
    assert name.endswith("-7.png")
    assert "very-very" in name


@pytest.mark.parametrize(
    "template",
    ["", "  ", "/abs/{seed}", "../{seed}", "a/ .. /{seed}", "{seed", "seed}", "{other}", "{}", "{seed:>99999999}",
     "{seed!r}", "{prompt.__class__}", "{prompt[0]}", "{date:{seed}}"],
)  # fmt: skip
def test_templates_that_cannot_be_used_are_named(template: str) -> None:
    message = check_template(template)
    assert message is not None
    assert message.id == "template.malformed"
    assert "{seed}" in message.remedy
    with pytest.raises(AppError) as caught:
        picture_path(template, make_result(), NOW, ".png")
    assert caught.value.message == message


@pytest.mark.parametrize("template", ["{seed}", "{date}/{seed}", "plain", "{{{seed}}}", "~/x", "…"])
def test_templates_that_can_be_used(template: str) -> None:
    assert check_template(template) is None
    assert isinstance(picture_path(template, make_result(), NOW, ".png"), Path)
