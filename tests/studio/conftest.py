from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from desktop_app.export.pictures import save_picture
from desktop_app.studio.background import Background
from desktop_app.studio.generation_thread import GenerationThread
from desktop_app.studio.job_queue import JobQueue
from tests.scripted import ScriptedTransport


@pytest.fixture
def background(qapp) -> Iterator[Background]:
    background = Background()
    yield background
    background.close()


@pytest.fixture
def make_queue(qapp, tmp_path: Path) -> Iterator:
    """``make_queue(transport)`` starts a job queue over a transport; pictures go to ``tmp_path / "pictures"``."""
    threads = []

    def save(frames, result):
        folder = tmp_path / "pictures"
        return save_picture(frames, result, folder=folder, template="{seed}", format="png", quality=90, metadata=True)

    def make(transport, save=save) -> JobQueue:
        thread = GenerationThread(transport, save)
        queue = JobQueue(thread, lambda: True)
        thread.start()
        threads.append((thread, queue))
        return queue

    yield make
    for thread, _ in threads:
        thread.shut_down()


@pytest.fixture
def transport() -> ScriptedTransport:
    return ScriptedTransport()
