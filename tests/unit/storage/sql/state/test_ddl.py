"""The statements that migrations make of their columns, for both databases."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations

from fyke.storage.sql.state.migrations.ddl import (
    flag,
    index,
    nullable_text,
    number,
    real,
    serial,
    table,
    text,
)


def statements(dialect: str, work: Callable[[], None]) -> list[str]:
    """What ``work`` would execute, with single spaces."""
    out = StringIO()
    options = {"as_sql": True, "output_buffer": out, "literal_binds": True}
    with Operations.context(MigrationContext.configure(dialect_name=dialect, opts=options)):
        work()
    return [" ".join(item.split()) for item in out.getvalue().split(";") if item.strip()]


def one_table() -> None:
    table(
        "pets",
        text("id owner"),
        nullable_text("note"),
        number("at"),
        flag("tame"),
        real("kilos"),
        key="id at",
        unique=("owner at",),
        refs=("owner people.id cascade", "note notes.id"),
        indexes=("owner at",),
    )


def test_columns_are_equal_in_both_databases_and_text_sorts_by_bytes() -> None:
    [small, _] = statements("sqlite", one_table)
    [large, _] = statements("postgresql", one_table)
    for column in ("id TEXT NOT NULL", "note TEXT,", "at BIGINT NOT NULL", "tame BOOLEAN NOT NULL"):
        assert column in small
    for column in ('id TEXT COLLATE "C" NOT NULL', 'note TEXT COLLATE "C",', "at BIGINT NOT NULL"):
        assert column in large
    assert "kilos DOUBLE" in small
    assert "kilos DOUBLE PRECISION NOT NULL" in large


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_constraints_are_named_by_rule(dialect: str) -> None:
    [made, indexed] = statements(dialect, one_table)
    assert "CONSTRAINT pk_pets PRIMARY KEY (id, at)" in made
    assert "CONSTRAINT uq_pets_owner_at UNIQUE (owner, at)" in made
    owner = "CONSTRAINT fk_pets_owner FOREIGN KEY(owner) REFERENCES people (id)"
    assert f"{owner} ON DELETE CASCADE" in made
    assert "CONSTRAINT fk_pets_note FOREIGN KEY(note) REFERENCES notes (id))" in made.replace(
        " )", ")"
    )
    assert indexed == "CREATE INDEX ix_pets_owner_at ON pets (owner, at)"


def test_a_serial_is_a_key_numbered_by_the_database() -> None:
    [small] = statements("sqlite", lambda: table("lines", serial("seq"), key="seq"))
    [large] = statements("postgresql", lambda: table("lines", serial("seq"), key="seq"))
    assert "seq INTEGER NOT NULL" in small  # SQLite numbers only what is exactly INTEGER
    assert "seq BIGSERIAL NOT NULL" in large


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_an_index_is_partial_on_both_databases(dialect: str) -> None:
    def work() -> None:
        index("uq_pets_tame", "pets", "owner tame", "tame", unique=True)
        index("ix_pets_at", "pets", "at")

    assert statements(dialect, work) == [
        "CREATE UNIQUE INDEX uq_pets_tame ON pets (owner, tame) WHERE tame",
        "CREATE INDEX ix_pets_at ON pets (at)",
    ]
