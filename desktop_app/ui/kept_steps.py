"""What a film looked like on the way: a few previews of the running job, for the contact sheet."""

from __future__ import annotations

from PySide6.QtCore import QObject, Slot

from desktop_app.core.frames import Frames
from desktop_app.studio.job_queue import Job, JobQueue

MOST_STEPS = 8
MOST_BYTES = 2**20
"""Of one preview: 16 frames at latent size and more; longer films keep none."""


class KeptSteps(QObject):
    """At most :data:`MOST_STEPS` previews of the film being made, evenly spread over its steps."""

    def __init__(self, queue: JobQueue, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._film: tuple[int, int] = (0, 0)
        self._steps: dict[int, Frames] = {}
        self._every = 1
        queue.progressed.connect(self._progressed)

    @property
    def steps(self) -> tuple[tuple[int, Frames], ...]:
        """(step, preview of all frames) of the film that was made last, or is being made."""
        return tuple(sorted(self._steps.items()))

    @Slot(object)
    def _progressed(self, job: Job) -> None:
        if self._film != (job.id, job.picture):
            self._film, self._steps, self._every = (job.id, job.picture), {}, 1
        preview = job.preview
        if job.state != "denoising" or preview is None or preview.count < 2 or len(preview.data) > MOST_BYTES:
            return
        if job.step % self._every == 0:
            self._steps[job.step] = preview
        if len(self._steps) > MOST_STEPS:
            self._every *= 2
            self._steps = {step: kept for step, kept in self._steps.items() if step % self._every == 0}
