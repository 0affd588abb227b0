"""Screenshots of every state, from the real program with the real engine and the bundled model.

    python packaging/screenshots/make.py FOLDER [--only NAME ...] [--states NAME ...] [--font FAMILY]

Each variant runs in a process of its own, off screen, with a data folder that is thrown away; prompts and seeds are
fixed, so that the same model gives the same pictures again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from library import write_ten, write_thousand

FIRST_SEED = 7
WAIT_S = 180


@dataclass(frozen=True)
class Variant:
    """One window: its theme, size in px and scale, and the states to take."""

    theme: str
    width: int
    height: int
    states: tuple[str, ...]
    scale: float = 1.0


MODELS = ("models-none", "models-ten", "models-damaged", "models-search", "models-thousand")
FILMS = ("film-empty", "film-running", "film-finished", "contact-sheet", "export", "film-unsaved")
ALL = ("empty", "running", "finished", "cancelled", "error", "words", "settings", "shortcuts", *FILMS, *MODELS)
VARIANTS = {
    "dark": Variant("dark", 1280, 800, ALL),
    "light": Variant("light", 1280, 800, ALL),
    "small": Variant("dark", 780, 540, ("empty", "running", "finished", "error", *FILMS)),
    "smallest": Variant("light", 720, 520, ("empty", "finished", *FILMS, *MODELS)),
    "large": Variant("dark", 1920, 1080, ("running", "finished", "film-finished", "contact-sheet")),
    "scale-200": Variant(
        "dark", 1000, 700, ("finished", "words", "film-finished", "export", "models-ten", "models-thousand"), scale=2.0
    ),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument(
        "--states", nargs="*", choices=ALL, default=list(ALL), help="only these, where a variant has them"
    )
    parser.add_argument("--font", help="font family; by default the system's own")
    parser.add_argument("--here", choices=VARIANTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.here:
        return take(options.here, options.folder, options.states, options.font)
    codes = [run_apart(name, options.folder, options.states, options.font) for name in options.only]
    return max(codes, default=0)


def run_apart(name: str, folder: Path, states: list[str], font: str | None) -> int:
    """One variant in a fresh process, because the scale is fixed when Qt starts."""
    scale = {"QT_SCALE_FACTOR": str(VARIANTS[name].scale)} if VARIANTS[name].scale != 1 else {}
    command = [sys.executable, __file__, str(folder), "--here", name, "--states", *states]
    command += ["--font", font] if font else []
    return subprocess.run(command, env={**os.environ, "QT_QPA_PLATFORM": "offscreen", **scale}, check=False).returncode


def take(name: str, folder: Path, states: list[str], font: str | None) -> int:
    """Start the program as :data:`VARIANTS` says and take those of its states that are among ``states``, in order."""
    from PySide6.QtGui import QFont
    from PySide6.QtWidgets import QApplication

    from desktop_app.app import Program
    from desktop_app.core.paths import app_paths

    variant = VARIANTS[name]
    app = QApplication([])
    if font:
        app.setFont(QFont(font))
    with tempfile.TemporaryDirectory(prefix="Safelight-") as data:
        paths = app_paths(Path(data))
        paths.prepare()
        paths.settings.write_text(json.dumps({"theme": variant.theme}))
        program = Program(paths)
        program.window.resize(variant.width, variant.height)
        program.start()
        photographer = Photographer(app, program, Path(data), lambda state: folder / f"{name}-{state}.png")
        try:
            photographer.take_all([state for state in variant.states if state in states])
        finally:
            program.queue.clear_waiting()
            program.queue.cancel()
            photographer.wait(lambda: not program.queue.jobs)
            program.window.close()
            program.close()
    return 0


class Photographer:
    """Brings the window into a state, then grabs it."""

    def __init__(self, app, program, data: Path, target: Callable[[str], Path]) -> None:
        self._app = app
        self._program = program
        self._data = data
        self._target = target
        self._seed = FIRST_SEED

    def take_all(self, states: list[str]) -> None:
        queue = self._program.queue
        self.wait(lambda: queue.engine_state == "ready")
        for state in ALL:
            if state in states:
                getattr(self, state.replace("-", "_"))()
            elif state == "finished" and {"cancelled", "error"} & set(states):
                self._make_pictures()

    def wait(self, ready: Callable[[], bool]) -> None:
        """Let the program run until ``ready()``. ``SystemExit`` when that takes too long."""
        end = time.monotonic() + WAIT_S
        while not ready():
            self._app.processEvents()
            time.sleep(0.002)
            if time.monotonic() > end:
                raise SystemExit(f"gave up waiting for {self._target('…').name}")

    def grab(self, state: str, widget=None) -> None:
        pause = time.monotonic() + 0.4  # thumbnails and layouts settle
        self.wait(lambda: time.monotonic() > pause)
        (widget or self._program.window).grab().save(str(self._target(state)))
        print(self._target(state).name, flush=True)

    # -- states

    def empty(self) -> None:
        self.grab("empty")

    def running(self) -> None:
        """Half way, with one more waiting."""
        window, queue = self._program.window, self._program.queue
        self._compose(1)
        window.jobs.generate()
        window.jobs.generate()
        job = queue.current or queue.waiting[0]
        self.wait(lambda: job.preview is not None and job.step >= job.steps * 0.6)
        window.grab().save(str(self._target("running")))
        print(self._target("running").name, flush=True)
        self.wait(lambda: not queue.jobs)

    def finished(self) -> None:
        self._make_pictures()
        self.grab("finished")

    def cancelled(self) -> None:
        queue = self._program.queue
        self._compose(2)
        self._program.window.jobs.generate()
        job = queue.current or queue.waiting[0]
        self.wait(lambda: job.preview is not None and job.step >= job.steps * 0.4)
        queue.cancel()
        self.wait(lambda: job.ended)
        self.grab("cancelled")
        self._program.window.viewer.discard()

    def error(self) -> None:
        """The engine is killed in the middle of a picture, as the system does when memory runs out."""
        queue = self._program.queue
        self._compose(0)
        self._program.window.jobs.generate()
        job = queue.current or queue.waiting[0]
        self.wait(lambda: job.step >= 2)
        self._program.transport.kill()
        self.wait(lambda: job.ended)
        self.grab("error")
        self._program.window.messages.hide()
        self.wait(lambda: queue.engine_state == "ready")

    def words(self) -> None:
        """LoRAs with their sliders and the tokens of a weighted prompt, for a model that they fit."""
        program, panel = self._program, self._program.window.prompt_panel
        write_ten(self._data / "ten")
        self._look_into([self._data / "ten"])
        lora = "<lora:ink and water:0.8>"
        program.draft.set_value("prompt", f"a (red:1.3) house on [green] hills, ((sunset)) BREAK clouds {lora}")
        panel.tokens.fold.set_opened(True)
        self.wait(lambda: panel.tokens.view.boxes() and panel.tokens.view.height() > 0)
        self.grab("words")
        panel.tokens.fold.set_opened(False)

    def settings(self) -> None:
        dialog = self._program.window.dialogs.open_settings()
        self.grab("settings", dialog)
        dialog.close()

    def shortcuts(self) -> None:
        dialog = self._program.window.dialogs.open_shortcuts()
        self.grab("shortcuts", dialog)
        dialog.close()

    def film_empty(self) -> None:
        self._program.draft.set_value("kind", "film")
        self.grab("film-empty")

    def film_running(self) -> None:
        job = self._start_film()
        self.wait(lambda: job.preview is not None and job.step >= job.steps * 0.6)
        self._program.window.grab().save(str(self._target("film-running")))
        print(self._target("film-running").name, flush=True)
        self.wait(lambda: not self._program.queue.jobs)

    def film_finished(self) -> None:
        self._show_film()
        self.grab("film-finished")

    def contact_sheet(self) -> None:
        self._show_film()
        dialog = self._program.window.frame_actions.contact_sheet()
        self.grab("contact-sheet", dialog)
        dialog.close()

    def export(self) -> None:
        from desktop_app.ui.export_dialog import ExportDialog

        self._show_film()
        window = self._program.window
        window.picture_actions.save_as()
        (dialog,) = window.findChildren(ExportDialog)
        self.grab("export", dialog)
        dialog.close()

    def film_unsaved(self) -> None:
        """Its ffmpeg is missing when the film is to be written."""
        os.environ["IMAGEIO_FFMPEG_EXE"] = str(self._data / "no-ffmpeg")
        self._make_film()
        self.grab("film-unsaved")
        del os.environ["IMAGEIO_FFMPEG_EXE"]
        self._program.window.messages.hide()

    def models_none(self) -> None:
        self._show_models([])
        self.grab("models-none")

    def models_ten(self) -> None:
        write_ten(self._data / "ten")
        self._show_models([self._data / "ten"], "evening light")
        self.grab("models-ten")

    def models_damaged(self) -> None:
        write_ten(self._data / "ten")
        self._show_models([self._data / "ten"], "interrupted download")
        self.grab("models-damaged")

    def models_search(self) -> None:
        write_ten(self._data / "ten")
        self._show_models([self._data / "ten"])
        self._program.window.models_workspace.search.setText("nothing like it")
        self.grab("models-search")
        self._program.window.models_workspace.search.clear()

    def models_thousand(self) -> None:
        write_thousand(self._data / "thousand")
        self._show_models([self._data / "thousand"], "chalk cat v3")
        self.grab("models-thousand")

    # -- what they share

    def _show_models(self, folders: list[Path], chosen: str = "") -> None:
        """The Models workspace over ``folders``, with one of them chosen."""
        program = self._program
        program.window.actions_by_id["models"].trigger()
        self._look_into(folders)
        rows = range(program.library.rowCount())
        row = next((row for row in rows if program.library.item(row).name == chosen), -1)
        program.window.models_workspace.list.setCurrentIndex(program.library.index(row, 0))

    def _look_into(self, folders: list[Path]) -> None:
        self._program.settings.set("model_folders", [str(folder) for folder in folders])
        self.wait(lambda: not self._program.library.scanning)

    def _compose(self, example: int) -> None:
        """Put one of the model's own example sentences into the prompt."""
        draft = self._program.draft
        examples = draft.facts.examples
        draft.set_value("prompt", examples[example % len(examples)])
        draft.set_value("seed", self._seed)
        draft.set_value("seed_locked", True)
        self._seed += 1

    def _show_film(self) -> None:
        """A film in front, made now unless one is there."""
        shown = self._program.window.viewer.shown
        if shown is None or shown.film is None:
            self._make_film()

    def _make_film(self) -> None:
        self._start_film()
        self.wait(lambda: not self._program.queue.jobs)

    def _start_film(self):
        """The job of a film that begins."""
        draft, queue = self._program.draft, self._program.queue
        draft.set_value("kind", "film")
        draft.set_value("prompt", "a red sailboat on the left on a calm sea at sunset with the sun, sails to the right")
        draft.set_value("seed", FIRST_SEED)
        self._program.window.jobs.generate()
        return queue.current or queue.waiting[0]

    def _make_pictures(self) -> None:
        queue = self._program.queue
        for example in range(len(self._program.draft.facts.examples)):
            self._compose(example)
            self._program.window.jobs.generate()
        self.wait(lambda: not queue.jobs)
        self._program.draft.set_value("seed_locked", False)


if __name__ == "__main__":
    raise SystemExit(main())
