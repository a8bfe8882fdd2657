"""Texts with numbers, for the log."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """A number with its noun, in the plural where needed: ``1 page``, ``2 pages``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
