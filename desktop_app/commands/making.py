"""From options to files: the model, the request, the engine, with the progress on a terminal."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from desktop_app.checkpoints.consent import require_consent
from desktop_app.checkpoints.facts import check_model_files, read_model_facts, weights_of
from desktop_app.checkpoints.finding import files_in, first_model, name_of, resolve_model
from desktop_app.checkpoints.lone_parts import find_parts
from desktop_app.checkpoints.refiners import with_refiner
from desktop_app.commands.options import requested
from desktop_app.commands.output import Target, find_target, save_or_keep
from desktop_app.commands.progress import Progress
from desktop_app.core.catalog import ModelFacts
from desktop_app.core.control import StopSignal
from desktop_app.core.errors import AppError
from desktop_app.core.events import Cancelled, Event, Failed, Notice, Picture
from desktop_app.core.memory_plan import Wishes
from desktop_app.core.paths import app_paths
from desktop_app.core.request import GenerationRequest, validate
from desktop_app.core.settings import load_settings


def make(options: argparse.Namespace, kind: str, own: Mapping[str, Any]) -> int:
    """Make and save what ``options`` ask for: pictures or films (``kind``), with the request's fields ``own``.

    Returns the exit code. Raises ``AppError`` (``RequestError`` for bad arguments), ``KeyboardInterrupt``.
    """
    paths = app_paths(options.data_dir)
    settings, _ = load_settings(paths.settings)
    folders = paths.model_folders(settings["model_folders"])

    def trusts(file: Path) -> bool:
        return options.trust_pickle

    request, facts = _asked(options, kind, own, folders)
    target = find_target(options.output, kind, settings, paths)
    for used in (facts, *facts.refiners):
        check_model_files(used)
        require_consent(weights_of(used), trusts)
    paths.prepare()

    from desktop_app.engine.engine import Engine, serve  # torch: seconds, and not needed to refuse a bad request

    with _interruptible() as stop:
        wishes = Wishes.of(lambda key: getattr(options, key) or settings[key])
        device = options.device or settings["device"]
        engine = Engine(models=folders, cache=paths.cache, device=device, wishes=wishes, trusts=trusts)
        events = serve(engine, request.with_fixed_seed(), stop, preview=False)
        _Reporter(options, kind, target, Progress(enabled=not options.quiet, kind=kind)).follow(events)
    return 0


def _asked(
    options: argparse.Namespace, kind: str, own: Mapping[str, Any], folders: Sequence[Path]
) -> tuple[GenerationRequest, ModelFacts]:
    """The request, valid, with models by their shortest names, and what is known of them. Raises ``AppError``."""
    files = files_in(folders)
    model = resolve_model(options.model, files) if options.model else first_model(files)
    facts = read_model_facts(model, find_parts(files))
    request = requested(options, facts, kind, own)
    facts = with_refiner(facts, request.refiner, files)
    validate(request, facts)
    refiner = facts.refiner(request.refiner)
    named = name_of(Path(refiner.folder), files) if refiner else ""
    return replace(request, model=name_of(model, files), refiner=named), facts


@contextmanager
def _interruptible() -> Iterator[StopSignal]:
    """Ctrl+C asks the engine to stop; a second one does not wait for it."""
    stop = StopSignal()

    def interrupt(number: int, frame: types.FrameType | None) -> None:
        if stop.cancelled:
            raise KeyboardInterrupt
        stop.cancel()

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


@dataclass(frozen=True, slots=True)
class _Reporter:
    """Follows a job to its end: pictures to files, file names to stdout, everything else to stderr."""

    options: argparse.Namespace
    kind: str
    target: Target
    progress: Progress

    def follow(self, events: Iterator[Event]) -> None:
        """Handle every event. Raises ``AppError`` when the job failed, ``KeyboardInterrupt`` when it was cancelled."""
        for event in events:
            match event:
                case Picture():
                    self._picture(event)
                case Notice(message):
                    self._say(str(message))
                case Failed(message, details):
                    self.progress.clear()
                    if self.options.debug:
                        print(details, file=sys.stderr)
                    raise AppError(message.id, **message.values)
                case Cancelled():
                    self._say("Cancelled.")
                    raise KeyboardInterrupt
                case _:
                    self.progress.show(event)

    def _picture(self, picture: Picture) -> None:
        self.progress.clear()
        saved = save_or_keep(picture, self.target)
        seconds = round(picture.result.seconds, 2)
        if self.options.json:
            line = {"path": str(saved.path), "seed": picture.result.seed, "seconds": seconds}
            print(json.dumps({**line, "recipe": picture.result.to_json()}), flush=True)
        else:
            print(saved.path, flush=True)
        wanted = self.target.file
        if wanted and wanted != saved.path and picture.index == 0:
            self._say(f"{wanted.name} already exists; the {self.kind} is in {saved.path.name}.")
        for notice in saved.notices:
            self._say(str(notice))
        self._say(f"Seed {picture.result.seed}, {seconds:g} s")

    def _say(self, text: str) -> None:
        self.progress.clear()
        if not self.options.quiet:
            print(text, file=sys.stderr, flush=True)
