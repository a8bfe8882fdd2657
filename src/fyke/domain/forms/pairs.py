"""The names of a form's controls, and all of an input as the pairs that a form sends.

``f:FIELD`` is a field of the Worker's own input, ``f:FIELD:SUFFIX`` what goes with it (see
``codec``), ``s:FIELD`` a member of ``system``. ``f`` and ``s`` alone are JSON objects of the values
that the form does not show. Names are percent-encoded, so every field name of a schema is
unambiguous.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from fyke.domain.forms.codec import encode
from fyke.domain.forms.controls import PostedTexts
from fyke.domain.forms.model import ABSENT, RunForm, dump
from fyke.domain.forms.rows import quoted, unquoted
from fyke.domain.forms.system import FIELDS

CUSTOM, SYSTEM = "f", "s"

Pairs = list[tuple[str, str]]


@dataclass(slots=True)
class FormContent:
    """The pairs of a form, grouped by field."""

    custom: dict[str, PostedTexts] = field(default_factory=dict)
    system: dict[str, PostedTexts] = field(default_factory=dict)
    custom_rest: str = ""
    system_rest: str = ""


def control(name: str, suffix: str = "", part: str = CUSTOM) -> str:
    """Return the name of a control."""
    return f"{part}:{quoted(name)}" + (f":{suffix}" if suffix else "")


def group_by_field(pairs: Iterable[tuple[str, str]]) -> FormContent:
    """Return the pairs by field; those of other forms on the page are left out."""
    sent = FormContent()
    for name, text in pairs:
        part, _, rest = name.partition(":")
        if part not in (CUSTOM, SYSTEM):
            continue
        if not rest:
            if part == CUSTOM:
                sent.custom_rest = text
            else:
                sent.system_rest = text
            continue
        encoded, _, suffix = rest.partition(":")
        fields = sent.custom if part == CUSTOM else sent.system
        fields.setdefault(unquoted(encoded), {}).setdefault(suffix, []).append(text)
    return sent


def shown(form: RunForm, custom: dict[str, Any], system: dict[str, Any]) -> FormContent:
    """Return the content of the form's controls for an input."""
    sent = FormContent()
    for name, each in form.fields.items():
        sent.custom[name] = encode(each, custom.get(name, ABSENT))
    for name, each in FIELDS.items():
        sent.system[name] = encode(each, system.get(name, ABSENT))
    sent.custom_rest = _rest(custom, form.fields)
    sent.system_rest = _rest(system, FIELDS)
    return sent


def _rest(values: dict[str, Any], fields: dict[str, Any]) -> str:
    rest = {name: value for name, value in values.items() if name not in fields}
    return dump(rest) if rest else ""


def pairs(sent: FormContent) -> Pairs:
    """Return the pairs that a browser sends for a form with this content."""
    found: Pairs = [(CUSTOM, sent.custom_rest), (SYSTEM, sent.system_rest)]
    for part, fields in ((CUSTOM, sent.custom), (SYSTEM, sent.system)):
        for name, posted in fields.items():
            for suffix, texts in posted.items():
                found += [(control(name, suffix, part), text) for text in texts]
    return found
