"""CLIP's whole tokenizer for single-file checkpoints, which bring none: ``resources/architectures/tokenizer``.

    python packaging/architectures/tokenizer.py WHEEL

The byte-pair merges come from `bpe_simple_vocab_16e6.txt.gz`, a part of the MIT-licensed package open_clip_torch, whose
WHEEL `pip download --no-deps open_clip_torch==3.3.0` fetches (CLIP, copyright OpenAI). CLIP uses the first 48,894.
"""

from __future__ import annotations

import gzip
import json
import sys
import zipfile
from pathlib import Path

from transformers import CLIPTokenizer

MERGES_MEMBER = "open_clip/bpe_simple_vocab_16e6.txt.gz"
LICENCE_MEMBER = "open_clip_torch-3.3.0.dist-info/licenses/LICENSE"
SYMBOLS, MERGES, SIZE = 512, 48_894, 49_408  # byte symbols, merges, and with two special tokens all entries
MAX_LENGTH = 77  # tokens, the two special ones included
START, END = "<|startoftext|>", "<|endoftext|>"
TARGET = Path(__file__).parents[2] / "resources" / "architectures" / "tokenizer"
NOTICE = """The byte-pair vocabulary in this folder is the one published with CLIP under the MIT License,
Copyright (c) 2021 OpenAI, and distributed with open_clip_torch, whose licence follows. The terms of both are the same.

"""


def byte_symbols() -> list[str]:
    """The 256 printable characters that stand for the bytes, in CLIP's order (printable Latin-1 first)."""
    plain = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [value for value in range(256) if value not in plain]
    return [chr(value) for value in plain] + [chr(256 + k) for k in range(len(others))]


def write_tokenizer(wheel: Path) -> None:
    """Vocabulary, merges, configuration and notice."""
    with zipfile.ZipFile(wheel) as package:
        lines = gzip.decompress(package.read(MERGES_MEMBER)).decode("utf-8").split("\n")
        licence = package.read(LICENCE_MEMBER).decode("utf-8")
    merges = lines[1 : MERGES + 1]  # the first line is a version note
    symbols = byte_symbols()
    joined = (merge.replace(" ", "") for merge in merges)
    entries = [*symbols, *(symbol + "</w>" for symbol in symbols), *joined, START, END]
    config = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": MAX_LENGTH,
        "bos_token": START,
        "eos_token": END,
        "unk_token": END,
        "pad_token": END,
    }
    vocabulary = json.dumps({entry: number for number, entry in enumerate(entries)}, ensure_ascii=False)
    TARGET.mkdir(parents=True, exist_ok=True)
    (TARGET / "vocab.json").write_text(vocabulary, encoding="utf-8")
    (TARGET / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]), encoding="utf-8")
    (TARGET / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    (TARGET / "LICENSE-CLIP-VOCABULARY").write_text(NOTICE + licence, encoding="utf-8")


def check_tokenizer() -> None:
    """Load it back and make sure that it is whole: size, special tokens, known encodings."""
    tokenizer = CLIPTokenizer.from_pretrained(TARGET)
    assert len(tokenizer) == SIZE, len(tokenizer)
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == (SIZE - 2, SIZE - 1, SIZE - 1)
    assert tokenizer("a photo of a cat").input_ids == [SIZE - 2, 320, 1125, 539, 320, 2368, SIZE - 1]


if __name__ == "__main__":
    write_tokenizer(Path(sys.argv[1]))
    check_tokenizer()
