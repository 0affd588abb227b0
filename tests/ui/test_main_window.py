"""The window, driven as a person drives it, with a scripted engine behind the real queue."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, QSize, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from desktop_app.checkpoints.digests import Digests
from desktop_app.core import events as ev
from desktop_app.core.messages import Message
from desktop_app.core.request import GenerationRequest
from desktop_app.core.result import Result, UsedFile
from desktop_app.export.pictures import save_picture
from desktop_app.studio.job_queue import JobQueue
from desktop_app.ui.images import frames_of
from tests.checkpoints.headers import write_header
from tests.scripted import RUN, die, fail, frames
from tests.ui.conftest import FACTS, build, write_model


def press(stand, key: Qt.Key, modifier=Qt.KeyboardModifier.NoModifier, on=None) -> None:
    QTest.keyClick(on or stand.window, key, modifier)


# -- one prompt, from the key press to the file


def test_the_way_of_one_prompt(qtbot, stand):
    window = stand.window
    assert window.stage.currentWidget() is window.stage.welcome
    QTest.keyClicks(window.prompt_panel.prompt, "a red house")
    with qtbot.waitSignal(stand.queue.ended, timeout=5000):
        press(stand, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier, on=window.prompt_panel.prompt)
    assert window.prompt_panel.prompt.toPlainText() == "a red house"
    assert stand.transport.requests[0].prompt == "a red house"
    assert window.stage.currentWidget() is window.canvas
    picture = window.viewer.shown
    assert picture.path.parent == stand.paths.pictures
    assert frames_of(picture.image) == frames(64, 64, 200)
    seed = stand.transport.requests[0].seed
    assert window.prompt_panel.seed_row.box.text() == str(seed)
    assert stand.draft.value("seed_locked") is False
    assert window.status.text.text().startswith(f"Seed {seed} · ")
    assert "64 × 64 px" in window.status.text.text()
    assert window.strip.currentIndex().row() == 0


def test_enter_is_a_new_line_and_ctrl_shift_enter_goes_first(qtbot, stand, running):
    running()
    prompt = stand.window.prompt_panel.prompt
    QTest.keyClicks(prompt, "one")
    press(stand, Qt.Key.Key_Return, on=prompt)
    QTest.keyClicks(prompt, "two")
    assert stand.draft.value("prompt") == "one\ntwo"
    press(stand, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier, on=prompt)
    stand.draft.set_value("prompt", "first")
    both = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    press(stand, Qt.Key.Key_Return, both, on=prompt)
    assert [job.request.prompt for job in stand.queue.waiting] == ["first", "one\ntwo"]
    assert stand.window.prompt_panel.button.accessibleName() == "Generate, 2 waiting"


# -- states


def test_while_it_runs_preview_step_and_progress_are_seen(stand, running):
    window = stand.window
    job = running()
    assert window.viewer.job is job
    assert window.canvas.has_image
    assert window.status.text.text().startswith("Step 2/4")
    assert window.status.progress.value() == 500
    assert window.status.stop.isVisible()
    assert window.status.keep.isEnabled()
    assert not window.status.picture_buttons[0].isVisible()
    assert window.side.isVisible()


def test_esc_cancels_the_preview_stays_dimmed_and_can_be_run_again(qtbot, stand, running):
    window = stand.window
    job = running()
    with qtbot.waitSignal(stand.queue.ended, timeout=5000):
        press(stand, Qt.Key.Key_Escape)
    assert job.state == "cancelled"
    assert window.status.text.text() == "Cancelled"
    assert window.canvas.has_image
    assert window.status.again.isVisible()
    stand.transport.gate.set()
    with qtbot.waitSignal(stand.queue.ended, timeout=5000):
        QTest.mouseClick(window.status.again, Qt.MouseButton.LeftButton)
    assert stand.transport.requests[-1] == job.request
    assert window.viewer.shown is not None


def test_discard_brings_back_what_was_shown_before(qtbot, stand, generate, running):
    window = stand.window
    generate()
    before = window.viewer.shown
    running()
    with qtbot.waitSignal(stand.queue.ended, timeout=5000):
        QTest.mouseClick(window.status.stop, Qt.MouseButton.LeftButton)
    assert window.viewer.shown is None
    QTest.mouseClick(window.status.discard, Qt.MouseButton.LeftButton)
    assert window.viewer.shown is before
    assert not window.status.discard.isVisible()


def test_keep_is_asked_once(stand, running):
    running()
    QTest.mouseClick(stand.window.status.keep, Qt.MouseButton.LeftButton)
    assert stand.transport._kept == {stand.queue.current.id}
    assert not stand.window.status.keep.isEnabled()


def test_a_failure_says_what_why_and_what_to_do(qtbot, stand, generate):
    stand.transport.scripts.append(fail)
    generate()
    bar = stand.window.messages
    assert bar.is_error
    assert bar.text.text() == Message("engine.memory", {"device": "CPU"}).text
    assert "close other programs" in bar.remedy.text()
    QTest.mouseClick(bar.details_button, Qt.MouseButton.LeftButton)
    assert bar.details.isVisible()
    assert "Traceback" in bar.details.toPlainText()
    QTest.mouseClick(bar.report_button, Qt.MouseButton.LeftButton)
    assert QGuiApplication.clipboard().text() == "the report"
    assert bar.is_error, "a notice must not push an error away"
    QTest.mouseClick(bar.close_button, Qt.MouseButton.LeftButton)
    assert not bar.isVisible()


def test_a_dead_engine_is_reported_and_the_next_job_runs(stand, generate):
    stand.transport.scripts.append(die)
    assert generate().state == "failed"
    assert "SIGSEGV" in stand.window.messages.text.text()
    assert generate().state == "finished"


def test_loading_and_pictures_of_several_in_words(stand):
    job = stand.queue.add(stand.draft.request())
    status = stand.window.status
    job.state, job.loading_what, job.loading_fraction = "loading", "unet", 0.4
    assert status.running_text(job) == "Loading unet · 40 %"
    job.state = "encoding"
    assert status.running_text(job) == "Reading the prompt…"
    job.state, job.step, job.steps, job.seconds_left = "denoising", 12, 20, 3.04
    assert status.running_text(job) == "Step 12/20 · 3.0 s left"
    assert [status.duration(s) for s in (0.04, 9.94, 9.96, 59, 95)] == ["0.0 s", "9.9 s", "10 s", "59 s", "1 min 35 s"]


def test_without_a_model_the_window_says_so(qtbot, tmp_path, transport):
    stand = build(tmp_path / "nothing", transport)
    stand.window.show()
    welcome, button = stand.window.stage.welcome, stand.window.prompt_panel.button
    assert welcome.title.text() == "No model was found."
    assert "Reinstall" in welcome.line.text()
    assert not button.isEnabled()
    assert "No model was found." in button.toolTip()
    assert not stand.window.prompt_panel.steps.isVisible()
    stand.window.jobs.generate()
    assert stand.window.messages.is_error
    assert stand.queue.jobs == ()
    stand.close()


# -- the queue


def test_waiting_jobs_are_counted_listed_and_removed(qtbot, stand, running):
    running()
    for _ in range(3):
        stand.window.prompt_panel.button.click()
    panel = stand.window.side.queue_panel
    rows = list(panel._rows.values())
    assert [row.state.text().split(" · ")[0] for row in rows] == ["Running", "Waiting", "Waiting", "Waiting"]
    QTest.mouseClick(rows[1].remove, Qt.MouseButton.LeftButton)
    assert len(stand.queue.waiting) == 2
    QTest.mouseClick(panel.clear, Qt.MouseButton.LeftButton)
    assert stand.queue.waiting == ()
    assert stand.queue.current is not None


def test_a_long_queue_is_cut_with_a_count(stand, running):
    running()
    for _ in range(40):
        stand.queue.add(stand.draft.request())
    panel = stand.window.side.queue_panel
    assert len(panel._rows) == 30
    assert panel.more.text() == "and 11 more"
    stand.queue.clear_waiting()


# -- looking at pictures


def test_looking_at_an_older_picture_does_not_lose_the_running_one(qtbot, stand, generate, running):
    window = stand.window
    generate()
    first = window.viewer.shown.path
    generate()
    job = running()
    window.strip.setFocus()
    window.strip.setCurrentIndex(stand.pictures.index(stand.pictures.row_of(first), 0))
    qtbot.waitUntil(lambda: window.viewer.shown is not None and window.viewer.shown.result is not None)
    assert window.viewer.shown.path == first
    assert window.status.text.text().startswith("Step 2/4")
    QTest.mouseClick(window.status.watch, Qt.MouseButton.LeftButton)
    assert window.viewer.job is job


def test_a_picture_from_an_earlier_run_comes_back_with_its_recipe(qtbot, stand, generate, tmp_path):
    generate()
    made = stand.window.viewer.shown
    window = build(tmp_path / "data", type(stand.transport)())
    window.window.show()
    window.pictures.refresh()
    viewer = window.window.viewer
    qtbot.waitUntil(lambda: bool(viewer.shown and viewer.shown.result and viewer.shown.image), timeout=5000)
    assert viewer.shown.result == made.result
    assert frames_of(viewer.shown.image) == frames(64, 64, 200)
    window.close()


def test_arrows_step_through_the_strip_and_keys_recall(qtbot, stand, generate):
    window = stand.window
    for words in ("a red house", "a blue boat"):
        stand.draft.set_value("prompt", words)
        generate()
    window.canvas.setFocus()
    press(stand, Qt.Key.Key_Right, on=window.canvas)
    qtbot.waitUntil(lambda: window.viewer.shown.result is not None)
    assert window.viewer.shown.result.request.prompt == "a red house"
    qtbot.waitUntil(lambda: window.actions_by_id["use_prompt"].isEnabled())
    press(stand, Qt.Key.Key_P, on=window.canvas)
    assert stand.draft.value("prompt") == "a red house"
    assert not stand.draft.value("seed_locked")
    press(stand, Qt.Key.Key_S, on=window.canvas)
    assert stand.draft.value("seed_locked")
    assert stand.draft.value("seed") == window.viewer.shown.result.seed
    QTest.mouseClick(window.messages.undo_button, Qt.MouseButton.LeftButton)
    assert not stand.draft.value("seed_locked")


def test_letters_in_the_prompt_are_letters_not_commands(stand, generate):
    generate()
    prompt = stand.window.prompt_panel.prompt
    prompt.setFocus()
    QTest.keyClicks(prompt, "fzaps")
    assert prompt.toPlainText() == "fzaps"
    assert not stand.window.folding.canvas_only


def test_reproduce_replays_how_the_picture_was_run(qtbot, stand, generate):
    generate()
    result = stand.window.viewer.shown.result
    with qtbot.waitSignal(stand.queue.ended, timeout=5000):
        stand.window.actions_by_id["reproduce"].trigger()
    assert stand.transport.requests[-1] == result.request
    assert stand.transport.replays[-1] == result.run


def test_copying_the_picture_gives_its_pixels(stand, generate):
    generate()
    stand.window.actions_by_id["copy_image"].trigger()
    assert frames_of(QGuiApplication.clipboard().image()) == frames(64, 64, 200)
    stand.window.actions_by_id["copy_prompt"].trigger()
    assert QGuiApplication.clipboard().text() == stand.window.viewer.shown.result.request.prompt


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_save_as_writes_a_copy_with_the_recipe_and_leaves_the_original(qtbot, stand, generate, tmp_path, suffix):
    from desktop_app.export.recipes import read_recipe

    generate()
    shown = stand.window.viewer.shown
    original = shown.path.read_bytes()
    target = tmp_path / f"copy{suffix}"
    stand.window.picture_actions.save_copy(shown, shown.image, target)
    qtbot.waitUntil(lambda: "Saved as" in stand.window.messages.text.text())
    assert read_recipe(target) == shown.result
    assert shown.path.read_bytes() == original


def test_save_as_leaves_the_recipe_out_when_the_setting_says_so(qtbot, stand, generate, tmp_path):
    from desktop_app.export.recipes import read_recipe

    generate()
    stand.settings.set("metadata", False)
    shown = stand.window.viewer.shown
    target = tmp_path / "copy.png"
    stand.window.picture_actions.save_copy(shown, shown.image, target)
    qtbot.waitUntil(lambda: "Saved as" in stand.window.messages.text.text())
    assert read_recipe(target) is None


def test_save_as_into_a_folder_that_is_not_there_is_explained(qtbot, stand, generate, tmp_path):
    generate()
    shown = stand.window.viewer.shown
    (tmp_path / "file").write_text("")
    stand.window.picture_actions.save_copy(shown, shown.image, tmp_path / "file" / "copy.png")
    qtbot.waitUntil(lambda: stand.window.messages.is_error)
    assert "cannot be written" in stand.window.messages.text.text()


def test_details_tell_how_it_was_made(stand, generate):
    stand.draft.set_value("prompt", "a red house")
    generate()
    details = stand.window.side.details_panel
    assert details.prompt.text() == "a red house"
    assert "Size: 64 × 64 px" in details.settings.text()
    assert "Device: Scripted" in details.run.text()
    assert "Guidance: two passes" in details.run.text()
    assert str(stand.paths.pictures) in details.file.text()


# -- drop


def drop(stand, path) -> QMimeData:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    enter = QDragEnterEvent(
        QPoint(300, 300),
        Qt.DropAction.CopyAction,
        data,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    QApplication.sendEvent(stand.window, enter)
    if enter.isAccepted():
        event = QDropEvent(
            QPointF(300, 300),
            Qt.DropAction.CopyAction,
            data,
            Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.NoModifier,
        )
        QApplication.sendEvent(stand.window, event)
    return data


def test_dropped_models_are_added_wherever_they_are_dropped(stand, tmp_path):
    folder = tmp_path / "elsewhere"
    (folder / "Lora").mkdir(parents=True)
    (folder / "Lora" / "ink.safetensors").write_bytes(b"")
    (folder / "letter.txt").write_text("nothing to do with it")
    drop(stand, folder / "letter.txt")
    assert stand.settings.get("model_folders") == []
    drop(stand, folder / "Lora" / "ink.safetensors")
    assert stand.settings.get("model_folders") == [str(folder / "Lora")]
    assert stand.window.models_workspace.isVisible()
    drop(stand, folder)
    assert stand.settings.get("model_folders") == [str(folder / "Lora"), str(folder)]


def test_a_dropped_picture_offers_its_recipe(qtbot, stand, generate):
    stand.draft.set_value("prompt", "a red house")
    generate()
    stand.draft.set_value("prompt", "something else")
    kept = drop(stand, stand.window.viewer.shown.path)
    qtbot.waitUntil(lambda: stand.window.dropped.menu is not None)
    menu = stand.window.dropped.menu
    assert [action.text() for action in menu.actions() if action.text()] == [
        *("Use all", "Remix (all but the seed)", "Use prompt", "Use seed"),
        *("Use as start picture", "Only show it"),
    ]
    menu.actions()[0].trigger()
    menu.hide()
    assert stand.draft.value("prompt") == "a red house"
    assert stand.draft.value("seed_locked")
    assert kept.hasUrls()


def test_another_programs_picture_offers_what_it_tells(qtbot, stand, tmp_path):
    from PIL import Image, PngImagePlugin

    info = PngImagePlugin.PngInfo()
    pairs = "Steps: 7, Sampler: DDIM, CFG scale: 3.5, Seed: 12, Size: 96x64, Model: far"
    info.add_text("parameters", f"a red house\nNegative prompt: rain\n{pairs}")
    Image.new("RGB", (96, 64)).save(tmp_path / "theirs.png", pnginfo=info)
    drop(stand, tmp_path / "theirs.png")
    qtbot.waitUntil(lambda: stand.window.dropped.menu is not None)
    stand.window.dropped.menu.actions()[0].trigger()
    stand.window.dropped.menu.hide()
    draft, model = stand.draft, stand.draft.facts
    assert (draft.value("prompt"), draft.value("negative_prompt")) == ("a red house", "rain")
    assert (draft.value("steps"), draft.value("guidance_scale"), draft.value("seed")) == (7, 3.5, 12)
    assert (draft.value("scheduler"), draft.value("width"), draft.facts) == ("ddim", 96, model)
    assert "The model far is not here" in stand.window.messages.text.text()

    stand.window.viewer.show_path(tmp_path / "theirs.png")
    qtbot.waitUntil(lambda: stand.window.viewer.shown.image is not None and stand.window.viewer.shown.recipe_read)
    assert not stand.window.actions_by_id["reproduce"].isEnabled()
    details = stand.window.side.details_panel
    assert "Made with: Automatic1111" in details.settings.text()
    assert details.run_heading.isHidden()
    assert details.run.text() == ""
    assert "Automatic1111" in stand.window.status.text.text()


def test_a_dropped_recipe_finds_a_lora_that_was_renamed(qtbot, stand, tmp_path):
    folder = tmp_path / "my models"
    shapes = {f"lora_unet_x.lora_{side}.weight": (4, 4) for side in ("down", "up")}
    path = write_header(folder / "ink two.safetensors", shapes)
    stand.settings.set("model_folders", [str(folder)])
    stand.library.refresh()
    qtbot.waitUntil(lambda: not stand.library.scanning)
    digest = Digests(stand.paths.digests).read(path, "lora")
    request = GenerationRequest(model="postcard", prompt="a red house<lora:ink:0.5>", width=64, height=64, seed=1)
    run = replace(RUN, files=(UsedFile("lora", "ink", digest, path.stat().st_size),))
    result = Result(request=request, run=run, seconds=1, steps_done=4)
    saved = save_picture(frames(64, 64), result, folder=tmp_path, template="x", format="png", quality=90, metadata=True)
    kept = drop(stand, saved.path)
    qtbot.waitUntil(lambda: stand.window.dropped.menu is not None)
    assert stand.window.messages.text.text() == "ink is called ink two here."
    stand.window.dropped.menu.actions()[2].trigger()
    stand.window.dropped.menu.hide()
    assert stand.draft.value("prompt") == "a red house<lora:ink two:0.5>"
    assert kept.hasUrls()


def test_a_dropped_picture_without_a_recipe_can_be_a_start_picture_or_is_shown_with_a_sentence(qtbot, stand, tmp_path):
    from desktop_app.ui.images import image_of

    image_of(frames(16, 16)).save(str(tmp_path / "plain.png"))
    kept = drop(stand, tmp_path / "plain.png")
    qtbot.waitUntil(lambda: stand.window.dropped.menu is not None)
    start, _, show = stand.window.dropped.menu.actions()
    assert (start.text(), show.text()) == ("Use as start picture", "Only show it")
    start.trigger()
    assert stand.draft.request().start == str(tmp_path / "plain.png")
    assert stand.window.messages.text.text() == "It is the start picture now."
    show.trigger()
    stand.window.dropped.menu.hide()
    qtbot.waitUntil(lambda: "no recipe" in stand.window.messages.text.text())
    qtbot.waitUntil(lambda: stand.window.viewer.shown.image is not None)
    assert kept.hasUrls()


def test_a_model_that_takes_no_start_picture_is_offered_none(qtbot, tmp_path, transport):
    from desktop_app.ui.images import image_of

    write_model(tmp_path / "data" / "bundled" / "plain", {**FACTS, "controls": ["prompt", "seed"]})
    stand = build(tmp_path / "data", transport)
    stand.window.show()
    image_of(frames(16, 16)).save(str(tmp_path / "plain.png"))
    kept = drop(stand, tmp_path / "plain.png")
    qtbot.waitUntil(lambda: "no recipe" in stand.window.messages.text.text())
    assert stand.window.dropped.menu is None
    assert kept.hasUrls()
    stand.close()


def test_a_picture_dropped_on_the_prompt_is_not_text(stand, generate):
    generate()
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(stand.window.viewer.shown.path))])
    data.setText("file:///somewhere.png")
    assert not stand.window.prompt_panel.prompt.canInsertFromMimeData(data)
    assert not stand.window.prompt_panel.seed_row.box.acceptDrops()
    plain = QMimeData()
    plain.setText("a red house")
    assert stand.window.prompt_panel.prompt.canInsertFromMimeData(plain)


def test_a_dropped_text_file_is_refused(stand, tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    kept = drop(stand, tmp_path / "notes.txt")
    assert stand.window.dropped.menu is None
    assert kept.hasUrls()


def test_a_picture_that_is_none_is_explained(qtbot, stand, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    stand.window.viewer.show_path(tmp_path / "broken.png")
    qtbot.waitUntil(lambda: stand.window.viewer.shown.message is not None)
    assert stand.window.status.text.text() == "This file cannot be shown"
    assert "cannot be read as a picture" in stand.window.side.details_panel.note.text()


# -- room


@pytest.mark.parametrize(
    ("width", "left", "right"), [(1280, True, True), (999, True, False), (760, True, False), (759, False, False)]
)
def test_columns_fold_where_there_is_no_room(stand, generate, width, left, right):
    generate()
    stand.window.resize(width, 600)
    QApplication.processEvents()
    assert stand.window.prompt_panel.isVisible() is left
    assert stand.window.side.isVisible() is right


def test_a_column_folded_for_want_of_room_opens_by_hand_and_the_choice_stays(stand, generate):
    generate()
    window = stand.window
    window.resize(800, 600)
    window.actions_by_id["fold_right"].trigger()
    assert window.side.isVisible()
    window.actions_by_id["fold_left"].trigger()
    window.resize(1280, 800)
    assert not window.prompt_panel.isVisible()
    assert window.side.isVisible()
    window.actions_by_id["focus_prompt"].trigger()
    assert window.prompt_panel.isVisible()


def test_f_shows_the_canvas_only_and_esc_brings_all_back(stand, generate):
    generate()
    window = stand.window
    window.canvas.setFocus()
    press(stand, Qt.Key.Key_F, on=window.canvas)
    parts = (window.prompt_panel, window.side, window.strip, window.top_bar, window.status)
    assert not any(part.isVisible() for part in parts)
    assert window.canvas.isVisible()
    press(stand, Qt.Key.Key_Escape, on=window.canvas)
    assert all(part.isVisible() for part in parts)


def test_the_smallest_window_keeps_the_button_in_sight(stand):
    window = stand.window
    assert window.minimumSize() == QSize(720, 520)
    window.resize(780, 520)
    window.prompt_panel.advanced.set_opened(True)
    window.prompt_panel.negative_fold.set_opened(True)
    QApplication.processEvents()
    button = window.prompt_panel.button
    bottom = button.mapTo(window, QPoint(0, button.height())).y()
    assert button.isVisible()
    assert bottom <= window.height()


def test_the_right_column_waits_for_content(stand, generate):
    assert not stand.window.side.isVisible()
    assert not stand.window.actions_by_id["fold_right"].isEnabled()
    generate()
    assert stand.window.side.isVisible()


# -- memory and the end


def test_the_window_comes_back_as_it_was(qtbot, stand, tmp_path):
    window = stand.window
    window.resize(780, 640)
    window.prompt_panel.advanced.set_opened(True)
    window.actions_by_id["fold_left"].trigger()
    stand.draft.set_value("prompt", "a red house")
    stand.draft.save()
    window.close()
    stand.background.run(lambda: None)
    qtbot.waitUntil(lambda: stand.paths.window.exists() and stand.paths.session.exists())
    again = build(tmp_path / "data", type(stand.transport)())
    again.window.show()
    assert again.window.size() == QSize(780, 640)
    assert again.window.prompt_panel.advanced.opened
    assert not again.window.prompt_panel.isVisible()
    assert again.window.prompt_panel.prompt.toPlainText() == "a red house"
    again.close()


@pytest.mark.parametrize(
    "state", ["[1]", "{", '{"geometry": "x", "splitter": ["a", 1, 2], "left": 3}', '{"geometry": 5}']
)
def test_a_damaged_window_file_does_not_matter(tmp_path, models, transport, qtbot, state):
    folder = tmp_path / "data"
    (folder / "window.json").write_text(state)
    stand = build(folder, transport)
    stand.window.show()
    assert stand.window.isVisible()
    assert stand.window.width() >= 720
    stand.close()


def test_closing_while_idle_asks_nothing(stand):
    stand.window.close()
    assert not stand.window.isVisible()
    assert stand.window.closing.box is None


def test_closing_mid_run_asks_and_keep_running_keeps_running(stand, running):
    running()
    stand.queue.add(stand.draft.request())
    stand.window.close()
    box = stand.window.closing.box
    assert stand.window.isVisible()
    assert box.text() == "A picture is being made. 1 more waiting."
    stand.window.close()
    assert stand.window.closing.box is box
    box.buttons()[1].click() if box.buttons()[1].text() == "Keep running" else box.buttons()[0].click()
    assert stand.window.isVisible()
    assert len(stand.queue.jobs) == 2


def test_closing_mid_run_stops_and_closes(qtbot, stand, running):
    job = running()
    stand.queue.add(stand.draft.request())
    stand.window.close()
    next(button for button in stand.window.closing.box.buttons() if button.text() == "Stop and close").click()
    assert not stand.window.isVisible()
    qtbot.waitUntil(lambda: job.state == "cancelled")
    assert stand.queue.jobs == ()


# -- notices


def test_notices_give_way_and_an_error_stays(stand):
    window = stand.window
    window.show_notice(Message("reproduce.differs", {"then": "torch 1", "now": "torch 2"}))
    assert "torch 1" in window.messages.text.text()
    window.show_error(Message("model.none"))
    window.show_notice(Message("reproduce.differs", {"then": "torch 1", "now": "torch 2"}))
    assert window.messages.text.text() == "No model was found."


def test_a_notice_leaves_by_itself_and_an_error_does_not(qtbot, stand):
    bar = stand.window.messages
    bar._timer.setInterval(10)
    bar.show_notice("For a moment.")
    assert bar.isVisible()
    qtbot.waitUntil(lambda: not bar.isVisible())
    bar.show_notice("For a moment.")
    bar.show_error("For good.", "", "")
    QTest.qWait(60)
    assert bar.is_error


def test_the_engines_notices_reach_the_window(qtbot, stand):
    def noticing(request):
        yield ev.Notice(Message("prompt.cut", {"words": 3}))
        yield ev.Failed(Message("engine.memory", {"device": "CPU"}))

    stand.transport.scripts.append(noticing)
    seen = []
    stand.window.messages.show_notice = lambda text, *rest, **more: seen.append(text)
    stand.queue.add(stand.draft.request())
    qtbot.waitUntil(lambda: seen == [Message("prompt.cut", {"words": 3}).text])


def test_raising_brings_a_minimised_window_back(stand):
    stand.window.showMinimized()
    stand.window.raise_to_front()
    assert not stand.window.isMinimized()
    assert stand.window.isVisible()


def test_examples_fill_the_prompt(stand):
    chips = [chip for chip in stand.window.stage.welcome.chips.children() if hasattr(chip, "click")]
    assert [chip.text() for chip in chips] == ["a red house", "a blue boat", "a green tree", "Surprise me"]
    chips[1].click()
    assert stand.draft.value("prompt") == "a blue boat"


def test_the_last_chip_surprises(stand):
    chips = [chip for chip in stand.window.stage.welcome.chips.children() if hasattr(chip, "click")]
    chips[-1].click()
    assert len(stand.draft.value("prompt").split()) == 3
    assert stand.draft.unknown_words() == []
    assert stand.window.prompt_panel.prompt.hasFocus()


def test_the_surprise_has_a_key_and_a_place_in_the_menu(stand):
    QTest.keyClick(stand.window, Qt.Key.Key_P, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    assert stand.draft.value("prompt") == stand.window.prompt_panel.prompt.toPlainText() != ""
    action = stand.window.actions_by_id["surprise"]
    assert action.isEnabled()
    prompt_menu = next(entry.menu() for entry in stand.window.menu.actions() if entry.text() == "Prompt")
    assert action in prompt_menu.actions()


def test_state_files_are_json(qtbot, stand):
    stand.window.memory.save()
    qtbot.waitUntil(stand.paths.window.exists)
    assert set(json.loads(stand.paths.window.read_text())) == {
        "geometry",
        "splitter",
        "left",
        "right",
        "strip",
        "advanced",
    }
    assert isinstance(stand.queue, JobQueue)
