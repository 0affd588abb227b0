"""Downloads in the whole program: what comes is offered, wherever it is put; nothing connects by itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from desktop_app.app import Program
from desktop_app.core import network
from desktop_app.core.paths import app_paths
from desktop_app.download.offer import Offer
from tests.download import server as wrong
from tests.download.server import Server, weights
from tests.scripted import ScriptedTransport

NAME = "soft.safetensors"
PATH = f"/owner/name/resolve/c0ffee/{NAME}"


@pytest.fixture(autouse=True)
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setitem(sys.modules, "keyring", None)
    server = Server()
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    server.repository("owner/name", {NAME: weights(300_000)})
    yield server
    server.close()
    network.set_offline(False)


@pytest.fixture
def program(qapp, tmp_path: Path) -> Iterator[Program]:
    paths = app_paths(tmp_path / "data")
    paths.prepare()
    program = Program(paths, ScriptedTransport())
    program.start()
    yield program
    program.window.close()
    program.close()


def begin(qtbot, program: Program, to: Path) -> None:
    with qtbot.waitSignal(program.downloads.found) as found:
        program.downloads.look_up("owner/name")
    offer: Offer = found.args[0]
    program.downloads.start(offer, offer.choices[0], to)


def names(program: Program) -> list[str]:
    return [item.name for item in program.library.items]


def test_what_comes_into_the_models_folder_is_in_the_library(qtbot, program) -> None:
    begin(qtbot, program, program.paths.models)
    qtbot.waitUntil(lambda: "soft" in names(program), timeout=20_000)
    assert program.settings.get("model_folders") == []


def test_another_folder_becomes_one_that_is_looked_at(qtbot, program, tmp_path) -> None:
    begin(qtbot, program, tmp_path / "elsewhere")
    qtbot.waitUntil(lambda: "soft" in names(program), timeout=20_000)
    assert program.settings.get("model_folders") == [str(tmp_path / "elsewhere")]


def test_switching_off_stops_what_runs(qtbot, program, server) -> None:
    server.go_wrong(PATH, wrong.is_slow)
    begin(qtbot, program, program.paths.models)
    qtbot.waitUntil(lambda: any(entry.progress.done for entry in program.downloads.entries), timeout=20_000)
    program.settings.set("offline", True)
    (entry,) = program.downloads.entries
    qtbot.waitUntil(lambda: entry.state == "failed")
    assert entry.message.id == "download.offline"
    program.settings.set("offline", False)
    with qtbot.waitSignal(program.downloads.finished):
        program.downloads.resume(entry)


def test_the_start_of_the_program_connects_to_nothing(qtbot, tmp_path, server) -> None:
    network.watch()
    before = network.connections()
    paths = app_paths(tmp_path / "data")
    paths.prepare()
    paths.downloads.write_text(f'{{"folder": "{tmp_path.as_posix()}", "unfinished": []}}')
    program = Program(paths, ScriptedTransport())
    program.start()
    qtbot.waitUntil(lambda: program.downloads.folder == tmp_path, timeout=20_000)
    qtbot.waitUntil(lambda: not program.library.scanning, timeout=20_000)
    program.window.close()
    program.close()
    assert network.connections() == before
    assert server.seen == []
