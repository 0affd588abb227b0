"""The window's downloads over real threads, from a server on this machine."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from desktop_app.core import network
from desktop_app.download.links import Sites
from desktop_app.download.tokens import Tokens
from desktop_app.studio.background import Background
from desktop_app.studio.downloads import Download, Downloads
from tests.download import server as wrong
from tests.download.server import Server, weights

DATA = weights(500_000)
NAME = "soft.safetensors"
PATH = f"/owner/name/resolve/c0ffee/{NAME}"


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    server.repository("owner/name", {NAME: DATA})
    yield server
    server.close()
    network.set_offline(False)


@pytest.fixture
def make(qapp, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Downloads]]:
    """``make()`` starts what the window has; each call as if the program was started once more."""
    monkeypatch.setitem(sys.modules, "keyring", None)
    running: list[tuple[Downloads, Background]] = []

    def end() -> None:
        while running:
            downloads, background = running.pop()
            downloads.close()
            background.close()

    def start() -> Downloads:
        end()
        background = Background()
        tokens = Tokens(tmp_path / "tokens.json", {})
        downloads = Downloads(tmp_path / "downloads.json", tmp_path / "models", tokens, Sites(server.url), background)
        running.append((downloads, background))
        return downloads

    yield start
    end()


@pytest.fixture
def downloads(make) -> Downloads:
    return make()


@pytest.fixture
def begin(qtbot, downloads: Downloads) -> Callable[[], Download]:
    """``begin()`` looks the repository up and starts the download."""

    def begin() -> Download:
        with qtbot.waitSignal(downloads.found) as found:
            downloads.look_up("owner/name")
        with qtbot.waitSignal(downloads.changed):
            downloads.start(found.args[0], found.args[0].choices[0], downloads.folder)
        return downloads.entries[-1]

    return begin


def until(qtbot, entry: Download, state: str) -> None:
    qtbot.waitUntil(lambda: entry.state == state and not (state != "running" and entry.at_work))


def test_from_a_link_to_a_model(qtbot, downloads, begin, tmp_path) -> None:
    with qtbot.waitSignal(downloads.finished) as finished:
        entry = begin()
    assert finished.args == [tmp_path / "models" / NAME]
    assert (entry.state, entry.path) == ("finished", tmp_path / "models" / NAME)
    assert entry.path.read_bytes() == DATA


def test_a_pause_and_a_new_start_of_the_program_lose_nothing(qtbot, downloads, begin, make, server, tmp_path) -> None:
    server.go_wrong(PATH, wrong.is_slow)
    entry = begin()
    qtbot.waitUntil(lambda: entry.state == "running" and entry.progress.done > 0)
    assert entry.rate.speed >= 0
    downloads.pause(entry)
    until(qtbot, entry, "paused")
    server.go_wrong(PATH, wrong.is_slow)
    downloads.resume(entry)
    until(qtbot, entry, "running")
    again = make()
    with qtbot.waitSignal(again.changed):
        again.restore()
    (entry,) = again.entries
    assert entry.state == "paused", "nothing connects by itself"
    assert entry.progress.done > 0
    asked = len(server.seen)
    with qtbot.waitSignal(again.finished):
        again.resume(entry)
    assert server.seen[asked].headers["range"].startswith("bytes=")
    assert (tmp_path / "models" / NAME).read_bytes() == DATA
    qtbot.waitUntil(lambda: json.loads((tmp_path / "downloads.json").read_text())["unfinished"] == [])


def test_cancel_throws_away_what_has_come(qtbot, downloads, begin, server, tmp_path) -> None:
    server.go_wrong(PATH, wrong.is_slow)
    entry = begin()
    qtbot.waitUntil(lambda: entry.state == "running" and entry.progress.done > 0)
    downloads.remove(entry)
    assert downloads.entries == []
    qtbot.waitUntil(lambda: list((tmp_path / "models").iterdir()) == [])


def test_one_that_rests_can_be_cancelled(qtbot, downloads, begin, server, tmp_path) -> None:
    server.go_wrong(PATH, wrong.is_slow)
    entry = begin()
    until(qtbot, entry, "running")
    downloads.pause(entry)
    until(qtbot, entry, "paused")
    downloads.remove(entry)
    qtbot.waitUntil(lambda: list((tmp_path / "models").iterdir()) == [])


def test_one_after_the_other_and_each_once(qtbot, downloads, begin, server) -> None:
    server.go_wrong(PATH, wrong.is_slow)
    first = begin()
    until(qtbot, first, "running")
    assert begin() is first, "what runs is not begun twice"
    server.repository("owner/name", {"other.safetensors": weights(2000)})
    second = begin()
    assert second.state == "waiting"
    downloads.pause(first)
    with qtbot.waitSignal(downloads.finished):
        pass
    assert (first.state, second.state) == ("paused", "finished")


def test_a_failure_says_why_and_can_be_tried_again(qtbot, downloads, begin, server) -> None:
    server.go_wrong(PATH, wrong.says(404))
    entry = begin()
    until(qtbot, entry, "failed")
    assert entry.message.id == "download.not-found"
    with qtbot.waitSignal(downloads.finished):
        downloads.resume(entry)
    assert entry.message is None


def test_a_link_that_leads_nowhere(qtbot, downloads) -> None:
    with qtbot.waitSignal(downloads.not_found) as answer:
        downloads.look_up("nonsense")
    assert answer.args[0].id == "download.link"


@pytest.mark.parametrize("how", [wrong.is_slow, wrong.hangs(60)])
def test_only_the_last_question_is_answered(qtbot, downloads, server, how) -> None:
    server.repository("owner/second", {"b.safetensors": weights(2000)})
    server.go_wrong("/api/models/owner/name/revision/main", how)
    answers = []
    downloads.found.connect(answers.append)
    downloads.not_found.connect(answers.append)
    downloads.look_up("owner/name")
    downloads.look_up("owner/second")
    qtbot.waitUntil(lambda: bool(answers))
    assert [answer.title for answer in answers] == ["owner/second"]


def test_a_token_is_kept_and_used(qtbot, downloads, begin, server) -> None:
    with qtbot.waitSignal(downloads.token_kept) as kept:
        downloads.keep_token("huggingface", "hf_secret")
    assert kept.args == ["file"]
    with qtbot.waitSignal(downloads.finished):
        begin()
    assert {seen.headers["authorization"] for seen in server.seen} == {"Bearer hf_secret"}


def test_a_damaged_list_is_an_empty_one(qtbot, downloads, tmp_path) -> None:
    (tmp_path / "downloads.json").write_text("[")
    with qtbot.waitSignal(downloads.changed):
        downloads.restore()
    assert downloads.entries == []
