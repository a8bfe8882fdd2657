"""Numbers with their units, without a digit lost."""

from __future__ import annotations

from decimal import Decimal


def millionths(count: int) -> str:
    """``count`` millionths as a decimal with every digit: dollars of micros, MB of bytes."""
    text = f"{Decimal(count).scaleb(-6):f}"
    return text.rstrip("0").rstrip(".")


def binary_size(count: int) -> str:
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= factor:
            return f"{count / factor:g} {unit}"
    return f"{count:,} bytes"
