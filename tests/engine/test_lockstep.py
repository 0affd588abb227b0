"""A function that calls back, as a generator."""

from __future__ import annotations

import threading

import pytest

from desktop_app.engine.interrupt import Interrupted
from desktop_app.engine.lockstep import in_lockstep


def test_values_come_in_order_and_the_result_last():
    def work(say):
        for number in range(3):
            say(number)
        return "done"

    def reader():
        return (yield from in_lockstep(work))

    steps = reader()
    assert [next(steps) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert end.value.value == "done"


def test_the_work_waits_for_its_reader():
    reached = []

    def work(say):
        say(1)
        reached.append(1)
        say(2)

    steps = in_lockstep(work)
    assert next(steps) == 1
    assert reached == []
    assert next(steps) == 2
    assert reached == [1]
    steps.close()


def test_what_the_work_raises_is_raised():
    def work(say):
        say(1)
        raise ValueError("no")

    steps = in_lockstep(work)
    next(steps)
    with pytest.raises(ValueError, match="no"):
        next(steps)


def test_closing_interrupts_the_work_and_leaves_no_thread():
    ended = []

    def work(say):
        try:
            say(1)
        except Interrupted:
            ended.append(True)
            raise

    before = threading.active_count()
    steps = in_lockstep(work)
    next(steps)
    steps.close()
    assert ended == [True]
    assert threading.active_count() == before
