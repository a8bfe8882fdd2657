"""Encodes a field's value for a form without loss, and decodes it again.

A value that its control cannot show is sent as JSON under the suffix ``json``. A value that the
control shows but would not return unchanged (null as an empty line, a list in another order) is
also sent under ``was``: when the control is returned unchanged, this value is used. JSON that its
user has not finished is a text in the input, and is shown as it was typed. Rows of a table
are fields within a field, named ``ROW.COLUMN``. Text under ``paste`` contains further rows, copied
from a spreadsheet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from fyke.domain.forms.choices import token_of
from fyke.domain.forms.controls import (
    KEY,
    READ,
    SHOW,
    UNIT,
    PostedTexts,
    ReadValue,
    first,
    is_unfinished_json,
    read_json_text,
)
from fyke.domain.forms.jsonview import JsonViewError, read_json
from fyke.domain.forms.model import (
    ABSENT,
    MULTIPLE_CHOICES,
    ControlKind,
    FormField,
    InputError,
    dump,
    named_field,
    pretty,
    same,
)
from fyke.domain.forms.rows import MAX_ROWS, cell_name, cells_of, rows_of, too_large
from fyke.domain.forms.tables import pasted
from fyke.errors import InvalidRequest

JSON, ORIGINAL, PASTE = "json", "was", "paste"
_ABSENT = "-"
_WITHOUT_RULES = (ControlKind.LINE, ControlKind.TEXT, ControlKind.LIST, ControlKind.JSON)


def encode(field: FormField, value: Any) -> PostedTexts:
    """Return what the field's control sends for a value."""
    if is_unfinished_json(field, value):
        return {"" if field.kind is ControlKind.JSON else JSON: [value]}
    posted = _show(field, value)
    if posted is None:
        return {JSON: [pretty(value)]}
    decoded = _read(field, posted)
    if decoded.problems or not same(decoded.value, value):
        return {**posted, ORIGINAL: [_ABSENT if value is ABSENT else dump(value)]}
    return posted


def decode(field: FormField, posted: PostedTexts) -> ReadValue:
    """Decode what a control of the form, or another client, has sent."""
    posted = {suffix: [t.replace("\r\n", "\n") for t in texts] for suffix, texts in posted.items()}
    if JSON in posted:
        return read_json_text(field, first(posted, JSON))
    original = posted.pop(ORIGINAL, None)
    if original:
        unchanged = _read_original(field, original[0], posted)
        if unchanged is not None:
            return unchanged
    return _read(field, posted)


def broken_rules(field: FormField, value: Any) -> Iterator[InputError]:
    """Yield the rules that only the form has and that a value breaks: bounds, declared options and
    required cells, of a table in its first ``MAX_ROWS`` rows. The default of the schema breaks
    none.
    """
    if value is ABSENT or value is None or field.kind in _WITHOUT_RULES:
        return
    if same(value, field.default):
        return
    if field.kind is ControlKind.TABLE:
        yield from _broken_cells(field, value)
        return
    kind, parts = field.kind, [value]
    if kind in MULTIPLE_CHOICES:
        kind = ControlKind.SELECT
        items = value if isinstance(value, list) else []
        parts = list({token_of(item): item for item in items}.values())
    for part in parts:
        if shown := SHOW[kind](field, part):
            yield from READ[kind](field, shown).problems


def _read_original(field: FormField, original: str, posted: PostedTexts) -> ReadValue | None:
    """The value under ``was`` if the control was returned unchanged, else None."""
    try:
        value = ABSENT if original == _ABSENT else read_json(original)
    except JsonViewError:
        return None
    shown = _show(field, value)
    unchanged = shown is not None and _comparable(shown) == _comparable(posted)
    return ReadValue(value) if unchanged else None


def _comparable(posted: PostedTexts) -> PostedTexts:
    """The texts without empty ones, and without those that are also sent for an empty control: the
    units of spans and the key of a list.
    """
    filled = {suffix: [text for text in texts if text] for suffix, texts in posted.items()}
    if not filled.get(""):
        filled.pop(KEY, None)
    return {s: t for s, t in filled.items() if t and s != UNIT and not s.endswith(f":{UNIT}")}


def _show(field: FormField, value: Any) -> PostedTexts | None:
    if value is ABSENT or value is None:
        return {}
    if field.kind is ControlKind.TABLE:
        return _show_table(field, value)
    return SHOW[field.kind](field, value)


def _read(field: FormField, posted: PostedTexts) -> ReadValue:
    return (
        _read_table(field, posted)
        if field.kind is ControlKind.TABLE
        else READ[field.kind](field, posted)
    )


# --- rows ------------------------------------------------------------------------------------


def _show_table(field: FormField, value: Any) -> PostedTexts | None:
    columns = {column.name: column for column in field.columns}
    if not isinstance(value, list) or too_large(field, len(value)):
        return None
    shown: PostedTexts = {}
    for row, item in enumerate(value):
        if not isinstance(item, dict) or not item.keys() <= columns.keys():
            return None
        for name, column in columns.items():
            cell = encode(column, item.get(name, ABSENT))
            if JSON in cell:
                return None
            shown |= {cell_name(row, name, suffix): texts for suffix, texts in cell.items()}
    return shown


def _read_table(field: FormField, posted: PostedTexts) -> ReadValue:
    values: list[dict[str, Any]] = []
    problems: list[InputError] = []
    paste = first(posted, PASTE)
    if paste.strip():
        try:
            table = pasted(paste, "the pasted text")
            posted = {**posted, **cells_of(field, table, after=MAX_ROWS).cells}
        except InvalidRequest as error:
            problems.append(_field_error(field, error.message))
    for cells in rows_of(field, posted):
        row, errors = _read_row(field, cells, len(values) + 1)
        if any(not _blank(value) for value in row.values()):
            values.append(row)
            problems += errors
    if len(values) > MAX_ROWS:
        rule = f"must have at most {MAX_ROWS:,} rows; give the rest as JSON or in another run"
        problems = [_field_error(field, rule)]
    return ReadValue(values, tuple(problems))


def _blank(value: Any) -> bool:
    return value is None or value is False or value in ("", [])


def _read_row(
    field: FormField, cells: dict[str, PostedTexts], number: int
) -> tuple[dict[str, Any], list[InputError]]:
    row: dict[str, Any] = {}
    problems: list[InputError] = []
    for column in field.columns:
        read = decode(column, cells.get(column.name, {}))
        if read.value is not ABSENT:
            row[column.name] = read.value
        problems += _cell_errors(field, number, column, read.value, read.problems)
    return row, problems


def _broken_cells(field: FormField, table: Any) -> Iterator[InputError]:
    untouched = {column.name: decode(column, {}).value for column in field.columns}
    for number, row in enumerate(table[:MAX_ROWS] if isinstance(table, list) else (), 1):
        if not isinstance(row, dict) or all(map(_blank, row.values())):
            continue
        for column in field.columns:
            value = row.get(column.name)
            value = untouched[column.name] if value is None else value
            yield from _cell_errors(field, number, column, value, broken_rules(column, value))


def _cell_errors(
    field: FormField, number: int, column: FormField, value: Any, problems: Iterable[InputError]
) -> Iterator[InputError]:
    rules = [problem.rule for problem in problems]
    if not rules and column.required and (value is ABSENT or value in (None, "", [])):
        rules = ["is required; fill it in or remove the row"]
    for rule in rules:
        error = _field_error(field, rule)
        yield replace(error, row=number, column=column.name, title=column.title)


def _field_error(field: FormField, rule: str) -> InputError:
    return InputError(f"custom.{field.name}", rule, subject=named_field(field.name))
