"""Notes beside a model, in all the forms that people have them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from desktop_app.checkpoints import sidecars
from desktop_app.checkpoints.identity import Identity
from desktop_app.checkpoints.sidecars import read_notes


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "some.v2.safetensors"
    path.write_bytes(b"")
    return path


def beside(model: Path, ending: str, content: object) -> None:
    text = content if isinstance(content, str) else json.dumps(content)
    model.with_name(model.stem + ending).write_text(text, encoding="utf-8")


def test_nothing_beside_it_is_no_note(model: Path) -> None:
    notes = read_notes(Identity(model))
    assert (notes.preview, notes.description, notes.trigger_words, notes.licence) == (None, "", (), "")


def test_notes_of_automatic1111(model: Path) -> None:
    told = {"description": "Soft light.", "sd version": "SD1", "activation text": "soft style", "notes": "At 0.7."}
    beside(model, ".json", told)
    notes = read_notes(Identity(model))
    assert notes.description == "Soft light.\n\nAt 0.7."
    assert (notes.trigger_words, notes.base_model) == (("soft style",), "SD1")


def test_notes_of_civitai_lose_their_tags(model: Path) -> None:
    beside(
        model,
        ".civitai.info",
        {"description": "<p>One &amp; two</p><script>x</script><li>three", "trainedWords": ["a, ", "", "b"],
         "baseModel": "SDXL 1.0", "model": {"name": "Some"}},
    )  # fmt: skip
    notes = read_notes(Identity(model))
    assert notes.description.startswith("Some\n\nOne & two")
    assert "<" not in notes.description
    assert (notes.trigger_words, notes.base_model) == (("a", "b"), "SDXL 1.0")


def test_notes_of_a_lora_manager(model: Path) -> None:
    beside(model, ".metadata.json", {"notes": "mine", "base_model": "Pony", "civitai": {"trainedWords": ["w"]}})
    notes = read_notes(Identity(model))
    assert (notes.description, notes.base_model, notes.trigger_words) == ("mine", "Pony", ("w",))


def test_what_the_file_says_of_itself_comes_last(model: Path) -> None:
    own = {
        "modelspec.description": "own", "modelspec.license": "MIT", "modelspec.author": "Who",
        "modelspec.trigger_phrase": "t", "ss_base_model_version": "sdxl_base_v1-0",
    }  # fmt: skip
    assert read_notes(Identity(model, metadata=own)).description == "own"
    beside(model, ".txt", "said beside it")
    notes = read_notes(Identity(model, metadata=own))
    assert (notes.description, notes.licence, notes.author) == ("said beside it", "MIT", "Who")
    assert (notes.trigger_words, notes.base_model) == (("t",), "sdxl_base_v1-0")


@pytest.mark.parametrize("ending", [".preview.png", ".jpg", ".webp"])
def test_preview_pictures(ending: str, model: Path) -> None:
    beside(model, ending, "x")
    assert read_notes(Identity(model)).preview == model.with_name(f"some.v2{ending}")


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "[" * 100_000, '{"model": 5, "trainedWords": 7}'])
@pytest.mark.parametrize("ending", [".json", ".civitai.info", ".metadata.json"])
def test_damaged_notes_are_no_notes(content: str, ending: str, model: Path) -> None:
    beside(model, ending, content)
    assert read_notes(Identity(model)).description == ""


def test_a_huge_file_is_no_note(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sidecars, "MOST_BYTES", 10)
    beside(model, ".txt", "more than ten bytes")
    assert read_notes(Identity(model)).description == ""
