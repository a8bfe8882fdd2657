"""From rows to the domain's records and back.

A row's columns carry the names of the record's fields, so one pair of functions does for all of
them; the two records that nest another one (``Run``, ``Version``) are flattened in their stores.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, CursorResult, Result

T = TypeVar("T")


class SqlStore:
    """A store on one connection, within its transaction."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection


def columns(record: object) -> dict[str, Any]:
    """Return the record as column values; enums become their text."""
    values: dict[str, Any] = msgspec.to_builtins(record)
    return values


def record(row: Mapping[Any, Any], model: type[T]) -> T:
    """Return the row as a record. Columns that the record does not have are left out."""
    # SQLAlchemy's keys may be of a subclass of str, which msgspec does not take for a name;
    # not strict, because SQLite hands out 0 and 1 for booleans when the driver is asked directly
    values = {str(name): value for name, value in row.items()}
    return msgspec.convert(values, model, strict=False)


def one(result: Result[Any], model: type[T]) -> T | None:
    row = result.mappings().first()
    return None if row is None else record(row, model)


def many(result: Result[Any], model: type[T]) -> list[T]:
    return [record(row, model) for row in result.mappings()]


def was_applied(result: CursorResult[Any]) -> bool:
    """Return whether a guarded write found its row."""
    return result.rowcount > 0
