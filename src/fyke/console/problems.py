"""From the domain's sentences to the fields of a form.

An error of the domain names the field first: ``name: it is taken``, ``expires_at must lie in the
future``. The sentence goes to that field, and to the whole form when it names none of its fields.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from fyke.errors import FykeError

WHOLE = "form"  # what belongs to no field

_NAMED = re.compile(r"([a-z_]+)(: | must | is | has )")


def faults_of(error: FykeError, fields: Mapping[str, str]) -> dict[str, str]:
    """Field of the form to sentence; ``fields``: the domain's name of each to the form's."""
    return dict(_fault(text, fields) for text in error.details or [error.message])


def _fault(text: str, fields: Mapping[str, str]) -> tuple[str, str]:
    found = _NAMED.match(text)
    if found is None or found[1] not in fields:
        return WHOLE, _capital(text)
    rest = text[found.end() :] if found[2] == ": " else text[found.end(1) :].strip()
    return fields[found[1]], _capital(rest)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
