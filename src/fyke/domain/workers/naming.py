"""Names, version numbers and references of workers.

A path is ``owner/name``; clients that cannot send a slash send ``owner~name``. Neither character
can be part of a name, so both forms are unambiguous.
"""

from __future__ import annotations

import re
import unicodedata

from fyke.errors import InvalidRequest

FIRST_VERSION = "v1.0.1"

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_NUMBER = re.compile(r"v(\d{1,9})\.(\d{1,9})\.(\d{1,9})")
_SLASH = re.compile(r"%2f", re.IGNORECASE)
_TILDE = re.compile(r"%7e", re.IGNORECASE)
_RULE = "1 to 63 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit"


def checked_name(text: str) -> str:
    """Return a name in its stored form: lower case, spaces as hyphens. Raise ``InvalidRequest``."""
    name = "-".join(text.lower().split())
    if not _NAME.fullmatch(name):
        raise InvalidRequest(f"must be {_RULE}", field="name")
    return name


def name_from_title(title: str) -> str:
    """Derive a name from a title: accents are dropped, other disallowed characters become hyphens.

    Raise ``InvalidRequest`` when nothing is left.
    """
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"-{2,}", "-", re.sub(r"[^a-z0-9._-]+", "-", plain)).strip("-._")[:63]
    if not name:
        raise InvalidRequest(f"none was given and the title gives none; give {_RULE}", field="name")
    return name


def split_path(ref: str) -> tuple[str, str]:
    """Return the owner and name of ``owner/name`` or ``owner~name``, two empty texts for any other
    reference.
    """
    plain = _TILDE.sub("~", _SLASH.sub("/", ref.strip()))
    parts = re.split(r"[/~]", plain)
    return (parts[0], parts[1]) if len(parts) == 2 else ("", "")


def next_number(numbers: list[str]) -> str:
    """Return the number after the highest of ``numbers``."""
    matches = (_NUMBER.fullmatch(number) for number in numbers)
    versions = [tuple(map(int, match.groups())) for match in matches if match]
    if not versions:
        return FIRST_VERSION
    major, minor, patch = max(versions)
    return f"v{major}.{minor}.{patch + 1}"
