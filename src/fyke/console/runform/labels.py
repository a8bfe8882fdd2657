"""Texts of input errors, beside a control and in the summary, and of values that are not set."""

from __future__ import annotations

from fyke.console import formats
from fyke.console.texts import gettext as _
from fyke.domain.forms.choices import token_of
from fyke.domain.forms.codec import encode
from fyke.domain.forms.controls import first
from fyke.domain.forms.model import ABSENT, CHOICES, ControlKind, FormField, InputError, dump

_MAX_DEFAULT = 80  # characters


def field_error(error: InputError) -> str:
    """The error without the name of its field."""
    return _("is required") if error.missing else error.rule


def summary_error(error: InputError, title: str, column: str = "") -> str:
    """The error with the title of its field, for the summary."""
    if error.row:
        place = {"title": title, "row": error.row, "column": column}
        title = _("%(title)s, row %(row)s, %(column)s") % place
    return f"{title}: {field_error(error)}" if title else error.message


def unset_label(field: FormField, original: str = "") -> str:
    """The label of the choice that sends no value, with the default of the schema. ``original``:
    the JSON of a value that is sent instead.
    """
    if original == "null":
        return _("not set (null)")
    label = default_label(field)
    return _("not set (default: %(value)s)") % {"value": label} if label else _("not set")


def default_label(field: FormField) -> str:
    """The default of the schema in the words of the form, ``""`` for none and an empty one."""
    value = field.default
    if value is ABSENT or value in (None, "", [], {}):
        return ""
    if field.kind is ControlKind.SWITCH and isinstance(value, bool):
        return _("on") if value else _("off")
    if field.kind in CHOICES:
        labels = {option.token: option.label for option in field.options}
        values = value if isinstance(value, list) else [value]
        text = ", ".join(labels.get(token_of(item), _plain(item)) for item in values)
    elif field.kind is ControlKind.LIST:
        text = first(encode(field, value)).replace("\n", ", ") or dump(value)
    else:
        text = _plain(value)
    return text if len(text) <= _MAX_DEFAULT else text[:_MAX_DEFAULT].rstrip() + "\u2026"


def _plain(value: object) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return formats.number(value)
    return value if isinstance(value, str) else dump(value)
