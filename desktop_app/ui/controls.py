"""Rows of the prompt panel that are more than one widget: a choice, size, enlarging and seed."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Qt, Signal, Slot
from PySide6.QtGui import QRegularExpressionValidator
from PySide6.QtWidgets import QCheckBox, QGridLayout, QHBoxLayout, QLabel, QLineEdit, QWidget

from desktop_app.ui import theme
from desktop_app.ui.widgets.calm import CalmComboBox, CalmSpinBox
from desktop_app.ui.widgets.icon_button import IconButton
from desktop_app.ui.widgets.labels import ResetLabel

BUTTON_WIDTH = 26
"""Of the buttons beside the seed, in px."""


class ComboRow(QWidget):
    """A label and a box of choices, each known by a key."""

    chosen = Signal(str)
    """Key of what the user chose."""

    def __init__(self, text: str, tip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.label = QLabel(text)
        self.combo = CalmComboBox()
        self.label.setBuddy(self.combo)
        self.label.setToolTip(tip)
        self.combo.setAccessibleName(text)
        self.combo.setToolTip(tip)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.S)
        row.addWidget(self.label)
        row.addWidget(self.combo, 1)
        self.combo.activated.connect(lambda place: self.chosen.emit(self.combo.itemData(place)))

    def show_chosen(self, key: str) -> None:
        self.combo.setCurrentIndex(self.combo.findData(key))


class SizeRow(QWidget):
    """Presets, and width × height for everything else."""

    edited = Signal(int, int)
    """(width, height) in px, as the user wants them; the model may snap them."""
    reset = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        tip = self.tr("Width × height of the picture in pixels.")
        self.label = ResetLabel(self.tr("Size"))
        self.label.setToolTip(tip + " " + self.tr("Double-click to go back to the model's own value."))
        self.presets = CalmComboBox()
        self.presets.setAccessibleName(self.tr("Size"))
        self.presets.setToolTip(tip)
        self.label.setBuddy(self.presets)
        self.swap = IconButton("swap", self.tr("Swap width and height"), self.tr("Swap width and height."))
        self.width_box = self._side(self.tr("Width"))
        self.height_box = self._side(self.tr("Height"))
        self._custom = QWidget()
        self._size = (0, 0)
        self._wants_custom = False
        self._lay_out()
        self.presets.activated.connect(self._preset_chosen)
        self.swap.clicked.connect(self._swapped)
        self.width_box.valueChanged.connect(self._typed)
        self.height_box.valueChanged.connect(self._typed)
        self.label.reset.connect(self._reset)

    def _side(self, name: str) -> CalmSpinBox:
        box = CalmSpinBox()
        box.setAccessibleName(name)
        box.setToolTip(self.tr("{side} in pixels; goes to the nearest size that the model makes.").format(side=name))
        box.setSuffix(" px")
        return box

    def _lay_out(self) -> None:
        row = QHBoxLayout(self._custom)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.XS)
        row.addWidget(self.width_box, 1)
        row.addWidget(QLabel("×"))
        row.addWidget(self.height_box, 1)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(theme.S)
        grid.setColumnStretch(1, 1)
        grid.addWidget(self.label, 0, 0)
        grid.addWidget(self.presets, 0, 1)
        grid.addWidget(self.swap, 0, 2)
        grid.addWidget(self._custom, 1, 1, 1, 2)

    def offer(self, sizes: tuple[tuple[int, int], ...], low: int, high: int, multiple: int) -> None:
        """What the chosen model makes."""
        self.presets.clear()
        for width, height in sizes:
            self.presets.addItem(f"{width} × {height} px", (width, height))
        self.presets.addItem(self.tr("Custom…"), None)
        for box in (self.width_box, self.height_box):
            with QSignalBlocker(box):
                box.setRange(low, high)
                box.setSingleStep(multiple)

    def set_size(self, width: int, height: int) -> None:
        """Show a size."""
        self._size = (width, height)
        with QSignalBlocker(self.width_box), QSignalBlocker(self.height_box):
            self.width_box.setValue(width)
            self.height_box.setValue(height)
        row = next((i for i in range(self.presets.count()) if self.presets.itemData(i) == (width, height)), -1)
        custom = row < 0 or self._wants_custom
        self.presets.setCurrentIndex(self.presets.count() - 1 if custom else row)
        self._custom.setVisible(custom)

    @Slot(int)
    def _preset_chosen(self, row: int) -> None:
        size = self.presets.itemData(row)
        self._wants_custom = size is None
        if size is None:
            self.set_size(*self._size)
            self.width_box.setFocus()
            self.width_box.selectAll()
        else:
            self.edited.emit(*size)
            self.set_size(*size)

    @Slot()
    def _swapped(self) -> None:
        self.edited.emit(self._size[1], self._size[0])

    @Slot()
    def _typed(self) -> None:
        self.edited.emit(self.width_box.value(), self.height_box.value())

    @Slot()
    def _reset(self) -> None:
        self._wants_custom = False
        self.reset.emit()


class EnlargeRow(QWidget):
    """Whether the finished picture is drawn larger, and how large it is then."""

    edited = Signal(int)
    """How many times as large: 1 or what the model offers."""
    reset = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._factor = 1
        self.label = ResetLabel(self.tr("Enlarge"))
        self.box = QCheckBox()
        self.label.setBuddy(self.box)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.S)
        row.addWidget(self.label)
        row.addWidget(self.box, 1)
        self.box.toggled.connect(lambda on: self.edited.emit(self._factor if on else 1))
        self.label.reset.connect(self.reset)

    def show_value(self, on: bool, factor: int, size: tuple[int, int]) -> None:
        """Show whether it is ``on``; ``size`` is the (width, height) in px before it is enlarged."""
        self._factor = factor
        width, height = (side * factor for side in size)
        with QSignalBlocker(self.box):
            self.box.setChecked(on)
        text = self.tr("×{factor} · {width} × {height} px").format(factor=factor, width=width, height=height)
        tip = self.tr("Draw the finished picture {factor} times as large: {width} × {height} px. Takes a moment.")
        tip = tip.format(factor=factor, width=width, height=height)
        self.box.setText(text)
        self.box.setAccessibleName(self.tr("Enlarge ×{factor}").format(factor=factor))
        self.box.setToolTip(tip)
        self.label.setToolTip(tip + " " + self.tr("Double-click to go back to the model's own value."))


class SeedRow(QWidget):
    """The seed used last, or the one to use; die, lock and reuse."""

    typed = Signal(str)
    lock_changed = Signal(bool)
    die_thrown = Signal()
    reuse_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.label = QLabel(self.tr("Seed"))
        self.box = QLineEdit()
        self.box.setAccessibleName(self.tr("Seed"))
        self.box.setAcceptDrops(False)  # a dropped picture is for the window
        self.box.setPlaceholderText(self.tr("Random"))
        self.box.setValidator(QRegularExpressionValidator(r"\s*\d{0,19}\s*", self))
        self.box.setToolTip(
            self.tr("Where the noise starts: the same seed and settings give the same picture. Type one to lock it.")
        )
        self.label.setBuddy(self.box)
        self.label.setToolTip(self.box.toolTip())
        self.die = IconButton(
            "dice", self.tr("New seed"), self.tr("Draw a new seed now and keep it for the next pictures.")
        )
        self.lock = IconButton("unlock", self.tr("Lock the seed"), "", checkable=True)
        self.reuse = IconButton(
            "reuse", self.tr("Reuse seed"), self.tr("Take the seed of the picture on the canvas and lock it.")
        )
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2)
        row.addWidget(self.label)
        row.addSpacing(theme.S - 2)
        row.addWidget(self.box, 1)
        for button in (self.die, self.lock, self.reuse):
            button.setFixedWidth(BUTTON_WIDTH)  # leaves room for ten digits at any width of the column
            row.addWidget(button, 0, Qt.AlignmentFlag.AlignVCenter)
        self.set_locked(False)
        self.box.textEdited.connect(self.typed)
        self.lock.toggled.connect(self.lock_changed)
        self.die.clicked.connect(self.die_thrown)
        self.reuse.clicked.connect(self.reuse_wanted)

    def set_seed(self, seed: int) -> None:
        """Show a seed; 0 while nothing is locked means that none was used yet."""
        text = str(seed) if seed or self.lock.isChecked() else ""
        if self.box.text().strip() != text:
            self.box.setText(text)

    def set_locked(self, locked: bool) -> None:
        with QSignalBlocker(self.lock):
            self.lock.setChecked(locked)
        if locked:
            tip = self.tr("The seed is locked: every run starts from it. Click for a random seed each time.")
        else:
            tip = self.tr("Each run draws a random seed. Click to keep the one shown.")
        self.lock.dress("lock" if locked else "unlock", self.tr("Lock the seed"), tip)
        theme.set_role(self.box, "" if locked else "muted")
