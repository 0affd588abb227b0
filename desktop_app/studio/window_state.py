"""Geometry and folded panels, kept between starts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from desktop_app.studio.background import Background


class WindowState:
    """A small JSON object in a file of its own; a damaged file counts as an empty one."""

    def __init__(self, path: Path, background: Background) -> None:
        self._path = path
        self._background = background

    def load(self) -> dict[str, Any]:
        try:
            state = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return state if isinstance(state, dict) else {}

    def save(self, state: dict[str, Any]) -> None:
        """Write ``state`` in the background."""
        self._background.write(self._path, json.dumps(state).encode())
