"""Units of the wire: seconds, US dollars, megabytes."""

from __future__ import annotations

from decimal import Decimal

from fyke.model.billing import MICROS

MAX_SECONDS = 253_402_300_799  # the end of the year 9999


def seconds(ms: int) -> int:
    """Unix seconds of a time in ms; 0 stays 0."""
    return ms // 1000


def usd(micros: int) -> int | float:
    """A number of US dollars, an integer where it is one."""
    whole, rest = divmod(micros, MICROS)
    return micros / MICROS if rest else whole


def megabytes(size: int) -> int | float:
    """A number of MB (10^6 bytes), an integer where it is one."""
    whole, rest = divmod(size, 1_000_000)
    return size / 1_000_000 if rest else whole


def decimal_megabytes(size: int) -> str:
    """Megabytes as text with up to 6 decimals and no trailing zeros."""
    return f"{Decimal(size) / 10**6:f}"
