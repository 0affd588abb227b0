"""What a run needs of memory is said before it begins: quietly where it fits, in a line where it does not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from desktop_app.core.measurements import Measurement, add_measurements
from desktop_app.studio.memory_outlook import MemoryOutlook
from tests.checkpoints import original_layouts as original
from tests.checkpoints.headers import write_header
from tests.scripted import MACHINE
from tests.ui.conftest import FACTS, build, write_model

GB = 10**9


def write_weights(folder: Path) -> None:
    """Headers of the size of Stable Diffusion 1; they take no room."""
    parts = {
        "unet": (original.unet(original.SD_1), {"block_out_channels": [320, 640, 1280, 1280]}),
        "text_encoder": ({"embeddings.weight": (1230, 100_000)}, {}),
        "vae": (
            {"decoder.conv_in.weight": (840, 100_000)},
            {"_class_name": "AutoencoderKL", "block_out_channels": [128, 256, 512, 512], "sample_size": 512},
        ),
    }
    for name, (layout, config) in parts.items():
        (folder / name).mkdir()
        write_header(folder / name / "model.safetensors", layout)
        (folder / name / "config.json").write_text(json.dumps(config), encoding="utf-8")


@pytest.fixture
def large(qtbot, tmp_path, transport, request):
    """A window with a model as large as Stable Diffusion 1, on a machine with ``request.param`` bytes free."""
    folder = tmp_path / "data" / "bundled" / "large"
    write_model(folder, {**FACTS, "name": "Large", "max_size": 1024})
    write_weights(folder)
    transport.machine = replace(MACHINE, free=request.param, ram_free=request.param)
    stand = build(tmp_path / "data", transport)
    stand.window.show()
    qtbot.waitUntil(lambda: stand.queue.engine_state == "ready")
    yield stand
    stand.close()


@pytest.mark.parametrize("large", [12 * GB], indirect=True)
def test_where_it_fits_the_button_alone_says_how_much(large, qtbot):
    panel = large.window.prompt_panel
    qtbot.waitUntil(lambda: "of memory" in panel.button.toolTip())
    assert "It needs about 4.4 GB of memory." in panel.button.toolTip()
    assert panel.memory.isHidden()
    large.draft.set_size(1024, 1024)
    qtbot.waitUntil(lambda: "8.2 GB" in panel.button.toolTip())


@pytest.mark.parametrize("large", [5 * GB], indirect=True)
def test_where_it_does_not_fit_the_plan_stands_above_the_button(large, qtbot):
    panel = large.window.prompt_panel
    assert panel.memory.isHidden()
    large.draft.set_size(512, 512)
    qtbot.waitUntil(lambda: not panel.memory.isHidden())
    assert "half precision" in panel.memory.text()
    large.settings.set("precision", "full")
    assert "half precision" not in panel.memory.text()
    assert "close other programs" in panel.memory.text()
    large.draft.set_size(64, 64)
    assert panel.memory.isHidden()


@pytest.mark.parametrize("large", [12 * GB], indirect=True)
def test_what_a_run_took_counts_for_the_next(large, qtbot):
    outlook: MemoryOutlook = large.window.outlook
    large.draft.set_size(512, 512)
    before = outlook.of_draft().need.decoding
    key = "Scripted · float32 · stable-diffusion · 320"
    measured = Measurement(key, "decoding", 512 * 512, GB, round(1.5 * GB))
    add_measurements(large.paths.measurements, [measured])
    with qtbot.waitSignal(outlook.changed):
        large.queue.engine_changed.emit()
    qtbot.waitUntil(lambda: outlook.of_draft().need.decoding > before)


def test_nothing_is_said_of_a_model_of_unknown_size(stand):
    panel = stand.window.prompt_panel
    assert stand.window.outlook.told() == (None, "")
    assert "memory" not in panel.button.toolTip()
    assert panel.memory.isHidden()
