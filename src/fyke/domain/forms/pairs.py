"""The names of a form's controls, and the pairs of name and text that a form sends.

``f:FIELD`` is a field of the Worker's own input, ``f:FIELD:SUFFIX`` a further text of it (see
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
from fyke.domain.forms.rows import quote_name, unquote_name
from fyke.domain.forms.system import FIELDS

CUSTOM, SYSTEM = "f", "s"

Pairs = list[tuple[str, str]]


@dataclass(slots=True)
class FormContent:
    """The texts of a form's controls, grouped by field."""

    custom: dict[str, PostedTexts] = field(default_factory=dict)
    system: dict[str, PostedTexts] = field(default_factory=dict)
    custom_rest: str = ""
    system_rest: str = ""


def control(name: str, suffix: str = "", part: str = CUSTOM) -> str:
    """Return the name of a control."""
    return f"{part}:{quote_name(name)}" + (f":{suffix}" if suffix else "")


def group_by_field(pairs: Iterable[tuple[str, str]]) -> FormContent:
    """Return the texts by field; pairs with other names are left out."""
    content = FormContent()
    for name, text in pairs:
        part, _, rest = name.partition(":")
        if part not in (CUSTOM, SYSTEM):
            continue
        if not rest:
            if part == CUSTOM:
                content.custom_rest = text
            else:
                content.system_rest = text
            continue
        encoded, _, suffix = rest.partition(":")
        fields = content.custom if part == CUSTOM else content.system
        fields.setdefault(unquote_name(encoded), {}).setdefault(suffix, []).append(text)
    return content


def content_of(form: RunForm, custom: dict[str, Any], system: dict[str, Any]) -> FormContent:
    """Return the content of the form's controls for an input."""
    content = FormContent()
    for name, item in form.fields.items():
        content.custom[name] = encode(item, custom.get(name, ABSENT))
    for name, item in FIELDS.items():
        content.system[name] = encode(item, system.get(name, ABSENT))
    content.custom_rest = _rest(custom, form.fields)
    content.system_rest = _rest(system, FIELDS)
    return content


def _rest(values: dict[str, Any], fields: dict[str, Any]) -> str:
    rest = {name: value for name, value in values.items() if name not in fields}
    return dump(rest) if rest else ""


def content_pairs(content: FormContent) -> Pairs:
    """Return the pairs that a browser sends for a form with this content."""
    pairs: Pairs = [(CUSTOM, content.custom_rest), (SYSTEM, content.system_rest)]
    for part, fields in ((CUSTOM, content.custom), (SYSTEM, content.system)):
        for name, posted in fields.items():
            for suffix, texts in posted.items():
                pairs += [(control(name, suffix, part), text) for text in texts]
    return pairs
