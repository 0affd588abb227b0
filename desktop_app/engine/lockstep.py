"""A function that calls back, turned into a generator: one of the two runs at a time."""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, TypeVar

from desktop_app.engine.interrupt import Interrupted

Said = TypeVar("Said")
Made = TypeVar("Made")


def in_lockstep(work: Callable[[Callable[[Said], None]], Made]) -> Generator[Said, None, Made]:
    """Yields what ``work(say)`` says, and returns what it returns or raises what it raises.

    ``work`` runs on a thread of its own, but never at the same time as the reader: ``say`` comes back when the next
    value is asked for. When the generator is closed instead, it raises :class:`Interrupted` inside ``work``.
    """
    said: SimpleQueue[tuple[bool, Any]] = SimpleQueue()
    wanted: SimpleQueue[bool] = SimpleQueue()

    def say(value: Said) -> None:
        said.put((True, value))
        if not wanted.get():
            raise Interrupted

    with ThreadPoolExecutor(1, thread_name_prefix="lockstep") as threads:
        future: Future[Made] = threads.submit(work, say)
        future.add_done_callback(lambda _: said.put((False, None)))
        try:
            while (message := said.get())[0]:
                yield message[1]
                wanted.put(True)
        finally:
            wanted.put(False)
    return future.result()
