"""Columns and indexes of the state, the same on both databases.

Times are milliseconds and money is millionths of a US dollar, both BIGINT. Ids are TEXT. Text is
sorted by bytes, and converted by ``to_storable_text`` when it is written.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Text,
    TypeDecorator,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect

from fyke.storage.sql.dialects import to_storable_text

VERSION_TABLE = "state_version"  # where Alembic stores the revision

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class StorableText(TypeDecorator[str]):
    """Text that both databases store and sort in the same way; see
    ``dialects.to_storable_text``.
    """

    impl = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else to_storable_text(value)


def text_column(name: str, *, key: bool = False, null: bool = False) -> Column[str]:
    return Column(name, StorableText(), primary_key=key, nullable=null)


def reason_columns() -> tuple[Column[str], Column[str]]:
    """The code of a ``Reason``, empty without one, and its parameters as a JSON object."""
    return text_column("reason_code"), text_column("reason_params")


def number_column(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def serial_column(name: str) -> Column[int]:
    """A primary key that the database assigns, greater than all existing ones."""
    # SQLite numbers rows only in a column of the type INTEGER
    kind = BigInteger().with_variant(Integer(), "sqlite")
    return Column(name, kind, primary_key=True, autoincrement=True)


def flag_column(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False)


def ref_column(
    name: str, target: str, *, key: bool = False, cascade: bool = False, null: bool = False
) -> Column[str]:
    reference = ForeignKey(target, ondelete="CASCADE" if cascade else None)
    return Column(name, StorableText(), reference, primary_key=key, nullable=null)


def partial_index(name: str, *columns: Column[Any], where: str, unique: bool = False) -> Index:
    """An index of the rows for which ``where`` (SQL for both databases) is true. Queries for
    pending and active rows then cost the same however many past ones there are.
    """
    condition = text(where)
    return Index(name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition)
