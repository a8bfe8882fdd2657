"""Hides the secrets in the input of a run, for copies that are given to others.

Hidden are the values of fields that ask for a secret or are named like one, at any depth, values of
pairs with such a name, passwords and parameters with such a name in addresses, and headers that
authenticate. Called in a parser process: an input may be large.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from fyke.domain.workers.secret_fields import names_of_secrets, names_secret
from fyke.domain.workers.secret_rules import MIN_VALUE_CHARS

HIDDEN = "***"
MAX_VALUES = 20  # that are returned; each costs searches through all output
MAX_VALUE_CHARS = 16_384

_NAMES = ("name", "key", "header", "field")  # members that name the value beside them
_VALUES = ("value", "val")
_USER_INFO = re.compile(r"(://[^\s/@:]*:)([^\s/@]+)@")
_PARAMETER = re.compile(r"([?&;]|^)([\w.-]{1,100})=([^&#;\s]+)")
_HEADER = re.compile(
    r"^([ \t]*(?:(?:proxy-)?authorization|(?:set-)?cookie"
    r"|x-[\w-]{0,40}(?:key|token|auth)[\w-]{0,40}))([ \t]*:[ \t]*)(\S.*)$",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class HiddenInput:
    """The input as JSON without its secrets, and the hidden texts by name: they may be in the
    output of the run, too. ``names`` are those of fields that ask for a secret, in lower case.
    """

    text: str
    values: Mapping[str, str]
    names: frozenset[str]


ALL_HIDDEN = HiddenInput(json.dumps(HIDDEN), {}, frozenset())


def hide_secrets(input_json: str, schema_json: str, declared: tuple[str, ...]) -> HiddenInput:
    """Hide the secrets in an input; ``declared`` are names that the version declares."""
    try:
        document = json.loads(schema_json or "{}")
    except (ValueError, RecursionError):
        document = {}
    return hide_named(input_json, names_of_secrets(document, declared))


def hide_named(input_json: str, names: frozenset[str]) -> HiddenInput:
    """Hide the secrets in an input, also those of fields with these ``names``. What is no JSON is
    hidden as a whole.
    """
    hiding = _Hiding(names)
    try:
        hidden = hiding.of(json.loads(input_json or "{}"))
        text = json.dumps(hidden, ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        return replace(ALL_HIDDEN, names=names)
    return HiddenInput(text, hiding.values, names)


class _Hiding:
    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self.values: dict[str, str] = {}

    def of(self, value: Any, name: str = "") -> Any:
        """``value`` without secrets; of a secret, ``name`` is what it is called."""
        match value:
            case dict():
                paired = next((n for n in map(value.get, _NAMES) if self._is_secret(n)), "")
                return {
                    key: self.of(item, name or self._name_of(key, paired))
                    for key, item in value.items()
                }
            case list():
                return [self.of(item, name) for item in value]
            case bool() | None | "":
                return value
            case str():
                return self._hide(name, value) if name else self._in_text(value)
            case _:
                return self._hide(name, str(value)) if name else value

    def _name_of(self, key: str, paired: Any) -> str:
        if self._is_secret(key):
            return key
        return str(paired) if key.casefold() in _VALUES else ""

    def _is_secret(self, name: Any) -> bool:
        return isinstance(name, str) and (name.casefold() in self._names or names_secret(name))

    def _hide(self, name: str, text: str) -> str:
        fits = MIN_VALUE_CHARS <= len(text) <= MAX_VALUE_CHARS and len(self.values) < MAX_VALUES
        if fits and text not in self.values.values():
            while name in self.values:
                name += "'"
            self.values[name] = text
        return HIDDEN

    def _in_text(self, text: str) -> str:
        """A text without the secrets in addresses and headers."""
        if "://" in text:
            text = _USER_INFO.sub(self._password, text)
        if "=" in text:
            text = _PARAMETER.sub(self._parameter, text)
        return _HEADER.sub(self._header, text) if ":" in text else text

    def _password(self, found: re.Match[str]) -> str:
        return f"{found[1]}{self._hide('password', found[2])}@"

    def _parameter(self, found: re.Match[str]) -> str:
        if not self._is_secret(found[2]):
            return found[0]
        return f"{found[1]}{found[2]}={self._hide(found[2], found[3])}"

    def _header(self, found: re.Match[str]) -> str:
        return f"{found[1]}{found[2]}{self._hide(found[1].strip(), found[3])}"
