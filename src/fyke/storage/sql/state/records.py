"""Conversion of rows to the records of the domain and back.

Columns have the names of the record's fields, so one pair of functions is enough. Records that
contain another record (``Run``, ``Version``, ``Schedule``) are flattened in their stores. A
``Reason`` has two columns: its code, and its parameters as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, CursorResult, Result

from fyke.kit.typed import convert
from fyke.reasons import Reason, ReasonCode

T = TypeVar("T")


class SqlStore:
    """A store on one connection, within its transaction."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection


def columns(record: object) -> dict[str, Any]:
    """Return the record as column values, with enums as text."""
    values: dict[str, Any] = msgspec.to_builtins(record)
    if "reason" in values and not isinstance(values["reason"], str):
        del values["reason"]
        values |= reason_values(getattr(record, "reason"))  # noqa: B009 - only some records have it
    return values


def reason_values(reason: Reason | None) -> dict[str, str]:
    """Return the two columns of a reason, both empty for None."""
    if reason is None:
        return {"reason_code": "", "reason_params": ""}
    params = json.dumps(reason.params, ensure_ascii=False, separators=(",", ":"))
    return {"reason_code": reason.code.value, "reason_params": params}


def with_reason(values: dict[str, Any]) -> dict[str, Any]:
    """Return the row with ``reason`` in place of its two columns.

    Rows of older releases have no code, and those of newer releases may have an unknown one. Both
    get no reason; the stored sentence is shown.
    """
    code, params = values.pop("reason_code", ""), values.pop("reason_params", "")
    values["reason"] = None
    if code in _CODES:
        values["reason"] = Reason(ReasonCode(code), json.loads(params) if params else {})
    return values


_CODES = frozenset(code.value for code in ReasonCode)


def record(row: Mapping[Any, Any], model: type[T]) -> T:
    """Return the row as a record. Columns without a field are ignored."""
    # str(), because msgspec does not accept SQLAlchemy's subclass of str as a name; not strict,
    # because the sqlite3 driver returns booleans as 0 and 1
    values = {str(name): value for name, value in row.items()}
    if "reason_code" in values:
        values = with_reason(values)
    return convert(values, model, strict=False)


def one(result: Result[Any], model: type[T]) -> T | None:
    row = result.mappings().first()
    return None if row is None else record(row, model)


def many(result: Result[Any], model: type[T]) -> list[T]:
    return [record(row, model) for row in result.mappings()]


def was_applied(result: CursorResult[Any]) -> bool:
    """Return whether a conditional write changed a row."""
    return result.rowcount > 0
