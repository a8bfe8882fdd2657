"""Errors as shown beside their control, without the name of the field."""

from __future__ import annotations

from fyke.console.texts import gettext as _
from fyke.domain.forms.model import InputError


def rule(error: InputError) -> str:
    """The error without the name of its field."""
    return _("is required") if error.missing else error.rule


def named(error: InputError, title: str, column: str = "") -> str:
    """The error with the titles of the form, for the summary."""
    if error.row:
        place = {"title": title, "row": error.row, "column": column}
        title = _("%(title)s, row %(row)s, %(column)s") % place
    return f"{title}: {rule(error)}" if title else error.message
