"""A lock between processes that is the system's own: it ends with its process, however that ends."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

_TAKEN = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)

if sys.platform == "win32":
    import msvcrt

    def _take(lock: int) -> None:
        msvcrt.locking(lock, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _take(lock: int) -> None:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def take(path: Path) -> int | None:
    """A descriptor that holds the file ``path``, made if need be, until it is closed; None while another holds it.

    Raises ``OSError`` where the file cannot be opened. A disk that knows no locks gives one to everybody.
    """
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _take(lock)
        except OSError as problem:
            if problem.errno in _TAKEN:
                os.close(lock)
                return None
        if _is_still(lock, path):
            return lock
        os.close(lock)  # whoever had it before has just removed it


def _is_still(lock: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(lock), path.stat())
    except FileNotFoundError:
        return False
