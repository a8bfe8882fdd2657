"""Strategies for schemas with every editor and for inputs, for property tests of the form."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from fyke.domain.workers.field_findings import EDITORS
from fyke.domain.workers.input_schema import TYPES

# values that a form may change: line ends, spaces, quotes, characters of other syntaxes
_AWKWARD = st.sampled_from(
    ["", " ", "  a ", "a\nb", "a\r\nb", "\ra", "a\tb", "<&>\"'", "\0", "5", "1,5", "true", "null",
     '"x"', "7 days", "2026-11-24", "24/11/2026", "é漢😀", "[]", "-", "a:b.c", "%2e", "\u2028"]
)  # fmt: skip
TEXTS = st.one_of(_AWKWARD, st.text(max_size=8))
NAMES = st.one_of(
    st.sampled_from(["url", "a.b", "a:b", "0.a", "%", "parameters", "é", "was", "json", "f", "q"]),
    st.text(min_size=1, max_size=5).filter(lambda text: text.strip() != ""),
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=2**53, max_value=2**80),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXTS,
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(NAMES, TEXTS), inner, max_size=3)
    ),
    max_leaves=6,
)
_FORMATS = ["DD/MM/YYYY", "YYYY-MM-DD", "MM.YYYY", "YYYY-MM-DD HH:mm:ss", "D/M/YY", "x", "%d-%m-%Y",
            "DD/MM/YYYY|relative"]  # fmt: skip


@st.composite
def options(draw: st.DrawFn) -> list[Any]:
    values = draw(st.lists(st.one_of(SCALARS, VALUES), max_size=5))
    return [
        value if draw(st.booleans()) else {"label": draw(TEXTS), "value": value} for value in values
    ]


@st.composite
def properties(draw: st.DrawFn, name: str, *, cell: bool = False) -> dict[str, Any]:
    item: dict[str, Any] = {"param" if cell else "name": name}
    extras: dict[str, Any] = {
        "type": st.sampled_from([*TYPES, "date"]),
        "editor": st.sampled_from([*EDITORS, "text", ""]),
        "required": st.booleans(),
        "default": VALUES,
        "options": options(),
        "multiple": st.booleans(),
        "minimum": st.integers(-5, 5),
        "format": st.sampled_from(_FORMATS),
        "valueFormat": st.sampled_from(_FORMATS),
        "sectionCaption": TEXTS,
        "title": TEXTS,
    }
    for key, values in extras.items():
        if draw(st.booleans()):
            item[key] = draw(values)
    if not cell:
        names = draw(st.lists(NAMES, max_size=3, unique_by=str.strip))
        item["param_list"] = [draw(properties(column, cell=True)) for column in names]
    return item


@st.composite
def well_made(draw: st.DrawFn, name: str) -> dict[str, Any]:
    """A property with a type that its editor supports."""
    editor = draw(st.sampled_from(sorted(EDITORS)))
    item = draw(properties(name))
    return {**item, "editor": editor, "type": draw(st.sampled_from(EDITORS[editor]))}


@st.composite
def schemas(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(st.lists(NAMES, max_size=4, unique=True))
    return {"properties": [draw(st.one_of(properties(name), well_made(name))) for name in names]}


def fitting(item: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values of a property's type, its options, and arbitrary values."""
    kinds: dict[str, st.SearchStrategy[Any]] = {
        "string": TEXTS,
        "integer": st.integers(),
        "number": st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False)),
        "boolean": st.booleans(),
        "array": st.one_of(
            st.lists(TEXTS, max_size=4),
            st.lists(st.fixed_dictionaries({"url": TEXTS}), max_size=3),
            st.lists(VALUES, max_size=3),
        ),
        "object": st.dictionaries(NAMES, VALUES, max_size=3),
    }
    columns = [p.get("param", "").strip() for p in item.get("param_list", [])]
    rows = st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(columns, SCALARS)), max_size=3)
    chosen = [o["value"] if isinstance(o, dict) and "value" in o else o
              for o in item.get("options", [])]  # fmt: skip
    choices = (
        [st.sampled_from(chosen), st.lists(st.sampled_from(chosen), max_size=3)] if chosen else []
    )
    return st.one_of(kinds.get(item.get("type", ""), VALUES), VALUES, rows, *choices)


@st.composite
def trials(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A schema as text, and a custom input for it."""
    schema = draw(schemas())
    custom = {
        item["name"]: draw(fitting(item)) for item in schema["properties"] if draw(st.booleans())
    }
    custom |= draw(st.dictionaries(NAMES, VALUES, max_size=2))
    return json.dumps(schema), custom
