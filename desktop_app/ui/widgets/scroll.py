"""A column that scrolls up and down when the window is too low for it."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QScrollArea, QWidget

BAR = 10
"""Width of a scroll bar in px, as the style sheet has it."""


def scrolling(page: QWidget) -> QScrollArea:
    """``page``, which has its layout, in a frameless scroll area as wide as it is given.

    The room of the scroll bar is kept in the right margin of the page, so that nothing moves when it appears. The focus
    goes to what is inside.
    """
    layout = page.layout()
    if layout is not None:
        margins = layout.contentsMargins()
        margins.setRight(max(0, margins.right() - BAR))
        layout.setContentsMargins(margins)
    scroll = QScrollArea()
    scroll.setWidgetResizable(True)
    scroll.setFrameShape(QFrame.Shape.NoFrame)
    scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    scroll.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
    bar = scroll.verticalScrollBar()
    bar.rangeChanged.connect(lambda low, high: bar.setEnabled(high > low))
    scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    scroll.setWidget(page)
    return scroll
