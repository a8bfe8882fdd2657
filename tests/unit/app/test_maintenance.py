"""Versions, checks and copies of the tables, on real files of SQLite."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import Engine

from fyke.app.maintenance import (
    ROWS,
    STATE,
    TableVersions,
    check,
    check_bundles,
    database_copies,
    find_damage,
    find_missing_pages,
    find_missing_rows,
    migrate,
    require_current,
    schema_heads,
    versions,
)
from fyke.errors import Conflict, InvalidRequest, Unavailable
from fyke.kit.file_lock import locked
from fyke.model.results import AttemptBatch, PushedRow
from fyke.settings import Settings
from fyke.storage.blobs.files import FolderFiles
from fyke.storage.sql import backup
from fyke.storage.sql.dialects import make_engine
from fyke.storage.sql.results import moving
from fyke.storage.sql.results.journal.records import JournalRecord
from fyke.storage.sql.results.journal.writer import JournalWriter
from fyke.storage.sql.results.store_id import read_store_id
from fyke.storage.sql.schema import SchemaVersion
from fyke.storage.sql.sealed_files import sealed_files
from support.kept_pages import HTML, kept_page_in
from support.prepared import rows_in, state_in
from support.sealed import sealed_run_in
from support.stores import open_rows

pytestmark = pytest.mark.anyio

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


def test_commands_that_need_the_tables_of_this_release_refuse_others(settings: Settings) -> None:
    require_current(settings)
    with pytest.raises(Conflict, match="belongs to another release of Fyke: this program needs"):
        require_current(settings.model_copy(update={"home": settings.home / "empty"}))


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
    faults = list(check_bundles(FolderFiles(tmp_path), {good, changed, missing}))
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


def remains(scratch: Path) -> list[Path]:
    return [path for path in scratch.iterdir() if path.name != "backup.lock"]


def test_copies_are_complete_and_removed_afterwards(settings: Settings) -> None:
    scratch = settings.scratch_dir
    scratch.mkdir()
    (scratch / "copy-of-state.db").write_text("of one that was killed")
    with database_copies(settings, []) as copies:
        assert list(copies) == ["state.db", "rows.db"]
        assert [find_damage(copy) for copy in copies.values()] == [[], []]
    assert remains(scratch) == []
    with pytest.raises(ZeroDivisionError), database_copies(settings, []):
        raise ZeroDivisionError
    assert remains(scratch) == []


async def test_copies_have_the_rows_of_runs_that_are_deleted_meanwhile(settings: Settings) -> None:
    blob = await sealed_run_in(settings.home, "run", "attempt")
    file = settings.blobs_dir / blob
    content = file.read_bytes()
    with database_copies(settings, []) as copies:
        url = f"sqlite:///{settings.home / ROWS}"
        async with open_rows(url, blobs=settings.blobs_dir) as store:
            await store.delete_run("run")
        assert not file.exists()
        assert copies[f"blobs/{blob}"].read_bytes() == content
        with contextlib.closing(sqlite3.connect(copies["rows.db"])) as copy:
            assert [kept.blob for kept in sealed_files(copy.execute)] == [blob]
    assert remains(settings.scratch_dir) == []
    with database_copies(settings, []) as copies:
        assert list(copies) == ["state.db", "rows.db"]


async def test_no_file_is_deleted_between_the_moment_and_its_link(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sealed_run_in(settings.home, "run", "attempt")
    one_moment, lock = backup.one_moment, settings.blobs_dir / ".lock"

    @contextlib.contextmanager
    def moment(files: Sequence[Path]) -> Iterator[list[sqlite3.Connection]]:
        with one_moment(files) as readers, locked(lock, wait=False) as may_delete:
            assert not may_delete
            yield readers

    monkeypatch.setattr(backup, "one_moment", moment)
    with database_copies(settings, []), locked(lock, wait=False) as may_delete:
        assert may_delete


async def test_backups_wait_for_each_other(settings: Settings) -> None:
    blob = await sealed_run_in(settings.home, "run", "attempt")
    lock = settings.scratch_dir / "backup.lock"
    with database_copies(settings, []) as copies, locked(lock, wait=False) as may_begin:
        assert not may_begin
        assert f"blobs/{blob}" in copies
    with locked(lock, wait=False) as may_begin:
        assert may_begin


async def test_a_missing_file_with_rows_is_a_finding_of_the_backup(settings: Settings) -> None:
    blob = await sealed_run_in(settings.home, "run", "attempt")
    (settings.blobs_dir / blob).unlink()
    findings: list[str] = []
    with database_copies(settings, findings) as copies:
        assert list(copies) == ["state.db", "rows.db"]
    assert findings == [f"the file {blob} with 10 rows of run run is missing"]


async def test_copies_of_older_tables_have_no_files(settings: Settings) -> None:
    with contextlib.closing(sqlite3.connect(settings.home / ROWS)) as rows:
        rows.execute("DROP TABLE results_seals")
    with database_copies(settings, []) as copies:
        assert list(copies) == ["state.db", "rows.db"]
    assert find_missing_rows(settings.home) == []


async def test_files_with_rows_are_checked(settings: Settings) -> None:
    blob = await sealed_run_in(settings.home, "run", "attempt")
    assert not any(blob in fault for fault in check(settings))
    (settings.blobs_dir / blob).unlink()
    for faults in (check(settings), find_missing_rows(settings.home)):
        assert any(f"the file {blob} with 10 rows of run run" in fault for fault in faults)


def test_migrating_again_changes_nothing(settings: Settings) -> None:
    assert migrate(settings).revisions == schema_heads()


@pytest.fixture
def journal(settings: Settings) -> JournalWriter:
    """The journal of a runner that was killed. Its attempt has one row in the tables."""
    settings.journal_dir.mkdir()
    with contextlib.closing(sqlite3.connect(settings.home / "rows.db")) as connection, connection:
        connection.execute("INSERT INTO results_runs VALUES (1, 'run', 1, 0, 0)")
        connection.execute("INSERT INTO results_attempts VALUES (1, 'a', 1, 1, 7, 0, 4, 0, 0, 0)")
        connection.execute("INSERT INTO results_rows VALUES (?, 1, '{\"n\":4}')", ((1 << 32) + 1,))
    store_id = read_store_id(settings.home / "rows.db")
    assert store_id is not None
    writer = JournalWriter(settings.journal_dir, store_id, 1)
    batches = [AttemptBatch("run", "a", [PushedRow(b'{"n":%d}' % n)]) for n in (4, 5, 6)]
    writer.append([JournalRecord(n, batch) for n, batch in enumerate(batches, 4)])
    return writer


@pytest.mark.usefixtures("journal")
def test_copies_have_the_rows_of_the_journal(settings: Settings) -> None:
    for _ in range(2):
        with (
            database_copies(settings, []) as copies,
            contextlib.closing(sqlite3.connect(copies["rows.db"])) as connection,
        ):
            rows = connection.execute("SELECT data FROM results_rows ORDER BY id").fetchall()
            assert [json.loads(data)["n"] for (data,) in rows] == [4, 5, 6]


@pytest.mark.usefixtures("journal")
def test_a_copy_does_not_get_records_that_are_written_later(settings: Settings) -> None:
    with database_copies(settings, []) as copies:
        copied = read_store_id(copies["rows.db"])
    assert copied not in (None, read_store_id(settings.home / "rows.db"))


@pytest.mark.usefixtures("journal")
def test_records_are_on_disk_before_the_runner_may_remove_them(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[bool] = []

    def make(url: str, *, durable: bool, pool_size: int) -> Engine:
        opened.append(durable)
        return make_engine(url, durable=durable, pool_size=pool_size)

    monkeypatch.setattr(moving, "make_engine", make)
    with database_copies(settings.model_copy(update={"durability": "process"}), []):
        assert opened == [True]


@pytest.mark.usefixtures("journal")
def test_without_rows_db_nothing_is_copied_or_created(settings: Settings) -> None:
    (settings.home / "rows.db").unlink()
    with pytest.raises(InvalidRequest, match="no database at"), database_copies(settings, []):
        pass
    assert not (settings.home / "rows.db").exists()


@pytest.mark.usefixtures("journal")
def test_the_journal_is_checked_too(settings: Settings) -> None:
    before = check(settings)  # the run is not in the state
    segment = settings.journal_dir / "00000001.journal"
    data = bytearray(segment.read_bytes())
    data[data.index(b'{"n":5}')] ^= 1
    segment.write_bytes(data)
    [finding] = set(check(settings)) - set(before)
    assert finding.startswith(f"the journal {segment} is damaged at byte ")


async def test_a_backup_has_the_files_of_last_pages_even_if_they_are_removed(
    settings: Settings,
) -> None:
    _, blob = await kept_page_in(settings.home)
    with database_copies(settings, []) as copies:
        (settings.blobs_dir / blob).unlink()
        assert copies[f"blobs/{blob}"].read_bytes() == HTML


async def test_a_missing_file_of_a_last_page_is_a_finding_of_the_backup(
    settings: Settings,
) -> None:
    run, blob = await kept_page_in(settings.home)
    (settings.blobs_dir / blob).unlink()
    findings: list[str] = []
    with database_copies(settings, findings) as copies:
        assert list(copies) == ["state.db", "rows.db"]
    assert findings == [f"the file {blob} of the last page of run {run} is missing"]


async def test_files_of_last_pages_are_checked(settings: Settings) -> None:
    run, blob = await kept_page_in(settings.home)
    assert not any(blob in fault for fault in check(settings))
    assert find_missing_pages(settings.home) == []
    (settings.blobs_dir / blob).write_bytes(b"<p>")
    text = (
        f"the file {blob} of the last page of run {run} was changed: it has 3 bytes instead of 11"
    )
    for faults in (check(settings), find_missing_pages(settings.home)):
        assert text in faults
    (settings.blobs_dir / blob).unlink()
    for faults in (check(settings), find_missing_pages(settings.home)):
        assert any(f"{blob} of the last page of run {run} cannot be read" in one for one in faults)


def test_copies_of_older_tables_have_no_last_pages(settings: Settings) -> None:
    with contextlib.closing(sqlite3.connect(settings.home / STATE)) as state:
        state.execute("DROP TABLE run_last_pages")
    with database_copies(settings, []) as copies:
        assert list(copies) == ["state.db", "rows.db"]
    assert find_missing_pages(settings.home) == []
