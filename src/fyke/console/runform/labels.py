"""Texts of input errors, beside a control and in the summary."""

from __future__ import annotations

from fyke.console.texts import gettext as _
from fyke.domain.forms.model import InputError


def field_error(error: InputError) -> str:
    """The error without the name of its field."""
    return _("is required") if error.missing else error.rule


def summary_error(error: InputError, title: str, column: str = "") -> str:
    """The error with the title of its field, for the summary."""
    if error.row:
        place = {"title": title, "row": error.row, "column": column}
        title = _("%(title)s, row %(row)s, %(column)s") % place
    return f"{title}: {field_error(error)}" if title else error.message
