"""Films in the middle of the window: preview, player, and what is done with a frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog

from desktop_app.core import events as ev
from desktop_app.core.frames import Frames
from desktop_app.export.pictures import save_picture
from desktop_app.ui import theme
from desktop_app.ui.images import frames_of, image_of
from tests.films import draw_film, film_request, moving, save_gif, write_gif
from tests.scripted import RUN, frames

SHADES = [40 + 30 * i for i in range(6)]


def shade(image) -> int:
    return image.pixelColor(0, 0).red()


def on_canvas(stand) -> int:
    return shade(stand.window.canvas._image)


@pytest.fixture
def film(qtbot, stand):
    """``film()`` makes a film of six frames through the whole window and returns the player bar, standing still."""

    def make(**changes):
        stand.thread._save = save_gif(stand.paths.pictures)
        stand.transport.scripts.appendleft(draw_film)
        request = film_request(replace(stand.draft.request(), **changes))
        with qtbot.waitSignal(stand.queue.ended, timeout=5000):
            stand.window.viewer.follow(stand.queue.add(request))
        stand.window.viewer.playhead.pause()
        stand.window.viewer.playhead.seek(0)
        QApplication.processEvents()  # the bar gets its place
        return stand.window.player

    return make


@pytest.fixture
def previewing(qtbot, stand):
    """``previewing()`` starts a film that stands still after its second step."""

    def held(request) -> Iterator[ev.Event]:
        for event in draw_film(request):
            yield event
            if isinstance(event, ev.Denoising) and event.step == 2:
                stand.transport.gate.clear()

    def start():
        stand.transport.scripts.appendleft(held)
        job = stand.queue.add(film_request(stand.draft.request()))
        stand.window.viewer.follow(job)
        qtbot.waitUntil(lambda: job.step == 2, timeout=5000)
        return job

    yield start
    stand.thread._save = save_gif(stand.paths.pictures)
    stand.transport.gate.set()
    qtbot.waitUntil(lambda: not stand.queue.jobs, timeout=5000)


@pytest.fixture
def started(stand, monkeypatch):
    """What reaches the draft as (path, use)."""
    calls = []
    monkeypatch.setattr(stand.draft, "use_start", lambda path, use="vary": calls.append((path, use)))
    return calls


# -- while it is made


def test_the_growing_preview_plays_all_its_frames(qtbot, stand, previewing):
    job = previewing()
    seen = set()
    stand.window.viewer.playhead.moved.connect(lambda _: seen.add(on_canvas(stand)))
    qtbot.waitUntil(lambda: len(seen) == 6, timeout=5000)
    assert seen == {shade(image_of(job.preview, index)) for index in range(6)}
    assert stand.window.viewer.playhead._timer.interval() == 125
    assert not stand.window.player.frame.isVisible()


def test_the_next_steps_preview_goes_on_at_the_same_frame(qtbot, stand, previewing):
    job = previewing()
    playhead = stand.window.viewer.playhead
    playhead.seek(4)
    timer = playhead._timer.timerId()
    job.preview, job.step = moving(6, 8, 8, shade=90), 3
    stand.queue.progressed.emit(job)
    assert (playhead.index, playhead._timer.timerId()) == (4, timer)
    assert on_canvas(stand) == 90 + 30 * 4


def test_reduced_motion_shows_a_still_frame(stand, previewing, monkeypatch):
    monkeypatch.setattr(theme, "reduced_motion", lambda: True)
    previewing()
    assert stand.window.canvas.has_image
    assert not stand.window.viewer.playhead.running


def test_a_stopped_film_stands_still_and_is_dimmed(qtbot, stand, previewing):
    job = previewing()
    assert stand.window.viewer.playhead.running
    stand.window._stop()
    qtbot.waitUntil(lambda: job.ended, timeout=5000)
    assert not stand.window.viewer.playhead.running
    assert stand.window.canvas._dim


def test_a_film_that_nobody_sees_stands_still(stand, film):
    film()
    playhead = stand.window.viewer.playhead
    playhead.play()
    assert playhead.running
    stand.window.hide()
    assert not playhead.running
    stand.window.show()
    assert playhead.running


# -- the bar


def test_pictures_have_no_bar_and_films_have_one(stand, film, generate):
    assert not stand.window.player.frame.isVisible()
    bar = film()
    assert bar.frame.isVisible()
    stand.thread._save = lambda f, r: save_picture(
        f, r, folder=stand.paths.pictures, template="{seed}", format="png", quality=90, metadata=True
    )
    stand.draft.set_value("seed", 5)
    generate()
    assert not bar.frame.isVisible()
    assert not stand.window.actions_by_id["play"].isEnabled()
    assert not stand.window.viewer.playhead.running


def test_a_finished_film_plays_by_itself(qtbot, stand, film):
    film()
    seen = set()
    stand.window.viewer.playhead.moved.connect(lambda _: seen.add(on_canvas(stand)))
    stand.window.player.play.click()
    qtbot.waitUntil(lambda: len(seen) == 6, timeout=5000)
    assert seen == set(SHADES)
    assert stand.window.player.play.accessibleName() == "Pause"
    stand.window.player.play.click()
    assert stand.window.player.play.accessibleName() == "Play"
    assert not stand.window.viewer.playhead.running


def test_scrubbing_shows_the_frame_and_plays_on_afterwards(stand, film):
    bar, playhead = film(), stand.window.viewer.playhead
    playhead.play()
    at = QPoint(bar.scrub.x_of(4), bar.scrub.height() // 2)
    QTest.mousePress(bar.scrub, Qt.MouseButton.LeftButton, pos=at)
    assert (playhead.index, on_canvas(stand)) == (4, SHADES[4])
    assert not playhead.running
    QTest.mouseMove(bar.scrub, QPoint(bar.scrub.x_of(2), at.y()))
    assert on_canvas(stand) == SHADES[2]
    QTest.mouseRelease(bar.scrub, Qt.MouseButton.LeftButton, pos=at)
    assert playhead.running


def test_above_the_pointer_is_a_small_picture_of_the_frame(stand, film):
    bar = film()
    QTest.mouseMove(bar.scrub, QPoint(bar.scrub.x_of(3), 5))
    assert bar.scrub.peek.isVisible()
    assert shade(bar.scrub.peek.pixmap().toImage()) == SHADES[3]
    assert stand.window.viewer.playhead.index == 0
    bar.hide()
    assert not bar.scrub.peek.isVisible()


@pytest.mark.parametrize("frame", range(6))
def test_every_frame_can_be_reached_with_the_pointer(film, frame):
    bar = film()
    assert bar.scrub.value_at(bar.scrub.x_of(frame)) == frame


def test_the_counter_tells_frame_count_and_time(stand, film):
    bar = film()
    stand.window.viewer.playhead.seek(4)
    assert bar.counter.text() == "5 / 6 · 0.6 s"


def test_speed_and_loop_are_chosen_in_the_bar(stand, film):
    bar, playhead = film(), stand.window.viewer.playhead
    playhead.play()
    assert [action.text() for action in bar.speed.menu().actions()] == ["0.25×", "0.5×", "1×", "1.5×", "2×"]
    bar.speed.menu().actions()[-1].trigger()
    assert (bar.speed.text(), playhead._timer.interval()) == ("2×", 62)
    bar.loop.click()
    assert not playhead.loop
    assert not bar.loop.isChecked()


def test_keys_play_and_go_frame_by_frame(stand, film):
    bar, playhead, canvas = film(), stand.window.viewer.playhead, stand.window.canvas
    canvas.setFocus()
    QTest.keyClick(canvas, Qt.Key.Key_Space)
    assert playhead.running
    QTest.keyClick(canvas, Qt.Key.Key_Space)
    assert not playhead.running
    playhead.seek(0)
    QTest.keyClick(canvas, Qt.Key.Key_Period)
    assert playhead.index == 1
    QTest.keyClick(canvas, Qt.Key.Key_Comma)
    QTest.keyClick(canvas, Qt.Key.Key_Comma)
    assert playhead.index == 5
    for part in (bar.scrub, bar.loop, bar.play):
        part.setFocus()
        QTest.keyClick(part, Qt.Key.Key_Right)
        QTest.keyClick(part, Qt.Key.Key_Right)
        QTest.keyClick(part, Qt.Key.Key_Left)
    assert playhead.index == 2
    assert part.hasFocus()
    bar.scrub.setFocus()
    QTest.keyClick(bar.scrub, Qt.Key.Key_Space)
    assert playhead.running


def test_in_the_prompt_the_keys_are_letters(stand, film):
    film()
    prompt = stand.window.prompt_panel.prompt
    prompt.setFocus()
    stand.draft.set_value("prompt", "")
    QTest.keyClicks(prompt, "a , . b")
    assert stand.draft.value("prompt") == "a , . b"
    assert stand.window.viewer.playhead.index == 0
    assert not stand.window.viewer.playhead.playing


def test_a_narrow_bar_leaves_the_step_buttons_to_their_keys(stand, film):
    bar = film()
    assert bar.back.isVisible()
    bar.resize(380, bar.height())
    assert not bar.back.isVisible()
    assert bar.play.isVisible()


def test_canvas_only_hides_the_bar_and_brings_it_back(stand, film):
    bar = film()
    stand.window.actions_by_id["canvas_only"].trigger()
    assert not bar.isVisible()
    stand.window.actions_by_id["canvas_only"].trigger()
    assert bar.frame.isVisible()


# -- a frame


def test_copying_gives_the_frame_in_front(stand, film):
    film()
    stand.window.viewer.playhead.seek(3)
    stand.window.actions_by_id["copy_image"].trigger()
    assert frames_of(QGuiApplication.clipboard().image()) == frames(64, 64, SHADES[3])
    assert stand.window.actions_by_id["copy_image"].text() == "Copy this frame"


def test_saving_a_frame_writes_a_picture_of_it(qtbot, stand, film, tmp_path):
    film()
    stand.window.viewer.playhead.seek(2)
    stand.window.actions_by_id["save_frame"].trigger()
    dialog = stand.window.findChild(QFileDialog)
    assert dialog.selectedFiles()[0].endswith("-003.png")
    target = tmp_path / "frame.png"
    with qtbot.waitSignal(stand.window.picture_actions.said, timeout=5000):
        dialog.fileSelected.emit(str(target))
    dialog.close()
    assert frames_of(QImage(str(target))) == frames(64, 64, SHADES[2])


def test_a_frame_becomes_the_start_picture(qtbot, stand, film, started):
    film()
    stand.window.viewer.playhead.seek(2)
    for _ in range(2):  # the same frame is the same file
        stand.window.actions_by_id["use_start"].trigger()
    qtbot.waitUntil(lambda: len(started) == 2, timeout=5000)
    (path, use), again = started
    assert (path, use) == again
    assert use == "vary"
    assert path.parent == stand.paths.start_pictures
    assert frames_of(QImage(str(path))) == frames(64, 64, SHADES[2])


def test_a_film_is_extended_as_a_whole_only_from_its_last_frame(qtbot, stand, film, started):
    film()
    shown = stand.window.viewer.shown
    stand.window.viewer.playhead.seek(5)
    stand.window.actions_by_id["extend"].trigger()
    assert started == [(shown.path, "extend")]
    stand.window.viewer.playhead.seek(1)
    stand.window.actions_by_id["extend"].trigger()
    qtbot.waitUntil(lambda: len(started) == 2, timeout=5000)
    assert started[1][0].suffix == ".png"
    assert started[1][1] == "extend"


def test_a_picture_is_its_own_start_picture(stand, generate, started):
    generate()
    stand.window.actions_by_id["use_start"].trigger()
    assert started == [(stand.window.viewer.shown.path, "vary")]
    assert not stand.window.actions_by_id["extend"].isEnabled()


def test_the_menus_of_a_film_offer_its_frames(stand, film):
    bar = film()
    texts = [action.text() for action in bar.more.menu().actions() if action.text()]
    assert texts == [
        *("Copy this frame", "Save this frame…"),
        *("Use as start picture", "Extend from here", "Contact sheet…"),
    ]


def test_a_film_is_not_offered_to_be_enlarged_and_its_details_tell_of_it(stand, film):
    film(start="/somewhere/boat.png", strength=0.6)
    assert stand.window.picture_actions.enlarge_factor == 1
    panel = stand.window.side.details_panel
    result = stand.window.viewer.shown.result
    told = dict(panel._settings(result))
    assert told["Length"] == "6 frames, 0.8 s"
    assert told["Frame rate"] == "8 a second"
    assert (told["Start picture"], told["Strength"]) == ("boat.png", "0.6")
    told = dict(panel._settings(replace(result, request=replace(result.request, start_use="extend"))))
    assert told["Goes on from"] == "boat.png"
    assert "Strength" not in told


# -- films in files


def test_a_film_chosen_in_the_strip_is_read_back_and_plays(qtbot, stand):
    path = write_gif(stand.paths.pictures / "a.gif", moving(), 10)
    stand.pictures.refresh()
    qtbot.waitUntil(lambda: bool(stand.window.viewer.shown and stand.window.viewer.shown.film), timeout=5000)
    shown = stand.window.viewer.shown
    assert (shown.path, shown.film.count, shown.film.fps) == (path, 6, 10)
    assert [shade(shown.film.image(index)) for index in range(6)] == SHADES
    assert stand.window.viewer.playhead.running
    assert stand.window.player.frame.isVisible()


def test_a_film_in_a_batch_keeps_its_own_steps(stand, film):
    film()
    steps = stand.window.viewer.shown.steps
    assert [step for step, _ in steps] == [1, 2, 3, 4]
    assert all(isinstance(kept, Frames) and kept.count == 6 for _, kept in steps)
    assert stand.window.viewer.shown.result.run == RUN
