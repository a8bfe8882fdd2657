"""Versions, checks and copies of the tables, on real files of SQLite."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from fyke.app.maintenance import (
    TableVersions,
    check,
    database_copy,
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


def test_a_copy_is_complete_and_removed_afterwards(settings: Settings, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (scratch / "copy-of-state.db").write_text("of one that was killed")
    with database_copy(settings.home / "state.db", scratch) as copy:
        assert find_damage(copy) == []
    assert list(scratch.iterdir()) == []
    with pytest.raises(ZeroDivisionError), database_copy(settings.home / "rows.db", scratch):
        raise ZeroDivisionError
    assert list(scratch.iterdir()) == []


def test_migrating_again_changes_nothing(settings: Settings) -> None:
    assert migrate(settings).revisions == schema_heads()
