"""``output_schema.json``: the columns that a Worker declares for its rows.

They are the headers of a run until the Worker sets its own; rows with other keys are accepted. The
file is optional, and only one that is not a JSON array blocks publishing.
"""

from __future__ import annotations

from typing import Any

from fyke.domain.workers import jsontext
from fyke.domain.workers.input_schema import TYPES, text_of
from fyke.domain.workers.schema_report import ERROR, SchemaReport
from fyke.errors import InvalidRequest
from fyke.model.results import Header
from fyke.model.worker import Finding

FILE = "output_schema.json"
BLOCKING = frozenset({"output_schema_root_invalid"})

_FORMATS = {"string": "text"}


def headers(text: str) -> list[Header]:
    """Return the headers for a run whose Worker has set none; empty without a schema.

    The label is the description, else the name. An unknown type becomes the format unchanged.
    Columns without a name, and repeated ones, are left out. Raise ``InvalidRequest``.
    """
    if not text:
        return []
    try:
        document = jsontext.loads(text)
    except jsontext.BadJson as error:
        where = f"line {error.line}: " if error.line else ""
        raise InvalidRequest(f"{FILE} is not a valid json: {where}{error}") from None
    if not isinstance(document, list):
        raise InvalidRequest(f"{FILE}: the root must be an array of columns")
    by_name: dict[str, Header] = {}
    for column in document:
        name = _name(column)
        if name and name not in by_name:
            label = text_of(column.get("description")).strip() or name
            kind = text_of(column.get("type")).strip() or "string"
            by_name[name] = Header(label=label, key=name, format=_FORMATS.get(kind, kind))
    return list(by_name.values())


def check(text: str) -> list[Finding]:
    """Return all findings about the content of an ``output_schema.json``, in order of line."""
    code = "output_schema_root_invalid"
    try:
        document = jsontext.loads(text)
    except jsontext.BadJson as error:
        message = f"{FILE} is not a valid json: {error}"
        remedy = "correct the JSON at this line, or remove the file"
        return [Finding(ERROR, code, FILE, error.line, message, remedy)]
    report = SchemaReport(FILE, text, BLOCKING)
    if isinstance(document, list):
        seen: set[str] = set()
        for index, column in enumerate(document):
            _check_column(column, index, seen, report)
    else:
        message = f"the root of {FILE} must be an array of columns"
        report.add(code, (), message, 'write [{"name": ..., "type": ...}]')
    return report.finish()


def _name(column: Any) -> str:
    return text_of(column.get("name")).strip() if isinstance(column, dict) else ""


def _check_column(column: object, index: int, seen: set[str], report: SchemaReport) -> None:
    if not isinstance(column, dict):
        message, remedy = f"column {index} must be an object", 'write {"name": ..., "type": ...}'
        report.add("output_column_invalid", (index,), message, remedy)
        return
    name = _name(column)
    if not name:
        message, remedy = f"column {index} has no name and is left out", 'add "name"'
        report.add("output_column_missing_name", (index,), message, remedy)
    elif name in seen:
        message, remedy = f'column "{name}" occurs twice', "remove or rename one of the two"
        report.add("output_column_duplicate_name", (index, "name"), message, remedy)
    seen.add(name)
    kind = column.get("type")
    if kind is None:
        message, remedy = f"column {index} has no type and is shown as text", 'add "type"'
        report.add("output_column_missing_type", (index,), message, remedy)
    elif kind not in TYPES:
        message, remedy = f"column {index}: unknown type", f"use one of {', '.join(TYPES)}"
        report.add("output_column_unsupported_type", (index, "type"), message, remedy)
