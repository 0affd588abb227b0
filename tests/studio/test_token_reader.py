"""Tokens as the window counts them: those of the engine, from either form of a tokenizer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from desktop_app.core.catalog import A1111, PLAIN
from desktop_app.core.paths import architectures_dir, resources_dir
from desktop_app.engine.parts.tokens import read_prompt
from desktop_app.studio.token_reader import load_encoder, positions, read_tokens
from tests.tiny_models import tiny_tokenizer

TEXT = "A red house,  it's 2026 <|endoftext|> (é🏠:1.5)\n[night] BREAK the sea"


@pytest.fixture(scope="module", params=["tokenizer.json", "vocab.json"])
def folder(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer as transformers 5 writes it, and in the older form."""
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer = tiny_tokenizer()
    tokenizer.save_pretrained(folder)
    if request.param == "vocab.json":
        whole = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]
        (folder / "vocab.json").write_text(json.dumps(whole["vocab"]), encoding="utf-8")
        merges = [" ".join(merge) if isinstance(merge, list) else merge for merge in whole["merges"]]
        (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]), encoding="utf-8")
        (folder / "tokenizer.json").unlink()
    return folder


@pytest.mark.parametrize("dialect", [A1111, PLAIN])
def test_the_window_counts_the_engines_tokens(folder: Path, dialect: str) -> None:
    encode = load_encoder(folder)
    assert encode is not None
    reading = read_tokens(TEXT, dialect, 20, 75, encode)
    engine = read_prompt(tiny_tokenizer(), TEXT, 77, dialect)
    for chunk, row, mask in zip(reading.chunks, engine.ids, engine.mask, strict=True):
        assert [token.id for token in chunk] == row[1 : int(mask.sum()) - 1].tolist()
    weights = [token.weight for chunk in reading.chunks for token in chunk]
    assert (1.5 in weights) == (dialect == A1111)


def test_what_is_cut_and_what_changes_later(folder: Path) -> None:
    encode = load_encoder(folder)
    assert encode is not None
    plain = read_tokens("the sea " * 50, PLAIN, 20, 75, encode)
    assert (plain.count, len(plain.cut), plain.cut[-1].text) == (75, 25, "sea")
    assert read_tokens("the sea " * 50, A1111, 20, 75, encode).count == 100
    first = read_tokens("a [house:boat:5]<lora:ink:1>", A1111, 20, 75, encode)
    assert [token.text for token in first.chunks[0]] == ["a", "house"]


def test_a_folder_without_a_tokenizer_has_none(tmp_path: Path) -> None:
    assert load_encoder(tmp_path) is None
    (tmp_path / "tokenizer.json").write_text("{")
    (tmp_path / "vocab.json").write_text("{")
    assert load_encoder(tmp_path) is None


def test_the_bundled_models_tokenizer_is_read() -> None:
    encode = load_encoder(resources_dir() / "models" / "postcard" / "tokenizer")
    assert encode is not None
    assert [text for _, _, start, end in encode("a red house") for text in ["a red house"[start:end]]] == [
        "a",
        "red",
        "house",
    ]


def test_the_tokenizer_for_single_files_counts_as_published() -> None:
    """The ids of OpenAI's own tokenizer."""
    encode = load_encoder(architectures_dir() / "tokenizer")
    assert encode is not None
    assert [id for id, *_ in encode("a photo of a cat")] == [320, 1125, 539, 320, 2368]


def test_a_small_models_chunks_are_as_long_as_its_text_encoder(tmp_path: Path) -> None:
    assert positions(resources_dir() / "models" / "postcard" / "text_encoder") == 40
    assert positions(tmp_path) > 10_000
