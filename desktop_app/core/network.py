"""The connections of this process: counted from the start, and forbidden altogether by one switch.

Both sit below every library: Python's audit events (PEP 578) are raised by the socket module itself before it looks up
a name or connects, and a hook that raises forbids it. A hook cannot be taken out again.
"""

from __future__ import annotations

import socket
import sys
import threading
from typing import Any

_LOOK_UPS = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"}
_SENDS = {"socket.connect", "socket.sendto", "socket.sendmsg"}
_INTERNET = {socket.AF_INET, socket.AF_INET6}


class Offline(OSError):
    """Something wanted a connection while they are forbidden."""

    def __init__(self) -> None:
        super().__init__("connections are switched off")


class _Door:
    """What the hook reads and counts; one for the process."""

    def __init__(self) -> None:
        self.installed = False
        self.shut = False
        self.connections = 0
        self.lock = threading.Lock()

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in _LOOK_UPS:
            self._pass()
        elif event in _SENDS and arguments[0].family in _INTERNET:
            self._pass()
            if event == "socket.connect":
                with self.lock:
                    self.connections += 1

    def _pass(self) -> None:
        if self.shut:
            raise Offline


_door = _Door()


def watch() -> None:
    """Count from now on. More than once is once."""
    with _door.lock:
        if not _door.installed:
            _door.installed = True
            sys.addaudithook(_door.hook)


def set_offline(offline: bool) -> None:
    """Forbid every look-up of a name and every connection of this process, or allow them again."""
    watch()
    _door.shut = offline


def is_offline() -> bool:
    return _door.shut


def connections() -> int:
    """How many connections this process has begun since :func:`watch`, also to this machine itself."""
    return _door.connections
