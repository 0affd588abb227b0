"""What the row under the canvas and the queue say about films, and about what could not be saved."""

from __future__ import annotations

from dataclasses import replace

import pytest

from desktop_app.core import events as ev
from desktop_app.core.errors import AppError
from tests.films import draw_film, film_request, save_gif


@pytest.fixture
def film(qtbot, stand):
    """``film(**changes)`` makes a film of six frames and waits for its end."""

    def make(**changes):
        stand.transport.scripts.appendleft(draw_film)
        request = replace(film_request(stand.draft.request()), **changes)
        with qtbot.waitSignal(stand.queue.ended, timeout=5000):
            stand.window.viewer.follow(stand.queue.add(request))
        stand.window.viewer.playhead.pause()

    return make


def refuse(frames, result):
    raise AppError("save.full", file="film.mp4", folder="/full")


def test_a_finished_film_tells_its_frames(stand, film):
    stand.thread._save = save_gif(stand.paths.pictures)
    film()
    text = stand.window.status.text.text()
    assert text.startswith("Seed ")
    assert text.endswith("64 × 64 px · 6 frames")


def test_a_batch_of_films_speaks_of_films(qtbot, stand):
    def held(request):
        yield ev.Denoising(1, 2, 2, 4)
        stand.transport.gate.clear()
        yield ev.Decoding(1)

    stand.transport.scripts.append(held)
    job = stand.queue.add(replace(film_request(stand.draft.request()), count=2))
    qtbot.waitUntil(lambda: job.step == 2, timeout=5000)
    assert stand.window.status.text.text().startswith("Film 2/2 · step 2/4")
    row = stand.window.side.queue_panel._rows[job.id]
    assert row.state.text() == "Running · 2 films of 6 frames · 64 × 64 px"
    stand.transport.gate.set()
    stand.queue.cancel()
    qtbot.waitUntil(lambda: job.ended, timeout=5000)


def test_one_waiting_film_tells_its_frames(qtbot, stand, running):
    running()
    job = stand.queue.add(film_request(stand.draft.request()))
    assert stand.window.side.queue_panel._rows[job.id].state.text() == "Waiting · film of 6 frames · 64 × 64 px"
    stand.queue.clear_waiting()


def test_what_could_not_be_saved_offers_to_be_saved_again(stand, film, generate):
    button = stand.window.status.save_again
    stand.thread._save = refuse
    film()
    assert stand.window.viewer.shown.path is None
    assert stand.window.viewer.shown.film.count == 6, "the frames are kept"
    assert button.isVisible()
    stand.thread._save = save_gif(stand.paths.pictures)
    film()
    assert not button.isVisible()
