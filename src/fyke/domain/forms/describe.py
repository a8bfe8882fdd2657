"""Makes the sections and fields of a form from the text of a schema. Never fails.

An unreadable schema gives a form without fields but with the reason. An editor that is unknown, or
does not fit the type of the field, is replaced by one that does, with a note for the developer; so
every field sends a value of the type that the input of a run must have.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from fyke.domain.forms.choices import read_options
from fyke.domain.forms.dates import rule_of
from fyke.domain.forms.model import ABSENT, CHOICES, ControlKind, FormField, RunForm, Section
from fyke.domain.workers import jsontext
from fyke.domain.workers.input_schema import (
    InputSchema,
    is_number,
    param_name,
    parse,
    text_of,
    type_of,
)
from fyke.errors import InvalidRequest

MAX_FIELDS = 300
MAX_COLUMNS = 50
_NO_SCHEMA = InputSchema((), "", (), (), "")

_KINDS = {
    "input": ControlKind.LINE,
    "textarea": ControlKind.TEXT,
    "number": ControlKind.NUMBER,
    "select": ControlKind.SELECT,
    "radio": ControlKind.RADIO,
    "checkbox": ControlKind.CHECKBOXES,
    "switch": ControlKind.SWITCH,
    "datepicker": ControlKind.DATE,
    "requestList": ControlKind.LIST,
    "stringList": ControlKind.LIST,
    "requestListSource": ControlKind.TABLE,
    "json": ControlKind.JSON,
}
_TYPES: dict[ControlKind, frozenset[str]] = {
    ControlKind.LINE: frozenset({"string", ""}),
    ControlKind.TEXT: frozenset({"string", ""}),
    ControlKind.NUMBER: frozenset({"integer", "number"}),
    ControlKind.SWITCH: frozenset({"boolean"}),
    ControlKind.DATE: frozenset({"string", ""}),
    ControlKind.LIST: frozenset({"array"}),
    ControlKind.TABLE: frozenset({"array"}),
    ControlKind.JSON: frozenset({"object", "array", ""}),
    ControlKind.SELECT: frozenset({"string", "integer", "number", "boolean", ""}),
    ControlKind.RADIO: frozenset({"string", "integer", "number", "boolean", ""}),
    ControlKind.MULTISELECT: frozenset({"array", ""}),
    ControlKind.CHECKBOXES: frozenset({"array", ""}),
}
_BY_TYPE = {
    "integer": ControlKind.NUMBER,
    "number": ControlKind.NUMBER,
    "boolean": ControlKind.SWITCH,
    "array": ControlKind.LIST,
    "object": ControlKind.JSON,
}
_CELLS = frozenset(ControlKind) - {ControlKind.LIST, ControlKind.TABLE, ControlKind.JSON}

Item = dict[str, Any]


@lru_cache(maxsize=64)
def describe(schema_text: str) -> RunForm:
    """Return the form of an ``input_schema.json``."""
    try:
        schema = parse(schema_text)
    except InvalidRequest as error:
        reason = "; ".join(error.details) or error.message
        return RunForm("", (), _NO_SCHEMA, broken=reason)
    items = jsontext.loads(schema_text)["properties"]
    shown = items[:MAX_FIELDS]
    notes: tuple[str, ...] = ()
    if len(shown) < len(items):
        notes = (f"only the first {MAX_FIELDS} of {len(items)} fields are shown; the JSON has all",)
    sections = _sections(shown)
    fields = {field.name: field for section in sections for field in section.fields}
    return RunForm(schema.description, sections, schema, notes=notes, fields=fields)


def _sections(items: list[Item]) -> tuple[Section, ...]:
    """A property with a caption starts a section; the same caption later continues it."""
    groups: list[tuple[str, str, list[FormField]]] = [("", "", [])]
    for item in items:
        caption = text_of(item.get("sectionCaption")).strip()
        description = text_of(item.get("sectionDescription")).strip()
        if caption and caption != groups[-1][0]:
            groups.append((caption, description, []))
        elif description and not groups[-1][1]:
            groups[-1] = (groups[-1][0], description, groups[-1][2])
        groups[-1][2].append(field_of(item))
    return tuple(
        Section(caption, description, tuple(fields))
        for caption, description, fields in groups
        if fields
    )


def field_of(item: Item, name: str = "", *, cell: bool = False) -> FormField:
    """Return the field of a property, or with ``cell`` of an entry of a ``param_list``."""
    name = name or item["name"]
    editor, type_ = text_of(item.get("editor")), type_of(item)
    kind, notes = _kind(item, editor, type_, cell=cell)
    default = item.get("default", ABSENT)
    columns = () if cell or kind is not ControlKind.TABLE else _columns(item)
    if kind is ControlKind.TABLE and not columns:
        kind = ControlKind.JSON
        notes = (*notes, "it needs a param_list that names the columns, so it is shown as JSON")
    return FormField(
        name=name,
        title=text_of(item.get("title")).strip() or name,
        description=text_of(item.get("description")).strip(),
        type=type_ or ("array" if cell and kind is ControlKind.CHECKBOXES else ""),
        editor=editor,
        kind=kind,
        required=item.get("required") is True,
        default=default,
        options=read_options(item.get("options")),
        minimum=_bound(item.get("minimum")),
        maximum=_bound(item.get("maximum")),
        unit=text_of(item.get("unit")).strip()[:40],
        date=rule_of(item) if kind is ControlKind.DATE else None,
        columns=columns,
        item_key=_item_key(editor, default),
        notes=notes,
    )


def _bound(value: object) -> float | None:
    return value if is_number(value) else None


def _columns(item: Item) -> tuple[FormField, ...]:
    raw = item.get("param_list")
    columns: dict[str, FormField] = {}
    for param in (raw if isinstance(raw, list) else [])[:MAX_COLUMNS]:
        name = param_name(param)
        if name:
            columns.setdefault(name, field_of(param, name, cell=True))
    return tuple(columns.values())


def _kind(
    item: Item, editor: str, type_: str, *, cell: bool
) -> tuple[ControlKind, tuple[str, ...]]:
    """The kind of control for an editor, and notes when it is not the requested one."""
    requested = _KINDS.get(editor)
    if requested is ControlKind.SELECT and (item.get("multiple") is True or type_ == "array"):
        requested = ControlKind.MULTISELECT
    if editor == "input" and type_ in ("integer", "number"):
        requested = ControlKind.NUMBER
    if requested is None and cell and not editor:
        return _by_type(item, type_, cell=cell), ()
    if requested is not None and not _is_unsuitable(requested, item, type_, cell=cell):
        return requested, ()
    shown = _by_type(item, type_, cell=cell)
    return shown, (_note(editor, requested, type_, shown, item),)


def _is_unsuitable(kind: ControlKind, item: Item, type_: str, *, cell: bool) -> bool:
    if kind in CHOICES and not read_options(item.get("options")):
        return True
    return type_ not in _TYPES[kind] or (cell and kind not in _CELLS)


def _by_type(item: Item, type_: str, *, cell: bool) -> ControlKind:
    if read_options(item.get("options")) and type_ not in ("object", "boolean"):
        return ControlKind.MULTISELECT if type_ == "array" else ControlKind.SELECT
    kind = _BY_TYPE.get(type_)
    if kind is None:
        plain = type_ == "string" or isinstance(item.get("default", ""), str)
        kind = ControlKind.LINE if plain or cell else ControlKind.JSON
    if kind is ControlKind.LIST and text_of(item.get("editor")) == "json":
        return ControlKind.JSON
    return ControlKind.LINE if cell and kind not in _CELLS else kind


def _note(
    editor: str, requested: ControlKind | None, type_: str, shown: ControlKind, item: Item
) -> str:
    instead = f"it is shown as {shown.value}"
    if not editor:
        return f"no editor is given; {instead}, by its type"
    if requested is None:
        return f'the editor "{editor[:40]}" is unknown; {instead}, by its type'
    if requested in CHOICES and not read_options(item.get("options")):
        return f"the editor {editor} has no options to choose from; {instead}"
    return f"the editor {editor} does not fit the type {type_ or 'of the field'}; {instead}"


def _item_key(editor: str, default: object) -> str:
    """The key of a list's items, from its default, else the usual one of its editor."""
    if isinstance(default, list) and default:
        first = default[0]
        return next(iter(first)) if isinstance(first, dict) and len(first) == 1 else ""
    return "url" if editor == "requestList" else ""
