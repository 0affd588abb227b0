"""Models that finish the pictures of others."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from desktop_app.checkpoints.facts import read_model_facts
from desktop_app.checkpoints.finding import is_model, named, resolve_model
from desktop_app.core.catalog import FAMILIES, ModelFacts
from desktop_app.core.errors import AppError, RequestError


def with_refiners(models: Iterable[ModelFacts]) -> tuple[ModelFacts, ...]:
    """``models``, each with those among them that can finish its pictures."""
    models = tuple(models)
    return tuple(replace(facts, refiners=tuple(one for one in models if refines(one, facts))) for facts in models)


def with_refiner(facts: ModelFacts, name: str, files: Collection[Path]) -> ModelFacts:
    """``facts`` with the model called ``name``, one of ``files``, as its refiner; "" is none.

    Raises ``RequestError`` where there is no such model, or it cannot finish the pictures of ``facts``, and
    ``AppError`` where it cannot be used.
    """
    if not name or "refiner" not in facts.controls:
        return facts
    try:
        path = resolve_model(name, files)
    except RequestError as problem:
        known = ", ".join(_names(facts, files)) or "none"
        raise RequestError("refiner.unknown", value=name, model=facts.name, known=known) from problem
    refiner = read_model_facts(path, key=name)
    if not refines(refiner, facts):
        raise RequestError("refiner.other", value=refiner.name, model=facts.name)
    return replace(facts, refiners=(refiner,))


def _names(facts: ModelFacts, files: Collection[Path]) -> Iterator[str]:
    """Of the models among ``files`` that can finish the pictures of ``facts``."""
    for name, path in named(filter(is_model, files)).items():
        with suppress(AppError):
            if refines(read_model_facts(path), facts):
                yield name


def refines(refiner: ModelFacts, facts: ModelFacts) -> bool:
    """Whether ``refiner`` can finish the pictures of the model that ``facts`` describe."""
    return FAMILIES[refiner.family].refines == facts.family
