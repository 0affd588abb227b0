"""Which columns are open: what the user chose, less what a narrow window has no room for."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QWidget

NEEDS = {"right": 1000, "left": 760, "strip": 0}
"""Width of the window in px under which a part folds by itself."""


class Folding(QObject):
    """Opens and folds the parts of the window. A part folded for want of room can still be opened by hand."""

    changed = Signal()

    def __init__(
        self,
        parts: Mapping[str, QWidget],
        always: tuple[QWidget, ...],
        has_content: Callable[[str], bool],
        parent: QObject | None = None,
    ) -> None:
        """``parts`` by the names in :data:`NEEDS`; ``always`` are hidden by canvas-only alone."""
        super().__init__(parent)
        self._parts = parts
        self._always = always
        self._has_content = has_content
        self._width = 10_000
        self._by_hand: dict[str, bool] = {}
        self.chosen = dict.fromkeys(parts, True)
        """What the user wants where there is room; kept between starts."""
        self.canvas_only = False

    def is_open(self, name: str) -> bool:
        """Whether a part is open now."""
        if self.canvas_only or not self._has_content(name):
            return False
        return self._by_hand.get(name, self.chosen[name] and self._width >= NEEDS[name])

    def toggle(self, name: str) -> None:
        """The user opens or folds a part."""
        wanted = not self.is_open(name)
        self.canvas_only = False
        if self._width >= NEEDS[name]:
            self.chosen[name] = wanted
        else:
            self._by_hand[name] = wanted
        self.apply()

    def toggle_canvas_only(self) -> None:
        self.canvas_only = not self.canvas_only
        self.apply()

    def set_width(self, width: int) -> None:
        """The window has another width; crossing a limit forgets what was opened by hand."""
        for name, needed in NEEDS.items():
            if (width >= needed) != (self._width >= needed):
                self._by_hand.pop(name, None)
        self._width = width
        self.apply()

    @Slot()
    def apply(self) -> None:
        """Show and hide the parts as they should be now."""
        before = [widget.isHidden() for widget in (*self._parts.values(), *self._always)]
        for name, part in self._parts.items():
            part.setVisible(self.is_open(name))
        for widget in self._always:
            widget.setVisible(not self.canvas_only)
        if before != [widget.isHidden() for widget in (*self._parts.values(), *self._always)]:
            self.changed.emit()
