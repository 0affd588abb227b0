"""Frames hold exactly the bytes that their shape says."""

from __future__ import annotations

import pytest

from desktop_app.core.frames import Frames


def test_shape() -> None:
    assert Frames(2, 3, 4, bytes(72)).shape == (2, 3, 4, 3)


@pytest.mark.parametrize("arguments", [(1, 3, 4, bytes(35)), (1, 3, 4, b""), (0, 3, 4, b""), (-1, -1, 1, bytes(3))])
def test_bytes_that_do_not_fit_are_refused(arguments: tuple[int, int, int, bytes]) -> None:
    with pytest.raises(ValueError, match="bytes for frames of shape"):
        Frames(*arguments)
