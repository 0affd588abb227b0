"""How the chosen model's tokenizer reads the prompt, while it is typed: the ``tokenizers`` library alone, no torch."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal, Slot

from desktop_app.checkpoints.embeddings import KIND, count_vectors
from desktop_app.checkpoints.identity import UNKNOWN
from desktop_app.core.catalog import FAMILIES, PLAIN, ModelFacts
from desktop_app.core.paths import architectures_dir
from desktop_app.prompt.chunks import NOTHING_LEARNED, Encode, Token, split_chunks, tokenise
from desktop_app.prompt.emphasis import read_emphasis
from desktop_app.prompt.learned import learned_in, with_learned
from desktop_app.prompt.schedule import schedule
from desktop_app.prompt.tags import without_tags
from desktop_app.studio.background import Background
from desktop_app.studio.draft import Draft
from desktop_app.studio.model_library import ModelLibrary


@dataclass(frozen=True, slots=True)
class TokenReading:
    """The tokens of a prompt as they are at the first step."""

    chunks: tuple[tuple[Token, ...], ...]
    cut: tuple[Token, ...]
    """What is left out."""
    room: int
    """Tokens of a chunk."""

    @property
    def count(self) -> int:
        """Tokens that the model is told."""
        return sum(map(len, self.chunks))


class TokenReader(QObject):
    """Reads the draft's prompt again whenever it changes; what is typed meanwhile waits, and only the newest of it."""

    changed = Signal()

    def __init__(
        self, draft: Draft, background: Background, library: ModelLibrary, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._library = library
        self.learned: dict[str, Path] = {}
        """Textual inversions that may fit the model, by name in lower case."""
        self._draft = draft
        self._background = background
        self._encoders: dict[Path, Encode | None] = {}
        self._reading = self._stale = self._closed = False
        self.reading: TokenReading | None = None
        """None where no tokenizer is known."""
        draft.changed.connect(self._draft_changed)
        draft.facts_changed.connect(self._refresh)
        library.scanned.connect(self._refresh)
        self._refresh()

    def close(self) -> None:
        """Read nothing any more; call before the background is closed."""
        self._closed = True

    @Slot(str)
    def _draft_changed(self, name: str) -> None:
        if name in ("prompt", "prompt_dialect", "steps"):
            self.read()

    @Slot()
    def _refresh(self) -> None:
        facts = self._draft.facts
        fitting = (UNKNOWN, *(FAMILIES[facts.family].architectures if facts else ()))
        self.learned = {
            item.identity.path.stem.lower(): item.identity.path
            for item in self._library.items
            if item.identity.kind == KIND
            and item.identity.architecture in fitting
            and self._library.may_read(item.identity)
        }
        self.read()

    @Slot()
    def read(self) -> None:
        """Read the prompt as it is now."""
        if self._reading:
            self._stale = True
            return
        facts = self._draft.facts
        if self._closed:
            return
        if facts is None or "prompt" not in facts.controls:
            self._take(None)
            return
        self._reading = True
        text, steps = self._draft.value("prompt"), self._draft.value("steps")
        dialect = self._draft.dialect
        named = {name: self.learned[name] for _, _, name in learned_in(text, self.learned, dialect)}
        self._background.run(lambda: self._read(facts, text, dialect, steps, named), self._take)

    def _read(
        self, facts: ModelFacts, text: str, dialect: str, steps: int, named: Mapping[str, Path]
    ) -> TokenReading | None:
        family = FAMILIES[facts.family]
        model = Path(facts.folder)
        folder = architectures_dir() / "tokenizer" if model.is_file() else model / family.tokenizer
        if folder not in self._encoders:
            self._encoders[folder] = load_encoder(folder)
        encode = self._encoders[folder]
        lengths = {name: count_vectors(path) for name, path in named.items()}
        room = min(family.prompt_room, positions(model / family.tokenizer.replace("tokenizer", "text_encoder")) - 2)
        return None if encode is None else read_tokens(text, dialect, steps, room, encode, lengths)

    def _take(self, reading: TokenReading | None) -> None:
        self._reading = False
        if reading != self.reading:
            self.reading = reading
            self.changed.emit()
        if self._stale:
            self._stale = False
            self.read()


def read_tokens(
    text: str, dialect: str, steps: int, room: int, encode: Encode, lengths: Mapping[str, int] = NOTHING_LEARNED
) -> TokenReading:
    """``text`` as the engine divides it, in chunks of ``room`` tokens.

    ``lengths`` has the number of vectors of the textual inversions that may be named, by name in lower case.
    """
    ((_, first), *_) = schedule(without_tags(text), dialect, steps)
    pieces = with_learned(read_emphasis(first, dialect), lengths, dialect)
    sections = tokenise(pieces, encode, lengths)
    chunks = split_chunks(sections, dialect, room)
    cut = sections[0][room:] if dialect == PLAIN else []
    return TokenReading(tuple(map(tuple, chunks)), tuple(cut), room)


def positions(text_encoder: Path) -> int:
    """Tokens that the text encoder in the folder has positions for, both markers included; many if it has no limit."""
    try:
        return int(json.loads((text_encoder / "config.json").read_text(encoding="utf-8"))["max_position_embeddings"])
    except (OSError, ValueError, KeyError, TypeError):
        return sys.maxsize


def load_encoder(folder: Path) -> Encode | None:
    """The tokenizer in ``folder``, from ``tokenizer.json`` or the vocabulary and merges of CLIP; None without them."""
    from tokenizers import Tokenizer

    try:
        whole = (folder / "tokenizer.json").read_text(encoding="utf-8")
        json.loads(whole)
        return _encoder(Tokenizer.from_str(whole))
    except (OSError, ValueError):
        pass
    try:
        vocabulary = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
        merges = (folder / "merges.txt").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return None
    return _encoder(_clip_tokenizer(vocabulary, merges))


def _clip_tokenizer(vocabulary: dict[str, int], merges: list[str]) -> Any:
    """CLIP's byte-level BPE (Radford et al. 2021): lower case, words and marks apart, digits one by one."""
    from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
    from tokenizers.models import BPE

    pairs: list[tuple[str, str]] = []
    for line in merges:
        left, space, right = line.partition(" ")
        if space and not line.startswith("#version"):
            pairs.append((left, right))
    tokenizer = Tokenizer(BPE(vocabulary, pairs, end_of_word_suffix="</w>", unk_token="<|endoftext|>"))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    words = Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(words, behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    return tokenizer


def _encoder(tokenizer: Any) -> Callable[[str], list[tuple[int, str, int, int]]]:
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.encode_special_tokens = True  # markers in a text are text

    def encode(text: str) -> list[tuple[int, str, int, int]]:
        read = tokenizer.encode(text, add_special_tokens=False)
        return [(id, piece, *place) for id, piece, place in zip(read.ids, read.tokens, read.offsets, strict=True)]

    return encode
