"""Amounts of money as people type them."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from fyke.console.texts import gettext as _

_LONGEST = 40


def dollars(text: str) -> Decimal | None:
    """US dollars; an empty box is 0, and None what is no amount."""
    typed = text.strip().replace(",", ".") or "0"
    try:
        amount = Decimal(typed) if len(typed) <= _LONGEST else None
    except InvalidOperation:
        return None
    return amount if amount is not None and amount.is_finite() and amount >= 0 else None


def no_dollars() -> str:
    """What to say of a text that is no amount."""
    return _("Use a number of US dollars, such as 25 or 2.50, or leave it empty for no cap.")
