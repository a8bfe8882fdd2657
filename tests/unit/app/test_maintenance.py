"""Versions, checks and copies of the tables, on real files of SQLite."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path

import pytest

from fyke.app.maintenance import (
    TableVersions,
    check,
    check_bundles,
    database_copies,
    find_damage,
    migrate,
    schema_heads,
    versions,
)
from fyke.errors import Unavailable
from fyke.settings import Settings
from fyke.storage.sql.schema import SchemaVersion
from support.prepared import rows_in, state_in

NEWEST = SchemaVersion("s0002", "s0002", True)
OLDER = SchemaVersion("s0001", "s0002", True)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    state_in(tmp_path)
    rows_in(tmp_path)
    return Settings(home=tmp_path)


def test_an_outdated_set_of_tables_has_a_remedy() -> None:
    assert TableVersions(NEWEST, NEWEST).remedy == ""
    assert TableVersions(NEWEST, OLDER).revisions == ("s0002", "s0001")
    for tables in (TableVersions(OLDER, NEWEST), TableVersions(NEWEST, OLDER)):
        assert tables.remedy.startswith("this program needs s0002 and s0002: run fyke db migrate")
    old = SchemaVersion("0019", "s0002", False)
    assert "fyke db convert" in TableVersions(old, NEWEST).remedy


def test_a_new_database_has_the_newest_revisions(settings: Settings) -> None:
    assert versions(settings).revisions == schema_heads()
    assert versions(settings).remedy == ""


def test_versions_of_an_empty_database_are_empty(tmp_path: Path) -> None:
    assert versions(Settings(home=tmp_path)).revisions == ("", "")


def test_a_database_that_cannot_be_reached_is_unavailable(tmp_path: Path) -> None:
    elsewhere = Settings(
        home=tmp_path, database_url="postgresql://fyke@127.0.0.1:1/none?connect_timeout=2"
    )
    with pytest.raises(Unavailable, match="cannot be reached: ") as caught:
        versions(elsewhere)
    assert "\n" not in str(caught.value)
    with pytest.raises(Unavailable, match="cannot be read: "):
        check(elsewhere)


def test_an_intact_database_has_no_fault(settings: Settings) -> None:
    assert check(settings) == []


def test_rows_are_checked_too(settings: Settings) -> None:
    (settings.home / "rows.db").write_bytes(b"no database" * 1000)
    [fault] = check(settings)
    assert fault.startswith("rows.db is damaged: file is not a database")


def test_state_and_rows_are_compared(settings: Settings) -> None:
    connection = sqlite3.connect(settings.home / "rows.db")
    with connection:
        connection.execute(
            "INSERT INTO results_runs (run_id, rows, log_entries) VALUES ('x', 2, 0)"
        )
    connection.close()
    faults = check(settings)
    assert "there are 2 rows of run x, which does not exist; they are not shown" in faults


def test_bundles_are_compared_with_their_digests(tmp_path: Path) -> None:
    good, changed, missing = (
        hashlib.sha256(text).hexdigest() for text in (b"good", b"changed", b"missing")
    )
    (tmp_path / "bundles").mkdir()
    (tmp_path / "bundles" / good).write_bytes(b"good")
    (tmp_path / "bundles" / changed).write_bytes(b"other bytes")
    faults = list(check_bundles(tmp_path, {good, changed, missing}))
    other = hashlib.sha256(b"other bytes").hexdigest()
    assert sorted(faults) == sorted(
        [
            f"the bundle {changed} was changed: its SHA-256 is {other}",
            f"the bundle {missing} cannot be read: No such file or directory",
        ]
    )


@pytest.mark.parametrize("whole", [True, False])
def test_a_torn_page_is_found(tmp_path: Path, whole: bool) -> None:
    file = tmp_path / "x y.db"
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE t (n)")
    connection.execute("CREATE INDEX i ON t (n)")
    connection.executemany("INSERT INTO t VALUES (?)", [("x" * 500,)] * 50)
    connection.commit()
    connection.close()
    if not whole:
        with file.open("r+b") as opened:
            opened.seek(3 * 4096)
            opened.write(bytes(2000))
    assert (find_damage(file) == []) is whole
    assert find_damage(tmp_path / "none.db") == ["the file is missing"]
    assert not (tmp_path / "none.db").exists()


def test_copies_are_complete_and_removed_afterwards(settings: Settings) -> None:
    scratch = settings.scratch_dir
    scratch.mkdir()
    (scratch / "copy-of-state.db").write_text("of one that was killed")
    with database_copies(settings) as copies:
        assert list(copies) == ["state.db", "rows.db"]
        assert [find_damage(copy) for copy in copies.values()] == [[], []]
    assert list(scratch.iterdir()) == []
    with pytest.raises(ZeroDivisionError), database_copies(settings):
        raise ZeroDivisionError
    assert list(scratch.iterdir()) == []


def test_migrating_again_changes_nothing(settings: Settings) -> None:
    assert migrate(settings).revisions == schema_heads()
