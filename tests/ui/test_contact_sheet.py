"""All frames of a film on one sheet."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest
from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QColor

from desktop_app.ui import contact_sheet
from desktop_app.ui.contact_sheet import CELL, STEP_CELL, ContactSheetDialog, frames_sheet, steps_sheet
from desktop_app.ui.images import Film
from desktop_app.ui.kept_steps import MOST_BYTES, MOST_STEPS, KeptSteps
from tests.films import moving
from tests.ui.test_access import unnamed

FILM = Film(moving(8, 64, 48, 10), 8)
STEPS = tuple((step, moving(8, 8, 6, step)) for step in (4, 8))


def shades(sheet) -> set[int]:
    """Greys of the middles of all cells, sampled on a fine grid."""
    colours = (QColor(sheet.pixel(x, y)) for y in range(0, sheet.height(), 9) for x in range(0, sheet.width(), 9))
    return {colour.red() for colour in colours if colour.red() == colour.green() == colour.blue()}


@pytest.mark.parametrize("count", [2, 3, 8, 7])
def test_every_frame_is_on_the_sheet(qapp, count):
    sheet = frames_sheet(Film(moving(count, 64, 48, 10), 8))
    assert {10 + 30 * index for index in range(count)} <= shades(sheet)
    assert sheet.width() >= CELL


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (4, 2), (12, 4), (16, 4), (24, 6), (25, 5)])
def test_rows_are_full_where_they_can_be(count, columns):
    assert contact_sheet._columns(count, 1.1) == columns


def test_with_steps_there_is_a_row_for_each_and_the_film_last(qapp):
    sheet = steps_sheet(FILM, STEPS, "Step {step}", "Finished")
    assert sheet.width() > 8 * STEP_CELL
    found = shades(sheet)
    for first in (4, 8, 10):
        assert {first + 30 * index for index in range(8)} <= found


def test_a_long_film_with_steps_is_thinned(qapp):
    long = Film(moving(2, 8, 6), 8)
    long = Film(type(long.frames)(100, 6, 8, long.frames.data * 50), 8)
    sheet = steps_sheet(long, (), "Step {step}", "Finished")
    assert sheet.width() < (contact_sheet.MOST_COLUMNS + 2) * (STEP_CELL + 8)


def test_the_dialog_shows_copies_and_hands_over_the_sheet(qtbot):
    dialog = ContactSheetDialog(FILM, STEPS)
    qtbot.addWidget(dialog)
    dialog.show()
    assert unnamed(dialog) == []
    with qtbot.waitSignal(dialog.copy_wanted) as copied:
        dialog.copy.click()
    assert copied.args[0] == frames_sheet(FILM)
    dialog.with_steps.click()
    with qtbot.waitSignal(dialog.save_wanted) as saved:
        dialog.save.click()
    assert saved.args[0] == steps_sheet(FILM, STEPS, "Step {step}", "Finished")


def test_without_kept_steps_they_are_not_offered(qtbot):
    dialog = ContactSheetDialog(FILM, ())
    qtbot.addWidget(dialog)
    dialog.show()
    assert not dialog.with_steps.isVisible()


class Queue(QObject):
    progressed = Signal(object)


def run(queue: Queue, steps: int, preview, id: int = 1) -> None:
    for step in range(1, steps + 1):
        queue.progressed.emit(SimpleNamespace(id=id, picture=0, state="denoising", step=step, preview=preview))


@pytest.mark.parametrize("steps", [4, 20, 50, 1000])
def test_kept_steps_are_few_and_evenly_spread(qapp, steps):
    queue = Queue()
    kept = KeptSteps(queue)
    run(queue, steps, moving(4, 8, 8))
    found = [step for step, _ in kept.steps]
    assert min(steps, 4) <= len(found) <= MOST_STEPS
    assert len({later - earlier for earlier, later in itertools.pairwise(found)}) == 1
    run(queue, 1, moving(4, 8, 8), id=2)
    assert [step for step, _ in kept.steps] == [1]


def test_pictures_and_very_long_films_keep_no_steps(qapp):
    queue = Queue()
    kept = KeptSteps(queue)
    run(queue, 4, moving(1, 8, 8))
    large = moving(2, 8, 8)
    run(queue, 4, type(large)(2000, 8, 8 * 6, large.data * 6000), id=2)
    assert MOST_BYTES < 2000 * 8 * 48 * 3
    assert kept.steps == ()
