"""Counting frames in time, with one timer that rests when nothing moves."""

from __future__ import annotations

import pytest

from desktop_app.ui.playhead import Playhead


@pytest.fixture
def playhead(qtbot) -> Playhead:
    playhead = Playhead()
    yield playhead
    playhead.pause()
    assert not playhead.running


def test_playing_brings_every_frame_in_order_and_starts_again(qtbot, playhead):
    seen: list[int] = []
    playhead.moved.connect(seen.append)
    playhead.put_in("film", 4, 100, play=True)
    qtbot.waitUntil(lambda: len(seen) >= 6)
    assert seen[:6] == [1, 2, 3, 0, 1, 2]


def test_pause_stops_the_timer_and_the_frame_stays(playhead):
    playhead.put_in("film", 4, 100, play=True)
    assert playhead.running
    playhead.seek(2)
    playhead.pause()
    assert not playhead.running
    assert playhead.index == 2


def test_a_picture_never_starts_the_timer(playhead):
    playhead.put_in("picture", 1, 8, play=True)
    playhead.toggle()
    assert not playhead.running
    assert not playhead.playing
    playhead.step(1)
    assert playhead.index == 0


def test_newer_pixels_of_the_same_film_keep_frame_and_beat(playhead):
    playhead.put_in("film", 8, 10, play=True)
    playhead.seek(5)
    timer = playhead._timer.timerId()
    playhead.put_in("film", 8, 10, play=True)
    assert (playhead.index, playhead._timer.timerId()) == (5, timer)
    playhead.put_in("another", 8, 10, play=True)
    assert playhead.index == 0


def test_a_pause_outlasts_newer_pixels_of_the_same_film(playhead):
    playhead.put_in("film", 8, 10, play=True)
    playhead.pause()
    playhead.put_in("film", 8, 10, play=True)
    assert not playhead.running


def test_without_loop_it_ends_on_the_last_frame_and_plays_again_from_the_first(qtbot, playhead):
    playhead.set_loop(False)
    playhead.put_in("film", 3, 100, play=True)
    qtbot.waitUntil(lambda: not playhead.playing)
    assert playhead.index == 2
    assert not playhead.running
    playhead.play()
    assert playhead.index == 0


def test_stepping_pauses_and_goes_round(playhead):
    playhead.put_in("film", 3, 10, play=True)
    playhead.step(-1)
    assert (playhead.index, playhead.playing) == (2, False)
    playhead.step(1)
    assert playhead.index == 0


@pytest.mark.parametrize(("speed", "interval"), [(0.25, 400), (1.0, 100), (2.0, 50)])
def test_speed_changes_the_pace(playhead, speed, interval):
    playhead.put_in("film", 3, 10, play=True)
    playhead.set_speed(speed)
    assert playhead._timer.interval() == interval


def test_it_stands_still_while_anything_holds_it(playhead):
    playhead.put_in("film", 3, 10, play=True)
    playhead.hold("hidden", True)
    playhead.hold("scrub", True)
    playhead.hold("scrub", False)
    assert playhead.playing
    assert not playhead.running
    playhead.hold("hidden", False)
    assert playhead.running
