"""The row under the canvas: what happens now, how far it is, and what can be done about it."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from desktop_app.studio.job_queue import Job, JobQueue
from desktop_app.ui import theme
from desktop_app.ui.icons import icon
from desktop_app.ui.viewer import ShownPicture, Viewer
from desktop_app.ui.widgets.icon_button import IconButton
from desktop_app.ui.widgets.labels import ElidedLabel
from desktop_app.ui.widgets.progress_line import ProgressLine


class StatusRow(QFrame):
    """Text at the left, buttons at the right, a thin line of progress above both."""

    wanted = Signal(str)
    """Id of an action, or "again", "discard", "watch", "details"."""

    def __init__(self, queue: JobQueue, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._queue = queue
        self._viewer = viewer
        self._kept_job: int | None = None
        self.setProperty("role", "panel")
        self.text = ElidedLabel()
        self.progress = ProgressLine()
        self.progress.setAccessibleName(self.tr("Progress"))
        self.progress.setToolTip(self.tr("How far the running job is."))
        self.watch = self._icon_button("eye", "watch", self.tr("Watch"), self.tr("Show what is being made."))
        self.keep = self._push_button(
            "keep", "keep", self.tr("Keep"), self.tr("Take no further step, and finish it as it is now.")
        )
        self.stop = self._push_button("stop", "stop", self.tr("Stop"), self.tr("Stop the running job (Esc)."))
        self.again = self._push_button(
            "again", "again", self.tr("Run again"), self.tr("Start this job once more, with the same seed.")
        )
        self.discard = self._push_button(
            "close", "discard", self.tr("Discard"), self.tr("Take what is unfinished off the canvas.")
        )
        self.save_again = self._push_button(
            "save", "save_as", self.tr("Save again…"), self.tr("It could not be saved. Try once more, or elsewhere.")
        )
        self.enlarge = self._push_button("enlarge", "enlarge", "", "")
        self._enlarge_action: QAction | None = None
        self.picture_buttons = [
            self._icon_button("copy", "copy_image", self.tr("Copy image"), self.tr("Copy the picture.")),
            self._icon_button("save", "save_as", self.tr("Save as"), self.tr("Save a copy where you like (Ctrl+S).")),
            self._icon_button(
                "folder", "show_in_folder", self.tr("Show in folder"), self.tr("Show the file in its folder.")
            ),
            self._icon_button(
                "reuse", "use_seed", self.tr("Reuse seed"), self.tr("Take the seed of this picture and lock it.")
            ),
            self._icon_button("info", "details", self.tr("Details"), self.tr("Show how this picture was made.")),
        ]
        self._lay_out()

    def _push_button(self, icon_name: str, id: str, text: str, tip: str) -> QPushButton:
        button = QPushButton(icon(icon_name), text)
        button.setAccessibleName(text)
        button.setToolTip(tip)
        button.clicked.connect(lambda: self.wanted.emit(id))
        return button

    def _icon_button(self, icon_name: str, id: str, name: str, tip: str) -> IconButton:
        button = IconButton(icon_name, name, tip)
        button.clicked.connect(lambda: self.wanted.emit(id))
        return button

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.setContentsMargins(theme.L, theme.XS, theme.S, theme.XS)
        row.setSpacing(theme.XS)
        row.addWidget(self.text, 1)
        row.addSpacing(theme.S)
        jobs = (self.watch, self.keep, self.stop, self.again, self.discard)
        for button in (*jobs, self.save_again, self.enlarge, *self.picture_buttons):
            row.addWidget(button, 0, Qt.AlignmentFlag.AlignVCenter)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.progress)
        column.addLayout(row)
        self.setFixedHeight(theme.CONTROL_HEIGHT + 2 * theme.XS + 8)

    def follow_enlarge(self, action: QAction) -> None:
        """Offer ``action`` while it is enabled and a picture is in front."""
        self._enlarge_action = action
        self.enlarge.setToolTip(action.toolTip())
        action.changed.connect(self.refresh)

    def keep_asked(self) -> None:
        """The user wants the running job to end with what it has."""
        self._kept_job = self._queue.current.id if self._queue.current else None
        self.refresh()

    def refresh(self) -> None:
        """Show the state of queue and viewer."""
        running, stopped = self._queue.current, self._viewer.job
        shown = self._viewer.shown
        if stopped and not stopped.ended:
            stopped = None
        if running:
            self._say(self.running_text(running), fraction_done(running))
        elif stopped:
            self._say(self.tr("Cancelled") if stopped.state == "cancelled" else self.tr("Failed"), 0)
        elif shown:
            self._say(self.picture_text(shown), 0)
        else:
            self._say(self.engine_text(), 0)
        kept = bool(running and running.id == self._kept_job)
        self.stop.setVisible(bool(running))
        self.stop.setEnabled(bool(running and not running.stopping))
        self.keep.setVisible(bool(running and running.state == "denoising"))
        self.keep.setEnabled(bool(running and not running.stopping and not kept and running.step > 0))
        self.watch.setVisible(bool(running and not self._viewer.following))
        self.again.setVisible(bool(stopped and not running))
        self.discard.setVisible(bool(stopped and not running))
        if self._enlarge_action:
            self.enlarge.setText(self._enlarge_action.text())
            self.enlarge.setAccessibleName(self._enlarge_action.text())
            self.enlarge.setVisible(bool(shown and not running and self._enlarge_action.isEnabled()))
        self.save_again.setVisible(bool(shown and not running and shown.path is None and shown.image is not None))
        for button in self.picture_buttons:
            button.setVisible(bool(shown and not running))
        if shown:
            self._enable_picture_buttons(shown)

    def _enable_picture_buttons(self, shown: ShownPicture) -> None:
        copy, save, folder, seed, _ = self.picture_buttons
        copy.setEnabled(shown.image is not None)
        save.setEnabled(shown.image is not None)
        folder.setEnabled(shown.path is not None)
        seed.setEnabled(shown.result is not None)

    def _say(self, text: str, fraction: float) -> None:
        self.text.setText(text)
        self.text.setAccessibleName(text)
        self.progress.set_fraction(fraction)

    # -- words

    def engine_text(self) -> str:
        match self._queue.engine_state:
            case "starting":
                return self.tr("Ready in a moment…")
            case "stopped":
                return self.tr("The engine is not running")
        run = self._queue.engine_run
        return self.tr("Ready · {device}").format(device=run.device_name) if run else self.tr("Ready")

    def running_text(self, job: Job) -> str:
        """State of the running job in a few words."""
        if job.stopping:
            return self.tr("Stopping…")
        match job.state:
            case "loading" if job.loading_what:
                percent = round(100 * job.loading_fraction)
                return self.tr("Loading {part} · {percent} %").format(part=job.loading_what, percent=percent)
            case "loading":
                starting = self._queue.engine_state == "starting"
                return self.tr("Ready in a moment…") if starting else self.tr("Loading the model…")
            case "encoding":
                return self.tr("Reading the prompt…")
            case "decoding":
                return self.picture_of(job) + self.tr("Bringing out the pixels…")
        parts = [self.tr("step {step}/{steps}").format(step=job.step, steps=job.steps)]
        if job.seconds_left is not None:
            parts.append(self.tr("{time} left").format(time=self.duration(job.seconds_left)))
        text = self.picture_of(job) + " · ".join(parts)
        return text[0].upper() + text[1:]

    def picture_of(self, job: Job) -> str:
        if job.pictures == 1:
            return ""
        which = self.tr("Film {number}/{all} · ") if job.request.is_film else self.tr("Picture {number}/{all} · ")
        return which.format(number=job.picture + 1, all=job.pictures)

    def picture_text(self, shown: ShownPicture) -> str:
        """Seed, seconds and size of a finished picture, and how many frames a film has."""
        if shown.image is None:
            return self.tr("Opening…") if shown.message is None else self.tr("This file cannot be shown")
        facts = [self.tr("{width} × {height} px").format(width=shown.image.width(), height=shown.image.height())]
        if shown.film:
            facts.append(self.tr("%n frames", "", shown.film.count))
        if shown.result is not None:
            seed = self.tr("Seed {seed}").format(seed=shown.result.seed)
            seconds = [self.duration(shown.result.seconds)] if shown.result.run else [shown.result.program]
            facts = [seed, *seconds, *facts]
        return " · ".join(facts)

    def duration(self, seconds: float) -> str:
        """Seconds as people say them."""
        if seconds < 9.95:
            return self.tr("{seconds} s").format(seconds=self.locale().toString(float(seconds), "f", 1))
        if seconds < 90:
            return self.tr("{seconds} s").format(seconds=round(seconds))
        minutes, rest = divmod(round(seconds), 60)
        return self.tr("{minutes} min {seconds} s").format(minutes=minutes, seconds=rest)


def fraction_done(job: Job) -> float:
    """How far a running job is, in [0, 1]."""
    if job.state not in ("denoising", "decoding"):
        return 0.0
    done = job.steps if job.state == "decoding" else job.step
    return (job.picture + done / max(1, job.steps)) / job.pictures
