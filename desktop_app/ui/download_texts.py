"""Progress, speeds and times of downloads in words."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication

from desktop_app.core.sizes import size_text
from desktop_app.studio.downloads import Download

MINUTE, HOUR = 60, 3600


def time_text(seconds: float) -> str:
    """How long something still takes, to the unit that matters."""
    if seconds < MINUTE:
        return _tr("%n s left", max(1, round(seconds)))
    if seconds < HOUR:
        return _tr("%n min left", round(seconds / MINUTE))
    return _tr("%n h left", round(seconds / HOUR))


def state_text(entry: Download) -> str:
    """One line that says how a download is going."""
    done, total = size_text(entry.progress.done), size_text(entry.progress.total)
    amount = _tr("{done} of {total}").format(done=done, total=total) if total else done
    match entry.state:
        case "finished":
            return " · ".join((_tr("Finished"), total or done))
        case "failed":
            return " · ".join((_tr("Stopped"), amount))
        case "running" if entry.progress.checking:
            return " · ".join((_tr("Looking at what is here already"), amount))
        case "running":
            return " · ".join((amount, *_pace(entry)))
    return " · ".join((_tr("Waiting") if entry.state == "waiting" else _tr("Paused"), amount))


def _pace(entry: Download) -> list[str]:
    """Speed and time left, once somebody can say."""
    if entry.progress.total is not None and entry.progress.done >= entry.progress.total:
        return [_tr("Checking")]
    left = entry.rate.left(entry.progress.total)
    speed = [f"{size_text(entry.rate.speed)}/s"] if entry.rate.speed else []
    return [*speed, *([time_text(left)] if left is not None else [])]


def _tr(text: str, count: int = -1) -> str:
    return QCoreApplication.translate("downloads", text, "", count)
