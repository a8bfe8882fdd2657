"""Faults as they read beside their control: there the field is in sight and need not be named."""

from __future__ import annotations

import re

from fyke.console.texts import gettext as _
from fyke.domain.forms.model import FieldError

# what the sentences of the domain and of every start begin with, for those who see no form
_NAMED = re.compile(
    r'(field|option) "(?P<name>.*?)"(, row \d+, ".*?")? (?=(must|is|has) )|'
    r"input\.parameters\.system\.\w+:? ",
    re.DOTALL,
)


def rule(error: FieldError) -> str:
    """The fault without the name of what it is about."""
    if error.message.startswith("required field "):
        return _("is required")
    return _NAMED.sub("", error.message, count=1)


def named(error: FieldError, title: str, column: str = "") -> str:
    """The fault with the titles that the form shows, for the summary."""
    if error.row:
        place = {"title": title, "row": error.row, "column": column}
        title = _("%(title)s, row %(row)s, %(column)s") % place
    return f"{title}: {rule(error)}" if title else error.message
