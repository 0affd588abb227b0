"""Colours, sizes and the one style sheet. Values are named by role; widgets carry no colours of their own."""

from __future__ import annotations

from dataclasses import dataclass, fields

from PySide6.QtCore import QObject, Qt, Slot
from PySide6.QtGui import QColor, QFont, QPalette
from PySide6.QtWidgets import QApplication, QStyle, QWidget

from desktop_app.core.paths import resources_dir

SPACE = (4, 8, 12, 16, 24)
"""The spacings there are, in px."""
XS, S, M, L, XL = SPACE
CONTROL_HEIGHT = 30
FONT_SMALL, FONT, FONT_LARGE, FONT_TITLE = 12, 13, 15, 20
ICON = 20


@dataclass(frozen=True, slots=True)
class Tokens:
    """One theme: #rrggbb by role."""

    window: str
    panel: str
    raised: str
    line: str
    text: str
    muted: str
    faint: str
    """Text of controls that cannot be used now."""
    accent: str
    accent_hover: str
    on_accent: str
    good: str
    warning: str
    error: str
    surround: str
    """Around the picture: neutral, never tinted."""


DARK = Tokens(
    window="#1b1b1d",
    panel="#242427",
    raised="#2e2e32",
    line="#3c3c42",
    text="#ececee",
    muted="#a3a3ab",
    faint="#6d6d75",
    accent="#ff5a3c",
    accent_hover="#ff7459",
    on_accent="#1b0a06",
    good="#5fc98b",
    warning="#f0b429",
    error="#ff7b7b",
    surround="#161618",
)
LIGHT = Tokens(
    window="#f4f4f5",
    panel="#ffffff",
    raised="#ececee",
    line="#d4d4d8",
    text="#1c1c1f",
    muted="#5d5d66",
    faint="#9a9aa3",
    accent="#c8371b",
    accent_hover="#b02d14",
    on_accent="#ffffff",
    good="#1f7a47",
    warning="#8a5a00",
    error="#b3261e",
    surround="#dcdce0",
)


class _Theme(QObject):
    """The tokens in force; follows the system while that is chosen."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = LIGHT
        self.choice = "system"

    @Slot()
    def follow(self) -> None:
        app = QApplication.instance()
        if self.choice == "system" and isinstance(app, QApplication):
            self.put_on(app)

    def put_on(self, app: QApplication) -> None:
        dark = app.styleHints().colorScheme() == Qt.ColorScheme.Dark
        wanted = {"dark": DARK, "light": LIGHT}.get(self.choice, DARK if dark else LIGHT)
        if wanted is self.tokens and app.styleSheet():
            return
        self.tokens = wanted
        app.setPalette(palette(wanted))
        app.setStyleSheet(style_sheet(wanted))


_theme = _Theme()


def tokens() -> Tokens:
    """The theme in force, for what paints itself."""
    return _theme.tokens


def color(role: str) -> QColor:
    """A colour of the theme in force by the name of its token."""
    return QColor(getattr(_theme.tokens, role))


def apply_theme(app: QApplication, choice: str) -> None:
    """Dress the whole program: ``choice`` is "system", "light" or "dark"."""
    hints = app.styleHints()
    if not app.styleSheet():
        app.setStyle("fusion")
        app.setFont(sized(app.font(), FONT))
        hints.colorSchemeChanged.connect(_theme.follow)
    _theme.choice = choice
    schemes = {"light": Qt.ColorScheme.Light, "dark": Qt.ColorScheme.Dark}
    hints.setColorScheme(schemes.get(choice, Qt.ColorScheme.Unknown))  # title bars and native dialogs follow
    _theme.put_on(app)


def sized(font: QFont, pixels: int, *, bold: bool = False) -> QFont:
    """``font`` at ``pixels`` with tabular numbers."""
    made = QFont(font)
    made.setPixelSize(pixels)
    made.setFeature(QFont.Tag("tnum"), 1)
    if bold:
        made.setWeight(QFont.Weight.DemiBold)
    return made


def reduced_motion() -> bool:
    """Whether the system asks that nothing moves by itself."""
    app = QApplication.instance()
    style = app.style() if isinstance(app, QApplication) else None
    return style is not None and style.styleHint(QStyle.StyleHint.SH_Widget_Animation_Duration) == 0


def set_role(widget: QWidget, role: str) -> None:
    """Give ``widget`` another role of the style sheet."""
    if widget.property("role") != role:
        widget.setProperty("role", role)
        widget.style().unpolish(widget)
        widget.style().polish(widget)


def palette(t: Tokens) -> QPalette:
    """The tokens as Qt's roles, for everything the style sheet does not name."""
    roles = QPalette.ColorRole
    made = QPalette()
    for role, value in {
        roles.Window: t.window,
        roles.Base: t.panel,
        roles.AlternateBase: t.raised,
        roles.Button: t.raised,
        roles.WindowText: t.text,
        roles.Text: t.text,
        roles.ButtonText: t.text,
        roles.BrightText: t.text,
        roles.ToolTipBase: t.raised,
        roles.ToolTipText: t.text,
        roles.PlaceholderText: t.muted,
        roles.Highlight: t.accent,
        roles.HighlightedText: t.on_accent,
        roles.Accent: t.accent,
        roles.Link: t.accent,
        roles.LinkVisited: t.accent,
        roles.Light: t.line,
        roles.Midlight: t.line,
        roles.Mid: t.line,
        roles.Dark: t.line,
        roles.Shadow: t.window,
    }.items():
        made.setColor(role, QColor(value))
    for role in (roles.WindowText, roles.Text, roles.ButtonText, roles.PlaceholderText):
        made.setColor(QPalette.ColorGroup.Disabled, role, QColor(t.faint))
    return made


def style_sheet(t: Tokens) -> str:
    """:data:`_STYLE` with the tokens of one theme in it."""
    sheet = _STYLE
    icons = (resources_dir() / "icons").as_posix()
    values = {field.name: getattr(t, field.name) for field in fields(t)}
    values |= {"icons": icons, "check": "check-dark" if t is DARK else "check-light"}
    for name in sorted(values, key=len, reverse=True):
        sheet = sheet.replace(f"@{name}", values[name])
    return sheet


_STYLE = """
QToolTip { background: @raised; color: @text; border: 1px solid @line; padding: 4px 6px; }
QLabel[role="muted"], QCheckBox[role="muted"] { color: @muted; font-size: 12px; }
QLabel[role="hint"] { color: @warning; font-size: 12px; }
QLabel[role="peek"] { background: @raised; border: 1px solid @line; padding: 2px; }
QLabel[role="strong"] { font-weight: 600; }
QLabel[role="title"] { font-size: 20px; font-weight: 600; }
QLabel[role="large"] { font-size: 15px; }

QFrame[role="panel"], QWidget[role="panel"] { background: @panel; }
QFrame[role="left"] { background: @panel; border-right: 1px solid @line; }
QFrame[role="right"] { background: @panel; border-left: 1px solid @line; }
QFrame[role="bar"] { background: @panel; border-bottom: 1px solid @line; }
QFrame[role="foot"] { background: @panel; border-top: 1px solid @line; }
QFrame[role="error"] { background: @raised; border-left: 3px solid @error; border-bottom: 1px solid @line; }
QFrame[role="notice"] { background: @raised; border-left: 3px solid @line; border-bottom: 1px solid @line; }
QFrame[role="segments"], QFrame[role="start"] { background: @window; border: 1px solid @line; border-radius: 6px; }
QFrame[role="drop-here"] { background: @raised; border: 1px dashed @accent; border-radius: 6px; }
QFrame[role="card"] { background: @raised; border-radius: 10px; }
QScrollArea, QScrollArea > QWidget > QWidget[role="panel"] { background: @panel; border: none; }

QPushButton {
    background: @raised; color: @text; border: 1px solid @line; border-radius: 6px; padding: 0 12px; min-height: 28px;
}
QPushButton:hover { border-color: @muted; }
QPushButton:pressed { background: @line; }
QPushButton:focus { border: 1px solid @text; }
QPushButton:disabled { color: @faint; border-color: @line; background: @panel; }
QPushButton:flat { background: transparent; border: 1px solid transparent; }
QPushButton:flat:hover { background: @raised; }
QPushButton:flat:focus { border-color: @text; }
QPushButton[role="accent"] {
    background: @accent; color: @on_accent; border: 2px solid @accent; min-height: 36px;
    font-weight: 600; font-size: 15px;
}
QPushButton[role="accent"]:hover { background: @accent_hover; border-color: @accent_hover; }
QPushButton[role="accent"]:focus { border-color: @text; }
QPushButton[role="accent"]:disabled { background: @raised; border-color: @raised; color: @faint; }
QPushButton[role="chip"] {
    text-align: left; border-radius: 14px; padding: 4px 12px; background: @panel; min-height: 20px;
}
QPushButton[role="quiet"] {
    text-align: right; background: transparent; border: 1px solid transparent; padding: 0 3px; min-height: 22px;
    color: @muted; font-size: 12px;
}
QPushButton[role="quiet"]:hover { background: @raised; color: @text; }
QPushButton[role="quiet"]:pressed { background: @line; }
QPushButton[role="quiet"]:focus { border-color: @text; }
QPushButton[role="drop"], QPushButton[role="drop-here"] {
    text-align: left; background: transparent; border: 1px dashed @faint; padding: 0 8px; min-height: 32px;
    color: @muted; font-size: 12px;
}
QPushButton[role="drop"]:hover { border-color: @muted; color: @text; }
QPushButton[role="drop"]:focus { border: 1px solid @text; }
QPushButton[role="drop-here"] { border: 1px dashed @accent; background: @raised; color: @text; }
QPushButton[role="thumbnail"] {
    background: transparent; border: 1px solid transparent; padding: 0; min-width: 54px; min-height: 54px;
}
QPushButton[role="thumbnail"]:hover { background: @raised; }
QPushButton[role="thumbnail"]:focus { border-color: @text; }
QPushButton[role="segment"] {
    background: transparent; border: 1px solid transparent; border-radius: 4px; padding: 0; min-height: 22px;
    color: @muted;
}
QPushButton[role="segment"]:hover { color: @text; }
QPushButton[role="segment"]:checked { background: @line; color: @text; font-weight: 600; }
QPushButton[role="segment"]:focus { border-color: @text; }
QPushButton[role="link"] {
    text-align: left; background: transparent; border: 1px solid transparent; padding: 0 4px 0 0; min-height: 20px;
    margin-left: -3px; color: @muted; font-size: 12px;
}
QPushButton[role="link"]:hover { background: @raised; color: @text; }
QPushButton[role="link"]:focus { border-color: @text; }
QPushButton[role="fold"] {
    text-align: left; background: transparent; border: 1px solid transparent; padding: 0 4px 0 0; margin-left: -6px;
    font-weight: 600;
}
QPushButton[role="fold"]:hover { background: @raised; }
QPushButton[role="fold"]:focus { border-color: @text; }

QToolButton { background: transparent; border: 1px solid transparent; border-radius: 6px; padding: 4px; }
QToolButton:hover { background: @raised; }
QToolButton:pressed { background: @line; }
QToolButton:checked { background: @raised; border-color: @line; }
QToolButton:focus { border-color: @text; }
QToolButton::menu-indicator { image: none; }

QLineEdit, QSpinBox, QDoubleSpinBox, QComboBox, QPlainTextEdit, QTextEdit {
    background: @window; color: @text; border: 1px solid @line; border-radius: 6px; padding: 0 8px;
    selection-background-color: @accent; selection-color: @on_accent;
}
QLineEdit, QSpinBox, QDoubleSpinBox, QComboBox { min-height: 28px; }
QPlainTextEdit, QTextEdit { padding: 4px; }
QLineEdit, QPlainTextEdit { placeholder-text-color: @muted; }
QLineEdit#qt_spinbox_lineedit { border: none; padding: 0 8px 0 4px; background: transparent; min-height: 0; }
QLineEdit:hover, QSpinBox:hover, QDoubleSpinBox:hover, QComboBox:hover, QPlainTextEdit:hover { border-color: @faint; }
QLineEdit:focus, QSpinBox:focus, QDoubleSpinBox:focus, QComboBox:focus, QPlainTextEdit:focus, QTextEdit:focus {
    border-color: @text;
}
QLineEdit:disabled, QSpinBox:disabled, QDoubleSpinBox:disabled, QComboBox:disabled { color: @faint; }
QPlainTextEdit:disabled { color: @faint; background: @panel; }
QTextEdit[role="plain"] { background: transparent; border: none; padding: 0; }
QLineEdit[role="muted"] { color: @muted; }
QSpinBox, QDoubleSpinBox { padding: 0 6px; }
QSpinBox::up-button, QSpinBox::down-button, QDoubleSpinBox::up-button, QDoubleSpinBox::down-button {
    width: 0; border: none; /* "no buttons" would leave the number no room under a style sheet */
}
QComboBox { padding-right: 4px; }
QComboBox::drop-down { border: none; width: 24px; }
QComboBox::down-arrow { image: url("@icons/arrow-down.svg"); width: 12px; height: 12px; }
QComboBox QAbstractItemView {
    background: @panel; border: 1px solid @line; outline: none; padding: 4px;
    selection-background-color: @raised; selection-color: @text;
}
QComboBox QAbstractItemView::item { min-height: 26px; padding: 0 6px; border-radius: 4px; }

QSlider { min-height: 24px; }
QSlider::groove:horizontal { height: 4px; border-radius: 2px; background: @line; }
QSlider::sub-page:horizontal { height: 4px; border-radius: 2px; background: @muted; }
QSlider::handle:horizontal {
    width: 14px; height: 14px; margin: -6px 0; border-radius: 8px; background: @text; border: 1px solid @panel;
}
QSlider::handle:horizontal:focus { background: @accent; }
QSlider::sub-page:horizontal:disabled, QSlider::handle:horizontal:disabled { background: @line; }

QCheckBox { spacing: 8px; min-height: 24px; }
QCheckBox::indicator { width: 16px; height: 16px; border: 1px solid @muted; border-radius: 4px; background: @window; }
QCheckBox::indicator:checked { background: @accent; border-color: @accent; image: url("@icons/@check.svg"); }
QCheckBox:focus { color: @text; }
QCheckBox::indicator:focus { border: 2px solid @text; }
QRadioButton { spacing: 8px; min-height: 24px; }
QRadioButton::indicator {
    width: 14px; height: 14px; border: 1px solid @muted; border-radius: 8px; background: @window;
}
QRadioButton::indicator:checked {
    width: 8px; height: 8px; border: 4px solid @accent; border-radius: 8px; background: @on_accent;
}
QRadioButton::indicator:focus { border-color: @text; }
QRadioButton:disabled { color: @faint; }

QScrollBar:vertical { background: transparent; width: 10px; margin: 0; }
QScrollBar:horizontal { background: transparent; height: 10px; margin: 0; }
QScrollBar::handle { background: @line; border-radius: 3px; margin: 2px; }
QScrollBar::handle:vertical { min-height: 24px; }
QScrollBar::handle:horizontal { min-width: 24px; }
QScrollBar::handle:hover { background: @faint; }
QScrollBar::handle:disabled { background: transparent; }
QScrollBar::add-line, QScrollBar::sub-line, QScrollBar::add-page, QScrollBar::sub-page {
    background: none; border: none; width: 0; height: 0;
}

QMenu { background: @panel; border: 1px solid @line; padding: 4px; }
QMenu::item { padding: 6px 28px 6px 12px; border-radius: 4px; color: @text; }
QMenu::item:selected { background: @raised; }
QMenu::item:disabled { color: @faint; }
QMenu::separator { height: 1px; background: @line; margin: 4px 8px; }
QMenu::indicator { width: 14px; height: 14px; left: 6px; }
QMenu::indicator:checked { image: url("@icons/arrow-check.svg"); }

QListView { background: transparent; border: none; outline: none; }
QListView[role="strip"] { padding: 0 12px; }
QListView[role="popup"] { background: @panel; border: 1px solid @line; padding: 1px; }
QListView[role="popup"]::item { min-height: 26px; padding: 0 6px; border-radius: 4px; }
QListView[role="popup"]::item:selected { background: @raised; color: @text; }
QTableWidget {
    background: @panel; border: 1px solid @line; border-radius: 6px; gridline-color: transparent; outline: none;
}
QTableWidget::item { padding: 2px 6px; }
QTableWidget::item:selected { background: @raised; color: @text; }
QHeaderView::section { background: @panel; color: @muted; border: none; padding: 6px 9px; font-size: 12px; }
QSplitter::handle { background: transparent; }
QDialog { background: @panel; }
"""
