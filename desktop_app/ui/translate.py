"""Messages of the Qt-free rooms in the user's language."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication

from desktop_app.core.messages import ENGLISH, Message


def translated(message: Message) -> tuple[str, str]:
    """(what happened, what to do); the second may be empty."""
    text, remedy = ENGLISH[message.id]
    return _translated(text, message), _translated(remedy, message)


def _translated(english: str, message: Message) -> str:
    if not english:
        return ""
    return QCoreApplication.translate("messages", english).format_map(message.values)


def translated_label(context: str, english: str) -> str:
    """A label out of one of the tables (``settings``, ``actions``, ``schedulers``) in the user's language."""
    return QCoreApplication.translate(context, english) if english else ""
