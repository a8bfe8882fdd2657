"""A copy of a database that is in use."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from fyke.errors import InvalidRequest
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
        sizes = [backup_sqlite(tmp_path / "state.db", tmp_path / f"copy{n}.db") for n in range(3)]
    finally:
        stop.set()
        writer.join(10)
        source.close()
    for number, size in enumerate(sizes):
        copy = sqlite3.connect(tmp_path / f"copy{number}.db")
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        total, torn = copy.execute("SELECT count(*), sum(a <> b) FROM pairs").fetchone()
        copy.close()
        assert total > 5000 and torn == 0
        assert size > 5000 * 500
    assert not list(tmp_path.glob("*.part*")) and not list(tmp_path.glob("copy*-wal"))


def test_a_database_that_is_not_open_is_copied_too(tmp_path: Path) -> None:
    make(tmp_path / "state.db", 10).close()
    backup_sqlite(tmp_path / "state.db", tmp_path / "copy.db")
    copy = sqlite3.connect(tmp_path / "copy.db")
    assert copy.execute("SELECT count(*) FROM pairs").fetchone() == (10,)
    copy.close()


def test_no_file_is_overwritten_and_a_missing_database_is_an_error(tmp_path: Path) -> None:
    make(tmp_path / "state.db", 1).close()
    with pytest.raises(InvalidRequest, match="There is no database"):
        backup_sqlite(tmp_path / "none.db", tmp_path / "copy.db")
    (tmp_path / "copy.db").write_text("mine")
    with pytest.raises(InvalidRequest, match="exists already"):
        backup_sqlite(tmp_path / "state.db", tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_text() == "mine"


def test_a_failed_copy_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"not a database" * 500)
    with pytest.raises(sqlite3.DatabaseError):
        backup_sqlite(tmp_path / "state.db", tmp_path / "copy.db")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["state.db"]
