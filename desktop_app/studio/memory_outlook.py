"""What the next run will need of memory, and how it will be made to fit: known before anything is started."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot

from desktop_app.core.catalog import ModelFacts
from desktop_app.core.machine import Machine
from desktop_app.core.measurements import Measurement, read_measurements
from desktop_app.core.memory_plan import Wishes
from desktop_app.core.messages import Message
from desktop_app.core.planning import Chosen, choose
from desktop_app.core.request import GenerationRequest, default_request
from desktop_app.core.sizes import size_text
from desktop_app.studio.background import Background
from desktop_app.studio.draft import Draft
from desktop_app.studio.job_queue import JobQueue
from desktop_app.studio.settings_store import SettingsStore


class MemoryOutlook(QObject):
    """Follows draft, settings and engine. The engine, which knows what is free at the moment, has the last word."""

    changed = Signal()

    def __init__(
        self,
        draft: Draft,
        queue: JobQueue,
        settings: SettingsStore,
        measurements: Path,
        background: Background,
        parent: QObject | None = None,
    ) -> None:
        """``measurements`` is the file in which the engine keeps what runs took."""
        super().__init__(parent)
        self._draft, self._queue, self._settings = draft, queue, settings
        self._file, self._background = measurements, background
        self._known: tuple[Measurement, ...] = ()
        draft.changed.connect(self.changed)
        draft.facts_changed.connect(self.changed)
        settings.changed.connect(self.changed)
        queue.engine_changed.connect(self._read)
        queue.ended.connect(self._read)

    @property
    def machine(self) -> Machine | None:
        """None until an engine is up."""
        return self._queue.machine

    def of_draft(self) -> Chosen | None:
        """How the request goes as it stands; None where nothing is known of the model or the machine."""
        facts = self._draft.facts
        return self._choose(self._draft.request(), facts) if facts else None

    def of_model(self, facts: ModelFacts) -> Chosen | None:
        """How a newcomer's first run of a model goes; None likewise."""
        return self._choose(default_request(facts), facts)

    def told(self) -> tuple[Message | None, str]:
        """Of the draft: what is to be said before the run, if anything, and how much it needs ("4.9 GB")."""
        chosen, machine = self.of_draft(), self.machine
        if chosen is None or chosen.need is None or machine is None:
            return None, ""
        return chosen.message(machine), size_text(chosen.need.total)

    def _choose(self, request: GenerationRequest, facts: ModelFacts) -> Chosen | None:
        machine = self.machine
        if machine is None:
            return None
        wishes = Wishes.of(self._settings.get)
        return choose(request, facts, machine, wishes, self._known)

    @Slot()
    def _read(self) -> None:
        self._background.run(lambda: read_measurements(self._file), self._take)

    def _take(self, known: tuple[Measurement, ...]) -> None:
        self._known = known
        self.changed.emit()
