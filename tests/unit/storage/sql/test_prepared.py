"""Prepared statements return what SQLAlchemy returns, and raise what it raises."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    MetaData,
    Table,
    bindparam,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from fyke.storage.sql.dialects import fetch_all, fetch_one, for_writing, make_engine, run_sql
from fyke.storage.sql.prepared import Prepared
from fyke.storage.sql.state.columns import StorableText
from support.results_address import DIALECTS

things = Table(
    "things",
    MetaData(),
    Column("id", StorableText(), primary_key=True),
    Column("n", BigInteger),
    Column("on", Boolean),
)
ADD = Prepared(insert(things), "id", "n", "on")
CHANGE = Prepared(update(things).where(things.c.id == bindparam("of_id"), things.c.n > 1), "n")
QUERY = select(things).where(things.c.n >= bindparam("least")).order_by(things.c.id)
TEXTS = ["a", "nul\0", "surrogate\ud800", "Ü", "'; --", ":of_id ?"]


@pytest.fixture(params=DIALECTS)
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Connection]:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
    engine = for_writing(make_engine(url, durable=False))
    things.metadata.create_all(engine)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def add_all(db: Connection) -> None:
    ADD.run_many(db, [{"id": text, "n": n, "on": n % 2 == 0} for n, text in enumerate(TEXTS)])


def test_rows_are_those_of_sqlalchemy(db: Connection) -> None:
    add_all(db)
    found = [dict(row) for row in Prepared(QUERY).rows(db, {"least": 1})]
    assert found == [dict(row) for row in db.execute(QUERY, {"least": 1}).mappings()]
    assert [row["id"] for row in found] == [
        "'; --",
        ":of_id ?",
        "nul\ufffd",
        "surrogate\ufffd",
        "Ü",
    ]


def test_writes_are_those_of_sqlalchemy(db: Connection) -> None:
    add_all(db)
    before = db.execute(select(things).order_by(things.c.id)).all()
    db.execute(things.delete())
    for n, text in enumerate(TEXTS):
        db.execute(insert(things), {"id": text, "n": n, "on": n % 2 == 0})
    assert db.execute(select(things).order_by(things.c.id)).all() == before


def test_the_number_of_changed_rows_is_returned(db: Connection) -> None:
    add_all(db)
    assert CHANGE.run(db, {"of_id": "surrogate\udfff", "n": 9}) == 1
    assert CHANGE.run(db, {"of_id": "a", "n": 9}) == 0  # its n is 0
    assert CHANGE.run(db, {"of_id": "missing", "n": 9}) == 0


def test_constants_of_the_statement_are_values_too(db: Connection) -> None:
    add_all(db)
    total = select(func.coalesce(func.sum(things.c.n), 7).label("n")).where(things.c.n > 1)
    of_one = Prepared(total.where(things.c.id == bindparam("of_id")))
    assert [[*row.values()] for row in of_one.rows(db, {"of_id": "Ü"})] == [[3]]
    assert [[*row.values()] for row in of_one.rows(db, {"of_id": "a"})] == [[7]]


def test_errors_are_those_of_sqlalchemy(db: Connection) -> None:
    add_all(db)
    with pytest.raises(IntegrityError) as taken, db.begin_nested():
        ADD.run(db, {"id": "a", "n": 1, "on": True})
    with pytest.raises(IntegrityError) as expected, db.begin_nested():
        db.execute(insert(things), {"id": "a", "n": 1, "on": True})
    assert str(taken.value.orig) == str(expected.value.orig)
    with pytest.raises(DBAPIError), db.begin_nested():
        fetch_all(db, "SELECT x FROM things", ())
    with pytest.raises(DBAPIError), db.begin_nested():
        run_sql(db, "UPDATE nothing SET x = ?", (1,))
    assert fetch_one(db, "SELECT count(*) AS n FROM things", ()) == {"n": len(TEXTS)}


@pytest.mark.parametrize("db", ["sqlite"], indirect=True)
def test_an_error_of_a_later_row_is_one_of_sqlalchemy(db: Connection) -> None:
    with pytest.raises(OperationalError):
        fetch_all(db, "SELECT abs(-9223372036854775808)", ())


def test_it_is_undone_with_its_transaction(tmp_path: Path) -> None:
    engine = for_writing(make_engine(f"sqlite:///{tmp_path / 'a.db'}", durable=False))
    things.metadata.create_all(engine)
    with engine.connect() as connection:
        transaction = connection.begin()
        add_all(connection)
        assert run_sql(connection, "UPDATE things SET n = ?", (5,)) == len(TEXTS)
        transaction.rollback()
        with connection.begin():
            assert fetch_one(connection, "SELECT count(*) AS n FROM things", ()) == {"n": 0}
    engine.dispose()
