"""The real window over real studio objects and a scripted engine, with a model of its own in a temporary folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication

from desktop_app.checkpoints.consent import Consents
from desktop_app.core import events as ev
from desktop_app.core.paths import AppPaths, app_paths
from desktop_app.core.request import GenerationRequest
from desktop_app.download.links import Sites
from desktop_app.download.tokens import Tokens
from desktop_app.export.pictures import save_picture
from desktop_app.studio.background import Background
from desktop_app.studio.downloads import Downloads
from desktop_app.studio.draft import Draft
from desktop_app.studio.generation_thread import GenerationThread
from desktop_app.studio.job_queue import Job, JobQueue
from desktop_app.studio.memory_outlook import MemoryOutlook
from desktop_app.studio.model_library import ModelLibrary
from desktop_app.studio.model_list import ModelList
from desktop_app.studio.picture_list import PictureList
from desktop_app.studio.recipes import RecipeReader
from desktop_app.studio.settings_store import SettingsStore
from desktop_app.studio.window_state import WindowState
from desktop_app.ui.main_window import MainWindow
from desktop_app.ui.theme import apply_theme
from tests.scripted import ScriptedTransport, draw

FACTS = {
    "format": 1,
    "name": "Postcard",
    "description": "Draws landscapes.",
    "defaults": {
        "width": 64,
        "height": 64,
        "steps": 4,
        "guidance_scale": 5.0,
        "scheduler": "dpmpp-2m",
        "schedule_type": "default",
    },
    "sizes": [[64, 64], [96, 64]],
    "multiple": 8,
    "min_size": 32,
    "max_size": 256,
    "examples": ["a red house", "a blue boat", "a green tree", "a fourth one"],
    "vocabulary": {
        "words": ["a", "red", "house", "cottage", "blue", "boat", "green", "tree"],
        "synonyms": {"cottage": "house"},
    },
    "surprise": [["a red", "a blue", "a green"], ["house", "boat", "tree"]],
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A Qt warning fails a test of the window; the offscreen platform's remarks about itself do not count."""
    for item in items:
        if Path(item.fspath).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.qt_log_level_fail("WARNING"))
            item.add_marker(pytest.mark.qt_log_ignore("This plugin does not support"))


@dataclass
class Stand:
    """A window and everything behind it."""

    window: MainWindow
    draft: Draft
    queue: JobQueue
    settings: SettingsStore
    pictures: PictureList
    library: ModelLibrary
    downloads: Downloads
    transport: ScriptedTransport
    paths: AppPaths
    thread: GenerationThread
    background: Background

    def close(self) -> None:
        self.window._may_close = True
        self.window.close()
        self.thread.shut_down()
        QApplication.processEvents()  # what the thread said last
        self.draft.save()
        self.library.close()
        self.downloads.close()
        self.background.close()
        self.window.deleteLater()


def write_model(folder: Path, facts: dict) -> None:
    folder.mkdir(parents=True)
    (folder / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    (folder / "safelight.json").write_text(json.dumps(facts))


def write_film_model(folder: Path, facts: dict, *adapters: Path) -> None:
    """A model that makes pictures and, with a motion adapter of its own, films; ``adapters`` fit it as well."""
    write_model(folder, facts)
    widths = {"block_out_channels": [8, 16]}
    for part in (folder / "unet", folder / "motion_adapter", *adapters):
        part.mkdir()
        kind = "UNet2DConditionModel" if part.name == "unet" else "MotionAdapter"
        (part / "config.json").write_text(json.dumps({"_class_name": kind, **widths}))


def write_video_model(folder: Path, facts: dict) -> None:
    """A model that makes films of a start picture, as Stable Video Diffusion does."""
    write_model(folder, facts)
    (folder / "model_index.json").write_text('{"_class_name": "StableVideoDiffusionPipeline"}')


def build(root: Path, transport: ScriptedTransport) -> Stand:
    """Everything ``app.py`` ties together, with pictures in ``root / "pictures"``."""
    paths = app_paths(root)
    paths.prepare()
    background = Background()
    settings = SettingsStore(paths.settings, background)
    models = ModelList(lambda: (root / "bundled",), background)
    folders = lambda: paths.model_folders(settings.get("model_folders"))[1:]  # noqa: E731
    library = ModelLibrary(folders, paths.model_index, Consents(paths.consents))
    tokens = Tokens(paths.tokens, {})
    downloads = Downloads(paths.downloads, paths.models, tokens, Sites.from_environment(), background)
    draft = Draft(models, paths.session, background)

    def save(frames, result):
        return save_picture(
            frames, result, folder=paths.pictures, template="{seed}", format="png", quality=90, metadata=True
        )

    thread = GenerationThread(transport, save)
    queue = JobQueue(thread, lambda: True)
    pictures = PictureList(lambda: paths.pictures, background)
    outlook = MemoryOutlook(draft, queue, settings, paths.measurements, background)
    window = MainWindow(
        draft=draft,
        queue=queue,
        settings=settings,
        library=library,
        downloads=downloads,
        models=models,
        pictures=pictures,
        recipes=RecipeReader(background, library, paths.digests),
        window_state=WindowState(paths.window, background),
        outlook=outlook,
        paths=paths,
        report=lambda: "the report",
    )
    queue.picture.connect(lambda job, finished: finished.path and pictures.added(finished.path))
    thread.start()
    return Stand(window, draft, queue, settings, pictures, library, downloads, transport, paths, thread, background)


@pytest.fixture
def transport() -> ScriptedTransport:
    return ScriptedTransport()


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """The folder of models: one called "postcard"."""
    write_model(tmp_path / "data" / "bundled" / "postcard", FACTS)
    return tmp_path / "data" / "bundled"


@pytest.fixture
def stand(qtbot, tmp_path: Path, models: Path, transport: ScriptedTransport) -> Iterator[Stand]:
    stand = build(tmp_path / "data", transport)
    stand.window.resize(1280, 800)
    stand.window.show()
    qtbot.waitUntil(lambda: stand.queue.engine_state == "ready")
    yield stand
    stand.close()
    apply_theme(QApplication.instance(), "light")


@pytest.fixture
def film_stand(qtbot, tmp_path: Path, transport: ScriptedTransport) -> Iterator[Stand]:
    """A window with a model "both" for pictures and films, "video" that needs a start picture, and "pictures"."""
    bundled = tmp_path / "data" / "bundled"
    write_film_model(bundled / "both", {**FACTS, "name": "Both", "film": {"max_frames": 40}}, bundled / "drifting")
    write_model(bundled / "pictures", {**FACTS, "name": "Pictures"})
    video = {"format": 1, "name": "Video", "sizes": [[128, 128], [192, 128]]}
    write_video_model(bundled / "video", video)
    stand = build(tmp_path / "data", transport)
    stand.window.resize(1280, 800)
    stand.window.show()
    qtbot.waitUntil(lambda: stand.queue.engine_state == "ready")
    yield stand
    stand.close()


@pytest.fixture
def generate(qtbot, stand: Stand):
    """``generate()`` presses the button and waits for the job's end; returns the job."""

    def run() -> Job:
        with qtbot.waitSignal(stand.queue.ended, timeout=5000) as ended:
            stand.window.prompt_panel.button.click()
        return ended.args[0]

    return run


@pytest.fixture
def running(qtbot, stand: Stand):
    """``running()`` queues a job that stands still after its second step, and waits until the window knows."""

    def held(request: GenerationRequest) -> Iterator[ev.Event]:
        for event in draw(request):
            yield event
            if isinstance(event, ev.Denoising) and event.step == 2:
                stand.transport.gate.clear()

    def start() -> Job:
        stand.transport.scripts.appendleft(held)
        stand.window.jobs.generate()
        job = stand.queue.jobs[-1]
        qtbot.waitUntil(lambda: job.step == 2, timeout=5000)
        return job

    return start
