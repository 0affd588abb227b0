"""What opening the window may cost, looked at in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SHOW = """
import sys
from pathlib import Path
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication
from desktop_app.app import Program
from desktop_app.core.paths import app_paths
from tests.scripted import ScriptedTransport
app = QApplication([])
paths = app_paths(Path(sys.argv[1]))
paths.prepare()
program = Program(paths, ScriptedTransport())
program.window.show()
app.processEvents()
print(sorted(name for name in sys.modules if name.partition(".")[0] in
    {"numpy", "PIL", "torch", "diffusers", "transformers", "scipy", "accelerate", "safetensors"}))
dialogs = ("settings_dialog", "info_dialogs")
print(sorted(name for name in sys.modules if name.endswith(dialogs)))
program.window.close()
program.close()
"""


def test_the_first_paint_needs_no_heavy_library_and_no_dialog(tmp_path: Path):
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "PYTHONPATH": str(root)}
    run = subprocess.run(
        [sys.executable, "-c", SHOW, str(tmp_path)], capture_output=True, text=True, env=environment, timeout=60
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == ["[]", "[]"]
