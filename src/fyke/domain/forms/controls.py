"""Converts a value to what its control sends, and back.

A control sends ``PostedTexts``: texts by suffix; the suffix ``""`` has the value itself. For each
kind of control, the function in ``SHOW`` returns what the control sends for a value, None when it
cannot show the value; the function in ``READ`` is the inverse. ``codec`` handles the values that a
control cannot show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fyke.domain.forms import choices, dates
from fyke.domain.forms.jsonview import JsonViewError, read_json
from fyke.domain.forms.model import (
    ABSENT,
    ControlKind,
    FormField,
    InputError,
    dump,
    named_field,
    pretty,
)
from fyke.domain.forms.numbers import NotANumber, read_number, within
from fyke.domain.workers.date_formats import DEFAULT
from fyke.kit.node_names import label_rules
from fyke.model.placement import labels_text

PostedTexts = dict[str, list[str]]
ORDER = "order"
KEY = "key"
AMOUNT, UNIT = "amount", "unit"
LABELS = "labels"  # the type of a line with labels: an object, or a text of it


@dataclass(frozen=True, slots=True)
class ReadValue:
    """A value read from a control, and its errors. A value that cannot be parsed stays as typed."""

    value: Any
    problems: tuple[InputError, ...] = ()


def first(posted: Mapping[str, list[str]], suffix: str = "") -> str:
    """Return the text under a suffix, ``""`` without one."""
    return next(iter(posted.get(suffix, ())), "")


def _errors(field: FormField, rule: str, **position: Any) -> tuple[InputError, ...]:
    subject = named_field(field.name)
    return (InputError(f"custom.{field.name}", rule, subject=subject, **position),)


def one_line(value: object) -> bool:
    """Whether a one-line control returns the text unchanged."""
    return is_lossless(value) and "\n" not in str(value)


def is_lossless(value: object) -> bool:
    """Whether a form returns the text unchanged."""
    if not isinstance(value, str) or "\r" in value or "\0" in value:
        return False
    return value.isascii() or not any("\ud800" <= char <= "\udfff" for char in value)


def _empty(field: FormField) -> Any:
    """The value of an empty text control: ``""`` for a field with a default, else no value."""
    return "" if isinstance(field.default, str) and field.default else ABSENT


# --- text and numbers ------------------------------------------------------------------------


def _show_line(field: FormField, value: Any) -> PostedTexts | None:
    if field.type == LABELS and _is_labels(value):
        return {"": [labels_text(value)]}
    return {"": [value]} if one_line(value) else None


def _is_labels(value: Any) -> bool:
    """Whether the text of a line can say these labels."""
    if not isinstance(value, dict) or not value:
        return False
    return all(isinstance(text, str) for text in value.values()) and not label_rules(value)


def _show_text(field: FormField, value: Any) -> PostedTexts | None:
    return {"": [value]} if is_lossless(value) else None


def _read_text(field: FormField, posted: PostedTexts) -> ReadValue:
    return ReadValue(first(posted) or _empty(field))


def _show_number(field: FormField, value: Any) -> PostedTexts | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"": [dump(value)]}
    if not one_line(value) or not value.strip():
        return None
    try:
        read_number(value, whole=field.type == "integer")
    except NotANumber:
        return {"": [value]}  # invalid input stays visible, so that it can be corrected
    return None


def _read_number(field: FormField, posted: PostedTexts) -> ReadValue:
    text = first(posted)
    if not text.strip():
        return ReadValue(ABSENT)
    try:
        number = read_number(text, whole=field.type == "integer")
    except NotANumber as error:
        return ReadValue(text, _errors(field, str(error)))
    rule = within(number, field.minimum, field.maximum)
    return ReadValue(number, _errors(field, rule) if rule else ())


# --- choices ---------------------------------------------------------------------------------


def _show_choice(field: FormField, value: Any) -> PostedTexts | None:
    return {"": [choices.token_of(value)]} if is_lossless(choices.token_of(value)) else None


def _read_choice(field: FormField, posted: PostedTexts) -> ReadValue:
    text = first(posted)
    if not text:
        return ReadValue(ABSENT)
    values = field.options.values
    if text in values:
        return ReadValue(values[text])
    return ReadValue(choices.value_of(text), _undeclared(field, text))


def _undeclared(field: FormField, text: str) -> tuple[InputError, ...]:
    return _errors(field, f'has no option "{text[:80]}"; choose one from the list')


def _show_choices(field: FormField, value: Any) -> PostedTexts | None:
    if not isinstance(value, list):
        return None
    tokens = [choices.token_of(item) for item in value]
    if len(set(tokens)) < len(tokens) or not all(map(is_lossless, tokens)):
        return None
    return {"": tokens, ORDER: [dump(tokens)]}


def _read_choices(field: FormField, posted: PostedTexts) -> ReadValue:
    ticked = dict.fromkeys(text for text in posted.get("", ()) if text)
    hint = order_of(first(posted, ORDER))
    ranks, known = field.options.ranks, field.options.values
    declared = sorted(ticked.keys() & ranks.keys(), key=ranks.__getitem__)
    ordered = [text for text in (*hint, *declared, *ticked) if text in ticked]
    values: list[Any] = []
    problems: list[InputError] = []
    for text in dict.fromkeys(ordered):
        values.append(known[text] if text in known else choices.value_of(text))
        if text not in known:
            problems.extend(_undeclared(field, text))
    return ReadValue(values, tuple(problems))


def order_of(text: str) -> dict[str, None]:
    """Return the tokens in the order in which they were chosen; invalid text has none."""
    try:
        tokens = read_json(text) if text else []
    except JsonViewError:
        tokens = []
    listed = tokens if isinstance(tokens, list) else []
    return dict.fromkeys(token for token in listed if isinstance(token, str))


# --- switch and date -------------------------------------------------------------------------


def _show_switch(field: FormField, value: Any) -> PostedTexts | None:
    return ({"": ["true"]} if value else {}) if isinstance(value, bool) else None


def _read_switch(field: FormField, posted: PostedTexts) -> ReadValue:
    return ReadValue(first(posted).strip().lower() in ("true", "on", "1"))


def _show_date(field: FormField, value: Any) -> PostedTexts | None:
    rule = field.date
    if rule is None or not one_line(value) or not value:
        return None
    if rule.control == "text":
        return {"": [value]}
    span = dates.read_span(value) if rule.relative else None
    if span:
        return {AMOUNT: [span[0]], UNIT: [span[1]]}
    parts = _date_parts(value, rule)
    return {"": [dates.write_control(parts, rule.control)]} if parts else None


def _read_date(field: FormField, posted: PostedTexts) -> ReadValue:
    rule, text = field.date, first(posted)
    amount, unit = first(posted, AMOUNT), first(posted, UNIT)
    if rule is None or rule.control == "text":
        return ReadValue(text or _empty(field))
    if amount.strip() and rule.relative:
        return _read_span(field, text, amount.strip(), unit)
    if not text.strip():
        return ReadValue(_empty(field))
    parts = dates.read_control(text.strip(), rule.control) or _date_parts(text.strip(), rule)
    if parts is None:
        return ReadValue(text, _errors(field, f"must be a date such as {_sample(rule)}"))
    return ReadValue(dates.write(parts, rule.sent_format))


def _read_span(field: FormField, date: str, amount: str, unit: str) -> ReadValue:
    unit = unit or "days"
    if date.strip():
        rule = "has both a date and a span; clear one of them"
        return ReadValue(f"{amount} {unit}", _errors(field, rule))
    if not (amount.isascii() and amount.isdecimal()) or len(amount) > 9 or unit not in dates.UNITS:
        rule = "must be a whole number of minutes, hours, days, weeks, months or years"
        return ReadValue(f"{amount} {unit}", _errors(field, rule))
    return ReadValue(f"{amount} {unit}")


def _date_parts(text: str, rule: dates.DateRule) -> dates.Parts | None:
    """The parts of a date in the sent, the shown or the ISO format."""
    for form in (rule.sent_format, rule.shown_format):
        parts = dates.parse(text, form)
        if parts is not None and "year" in parts:
            return parts
    return dates.read_control(text, rule.control) or dates.parse(text, DEFAULT)


def _sample(rule: dates.DateRule) -> str:
    parts = {"year": 2026, "month": 12, "day": 31, "hour": 18, "minute": 30}
    return dates.write(parts, rule.shown_format)


# --- lists and JSON --------------------------------------------------------------------------


def _show_list(field: FormField, value: Any) -> PostedTexts | None:
    if not isinstance(value, list):
        return None
    key = _shared_key(value) if value else field.item_key
    if key is None or not one_line(key):
        return None
    lines = [item[key] for item in value] if key else value
    if not all(one_line(line) and line for line in lines):
        return None
    return {"": ["\n".join(lines)], KEY: [key]}


def _shared_key(items: list[Any]) -> str | None:
    """The key of items that are objects with this key only; ``""`` for plain texts, else None."""
    if all(isinstance(item, str) for item in items):
        return ""
    head = items[0]
    key = next(iter(head), "") if isinstance(head, dict) else ""
    alike = all(isinstance(item, dict) and len(item) == 1 and key in item for item in items)
    return key if key and alike else None


def _read_list(field: FormField, posted: PostedTexts) -> ReadValue:
    key = first(posted, KEY) if KEY in posted else field.item_key
    lines = [line for text in posted.get("", ()) for line in text.split("\n") if line]
    return ReadValue([{key: line} for line in lines] if key else lines)


def _show_json(field: FormField, value: Any) -> PostedTexts | None:
    return {"": [pretty(value)]}


def _read_json(field: FormField, posted: PostedTexts) -> ReadValue:
    return read_json_text(field, first(posted))


def is_unfinished_json(field: FormField, value: object) -> bool:
    """Whether the value is a text that was typed as JSON of a field that takes no text."""
    if not isinstance(value, str) or field.type not in ("object", "array"):
        return False
    if field.kind is not ControlKind.JSON and not value.lstrip().startswith(("{", "[")):
        return False
    if not value.strip() or not is_lossless(value):
        return False
    try:
        read_json(value)
    except JsonViewError:
        return True
    return False


def read_json_text(field: FormField, text: str) -> ReadValue:
    """Read a field that is given as JSON."""
    if not text.strip():
        return ReadValue(ABSENT)
    try:
        return ReadValue(read_json(text))
    except JsonViewError as error:
        rule = f"is not valid JSON: {error}"
        return ReadValue(text, _errors(field, rule, line=error.line, line_column=error.column))


Show = Callable[[FormField, Any], PostedTexts | None]
Reader = Callable[[FormField, PostedTexts], ReadValue]

SHOW: dict[ControlKind, Show] = {
    ControlKind.LINE: _show_line,
    ControlKind.TEXT: _show_text,
    ControlKind.NUMBER: _show_number,
    ControlKind.SELECT: _show_choice,
    ControlKind.RADIO: _show_choice,
    ControlKind.MULTISELECT: _show_choices,
    ControlKind.CHECKBOXES: _show_choices,
    ControlKind.SWITCH: _show_switch,
    ControlKind.DATE: _show_date,
    ControlKind.LIST: _show_list,
    ControlKind.JSON: _show_json,
}
READ: dict[ControlKind, Reader] = {
    ControlKind.LINE: _read_text,
    ControlKind.TEXT: _read_text,
    ControlKind.NUMBER: _read_number,
    ControlKind.SELECT: _read_choice,
    ControlKind.RADIO: _read_choice,
    ControlKind.MULTISELECT: _read_choices,
    ControlKind.CHECKBOXES: _read_choices,
    ControlKind.SWITCH: _read_switch,
    ControlKind.DATE: _read_date,
    ControlKind.LIST: _read_list,
    ControlKind.JSON: _read_json,
}
