"""``generate``: the same request and the same engine as the window, with the progress on a terminal."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from desktop_app.checkpoints.facts import check_model_files, find_models, read_model_facts, resolve_model
from desktop_app.commands.progress import Progress
from desktop_app.core.catalog import SCHEDULERS, ModelFacts
from desktop_app.core.control import StopSignal
from desktop_app.core.errors import AppError, RequestError
from desktop_app.core.events import Cancelled, Event, Failed, Notice, Picture
from desktop_app.core.paths import AppPaths, app_paths
from desktop_app.core.request import GenerationRequest, default_request, validate
from desktop_app.core.settings import BY_KEY, load_settings
from desktop_app.export.pictures import Saved, check_template, format_of, save_as, save_picture


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own arguments; ranges are checked with the request, which knows the model."""
    devices = [value for value, _ in BY_KEY["device"].choices]
    parser.add_argument("prompt", help='what to draw; put "--" before one that begins with "-"')
    parser.add_argument("-o", "--output", metavar="FILE", help="a .png, .jpg or .webp file, or a folder")
    parser.add_argument("--negative", default="", metavar="TEXT", help="what to keep out of the picture")
    parser.add_argument("--model", metavar="NAME", help="name or folder of a model (see doctor)")
    parser.add_argument("--seed", type=int, default=-1, metavar="N", help="the same seed draws the same picture")
    parser.add_argument("--steps", type=int, metavar="N", help="more steps take longer and look finer")
    parser.add_argument("--guidance", type=float, metavar="X", help="how closely to follow the prompt; 1 is not at all")
    parser.add_argument("--size", type=_size, metavar="WxH", help="width and height in px, as in 512x768")
    parser.add_argument("--scheduler", metavar="NAME", help=f"one of: {', '.join(SCHEDULERS)}")
    parser.add_argument("--schedule-type", metavar="TYPE", help="default or karras, where the scheduler has it")
    parser.add_argument(
        "--enlarge",
        action=argparse.BooleanOptionalAction,
        help="draw the finished picture larger, where the model can; by default as the model says",
    )
    parser.add_argument("--count", type=int, default=1, metavar="N", help="how many pictures, from seeds in a row")
    parser.add_argument("--device", choices=devices, help="what computes; by default the one in the settings")
    parser.add_argument("--json", action="store_true", help="print one JSON line per picture")
    parser.add_argument("--quiet", action="store_true", help="print nothing but the file names, and errors")


def run(options: argparse.Namespace) -> int:
    """Make and save the pictures. Returns the exit code. Raises ``AppError`` (``RequestError`` for bad arguments)."""
    paths = app_paths(options.data_dir)
    known = find_models(paths.model_folders)
    folder = resolve_model(options.model or next(iter(known), ""), paths.model_folders)
    facts = read_model_facts(folder)
    name = facts.key if known.get(facts.key) == folder else str(folder)
    request = replace(_request(options, facts), model=name)
    validate(request, facts)
    settings, _ = load_settings(paths.settings)
    target = _target(options.output, settings, paths)
    check_model_files(facts)
    paths.prepare()

    from desktop_app.engine.engine import Engine, serve  # torch: seconds, and not needed to refuse a bad request

    with _interruptible() as stop:
        engine = Engine(models=paths.model_folders, cache=paths.cache, device=options.device or settings["device"])
        events = serve(engine, request.with_fixed_seed(), stop, preview=False)
        _Reporter(options, target, Progress(enabled=not options.quiet)).follow(events)
    return 0


def _size(text: str) -> tuple[int, int]:
    width, separator, height = text.lower().replace("×", "x").partition("x")
    if not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form 512x768")
    try:
        return int(width), int(height)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form 512x768") from problem


def _request(options: argparse.Namespace, facts: ModelFacts) -> GenerationRequest:
    """The model's defaults with what was asked laid over them."""
    request = default_request(facts)
    asked: dict[str, Any] = {
        "steps": options.steps,
        "guidance_scale": options.guidance,
        "scheduler": options.scheduler and _scheduler_key(options.scheduler),
        "schedule_type": options.schedule_type,
    }
    asked = {name: value for name, value in asked.items() if value is not None}
    if options.enlarge is not None:
        asked["enlarge"] = _factor(options.enlarge, facts)
    if options.size:
        asked["width"], asked["height"] = options.size
    scheduler = SCHEDULERS.get(asked.get("scheduler", ""))
    if scheduler and request.schedule_type not in scheduler.schedule_types:
        asked.setdefault("schedule_type", scheduler.schedule_types[0])
    texts = {"prompt": options.prompt, "negative_prompt": options.negative}
    return replace(request, **texts, **asked, seed=options.seed, count=options.count)


def _factor(wanted: bool, facts: ModelFacts) -> int:
    if wanted and facts.enlarge == 1:
        raise RequestError("enlarge.none", model=facts.name)
    return facts.enlarge if wanted else 1


def _scheduler_key(name: str) -> str:
    """Key of a scheduler given by key or label, in any case; what is unknown is left for the request to refuse."""
    for key, facts in SCHEDULERS.items():
        if name.lower() in (key, facts.label.lower()):
            return key
    return name


@dataclass(frozen=True, slots=True)
class _Target:
    """Where pictures go: a file name, or a folder that the template fills."""

    file: Path | None
    folder: Path
    settings: dict[str, Any]

    def save(self, picture: Picture) -> Saved:
        settings = self.settings
        options = {"quality": settings["quality"], "metadata": settings["metadata"]}
        if self.file is not None:
            return save_as(picture.frames, picture.result, self.file, number=True, **options)
        named = {"folder": self.folder, "template": settings["file_name"], "format": settings["format"]}
        return save_picture(picture.frames, picture.result, **named, **options)


def _target(output: str | None, settings: dict[str, Any], paths: AppPaths) -> _Target:
    """Understand ``-o``, and find out now rather than after the work that nothing can be written there."""
    chosen = settings["output_folder"]
    folder = Path(output or chosen or paths.pictures).expanduser().absolute()
    file = None
    if output and not output.endswith(("/", os.sep)) and not folder.is_dir():
        file = folder
        format_of(file)
        folder = file.parent
    elif problem := check_template(settings["file_name"]):
        raise AppError(problem.id, **problem.values)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as problem:
        raise AppError("save.folder", folder=str(folder), reason=problem.strerror or str(problem)) from problem
    return _Target(file, folder, settings)


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
    target: _Target
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
        saved = _save_or_keep(picture, self.target.save)
        seconds = round(picture.result.seconds, 2)
        if self.options.json:
            line = {"path": str(saved.path), "seed": picture.result.seed, "seconds": seconds}
            print(json.dumps({**line, "recipe": picture.result.to_json()}), flush=True)
        else:
            print(saved.path, flush=True)
        wanted = self.target.file
        if wanted and wanted != saved.path and picture.index == 0:
            self._say(f"{wanted.name} already exists; the picture is in {saved.path.name}.")
        for notice in saved.notices:
            self._say(str(notice))
        self._say(f"Seed {picture.result.seed}, {seconds:g} s")

    def _say(self, text: str) -> None:
        self.progress.clear()
        if not self.options.quiet:
            print(text, file=sys.stderr, flush=True)


def _save_or_keep(picture: Picture, save: Callable[[Picture], Saved]) -> Saved:
    """Save a picture; when that fails, keep it in the system's folder for temporary files and raise ``AppError``."""
    try:
        return save(picture)
    except AppError as problem:
        aside = Path(tempfile.gettempdir()) / f"safelight-{picture.result.seed}.png"
        kept = save_as(picture.frames, picture.result, aside, quality=100, metadata=True, number=True)
        raise AppError("save.kept-aside", reason=problem.message.text, file=str(kept.path)) from problem
