"""Prompts that change from step to step: ``[from:to:when]`` and ``[one|other]``, in A1111's dialect.

``[x]`` alone is de-emphasis; what is no schedule stays in the text as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from desktop_app.core.catalog import A1111

_TOKEN = re.compile(r"\\.|[()\[\]:|]|[^\\()\[\]:|]+|.", re.DOTALL)
_WHEN = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*")


@dataclass(slots=True)
class _Brackets:
    """A pair of square brackets that means a choice."""

    close: int
    """Index of its token; so are the next."""
    separators: set[int]
    when: int | None
    """Of the token that says when; None where the options take turns."""
    options: list[list[str | _Choice]] = field(default_factory=lambda: [[]])


@dataclass(frozen=True, slots=True)
class _Choice:
    """One of ``options`` at each step: the first until step ``last``, or ("last" None) each in turn."""

    options: Sequence[Sequence[str | _Choice]]
    last: int | None

    def at(self, step: int) -> Sequence[str | _Choice]:
        if self.last is None:
            return self.options[(step - 1) % len(self.options)]
        return self.options[0 if step <= self.last else 1]


def schedule(text: str, dialect: str, steps: int) -> list[tuple[int, str]]:
    """(last step, text) for every change of ``text`` over ``steps`` steps, which count from 1; the last ends at them.

    ``when`` is a step, or, with a decimal point and at most 1, a share of the steps, rounded down: the first text holds
    up to and with that step.
    """
    if dialect != A1111 or "[" not in text:
        return [(steps, text)]
    parts = _parsed(text, steps)
    stages: list[tuple[int, str]] = []
    for last in _ends(parts, steps):
        said = _rendered(parts, last)
        if stages and stages[-1][1] == said:
            stages.pop()
        stages.append((last, said))
    return stages


def schedule_marks(text: str) -> list[tuple[int, int]]:
    """(start, length) of the brackets, separators and times that mean a choice, in order."""
    tokens = _TOKEN.findall(text)
    starts = [0, *accumulate(map(len, tokens))]
    found: list[int] = []
    for opening, (close, separators) in _pairs(tokens).items():
        if _means_choice(tokens, close, separators):
            when = [close - 1] if tokens[separators[0]] == ":" else []
            found += [opening, *separators, *when, close]
    return [(starts[index], len(tokens[index])) for index in sorted(found)]


def _parsed(text: str, steps: int) -> list[str | _Choice]:
    """Texts and choices in order, choices within choices to any depth."""
    tokens = _TOKEN.findall(text)
    pairs = _pairs(tokens)
    parts: list[str | _Choice] = []
    inside: list[_Brackets] = []
    for index, token in enumerate(tokens):
        here = inside[-1].options[-1] if inside else parts
        if index in pairs and _means_choice(tokens, *pairs[index]):
            close, separators = pairs[index]
            inside.append(_Brackets(close, set(separators), None if tokens[separators[0]] == "|" else close - 1))
        elif inside and index in inside[-1].separators:
            inside[-1].options.append([])
        elif inside and index == inside[-1].close:
            choice = _choice(inside.pop(), tokens, steps)
            (inside[-1].options[-1] if inside else parts).append(choice)
        else:
            here.append(token)
    return parts


def _pairs(tokens: Sequence[str]) -> dict[int, tuple[int, list[int]]]:
    """(index of its partner, those of the separators directly inside), by the index of each "[" that has one."""
    found: dict[int, tuple[int, list[int]]] = {}
    opened: list[tuple[int, list[int]]] = []
    squares = 0
    for index, token in enumerate(tokens):
        if token in ("(", "["):
            opened.append((index, []))
            squares += token == "["
        elif token == ")" and opened and tokens[opened[-1][0]] == "(":
            opened.pop()
        elif token == "]" and squares:
            while tokens[opened[-1][0]] == "(":  # never closed: it is text
                opened.pop()
            start, separators = opened.pop()
            found[start] = (index, separators)
            squares -= 1
        elif token in (":", "|") and opened:
            opened[-1][1].append(index)
    return found


def _means_choice(tokens: Sequence[str], close: int, separators: Sequence[int]) -> bool:
    """Whether a pair of square brackets is more than de-emphasis."""
    kinds = {tokens[index] for index in separators}
    if kinds == {"|"}:
        return True
    timed = kinds == {":"} and len(separators) <= 2 and separators[-1] == close - 2
    return timed and _WHEN.fullmatch(tokens[close - 1]) is not None


def _choice(brackets: _Brackets, tokens: Sequence[str], steps: int) -> _Choice:
    options = brackets.options
    if brackets.when is None:
        return _Choice(options, None)
    before = options[0] if len(options) == 3 else []
    return _Choice((before, options[-2]), _step(tokens[brackets.when], steps))


def _step(when: str, steps: int) -> int:
    value = float(when)
    share = "." in when and value <= 1
    return int(min(value * steps if share else value, steps))


def _ends(parts: Sequence[str | _Choice], steps: int) -> list[int]:
    """Steps after which the text may change, and the last."""
    ends = {steps}
    for choice in _choices(parts):
        ends.update(range(1, steps) if choice.last is None else [choice.last])
    return sorted(end for end in ends if 0 < end <= steps)


def _choices(parts: Sequence[str | _Choice]) -> Iterator[_Choice]:
    waiting = [*parts]
    while waiting:
        part = waiting.pop()
        if isinstance(part, _Choice):
            yield part
            for option in part.options:
                waiting.extend(option)


def _rendered(parts: Sequence[str | _Choice], step: int) -> str:
    texts: list[str] = []
    waiting = [*reversed(parts)]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            texts.append(part)
        else:
            waiting.extend(reversed(part.at(step)))
    return "".join(texts)
