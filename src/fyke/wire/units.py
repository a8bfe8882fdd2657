"""Conversions to the units of the wire: seconds, US dollars, megabytes."""

from __future__ import annotations

from decimal import Decimal

from fyke.model.billing import MICROS

MAX_SECONDS = 253_402_300_799  # the end of the year 9999


def seconds(ms: int) -> int:
    """Unix seconds of a time in milliseconds."""
    return ms // 1000


def usd(micros: int) -> int | float:
    """US dollars as a number, an integer if whole."""
    whole_dollars, remainder = divmod(micros, MICROS)
    return micros / MICROS if remainder else whole_dollars


def megabytes(size: int) -> int | float:
    """MB (10^6 bytes) as a number, an integer if whole."""
    whole_megabytes, remainder = divmod(size, 1_000_000)
    return size / 1_000_000 if remainder else whole_megabytes


def decimal_megabytes(size: int) -> str:
    """MB (10^6 bytes) as text, without trailing zeros."""
    return f"{Decimal(size) / 10**6:f}"
