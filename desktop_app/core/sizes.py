"""Sizes for people."""

from __future__ import annotations

_UNITS = ("kB", "MB", "GB", "TB")


def size_text(size: float | None) -> str:
    """Bytes in thousands, as sites and disks count: "999 bytes", "12 kB", "9.2 GB", "12 GB"; "" if nobody knows."""
    if size is None:
        return ""
    if size < 1000:
        return f"{size:.0f} bytes"
    number, unit = size / 1000, 0
    while number >= 999.5 and unit < len(_UNITS) - 1:
        number, unit = number / 1000, unit + 1
    return f"{number:.1f} {_UNITS[unit]}" if number < 9.95 else f"{number:.0f} {_UNITS[unit]}"
