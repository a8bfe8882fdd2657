"""What ``bench/torture.py`` finds of rows in files, in the tables of a real store."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "bench"))

from reliability import sealed
from reliability.sealed import SealedRows
from sqlalchemy import create_engine

from fyke.storage.sql.results.tables import key, metadata


class Store:
    """Tables with one sealed run ``r1``, number 1, with the file ``rows/a``."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "rows.db"
        self.files = folder / "rows"
        self.files.mkdir()
        (self.files / "a").touch()
        engine = create_engine(f"sqlite:///{self.path}")
        metadata.create_all(engine)
        engine.dispose()
        self.run("r1", 1)
        self.seal(1, "rows/a", done=True)
        self.rows = SealedRows(self.execute, self.names)

    def names(self) -> set[str]:
        return {f"rows/{path.name}" for path in self.files.iterdir()}

    def execute(self, statement: str, *, write: bool = False) -> list[tuple[Any, ...]]:
        with sqlite3.connect(self.path) as lite:
            return lite.execute(statement).fetchall()

    def insert(self, table: str, **values: object) -> None:
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        with sqlite3.connect(self.path) as lite:
            lite.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", [*values.values()])

    def run(self, run: str | None, number: int, rows: int = 3) -> None:
        self.insert("results_runs", number=number, run_id=run, rows=rows, log_entries=0, sealed=0)

    def seal(self, number: int, blob: str, *, done: bool) -> None:
        self.execute(f"UPDATE results_runs SET sealed = rows WHERE number = {number}", write=True)
        self.insert("results_seals", run=number, blob=blob, size=1, sha256=b"", done=done,
                    claimed_until=2**50)  # fmt: skip


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(sealed, "SEALED_SECONDS", 0.0)
    yield Store(tmp_path)


def test_each_sealed_run_counts_once(store: Store) -> None:
    assert store.rows.new() == 1
    store.run("r2", 2)
    store.seal(2, "rows/b", done=True)
    assert [store.rows.new(), store.rows.new()] == [1, 0]


def test_nothing_is_left_of_runs_that_are_sealed(store: Store) -> None:
    assert store.rows.left(deleted={"r0"}) == []


def test_files_that_are_not_needed_or_missing_are_found(store: Store) -> None:
    (store.files / "a").rename(store.files / "b")
    assert store.rows.left(set()) == ["file rows/b that is not needed", "no file rows/a"]


def test_a_run_that_is_half_sealed_is_found_with_its_file(store: Store) -> None:
    store.run("r2", 2)
    store.seal(2, "rows/b", done=False)
    (store.files / "b").touch()
    found = store.rows.left(set())
    assert found == ["file rows/b that is not needed", "run r2 is half sealed"]


@pytest.mark.parametrize(("run", "deleted"), [(None, set()), ("r2", {"r2"})])
def test_what_is_left_of_a_deleted_run_is_found(
    store: Store, run: str | None, deleted: set[str]
) -> None:
    store.run(run, 2)
    [found] = store.rows.left(deleted)
    assert found.startswith("rows of the deleted run")


def test_rows_that_are_in_both_places_are_found(store: Store) -> None:
    store.insert("results_rows", id=key(1, 3), attempt=1, data=b"{}")
    store.insert("results_rows", id=key(1, 4), attempt=1, data=b"{}")  # after the sealed ones
    assert store.rows.left(set()) == ["run r1 has 1 of 3 sealed rows in the table"]


def test_claims_of_killed_servers_are_not_awaited(store: Store) -> None:
    store.run("r2", 2)
    store.seal(2, "rows/b", done=False)
    assert store.rows.finish() == []
    assert store.execute("SELECT claimed_until FROM results_seals WHERE NOT done") == [(0,)]


def test_a_store_in_which_no_run_is_sealed_is_a_fault(store: Store) -> None:
    store.execute("DELETE FROM results_seals", write=True)
    assert store.rows.finish() == ["none of 1 runs within 0 s after the last round"]
    store.execute("DELETE FROM results_runs", write=True)
    assert store.rows.finish() == []
