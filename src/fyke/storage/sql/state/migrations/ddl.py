"""Helpers of migrations that create tables, with the same columns and names on both databases.

Released migrations use them, so their output must not change.
"""

from __future__ import annotations

from typing import Any

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKeyConstraint,
    Integer,
    PrimaryKeyConstraint,
    Text,
    UniqueConstraint,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects import postgresql

TEXT = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
SERIAL = BigInteger().with_variant(Integer(), "sqlite")
Columns = list[Column[Any]]


def columns(kind: Any, names: str, *, null: bool = False) -> Columns:
    return [Column(name, kind, nullable=null) for name in names.split()]


def text(names: str) -> Columns:
    return columns(TEXT, names)


def nullable_text(names: str) -> Columns:
    return columns(TEXT, names, null=True)


def number(names: str) -> Columns:
    return columns(BigInteger, names)


def flag(names: str) -> Columns:
    return columns(Boolean, names)


def real(names: str) -> Columns:
    return columns(Double, names)


def serial(name: str) -> Columns:
    return [Column(name, SERIAL, primary_key=True, autoincrement=True, nullable=False)]


def table(
    name: str,
    *parts: Columns,
    key: str = "id",
    unique: tuple[str, ...] = (),
    refs: tuple[str, ...] = (),
    indexes: tuple[str, ...] = (),
    **options: Any,
) -> None:
    """Create a table. ``refs`` are "COLUMN TABLE.COLUMN", followed by "cascade" for ON DELETE
    CASCADE; ``unique`` and ``indexes`` are lists of column names, each separated by blanks.
    """
    constraints: list[Any] = [PrimaryKeyConstraint(*key.split(), name=f"pk_{name}")]
    for names in (item.split() for item in unique):
        constraints.append(UniqueConstraint(*names, name=f"uq_{name}_{'_'.join(names)}"))
    for column, target, *cascade in (ref.split() for ref in refs):
        ondelete = "CASCADE" if cascade else None
        label = f"fk_{name}_{column}"
        constraints.append(ForeignKeyConstraint([column], [target], name=label, ondelete=ondelete))
    op.create_table(name, *(column for part in parts for column in part), *constraints, **options)
    for names in (item.split() for item in indexes):
        op.create_index(f"ix_{name}_{'_'.join(names)}", name, names)


def index(name: str, table: str, names: str, where: str | None = None, **options: Any) -> None:
    """Create an index; ``where`` makes it partial on both databases."""
    if where is not None:
        options |= {"sqlite_where": sql(where), "postgresql_where": sql(where)}
    op.create_index(name, table, names.split(), **options)
