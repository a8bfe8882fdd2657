"""Statements that are built and compiled once: those of the start and the end of every attempt.

Building a statement anew, and the layers of SQLAlchemy above the driver, cost ten times more than
SQLite needs to execute it, and as much as psycopg needs for it. So these statements go to the
driver, within the same transaction. Both databases run the same statement with the same values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, Delete, Insert, Select, Update
from sqlalchemy.dialects import postgresql, sqlite

from fyke.storage.sql.dialects import is_sqlite, sqlite_execute, sqlite_rows, to_storable_text
from fyke.storage.sql.postgres_direct import postgres_execute, postgres_rows


class Prepared:
    """A statement with values for its named parameters, and for ``columns``, which an INSERT or
    UPDATE sets. They are text, numbers and flags; lists in an ``IN`` are not possible.
    """

    def __init__(
        self, statement: Select[*tuple[Any, ...]] | Insert | Update | Delete, *columns: str
    ) -> None:
        self._statement = statement
        self._columns = list(columns) or None

    @cached_property
    def _on_sqlite(self) -> tuple[str, list[tuple[str, Any]]]:
        """The SQL, and its parameters in order, with the values that are constant."""
        compiled: Any = self._statement.compile(dialect=sqlite.dialect(), column_keys=self._columns)
        constants = compiled.params
        return str(compiled), [(name, constants[name]) for name in compiled.positiontup]

    @cached_property
    def _on_postgres(self) -> tuple[str, dict[str, Any]]:
        """The SQL, and its parameters with the values that are constant."""
        dialect: Any = postgresql.psycopg.dialect
        compiled: Any = self._statement.compile(dialect=dialect(), column_keys=self._columns)
        return str(compiled), compiled.params

    def _values(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        found = (values.get(name, constant) for name, constant in self._on_sqlite[1])
        return tuple(map(_as_bound, found))

    def _named(self, values: Mapping[str, Any]) -> dict[str, Any]:
        found = self._on_postgres[1].items()
        return {name: _as_bound(values.get(name, constant)) for name, constant in found}

    def run(self, db: Connection, values: Mapping[str, Any]) -> int:
        """Execute; return the number of rows that were changed."""
        if is_sqlite(db):
            return sqlite_execute(db, self._on_sqlite[0], self._values(values)).rowcount
        return int(postgres_execute(db, self._on_postgres[0], self._named(values)).rowcount)

    def run_many(self, db: Connection, many: Sequence[Mapping[str, Any]]) -> None:
        """Execute for each of the values."""
        if is_sqlite(db) or len(many) == 1:
            for values in many:
                self.run(db, values)
        elif many:
            db.execute(self._statement, many)

    def rows(self, db: Connection, values: Mapping[str, Any]) -> Sequence[Mapping[Any, Any]]:
        """The rows of a SELECT, by column name."""
        if is_sqlite(db):
            return sqlite_rows(sqlite_execute(db, self._on_sqlite[0], self._values(values)))
        return postgres_rows(db, self._on_postgres[0], self._named(values))


def _as_bound(value: Any) -> Any:
    return to_storable_text(value) if isinstance(value, str) else value
