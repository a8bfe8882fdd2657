"""Numbers and durations as exact text with units."""

from __future__ import annotations

from decimal import Decimal


def millionths(count: int) -> str:
    """Return ``count`` / 1,000,000 as an exact decimal: dollars for micros, MB for bytes."""
    text = f"{Decimal(count).scaleb(-6):f}"
    return text.rstrip("0").rstrip(".")


def binary_size(count: int) -> str:
    """Return bytes in the largest binary unit that needs at most one decimal: ``1.5 GiB``,
    ``1,000,000 bytes``.
    """
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= factor and count * 10 % factor == 0:
            return f"{count / factor:g} {unit}"
    return f"{count:,} bytes"


def duration(milliseconds: float) -> str:
    """Return a duration in its two largest units that are not 0: ``240 ms``, ``4.2 s``, ``3 min 7
    s``, ``15 min``, ``2 h 5 min``.
    """
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.1f} s"
    seconds = round(milliseconds / 1000)
    units = ("h", seconds // 3600), ("min", seconds % 3600 // 60), ("s", seconds % 60)
    shown = units[:2] if seconds >= 3600 else units
    return " ".join(f"{number} {unit}" for unit, number in shown if number)
