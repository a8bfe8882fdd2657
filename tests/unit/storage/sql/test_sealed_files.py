"""Which files with rows are needed, and what their check finds."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fyke.storage.blobs.files import FolderFiles
from fyke.storage.sql.sealed_files import check_sealed_files, named_files, sealed_files
from support.prepared import rows_in
from support.sealed import sealed_run_in


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    rows_in(tmp_path)
    for run in ("first", "second"):
        asyncio.run(sealed_run_in(tmp_path, run, f"of {run}"))
    with contextlib.closing(sqlite3.connect(tmp_path / "rows.db")) as connection:
        yield connection


def test_intact_files_have_no_fault(rows: sqlite3.Connection, tmp_path: Path) -> None:
    files = sealed_files(rows.execute)
    assert [(file.run_id, file.rows) for file in files] == [("first", 10), ("second", 10)]
    assert named_files(rows.execute) == {file.blob for file in files}
    assert check_sealed_files(FolderFiles(tmp_path / "blobs"), rows.execute) == []


@pytest.mark.needs("zstd")
def test_the_zstd_program_reads_the_rows(rows: sqlite3.Connection, tmp_path: Path) -> None:
    for file in sealed_files(rows.execute):
        command = ["zstd", "-dc", tmp_path / "blobs" / file.blob]
        lines = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
        assert lines == b"".join(b'{"n": %d}\n' % n for n in range(file.rows))


def test_duckdb_reads_the_rows(rows: sqlite3.Connection, tmp_path: Path) -> None:
    """With the statement of docs/how-to/retention.md; requirements do not contain DuckDB."""
    duckdb = pytest.importorskip("duckdb")
    files = tmp_path / "blobs" / "rows" / "first*.jsonl.zst"
    table = f"read_json('{files}', format = 'newline_delimited')"
    found = duckdb.sql(f"SELECT count(*), min(n), max(n) FROM {table}").fetchall()
    assert found == [(10, 0, 9)]


def test_a_missing_and_a_changed_file_are_named_with_their_runs(
    rows: sqlite3.Connection, tmp_path: Path
) -> None:
    blobs = tmp_path / "blobs"
    first, second = sealed_files(rows.execute)
    (blobs / first.blob).unlink()
    (blobs / second.blob).write_bytes(b"other bytes")
    missing, changed = check_sealed_files(FolderFiles(blobs), rows.execute)
    assert missing == (
        f"the file {first.blob} with 10 rows of run first cannot be read: No such file or directory"
    )
    assert changed.startswith(f"the file {second.blob} with 10 rows of run second was changed: its")
    rows.execute("DELETE FROM results_seals")
    assert "(without a name)" in check_sealed_files(FolderFiles(blobs), rows.execute)[0]


def test_files_of_deleted_runs_are_named_but_not_needed(
    rows: sqlite3.Connection, tmp_path: Path
) -> None:
    first, second = sealed_files(rows.execute)
    rows.execute("UPDATE results_runs SET run_id = NULL WHERE run_id = 'first'")
    assert sealed_files(rows.execute) == [second]
    assert named_files(rows.execute) == {first.blob, second.blob}


def test_the_file_of_a_run_that_an_older_server_removed_is_not_named(
    rows: sqlite3.Connection,
) -> None:
    _, second = sealed_files(rows.execute)
    rows.execute("DELETE FROM results_runs WHERE run_id = 'first'")
    assert named_files(rows.execute) == {second.blob}


def test_a_run_that_is_deleted_during_the_check_is_not_a_fault(
    rows: sqlite3.Connection, tmp_path: Path
) -> None:
    first, _ = sealed_files(rows.execute)
    (tmp_path / "blobs" / first.blob).unlink()

    def execute(query: str) -> list[tuple[object, ...]]:
        found = rows.execute(query).fetchall()
        rows.execute("UPDATE results_runs SET run_id = NULL WHERE run_id = 'first'")
        return found

    assert check_sealed_files(FolderFiles(tmp_path / "blobs"), execute) == []
