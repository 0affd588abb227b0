"""What a model is told, step by step: every text is tokenised and encoded once, however often it comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from desktop_app.core.messages import Message
from desktop_app.core.request import GenerationRequest
from desktop_app.engine.families import Loaded
from desktop_app.engine.model import Texts
from desktop_app.prompt.reading import Reading

Words = tuple[str, str]
"""(prompt, negative prompt)."""


@dataclass(frozen=True, slots=True)
class Script:
    """The texts of a request as the model reads them."""

    stages: tuple[tuple[int, Words], ...]
    """(last step, the words that hold until then)."""
    texts: Mapping[Words, Texts]

    @property
    def notices(self) -> list[Message]:
        """What was left out of the first stage, and so of all: only plain text is cut, and that does not change."""
        return self.texts[self.stages[0][1]].notices

    def encode(self, model: Loaded) -> tuple[Any, tuple[tuple[int, Any], ...]]:
        """(conditioning of the first stage, (steps taken, conditioning) wherever it changes)."""
        told = {words: model.encode(text) for words, text in self.texts.items()}
        first, *later = (told[words] for _, words in self.stages)
        return first, tuple(zip((last for last, _ in self.stages), later, strict=False))


def read_script(reading: Reading, model: Loaded, form: str) -> Script:
    """The texts of ``reading``; the negative ones count only where the guidance ``form`` uses them."""
    stages = tuple((last, _words(request)) for last, request in reading.stages)
    texts = {_words(request): model.tokenize(request, form) for _, request in reading.stages}
    return Script(stages, texts)


def _words(request: GenerationRequest) -> Words:
    return request.prompt, request.negative_prompt
