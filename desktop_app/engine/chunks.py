"""Work over many frames in pieces that fit into memory."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from desktop_app.core.control import StopSignal
from desktop_app.engine.device import give_memory_back, ran_out_of_memory
from desktop_app.engine.interrupt import check


def in_chunks(work: Callable[[Tensor], Tensor], values: Tensor, dim: int, chunk: int, stop: StopSignal) -> Tensor:
    """``work`` done on ``chunk`` slices of ``values`` along ``dim`` at a time; its results are joined along theirs.

    Where memory runs out the chunks are halved, down to one slice; then the error is raised.
    """
    done: list[Tensor] = []
    first = 0
    while first < values.shape[dim]:
        check(stop)
        piece = values.narrow(dim, first, min(chunk, values.shape[dim] - first))
        try:
            done.append(work(piece))
        except (MemoryError, RuntimeError) as problem:
            if piece.shape[dim] == 1 or not ran_out_of_memory(problem):
                raise
            chunk = piece.shape[dim] // 2
        else:
            first += piece.shape[dim]
            continue
        give_memory_back()  # once the error, which holds on to the tensors, is gone
    return torch.cat(done)
