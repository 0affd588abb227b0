"""From a pasted link to a model in the library, in the window, from a server on this machine."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from desktop_app.core import network
from desktop_app.ui.download_texts import time_text
from desktop_app.ui.rail import MODELS
from tests.download import server as wrong
from tests.download.server import Server, weights
from tests.ui.test_access import interactive, unnamed

DATA = weights(400_000)
NAME = "soft.safetensors"
API, PATH = "/api/models/owner/name/revision/main", f"/owner/name/resolve/c0ffee/{NAME}"


@pytest.fixture(autouse=True)
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Before the window, which reads once where Hugging Face is."""
    monkeypatch.setitem(sys.modules, "keyring", None)
    network.watch()
    server = Server()
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    server.repository("owner/name", {NAME: DATA}, cardData={"license": "mit"})
    yield server
    server.close()
    network.set_offline(False)


@pytest.fixture
def workspace(server, stand):
    stand.downloads.finished.connect(stand.library.refresh)
    stand.window._show_workspace(MODELS)
    return stand.window.models_workspace


@pytest.fixture
def dialog(workspace):
    dialog = workspace.open_download()
    yield dialog
    dialog.close()


def look_up(qtbot, dialog, text: str = "owner/name") -> None:
    dialog.link.setText(text)
    QTest.keyClick(dialog.link, Qt.Key.Key_Return)
    qtbot.waitUntil(dialog.ask.isEnabled)


@pytest.fixture
def begin(qtbot, stand, workspace):
    """``begin()`` downloads the repository through the dialog; returns its card."""

    def begin():
        dialog = workspace.open_download()
        look_up(qtbot, dialog)
        with qtbot.waitSignal(stand.downloads.changed):
            dialog.start.click()
        return workspace.download_panel.cards[stand.downloads.entries[-1]]

    return begin


def test_a_link_is_told_before_anything_is_downloaded(qtbot, dialog, server, stand):
    assert not dialog.start.isEnabled()
    look_up(qtbot, dialog)
    assert dialog.title.text() == "owner/name"
    assert dialog.table.text().splitlines()[:3] == [f"Takes: {NAME}", "Size: 400 kB", "Licence: mit"]
    assert dialog.folder.text() == str(stand.paths.models)
    assert dialog.start.isEnabled()
    assert server.asked(PATH) == []
    QTest.keyClick(dialog.link, Qt.Key.Key_X)
    assert not dialog.start.isEnabled(), "another link is another question"


def test_everything_in_the_dialog_has_a_name_and_a_tooltip(qtbot, dialog, server):
    server.repository("owner/name", {NAME: DATA, "b.ckpt": DATA}, gated="auto")
    look_up(qtbot, dialog)
    assert len(interactive(dialog)) > 7
    assert unnamed(dialog) == []


def test_one_of_several_files_is_a_persons_choice(qtbot, dialog, server):
    server.repository("owner/name", {NAME: DATA, "b.ckpt": b"\x80" * 5000, "c.gguf": b"GGUF" * 500})
    look_up(qtbot, dialog)
    assert not dialog.start.isEnabled()
    assert [dialog.choice.itemText(row) for row in range(4)] == [
        "Choose one of 3 files…",
        "c.gguf · 2.0 kB",
        f"{NAME} · 400 kB",
        "b.ckpt · 5.0 kB",
    ]
    dialog.choice.setCurrentIndex(1)
    assert dialog.start.isEnabled()
    assert dialog.careful.isHidden()
    dialog.choice.setCurrentIndex(3)
    assert not dialog.careful.isHidden()


@pytest.mark.parametrize(
    ("text", "said"), [("nonsense", "neither a repository nor a link"), ("owner/none", "There is nothing at")]
)
def test_a_link_that_leads_nowhere_is_said(qtbot, dialog, text, said):
    look_up(qtbot, dialog, text)
    assert said in dialog.problem.text()
    assert not dialog.problem.isHidden()
    assert dialog.token.isHidden()


def test_a_token_is_asked_for_where_one_helps(qtbot, dialog, server):
    server.go_wrong(API, wrong.says(401))
    look_up(qtbot, dialog)
    assert "or it is private" in dialog.problem.text()
    assert "https://huggingface.co/settings/tokens" in dialog.token.about.text()
    dialog.token.field.setText("hf_secret")
    dialog.token.keep.click()
    qtbot.waitUntil(lambda: dialog.title.text() == "owner/name" and dialog.title.isVisible())
    assert server.asked(API)[-1].headers["authorization"] == "Bearer hf_secret"
    assert dialog.token.field.text() == ""


def test_a_finished_model_is_in_the_library(qtbot, stand, workspace, begin):
    with qtbot.waitSignal(stand.downloads.finished):
        card = begin()
    qtbot.waitUntil(lambda: bool(stand.library.items))
    assert card.state.text() == "Finished · 400 kB"
    workspace.search.setText("something else")
    card.main.click()
    assert workspace.search.text() == ""
    assert workspace.details.title.text() == "soft"
    card.away.click()
    assert workspace.download_panel.isHidden()
    assert (stand.paths.models / NAME).exists()


def test_pause_resume_and_cancel(qtbot, stand, server, begin):
    server.go_wrong(PATH, wrong.is_slow, wrong.is_slow)
    card = begin()
    (entry,) = stand.downloads.entries
    qtbot.waitUntil(lambda: entry.progress.done > 0 and "/s" in card.state.text())
    assert 0 < card.progress.value() < 1000
    assert card.main.accessibleName() == "Pause"
    card.main.click()
    assert card.state.text().startswith("Paused")
    qtbot.waitUntil(lambda: not entry.at_work)
    assert card.main.accessibleName() == "Resume"
    card.main.click()
    qtbot.waitUntil(lambda: entry.state == "running")
    card.away.click()
    assert stand.downloads.entries == []
    qtbot.waitUntil(lambda: list(stand.paths.models.iterdir()) == [])


def test_much_is_not_thrown_away_without_a_question(qtbot, stand, server, begin, workspace, monkeypatch):
    monkeypatch.setattr("desktop_app.ui.download_panel.ASK_FROM", 1)
    server.go_wrong(PATH, wrong.is_slow)
    card = begin()
    (entry,) = stand.downloads.entries
    qtbot.waitUntil(lambda: entry.progress.done > 0)
    card.away.click()
    box = workspace.download_panel.box
    assert entry in stand.downloads.entries
    throw = next(button for button in box.buttons() if button.text() == "Throw away")
    throw.click()
    assert stand.downloads.entries == []


def test_a_failure_is_said_with_its_remedy(qtbot, stand, server, begin):
    server.go_wrong(PATH, wrong.sends_page)
    card = begin()
    qtbot.waitUntil(lambda: not card.problem.isHidden())
    assert "The server sent a web page instead of soft.safetensors." in card.problem.text()
    assert "Open it in a browser" in card.problem.text()
    with qtbot.waitSignal(stand.downloads.finished):
        card.main.click()
    assert card.problem.isHidden()


def test_the_counter_and_the_switch(qtbot, stand, workspace, begin):
    before = network.connections()
    with qtbot.waitSignal(stand.downloads.finished):
        begin()
    made = network.connections()
    assert made > before
    workspace.connections._look()
    assert workspace.connections.count.text() == f"{made} connections"
    workspace.connections.offline.click()
    assert stand.settings.get("offline")
    stand.settings.set("offline", False)
    assert not workspace.connections.offline.isChecked()


def test_nothing_connects_before_somebody_asks(qtbot, server, stand):
    before = network.connections()
    stand.downloads.restore()
    stand.window._show_workspace(MODELS)
    stand.window.actions_by_id["download"].trigger()
    qtbot.wait(50)
    assert network.connections() == before
    assert server.seen == []
    stand.window.findChild(type(stand.window.models_workspace.open_download())).close()


def test_times_in_words():
    assert [time_text(seconds) for seconds in (0.2, 59, 61, 3599, 7200)] == [
        "1 s left", "59 s left", "1 min left", "60 min left", "2 h left",
    ]  # fmt: skip
