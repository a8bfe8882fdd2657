"""Finds the fields of an input schema that ask for a secret, and removes their values.

Schemas have no standard mark for secrets. A field counts as secret by its name or title, by an
editor or format for passwords, by a secret that the version declares, or by a default that is an
address with a password. A false positive only costs the default in a form.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

_WORDS = frozenset(
    {
        "apikey", "auth", "authorization", "bearer", "cookie", "cookies", "credential",
        "credentials", "jwt", "login", "otp", "pass", "passcode", "passphrase", "passwd",
        "password", "passwords", "pat", "pin", "pwd", "secret", "secrets", "session",
        "sessionid", "signature", "token", "tokens", "totp",
    }
)  # fmt: skip
_KEYS = frozenset(
    {
        "access", "account", "api", "auth", "client", "encryption", "license", "master",
        "private", "secret", "service", "signing", "ssh", "webhook",
    }
)  # fmt: skip  # an API key is a secret, a search key is not
_CHINESE = ("密码", "口令", "密钥", "秘钥", "令牌", "凭证", "凭据", "验证码")
_MARKS = ("secret", "isSecret", "sensitive", "writeOnly")
_VALUES = ("default", "prefill", "value", "example", "examples", "placeholder")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_USER_INFO = re.compile(r"://[^\s/@]*:[^\s/@]*@")


def without_secret_defaults(document: dict[str, Any], declared: tuple[str, ...]) -> dict[str, Any]:
    """Return a copy of an input schema without the values of secret fields. ``declared``: names of
    secrets that the version asks its account to set. Malformed properties stay unchanged.
    """
    secrets = {name.casefold() for name in declared}
    properties = document.get("properties")
    if not isinstance(properties, list):
        return document
    return {**document, "properties": [_cleaned(item, secrets) for item in properties]}


def names_of_secrets(document: Any, declared: Iterable[str]) -> frozenset[str]:
    """The names, in lower case, of the fields of an input schema that ask for a secret, with those
    of their parameters, and the declared ones.
    """
    names = {name.casefold() for name in declared}
    properties = document.get("properties") if isinstance(document, dict) else None
    level = list(properties) if isinstance(properties, list) else []
    found = set(names)
    while level:
        item = level.pop()
        if _asks_secret(item, names):
            found.add(_name(item).casefold())
        inner = item.get("param_list") if isinstance(item, dict) else None
        level.extend(inner if isinstance(inner, list) else ())
    return frozenset(found - {""})


def _cleaned(item: Any, declared: set[str]) -> Any:
    if not isinstance(item, dict):
        return item
    cleaned = dict(item)
    inner = item.get("param_list")
    hidden = set(declared)
    if isinstance(inner, list):
        hidden |= {_name(entry).casefold() for entry in inner if _asks_secret(entry, declared)}
        cleaned["param_list"] = [_cleaned(entry, declared) for entry in inner]
    secret = _asks_secret(item, declared)
    for key in _VALUES:
        if key in cleaned and (secret or _contains_secret(cleaned[key], hidden)):
            del cleaned[key]
    return cleaned


def _name(item: Any) -> str:
    names = (item.get("name"), item.get("param")) if isinstance(item, dict) else ()
    return next((name for name in names if isinstance(name, str)), "")


def _asks_secret(item: Any, declared: set[str]) -> bool:
    """Whether a field, or a parameter of one, asks for a secret."""
    if not isinstance(item, dict):
        return False
    if any(item.get(mark) is True for mark in _MARKS):
        return True
    if {item.get("editor"), item.get("format")} & {"password", "secret"}:
        return True
    title = item.get("title")
    name = _name(item)
    return name.casefold() in declared or any(
        names_secret(text) for text in (name, title) if isinstance(text, str)
    )


def names_secret(text: str) -> bool:
    """Whether a name or title suggests a secret: ``apiKey``, ``Login token``, ``密码``."""
    words = [word.casefold() for word in _WORD.findall(text)]
    if _WORDS.intersection(words):
        return True
    if any(after in ("key", "keys") and word in _KEYS for word, after in pairwise(words)):
        return True
    return any(part in text for part in _CHINESE)


def _contains_secret(value: Any, hidden: set[str]) -> bool:
    """Whether a default has a member named like a secret, or an address with a password."""
    return any(
        _USER_INFO.search(text) if plain else text.casefold() in hidden or names_secret(text)
        for text, plain in _texts(value)
    )


def _texts(value: Any) -> Iterator[tuple[str, bool]]:
    """Every string in a JSON value, and whether it is a value rather than a member name."""
    level = [value]
    while level:
        item = level.pop()
        if isinstance(item, str):
            yield item, True
        elif isinstance(item, list):
            level.extend(item)
        elif isinstance(item, dict):
            yield from ((name, False) for name in item)
            level.extend(item.values())
