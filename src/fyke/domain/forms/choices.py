"""Options of selects, radios and check boxes: what a control sends, and the value it means.

The value of a choice keeps the type that the schema gives it. A control can only send text, so each
value has a token: a string stands for itself unless it could be read as JSON, all else is its JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from fyke.domain.forms.jsonview import JsonViewError, read_json
from fyke.domain.forms.model import Option, dump

MAX_OPTIONS = 5000


def token_of(value: Any) -> str:
    """Return the token of a value; it is unique."""
    if not isinstance(value, str):
        return dump(value)
    blank = not value.strip()  # the blank token stands for "nothing chosen"
    return dump(value) if blank or _reads_as_json(value) else value


def _reads_as_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def read_options(raw: object) -> tuple[Option, ...]:
    """Return the valid entries of a property's ``options``; plain values are their own label."""
    options: dict[str, Option] = {}
    for item in (raw if isinstance(raw, list) else [])[:MAX_OPTIONS]:
        option = _option(item)
        if option is not None:
            options.setdefault(option.token, option)
    return tuple(options.values())


def _option(item: object) -> Option | None:
    if not isinstance(item, dict):
        return None if isinstance(item, list) else _plain(item, "")
    label = item.get("label", item.get("title", item.get("name")))
    if "value" in item:
        return _plain(item["value"], label)
    return None if label is None else _plain(label, label)


def _plain(value: Any, label: object) -> Option:
    shown = label if isinstance(label, str) and label.strip() else _words(value)
    return Option(shown, value, token_of(value))


def _words(value: Any) -> str:
    return value if isinstance(value, str) else dump(value)


def index(options: Iterable[Option]) -> dict[str, Any]:
    """Map each text that a form may send to its option, because users type what they see.

    A token takes precedence, then a value as text, then a label.
    """
    known = list(options)
    found: dict[str, Any] = {option.token: option.value for option in known}
    for option in known:
        found.setdefault(_words(option.value), option.value)
    for option in known:
        found.setdefault(option.label, option.value)
    return found


def value_of(token: str) -> Any:
    """Return the value of a token that belongs to no option."""
    try:
        value = read_json(token)
    except JsonViewError:
        return token
    return value if token_of(value) == token else token
