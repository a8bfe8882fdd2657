"""The secrets that a command knows: those of settings, of files in the data folder, and of its
environment. They are searched for in what leaves the machine.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import SecretStr

from fyke.app.folder import NODE_FILE
from fyke.settings import Settings

MIN_CHARS = 6  # shorter ones cannot be distinguished from ordinary words
_VARIABLE = re.compile(r"(?:KEY|SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIALS)$")
_PLAIN_VARIABLE = re.compile(r"PUBLIC_KEY$")
_QUERY_NAMES = ("password", "token", "sslpassword")
_ARMOUR = "-----"


def secret_values(settings: Settings, environment: Mapping[str, str]) -> dict[str, str]:
    """The values by the names of their places; those of ``MIN_CHARS`` and more."""
    found = [
        *_of_settings(settings),
        *_of_files(settings.home),
        *_of_environment(environment),
    ]
    return {name: value for name, value in found if len(value) >= MIN_CHARS}


def _of_settings(settings: Settings) -> Iterator[tuple[str, str]]:
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            yield name, value.get_secret_value()
            continue
        yield from _numbered(name, (word for text in _texts(value) for word in _passwords(text)))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for item in value.values() for text in _texts(item))
    elif isinstance(value, tuple | list):
        yield from (text for item in value for text in _texts(item))


def _passwords(text: str) -> Iterator[str]:
    """The passwords of the URLs in a text, as they are written and as they are meant."""
    for word in text.split():
        try:
            parts = urlsplit(word)
            in_query = parse_qs(parts.query)
        except ValueError:
            continue
        written = [parts.password or ""]
        written += [value for name in _QUERY_NAMES for value in in_query.get(name, [])]
        for password in written:
            if password:
                yield password
                yield unquote(password)


def _of_files(home: Path) -> Iterator[tuple[str, str]]:
    for name in ("secret.key", "owner.key"):
        yield name, _content(home / name)
    link = _content(home / "setup-link")
    yield "setup-link", re.split(r"[/=#]", link)[-1]
    try:
        key = json.loads(_content(home / NODE_FILE) or "{}").get("key", "")
    except (ValueError, AttributeError):
        key = ""
    # each line: a log may have one of them alone
    lines = [line for line in str(key).splitlines() if _ARMOUR not in line]
    yield from _numbered(NODE_FILE, (line.strip() for line in lines))


def _content(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _of_environment(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in environment.items():
        if name.endswith("_HEADERS"):  # such as OTEL_EXPORTER_OTLP_HEADERS
            texts = [part.partition("=")[2].strip() for part in value.split(",")]
            yield from _numbered(name, [*texts, *map(unquote, texts)])
        elif _VARIABLE.search(name) and not _PLAIN_VARIABLE.search(name):
            yield name, value.strip()
        else:
            yield from _numbered(name, _passwords(value))


def _numbered(name: str, values: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Different values of one place, each with a name of its own."""
    for number, value in enumerate(dict.fromkeys(values), 1):
        yield f"{name}.{number}", value
