"""The request being composed: what the controls show, valid for the chosen model at every moment."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from desktop_app.core.catalog import FILM, PLAIN, SCHEDULERS, ModelFacts
from desktop_app.core.errors import RequestError
from desktop_app.core.messages import Message
from desktop_app.core.request import (
    EXTEND,
    MAX_DRAWN_SEED,
    PROMPT_SYNTAX,
    RANDOM_SEED,
    VARY,
    GenerationRequest,
    default_request,
    problems,
)
from desktop_app.prompt.emphasis import scan
from desktop_app.prompt.surprise import surprise
from desktop_app.prompt.tags import blanked
from desktop_app.prompt.vocabulary import synonyms_in, unknown_words
from desktop_app.studio.background import Background
from desktop_app.studio.draft_values import (
    FIELDS,
    OF_THE_MODEL,
    RECALLS,
    START_FIELDS,
    first_values,
    fit,
    limits,
    shape_like,
)
from desktop_app.studio.model_list import ModelList
from desktop_app.studio.start_file import StartFile

_SAVE_AFTER_MS = 400


class Draft(QObject):
    """Values by name (:data:`FIELDS`), clamped and snapped to what the model takes; kept in a file as they change."""

    changed = Signal(str)
    """Name of the field that changed."""
    facts_changed = Signal()
    """Another model is chosen, or the list of models changed."""

    def __init__(self, models: ModelList, session: Path, background: Background, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._models = models
        self._session = session
        self._background = background
        self._values: dict[str, Any] = first_values()
        self._before_recall: dict[str, Any] | None = None
        self._awaited: dict[str, Any] = {}
        self._refused_use: Message | None = None
        self._start_differs = False
        self.start_file = StartFile(background, self)
        self.start_file.changed.connect(self._start_looked)
        self._timer = QTimer(self, singleShot=True, interval=_SAVE_AFTER_MS)
        self._timer.timeout.connect(self.save)
        self._restore()
        models.changed.connect(self._models_changed)
        self.changed.connect(self._save_soon)

    # -- values

    def value(self, name: str) -> Any:
        return self._values[name]

    def set_value(self, name: str, value: Any) -> None:
        """Take a value, clamped or snapped to what the model takes. ``KeyError`` for an unknown field."""
        if name == "model":
            self._awaited = {}
            self._choose(value)
            return
        value = self._fit(name, value)
        if name == "start":
            self._refused_use = None
            self._start_changes(value)
        self._put(name, value)
        match name:
            case "scheduler":
                self._refit("schedule_type", "steps")
            case "kind":
                self._refused_use = None
                self._refit("start_use")
            case "start":
                self._refit("start_use")

    def set_size(self, width: float, height: float) -> None:
        """Take the nearest size in px that the model makes."""
        self.set_value("width", width)
        self.set_value("height", height)

    def reset(self, name: str) -> None:
        """Back to the model's own default."""
        if self.facts is not None:
            default = default_request(self.facts)
            self.set_value(name, getattr(default, name) if hasattr(default, name) else False)

    def new_seed(self) -> None:
        """Draw a seed and hold on to it."""
        self.set_value("seed", random.SystemRandom().randint(0, MAX_DRAWN_SEED))
        self.set_value("seed_locked", True)

    def surprise(self) -> None:
        """Put a sentence of the model's own phrases into the prompt; a model without such phrases leaves it alone."""
        if self.facts and (slots := self.facts.surprise_of(self.value("kind"))):
            sentence = surprise(slots, random.SystemRandom(), shown=self.value("prompt"))
            self.set_value("prompt", sentence)

    def limits(self, name: str) -> tuple[float, float]:
        """Lowest and highest value of a number field."""
        return limits(name, self._values, self.facts)

    # -- the start picture

    @property
    def takes_start(self) -> bool:
        """Whether the chosen model can start from a picture at all."""
        return self.facts is not None and "start" in self.facts.controls

    def use_start(self, path: Path, use: str = VARY) -> None:
        """Start from the picture or film at ``path``: drawn anew, or with "extend" as a film that goes on from it.

        Where the model makes no films it is drawn anew, and :meth:`problem` says why until the choice changes.
        """
        facts = self.facts
        self.set_value("start", str(path.absolute()))
        if use == EXTEND and facts is not None and FILM not in facts.kinds:
            self.set_value("start_use", VARY)
            self._refused_use = Message("kind.no-film", {"model": facts.name})
            self.changed.emit("start_use")
            return
        if use == EXTEND:
            self.set_value("kind", FILM)
        self.set_value("start_use", use)

    def clear_start(self) -> None:
        """Start from noise alone."""
        self.set_value("start", "")

    def look_at_start(self) -> None:
        """See again whether the start file is there and still the same, in the background."""
        self.start_file.look(self.value("start"))

    def start_message(self) -> Message | None:
        """What is to be said about the start file: why it cannot be used, or that it is another one now."""
        if message := self._refused_use or self.start_file.message:
            return message
        differs = Message("start.differs", {"file": Path(self.value("start")).name})
        return differs if self._start_differs else None

    def shape_like(self, proportion: float) -> tuple[int, int] | None:
        """The nearest (width, height) in px to ``proportion`` (width / height), or None where it is set already."""
        return shape_like(proportion, self._values, self.facts) if self.facts else None

    # -- the model

    @property
    def facts(self) -> ModelFacts | None:
        """Of the chosen model; None when there is no model at all."""
        return self._models.by_key(self.value("model"))

    @property
    def models(self) -> tuple[ModelFacts, ...]:
        return self._models.models

    def unknown_words(self) -> list[tuple[int, int]]:
        """(start, length) of the words of the prompt that the chosen model has never seen."""
        if self.facts is None:
            return []
        prompt = blanked(self.value("prompt"))
        marks = scan(prompt, self.dialect)
        breaks = {mark.start for mark in marks if mark.kind == "break"}
        words = unknown_words(prompt, frozenset(self.facts.vocabulary))
        return [(start, length) for start, length in words if start not in breaks]

    def synonyms(self) -> list[tuple[int, int, str]]:
        """(start, length, what it stands for) of the words of the prompt that the chosen model takes for another."""
        return synonyms_in(blanked(self.value("prompt")), self.facts.synonyms) if self.facts else []

    @property
    def dialect(self) -> str:
        """How the chosen model is told the prompt: as plain text, where weights mean nothing to it."""
        weighs = self.facts is not None and "prompt_dialect" in self.facts.controls
        return self.value("prompt_dialect") if weighs else PLAIN

    # -- the request

    def request(self) -> GenerationRequest:
        """The job as it stands: with a random seed unless the seed is locked."""
        fields = {name: self.value(name) for name in FIELDS if name not in ("seed", "seed_locked")}
        if not self.takes_start:
            fields = {name: value for name, value in fields.items() if name not in START_FIELDS}
        seed = self.value("seed") if self.value("seed_locked") else RANDOM_SEED
        return GenerationRequest(seed=seed, prompt_syntax=PROMPT_SYNTAX, **fields)

    def problem(self) -> Message | None:
        """Why nothing can be generated now, or None."""
        if self.facts is None:
            damaged = self._models.problems
            return damaged[0] if damaged else Message("model.none")
        if self.takes_start and (message := self._refused_use or self.start_file.message):
            return message
        found = problems(self.request(), self.facts)
        return found[0].message if found else None

    def recall(self, request: GenerationRequest, what: str) -> None:
        """Take values from a recipe: "all", "prompt", "seed" or "remix" (all but the seed). Undone by one call."""
        before = dict(self._values)
        wanted = RECALLS[what]
        values = {name: getattr(request, name) for name in wanted if name != "seed_locked"}
        if "model" in values and (model := self.model_called(values["model"])):
            values["model"] = model.key
        if request.scheduler and request.scheduler not in SCHEDULERS:  # of another program: the chosen one stays
            values = {name: value for name, value in values.items() if name not in ("scheduler", "schedule_type")}
        if "seed" in values:
            values["seed_locked"] = request.seed != RANDOM_SEED
        self._set_all(values)
        self._before_recall = before

    def model_called(self, name: str) -> ModelFacts | None:
        """The model that a recipe means by ``name``; None where it is not here."""
        return self._models.called(name)

    def undo_recall(self) -> bool:
        """Put back what stood before the last recall; whether there was one."""
        if self._before_recall is None:
            return False
        self._set_all(self._before_recall)
        self._before_recall = None
        return True

    # -- keeping

    def save(self) -> None:
        """Write the values in the background, now."""
        self._timer.stop()
        self._background.write(self._session, json.dumps(self._values, ensure_ascii=False).encode())

    def _save_soon(self) -> None:
        self._timer.start()

    def _restore(self) -> None:
        try:
            stored = json.loads(self._session.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            stored = {}
        self._choose(str(stored.get("model", "")) if isinstance(stored, dict) else "")
        if isinstance(stored, dict):
            self._set_all({name: stored[name] for name in FIELDS if name in stored and name != "model"})
            if stored.get("model") != self.value("model"):
                self._awaited = {name: stored[name] for name in stored if name not in RECALLS["prompt"]}

    def _set_all(self, values: dict[str, Any]) -> None:
        """Take several values; the model first, because the others must fit it. Unusable ones are left out."""
        if "model" in values and self._models.by_key(values["model"]):
            self._choose(values["model"])
        for name in FIELDS:
            if name in values and name != "model":
                try:
                    self.set_value(name, values[name])
                except (TypeError, ValueError, OverflowError, RequestError):
                    continue

    def _choose(self, key: str) -> None:
        """Choose a model, or the first there is; its own defaults apply."""
        models = self.models
        chosen = self._models.by_key(key) or (models[0] if models else None)
        if chosen is None or chosen.key == self.value("model"):
            return
        self._put("model", chosen.key)
        default = default_request(chosen)
        for name in OF_THE_MODEL:
            self._put(name, getattr(default, name))
        self._refused_use = None
        self._refit("kind", "start_use", "clip_skip", "vae", "refiner")
        self.facts_changed.emit()

    def _models_changed(self) -> None:
        """The bundled models are known at once, all others a moment later: then the one used last comes back."""
        awaited, self._awaited = self._awaited, {}
        if self._models.by_key(str(awaited.get("model"))):
            self._set_all(awaited)
        elif self.facts is None:
            self._choose("")
        else:
            self._refit("kind", "frames", "motion_model", "start_use", "vae", "refiner")
        self.facts_changed.emit()

    def _start_changes(self, path: str) -> None:
        """Look at the file before it is announced, so that nobody is told about the old one."""
        self.start_file.look(path)
        if path != self.value("start"):
            self._start_differs = False
            self._put("start_digest", "")

    def _start_looked(self) -> None:
        if digest := self.start_file.digest:
            self._start_differs = self.value("start_digest") not in ("", digest)
            self._put("start_digest", digest)
        self.changed.emit("start")

    def _refit(self, *names: str) -> None:
        """What these fields hold must fit something that has changed."""
        for name in names:
            self._put(name, self._fit(name, self.value(name)))

    def _put(self, name: str, value: Any) -> None:
        if self._values[name] != value:
            self._values[name] = value
            self.changed.emit(name)

    def _fit(self, name: str, value: Any) -> Any:
        """The nearest value of the right type that the model takes. Raises ``TypeError`` or ``ValueError``."""
        return fit(name, value, self._values, self.facts)
