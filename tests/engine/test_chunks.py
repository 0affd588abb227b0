"""Work in pieces: the same result as at once, smaller pieces where memory is short, and Cancel between them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from desktop_app.core.control import StopSignal
from desktop_app.engine.chunks import in_chunks
from desktop_app.engine.interrupt import Interrupted

VALUES = torch.arange(2 * 10 * 3).float().view(2, 10, 3)


class Doubling:
    """Doubles what it is given, (2, n, 3) as (n, 6); fails as torch does for more than ``room`` slices at once."""

    def __init__(self, room: int = 100) -> None:
        self.room = room
        self.asked: list[int] = []

    def __call__(self, values: Tensor) -> Tensor:
        self.asked.append(values.shape[1])
        if values.shape[1] > self.room:
            raise torch.OutOfMemoryError("no room")
        return 2 * values.transpose(0, 1).flatten(1)


@pytest.mark.parametrize("chunk", [1, 3, 5, 10, 99])
def test_pieces_give_the_whole(chunk):
    work = Doubling()
    whole = work(VALUES)
    work.asked.clear()
    assert torch.equal(in_chunks(work, VALUES, 1, chunk, StopSignal()), whole)
    assert max(work.asked) == min(chunk, 10)
    assert sum(work.asked) == 10


def test_pieces_are_halved_where_memory_runs_out_and_nothing_is_done_twice():
    work = Doubling(room=2)
    assert torch.equal(in_chunks(work, VALUES, 1, 8, StopSignal()), Doubling()(VALUES))
    assert work.asked == [8, 4, 2, 2, 2, 2, 2]


def test_one_slice_too_large_is_an_error_at_last():
    work = Doubling(room=0)
    with pytest.raises(torch.OutOfMemoryError):
        in_chunks(work, VALUES, 1, 8, StopSignal())
    assert work.asked == [8, 4, 2, 1]


def test_other_errors_are_not_retried():
    asked = []

    def broken(values: Tensor) -> Tensor:
        asked.append(values.shape[1])
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        in_chunks(broken, VALUES, 1, 8, StopSignal())
    assert asked == [8]


def test_a_processors_refusal_counts_as_memory():
    """On a CPU torch raises a plain RuntimeError; 1 PiB is refused on any machine."""
    asked = []

    def greedy(values: Tensor) -> Tensor:
        asked.append(values.shape[1])
        return torch.empty(2**50, dtype=torch.uint8) if values.shape[1] > 1 else values[0]

    assert in_chunks(greedy, VALUES, 1, 4, StopSignal()).shape == (10, 3)
    assert asked == [4, 2, *[1] * 10]


def test_cancel_is_heard_between_pieces():
    stop, work = StopSignal(), Doubling()

    def cancelling(values: Tensor) -> Tensor:
        stop.cancel()
        return work(values)

    with pytest.raises(Interrupted):
        in_chunks(cancelling, VALUES, 1, 2, stop)
    assert work.asked == [2]
