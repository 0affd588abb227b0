"""The one family of exceptions that is meant for a person's eyes."""

from __future__ import annotations

from typing import Any

from desktop_app.core.messages import Message


class AppError(Exception):
    """Something went wrong that the user can understand and mend.

    ``AppError("seed.range", value=2**64, high=MAX_SEED)`` names a line of :data:`desktop_app.core.messages.ENGLISH`.
    Cancelling is never an error and never raises this.
    """

    def __init__(self, id: str, /, **values: Any) -> None:
        self.message = Message(id, values)
        super().__init__(str(self.message))


class RequestError(AppError):
    """The request itself is impossible; the command line answers with exit code 2."""
