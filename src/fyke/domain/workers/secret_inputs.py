"""Hides the secrets in the input of a run, for copies that are given to others.

Hidden are the values of fields that ask for a secret or are named like one, at any depth and in
JSON within a text, values of pairs with such a name, passwords and parameters with such a name in
addresses, user names there without a password, and headers that authenticate. Called in a parser
process: an input may be large.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from fyke.domain.workers.secret_fields import names_of_secrets, names_secret
from fyke.domain.workers.secret_rules import MIN_VALUE_CHARS

HIDDEN = "***"
ALL_HIDDEN = json.dumps(HIDDEN)
MAX_VALUES = 20  # that are returned; each costs searches through all output
MAX_VALUE_CHARS = 512  # of one that is returned: its encodings are longer, and many

_NAMES = ("name", "key", "header", "field")  # members that name the value beside them
_VALUES = ("value", "val")
_JSON_STARTS = ("{", "[", '"')
_USER_INFO = re.compile(r"://(?:([^\s/@:]*):([^\s/@]+)|([^\s/@:?#]+):?)@")
_PARAMETER = re.compile(r"([?&;]|^)([\w.-]{1,100})=([^&#;\s]+)")
_MEMBER = re.compile(
    r"""(?P<open>(?P<quote>["'])(?P<name>[\w.-]{1,100})(?P=quote)\s*:\s*(?P<mark>["']))"""
    r"""(?P<value>[^"'\\]*+(?:(?!(?P=mark))(?:["']|\\.)[^"'\\]*+)*+)""",
    re.DOTALL,
)
_HEADER = re.compile(
    r"^([ \t]*(?:(?:proxy-)?authorization|(?:set-)?cookie"
    r"|x-[\w-]{0,40}(?:key|token|auth)[\w-]{0,40}))([ \t]*:[ \t]*)(\S.*)$",
    re.IGNORECASE | re.MULTILINE,
)
_SCHEME = re.compile(r"(?:bearer|basic|token|api-?key|jwt)\s+(\S+)\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FoundSecrets:
    """Hidden texts of an input by name: they may be in the output of the run, too. ``others`` is
    the number of those that are too short or too long to search for, or too many.
    """

    values: Mapping[str, str]
    others: int


def secret_names(schema_json: str, declared: tuple[str, ...]) -> frozenset[str]:
    """The names, in lower case, of fields that ask for a secret; ``declared`` are names that the
    version declares.
    """
    try:
        document = json.loads(schema_json or "{}")
    except (ValueError, RecursionError):
        document = {}
    return names_of_secrets(document, declared)


def find_secrets(input_json: str, names: frozenset[str]) -> FoundSecrets | None:
    """The secrets in an input, also those of fields with these ``names``; None if it is no JSON."""
    hiding = _Hiding(names)
    try:
        hiding.of(json.loads(input_json or "{}"))
    except (ValueError, RecursionError):
        return None
    return FoundSecrets(hiding.values, len(hiding.others))


def hide_named(input_json: str, names: frozenset[str]) -> str:
    """The input as JSON without its secrets, also those of fields with these ``names``. What is no
    JSON is hidden as a whole.
    """
    try:
        return json.dumps(_Hiding(names).of(json.loads(input_json or "{}")), ensure_ascii=False)
    except (ValueError, RecursionError):
        return ALL_HIDDEN


class _Hiding:
    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self.values: dict[str, str] = {}
        self.others: set[str] = set()

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
        self._note(name, text)
        if found := _SCHEME.fullmatch(text):
            self._note(name, found[1])
        if "%" in text and (plain := unquote(text)) != text:
            self._note(name, plain)
        return HIDDEN

    def _note(self, name: str, text: str) -> None:
        """Keep a text to search for, if it can be searched for."""
        if text in self.values.values():
            return
        if (
            len(self.values) < MAX_VALUES
            and MIN_VALUE_CHARS <= len(text) <= MAX_VALUE_CHARS
            and _is_unicode(text)
        ):
            while name in self.values:
                name += "'"
            self.values[name] = text
        else:
            self.others.add(text)

    def _in_text(self, text: str) -> str:
        """A text without the secrets in JSON, addresses and headers."""
        if text.lstrip()[:1] in _JSON_STARTS:
            found, value = _read_json(text)
            if found:
                shown = self.of(value)
                return text if shown == value else json.dumps(shown, ensure_ascii=False)
        if ":" in text:
            text = _MEMBER.sub(self._member, text)
        if "://" in text:
            text = _USER_INFO.sub(self._user_info, text)
        if "=" in text:
            text = _PARAMETER.sub(self._parameter, text)
        return _HEADER.sub(self._header, text) if ":" in text else text

    def _member(self, found: re.Match[str]) -> str:
        """A member of an object in a text that is not JSON as a whole."""
        if not found["value"] or not self._is_secret(found["name"]):
            return found[0]
        if "\\" in found["value"]:
            _, plain = _read_json(f'"{found["value"]}"')
            self._note(found["name"], plain or found["value"])
        return f"{found['open']}{self._hide(found['name'], found['value'])}"

    def _user_info(self, found: re.Match[str]) -> str:
        if found[2] is not None:
            return f"://{found[1]}:{self._hide('password', found[2])}@"
        colon = ":" if found[0].endswith(":@") else ""
        return f"://{self._hide('user', found[3])}{colon}@"

    def _parameter(self, found: re.Match[str]) -> str:
        if not self._is_secret(found[2]):
            return found[0]
        return f"{found[1]}{found[2]}={self._hide(found[2], found[3])}"

    def _header(self, found: re.Match[str]) -> str:
        name, value = found[1].strip(), found[3].rstrip()
        hidden = self._hide(name, value)
        words = value.split()
        if len(words) == 2:  # a scheme, and what it needs
            self._note(name, words[1])
        return f"{found[1]}{found[2]}{hidden}"


def _read_json(text: str) -> tuple[bool, Any]:
    """Whether a text is JSON, and what it says."""
    try:
        return True, json.loads(text)
    except (ValueError, RecursionError):
        return False, None


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a pair of surrogates
        return False
    return True
