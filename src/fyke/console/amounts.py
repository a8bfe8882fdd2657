"""Amounts of money as users type them."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from fyke.console.texts import gettext as _

_MAX_CHARS = 40


def dollars(text: str) -> Decimal | None:
    """US dollars; empty text is 0; None when the text is not an amount."""
    digits = text.strip().replace(",", ".") or "0"
    if len(digits) > _MAX_CHARS:
        return None
    try:
        amount = Decimal(digits)
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and amount >= 0 else None


def no_dollars() -> str:
    """The message for a text that is not an amount."""
    return _("Enter US dollars such as 25 or 2.50. Empty: no cap.")
