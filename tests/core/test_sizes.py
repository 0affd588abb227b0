"""Sizes in words."""

from __future__ import annotations

import pytest

from desktop_app.core.sizes import size_text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (None, ""),
        (0, "0 bytes"),
        (999, "999 bytes"),
        (12_400, "12 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (36e6, "36 MB"),
        (9.24e9, "9.2 GB"),
        (9.96e9, "10 GB"),
        (12.4e9, "12 GB"),
        (3e15, "3000 TB"),
    ],
)
def test_sizes_are_short(size: float | None, text: str) -> None:
    assert size_text(size) == text
