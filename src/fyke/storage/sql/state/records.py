"""From rows to the domain's records and back.

A row's columns carry the names of the record's fields, so one pair of functions does for all of
them; the two records that nest another one (``Run``, ``Version``) are flattened in their stores.
A ``Reason`` has two columns: its code, and its parameters as JSON.
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
    """Return the record as column values; enums become their text."""
    values: dict[str, Any] = msgspec.to_builtins(record)
    if "reason" in values and not isinstance(values["reason"], str):
        del values["reason"]
        values |= reason_values(getattr(record, "reason"))  # noqa: B009 - of some records only
    return values


def reason_values(reason: Reason | None) -> dict[str, str]:
    """Return the two columns of a reason; without one both are empty."""
    if reason is None:
        return {"reason_code": "", "reason_params": ""}
    params = json.dumps(reason.params, ensure_ascii=False, separators=(",", ":"))
    return {"reason_code": reason.code.value, "reason_params": params}


def with_reason(values: dict[str, Any]) -> dict[str, Any]:
    """Return the row with its two columns of a reason as one value.

    A row of an older release has no code, and one of a newer release may have a code that is not
    known here: both have no reason, and what is shown of them is the sentence that was stored.
    """
    code, params = values.pop("reason_code", ""), values.pop("reason_params", "")
    values["reason"] = None
    if code in _CODES:
        values["reason"] = Reason(ReasonCode(code), json.loads(params) if params else {})
    return values


_CODES = frozenset(code.value for code in ReasonCode)


def record(row: Mapping[Any, Any], model: type[T]) -> T:
    """Return the row as a record. Columns that the record does not have are left out."""
    # SQLAlchemy's keys may be of a subclass of str, which msgspec does not take for a name;
    # not strict, because SQLite hands out 0 and 1 for booleans when the driver is asked directly
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
    """Return whether a guarded write found its row."""
    return result.rowcount > 0
