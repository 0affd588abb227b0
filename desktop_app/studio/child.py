"""How the window starts processes of its own program."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import desktop_app


def console_python() -> str:
    """The interpreter to run them with; beside ``pythonw.exe`` that is ``python.exe``, which has pipes."""
    executable = Path(sys.executable)
    if executable.name.lower() == "pythonw.exe":
        return str(executable.with_name("python.exe"))
    return str(executable)


def environment() -> dict[str, str]:
    """This environment, with the folder that holds ``desktop_app`` first on the path of modules."""
    package_parent = str(Path(desktop_app.__file__).parent.parent)
    inherited = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (package_parent, inherited)))}
