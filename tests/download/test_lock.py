"""Two processes never write the same download: the second is told, and what the first has brought stays."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from desktop_app.core.errors import AppError
from desktop_app.download.download import begin_offer, download
from desktop_app.download.links import Sites
from desktop_app.download.look_up import look_up
from desktop_app.download.web import Web
from desktop_app.download.work import Work
from tests.download import server as wrong
from tests.download.server import Server, weights

DATA = weights(2_000_000)
ROOT = Path(__file__).parents[2]
PATH = "/owner/name/resolve/c0ffee/soft.safetensors"


@pytest.fixture
def work(server: Server, web: Web, sites: Sites, to: Path) -> Work:
    server.repository("owner/name", {"soft.safetensors": DATA})
    offer = look_up("owner/name", web, sites)
    return begin_offer(offer, offer.choices[0], to)


@pytest.fixture
def other(server: Server, work: Work, to: Path, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """``models download`` of the same model in a process of its own, from a slow server."""
    server.go_wrong(PATH, wrong.is_slow)
    begin = "import sys; sys.modules['keyring'] = None; from desktop_app.cli import main; raise SystemExit(main())"
    options = [f"--data-dir={tmp_path / 'data'}", "download", "owner/name", "--yes", "--to", str(to)]
    command = [sys.executable, "-c", begin, "models", *options]
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, "HF_ENDPOINT": server.url}) as process:
        deadline = time.monotonic() + 60
        while not work.progress.done and time.monotonic() < deadline:
            time.sleep(0.02)
        yield process
        process.kill()


def test_the_second_process_is_told(other, work: Work, web: Web) -> None:
    with pytest.raises(AppError) as raised:
        download(work, web, lambda _: None)
    assert raised.value.message.id == "download.taken"
    work.cancel()
    assert work.progress.done, "what the other has brought was thrown away"


def test_a_process_that_dies_holds_nothing(other, work: Work, web: Web, server: Server, to: Path) -> None:
    other.kill()
    other.wait()
    assert download(work, web, lambda _: None).read_bytes() == DATA
    assert server.asked(PATH)[-1].headers["range"].startswith("bytes=")
    assert [path.name for path in to.iterdir()] == ["soft.safetensors"]


@pytest.mark.skipif(sys.platform == "win32", reason="an open file stays there")
def test_what_is_thrown_away_takes_its_lock_with_it(work: Work) -> None:
    with work.alone():
        work.discard()
        with work.alone(), pytest.raises(AppError), work.alone():
            pass
