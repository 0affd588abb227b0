"""A server on this machine, and a conversation that does not wait long."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from desktop_app.core import network
from desktop_app.download.links import Sites
from desktop_app.download.web import Patience, Web
from tests.download.server import Server

QUICK = Patience(tries=3, first_wait=0.01, connect=2, read=1)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def sites(server: Server) -> Sites:
    """Hugging Face on the server."""
    return Sites(huggingface=server.url)


@pytest.fixture
def web() -> Iterator[Web]:
    web = Web(patience=QUICK)
    yield web
    web.close()


@pytest.fixture
def to(tmp_path: Path) -> Path:
    """The folder that a person has chosen."""
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


@pytest.fixture(autouse=True)
def _online() -> Iterator[None]:
    yield
    network.set_offline(False)
