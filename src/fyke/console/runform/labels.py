"""Errors as shown beside their control, without the name of the field."""

from __future__ import annotations

import re

from fyke.console.texts import gettext as _
from fyke.domain.forms.model import InputError

# prefixes of the domain's sentences, for clients without a form
_NAMED = re.compile(
    r'(field|option) "(?P<name>.*?)"(, row \d+, ".*?")? (?=(must|is|has) )|'
    r"input\.parameters\.system\.\w+:? ",
    re.DOTALL,
)


def rule(error: InputError) -> str:
    """The error without the name of its field."""
    if error.message.startswith("required field "):
        return _("is required")
    return _NAMED.sub("", error.message, count=1)


def named(error: InputError, title: str, column: str = "") -> str:
    """The error with the titles of the form, for the summary."""
    if error.row:
        place = {"title": title, "row": error.row, "column": column}
        title = _("%(title)s, row %(row)s, %(column)s") % place
    return f"{title}: {rule(error)}" if title else error.message
