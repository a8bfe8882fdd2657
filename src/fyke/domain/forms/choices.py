"""Options of selects, radios and check boxes: the tokens that controls send, and their values.

The value of an option keeps its type from the schema. A control can only send text, so each value
has a token: a string is its own token unless it could be read as JSON; the token of any other value
is its JSON.
"""

from __future__ import annotations

import json
from typing import Any

from fyke.domain.forms.jsonview import JsonViewError, read_json
from fyke.domain.forms.model import FieldOptions, Option, dump

MAX_OPTIONS = 5000


def token_of(value: Any) -> str:
    """Return the unique token of a value."""
    if not isinstance(value, str):
        return dump(value)
    blank = not value.strip()  # a blank token means that nothing is chosen
    return dump(value) if blank or _reads_as_json(value) else value


def _reads_as_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def read_options(raw: object) -> FieldOptions:
    """Return the valid entries of a property's ``options``; plain values are their own label."""
    options: dict[str, Option] = {}
    for item in (raw if isinstance(raw, list) else [])[:MAX_OPTIONS]:
        option = _option(item)
        if option is not None:
            options.setdefault(option.token, option)
    return FieldOptions(options.values())


def _option(item: object) -> Option | None:
    if not isinstance(item, dict):
        return None if isinstance(item, list) else _plain(item, "")
    label = item.get("label", item.get("title", item.get("name")))
    if "value" in item:
        return _plain(item["value"], label)
    return None if label is None else _plain(label, label)


def _plain(value: Any, label: object) -> Option:
    text = label if isinstance(label, str) and label.strip() else _as_text(value)
    return Option(text, value, token_of(value))


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else dump(value)


def value_of(token: str) -> Any:
    """Return the value of a token that belongs to no option."""
    try:
        value = read_json(token)
    except JsonViewError:
        return token
    return value if token_of(value) == token else token
