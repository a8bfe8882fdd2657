"""The differences between the two databases, as far as they show without a server."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from fyke.errors import InvalidRequest
from fyke.model.run import Outcome
from fyke.storage.sql.dialects import (
    for_reading,
    for_writing,
    make_engine,
    migration_lock,
    normalise_url,
    now_ms,
    sqlite_file,
    sqlite_url,
    to_storable_text,
)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = make_engine(sqlite_url(tmp_path / "a b.db"), durable=True)
    with for_writing(made).begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (x INTEGER)")
    yield made
    made.dispose()


@pytest.mark.parametrize(
    "given, driver",
    [
        ("postgres://u:p%40x@h/d", "postgresql+psycopg"),
        ("postgresql://u:p%40x@h/d", "postgresql+psycopg"),
        ("postgresql+psycopg://u:p%40x@h/d?host=/run", "postgresql+psycopg"),
        ("sqlite:////var/lib/fyke/state.db", "sqlite"),
    ],
)
def test_addresses_are_normalised(given: str, driver: str) -> None:
    url = normalise_url(given)
    assert url.drivername == driver
    if driver != "sqlite":
        assert (url.username, url.password, url.database) == ("u", "p@x", "d")
    assert normalise_url(url) == url


@pytest.mark.parametrize("given", ["mysql://h/d", "state.db", "", "postgresql+asyncpg://h/d"])
def test_other_databases_are_refused_with_the_remedy(given: str) -> None:
    with pytest.raises(InvalidRequest, match="database_url must start with postgresql:// or"):
        normalise_url(given)


@pytest.mark.parametrize("given", ["sqlite:///state.db", "sqlite://", "sqlite:///:memory:"])
def test_sqlite_needs_an_absolute_path(given: str) -> None:
    with pytest.raises(InvalidRequest, match="four slashes"):
        normalise_url(given)


def test_the_password_stays_out_of_the_message() -> None:
    with pytest.raises(InvalidRequest) as caught:
        normalise_url("mysql://root:secret@h/d")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("durable, level", [(True, 2), (False, 1)])
def test_sqlite_has_the_expected_settings(tmp_path: Path, durable: bool, level: int) -> None:
    engine = make_engine(sqlite_url(tmp_path / "s.db"), durable=durable)
    with engine.connect() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "busy_timeout", "foreign_keys")
        }
    engine.dispose()
    assert found == {
        "journal_mode": "wal", "synchronous": level, "busy_timeout": 30_000, "foreign_keys": 1,
    }  # fmt: skip
    assert sqlite_file(engine) == tmp_path / "s.db"


def test_a_rollback_removes_created_tables(engine: Engine) -> None:
    with pytest.raises(ZeroDivisionError), for_writing(engine).begin() as connection:
        connection.exec_driver_sql("CREATE TABLE u (x INTEGER)")
        connection.exec_driver_sql("INSERT INTO t VALUES (1)")
        raise ZeroDivisionError
    with for_reading(engine).begin() as connection:
        names = connection.exec_driver_sql("SELECT name FROM sqlite_master").scalars().all()
        assert names == ["t"]
        assert connection.exec_driver_sql("SELECT count(*) FROM t").scalar_one() == 0


@pytest.mark.slow
def test_a_writer_waits_and_its_timeout_is_restored(engine: Engine) -> None:
    entered = threading.Event()
    waits: list[float] = []

    def second() -> None:
        entered.set()
        started = time.monotonic()
        with for_writing(engine).begin() as connection:
            waits.append(time.monotonic() - started)
            timeout = connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one()
            waits.append(timeout)

    with for_writing(engine).begin() as connection:
        connection.exec_driver_sql("INSERT INTO t VALUES (1)")
        other = threading.Thread(target=second)
        other.start()
        assert entered.wait(10)
        other.join(0.2)
        assert other.is_alive()
    other.join(10)
    assert 0.1 < waits[0] < 5
    assert waits[1] == 30_000


def test_readers_do_not_wait_for_the_writer(engine: Engine) -> None:
    with for_writing(engine).begin() as writer:
        writer.exec_driver_sql("INSERT INTO t VALUES (1)")
        with for_reading(engine).begin() as reader:
            assert reader.exec_driver_sql("SELECT count(*) FROM t").scalar_one() == 0


def test_an_engine_for_reading_cannot_write(tmp_path: Path, engine: Engine) -> None:
    reading = make_engine(engine.url, durable=True, reading=True)
    with pytest.raises(OperationalError, match="readonly"), for_reading(reading).begin() as found:
        found.exec_driver_sql("INSERT INTO t VALUES (1)")
    reading.dispose()


def test_the_clock_is_in_milliseconds(engine: Engine) -> None:
    with engine.begin() as connection:
        assert abs(now_ms(connection) - time.time() * 1000) < 1000


def test_the_migration_lock_is_exclusive(engine: Engine) -> None:
    entered: list[str] = []

    def second() -> None:
        with migration_lock(engine):
            entered.append("second")

    other = threading.Thread(target=second)
    with migration_lock(engine):
        other.start()
        other.join(0.1)
        entered.append("first")
        with migration_lock(engine, "another"):
            entered.append("another name")
    other.join(10)
    assert entered == ["first", "another name", "second"]


@pytest.mark.parametrize(
    "given, expected",
    [
        ("", ""),
        ("Straße \U0001f41f", "Straße \U0001f41f"),
        ("a\0b", "a\ufffdb"),
        ("\ud83d", "\ufffd"),
        ("\0\udc00x", "\ufffd\ufffdx"),
        (Outcome.TIMEOUT, "timeout"),
    ],
)
def test_text_that_cannot_be_stored_is_replaced(given: str, expected: str) -> None:
    found = to_storable_text(given)
    assert found == expected
    assert type(found) is str
