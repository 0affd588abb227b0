"""The switch and the counter sit in the socket layer itself."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator

import pytest

from desktop_app.core import network


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    network.watch()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener
    network.set_offline(False)


def test_every_connection_is_counted(listener: socket.socket) -> None:
    before = network.connections()
    for _ in range(2):
        with socket.socket() as line:
            line.connect(listener.getsockname())
    with socket.socket() as line:
        assert line.connect_ex(listener.getsockname()) == 0
    assert network.connections() == before + 3


def test_while_offline_nothing_gets_out(listener: socket.socket) -> None:
    network.set_offline(True)
    before = network.connections()
    with socket.socket() as line, pytest.raises(network.Offline):
        line.connect(listener.getsockname())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line, pytest.raises(network.Offline):
        line.sendto(b"x", listener.getsockname())
    for look_up in (lambda: socket.getaddrinfo("localhost", 80), lambda: socket.gethostbyname("localhost")):
        with pytest.raises(network.Offline):
            look_up()
    assert network.is_offline()
    assert network.connections() == before


@pytest.mark.skipif(sys.platform == "win32", reason="this system has no such sockets")
def test_processes_of_this_machine_still_talk(listener: socket.socket) -> None:
    network.set_offline(True)
    before = network.connections()
    first, second = socket.socketpair()
    with first, second:
        first.sendall(b"x")
        assert second.recv(1) == b"x"
    assert network.connections() == before
