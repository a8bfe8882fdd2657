"""A copy of a database that is in use."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from fyke.errors import InvalidRequest
from fyke.storage.sql import backup
from fyke.storage.sql.backup import backup_sqlite


def make(file: Path, rows: int) -> sqlite3.Connection:
    connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE pairs (a INTEGER, b INTEGER, pad TEXT)")
    connection.execute("BEGIN")
    connection.executemany(
        "INSERT INTO pairs VALUES (?, ?, ?)", [(n, n, "x" * 500) for n in range(rows)]
    )
    connection.execute("COMMIT")
    return connection


def test_the_copy_is_consistent_while_a_writer_continues(tmp_path: Path) -> None:
    source = make(tmp_path / "state.db", 5000)
    stop, wrote = threading.Event(), threading.Event()

    def write() -> None:
        number = 5000
        while not stop.is_set():
            source.execute("BEGIN IMMEDIATE")
            source.execute("INSERT INTO pairs VALUES (?, -1, 'y')", (number,))
            source.execute("UPDATE pairs SET b = a WHERE a = ?", (number,))
            source.execute("COMMIT")
            number += 1
            wrote.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert wrote.wait(10)
        for number in range(3):
            backup_sqlite({tmp_path / "state.db": tmp_path / f"copy{number}.db"})
    finally:
        stop.set()
        writer.join(10)
        source.close()
    for number in range(3):
        copy = sqlite3.connect(tmp_path / f"copy{number}.db")
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        total, torn = copy.execute("SELECT count(*), sum(a <> b) FROM pairs").fetchone()
        copy.close()
        assert total > 5000 and torn == 0
        assert (tmp_path / f"copy{number}.db").stat().st_size > 5000 * 500
    assert not list(tmp_path.glob("*.part*")) and not list(tmp_path.glob("copy*-wal"))


def test_copies_of_two_databases_are_of_one_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer begins a number in the first database, stores it in the second, and ends it in the
    first, as an attempt with its rows. It continues between the two copies, however far apart they
    are.
    """
    files = [tmp_path / "state.db", tmp_path / "rows.db"]
    state, rows = (sqlite3.connect(file, isolation_level=None) for file in files)
    for connection in (state, rows):
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE numbers (n INTEGER PRIMARY KEY, ended INTEGER)")

    def write(numbers: range) -> None:
        for number in numbers:
            state.execute("INSERT INTO numbers VALUES (?, 0)", (number,))
            rows.execute("INSERT INTO numbers VALUES (?, 0)", (number,))
            state.execute("UPDATE numbers SET ended = 1 WHERE n = ?", (number,))

    def copy_slowly(reader: sqlite3.Connection, target: Path) -> None:
        copy(reader, target)
        write(next(later))

    write(range(100))
    copy, later = backup._copy, iter([range(100, 200), range(200, 300)])
    monkeypatch.setattr(backup, "_copy", copy_slowly)
    backup_sqlite({file: tmp_path / f"copy-{file.name}" for file in files})
    begun, ended, stored = (
        {n for (n,) in sqlite3.connect(tmp_path / name).execute(f"SELECT n FROM numbers {where}")}
        for name, where in (
            ("copy-state.db", ""),
            ("copy-state.db", "WHERE ended"),
            ("copy-rows.db", ""),
        )
    )
    assert ended == stored == begun == set(range(100))


def test_a_commit_waits_until_all_copies_have_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [tmp_path / "state.db", tmp_path / "rows.db"]
    for file in files:
        make(file, 1).close()
    other = sqlite3.connect(files[0], isolation_level=None, timeout=0)

    class Reader(sqlite3.Connection):
        def execute(self, sql: str, /, *parameters: object) -> sqlite3.Cursor:
            if "sqlite_master" in sql:
                with pytest.raises(sqlite3.OperationalError, match="locked"):
                    other.execute("BEGIN IMMEDIATE")
            return super().execute(sql, *parameters)

    monkeypatch.setattr(
        backup, "_open", lambda file: sqlite3.connect(file, isolation_level=None, factory=Reader)
    )
    with backup.both_at_one_moment(*files) as reader:
        other.execute("BEGIN IMMEDIATE")
        other.execute("ROLLBACK")
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader.execute("DELETE FROM second.pairs")
    with backup.one_moment(files) as readers:
        other.execute("BEGIN IMMEDIATE")  # the lock was only taken for the beginning
        other.execute("INSERT INTO pairs VALUES (7, 7, 'later')")
        other.execute("COMMIT")
        assert readers[0].execute("SELECT count(*) FROM pairs").fetchone() == (1,)
    other.close()


def test_a_database_that_is_not_open_is_copied_too(tmp_path: Path) -> None:
    make(tmp_path / "state.db", 10).close()
    backup_sqlite({tmp_path / "state.db": tmp_path / "copy.db"})
    copy = sqlite3.connect(tmp_path / "copy.db")
    assert copy.execute("SELECT count(*) FROM pairs").fetchone() == (10,)
    copy.close()


def test_no_file_is_overwritten_and_a_missing_database_is_an_error(tmp_path: Path) -> None:
    make(tmp_path / "state.db", 1).close()
    with pytest.raises(InvalidRequest, match="There is no database"):
        backup_sqlite({tmp_path / "none.db": tmp_path / "copy.db"})
    (tmp_path / "copy.db").write_text("mine")
    with pytest.raises(InvalidRequest, match="already exists"):
        backup_sqlite({tmp_path / "state.db": tmp_path / "copy.db"})
    assert (tmp_path / "copy.db").read_text() == "mine"


def test_a_failed_copy_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"not a database" * 500)
    with pytest.raises(sqlite3.DatabaseError):
        backup_sqlite({tmp_path / "state.db": tmp_path / "copy.db"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["state.db"]
