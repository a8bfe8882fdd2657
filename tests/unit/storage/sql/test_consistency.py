"""Each rule of the check over state and rows reports its violation in a sentence."""

from __future__ import annotations

import asyncio
import contextlib
import re
import sqlite3
from pathlib import Path

import pytest

from fyke.model.results import AttemptBatch
from fyke.storage.sql import consistency
from fyke.storage.sql.consistency import MAX_FINDINGS, check_files
from fyke.storage.sql.results.store import open_results
from support.prepared import leased_in, rows_in
from support.rows import lines, plain, upsert
from support.sealed import sealed_run_in

ENDED = "UPDATE attempts SET outcome = 'succeeded', rows = 3 WHERE ordinal = 0"
FAILED = "UPDATE attempts SET outcome = 'exit_code', rows = 2 WHERE ordinal = 1"
FINISHED = "UPDATE runs SET state = 'failed', results = 3"


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A run that has ended: three rows of an attempt that succeeded, two of one that failed."""
    asyncio.run(push(rows_in(tmp_path), leased_in(tmp_path)))
    state, rows = tmp_path / "state.db", tmp_path / "rows.db"
    change(state, ENDED, FAILED, FINISHED)
    return state, rows


async def push(url: str, attempts: list[tuple[str, str]]) -> None:
    store = open_results(url, durable=False)
    for (run, attempt), count in zip(attempts, (3, 2), strict=True):
        await store.open_attempt(run, attempt)
        pushed = [*plain(*range(count - 1)), upsert(b'{"id":1}', value=attempt)]
        await store.commit([AttemptBatch(run, attempt, pushed, log=lines(0, 2))])
        await store.commit([AttemptBatch(run, attempt, [upsert(b'{"n":9}', value=attempt)])])
        await store.close_attempt(attempt)
    await store.close()


def change(file: Path, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def test_state_and_rows_that_belong_together_have_no_findings(files: tuple[Path, Path]) -> None:
    assert check_files(*files) == []
    change(files[0], "UPDATE runs SET results = 5")  # rows of failed attempts are kept, not hidden
    assert check_files(*files) == []


def test_replaced_rows_are_not_among_the_results(files: tuple[Path, Path]) -> None:
    lost = "UPDATE attempts SET outcome = 'runner_lost', replaced = 1 WHERE ordinal = 1"
    change(files[0], lost)
    assert check_files(*files) == []
    change(files[0], "UPDATE runs SET results = 5")
    [finding] = check_files(*files)
    assert finding.endswith("has 5 results but its attempts add up to 3")


def test_rows_that_a_good_attempt_has_upserted_too_are_among_the_results(
    files: tuple[Path, Path],
) -> None:
    shared = (1 << 32) + 4  # the first row of the attempt that failed
    change(
        files[1],
        "INSERT INTO results_shares SELECT id, attempt, length(data) FROM results_rows"
        f" WHERE id = {shared}",
        f"INSERT INTO results_shares SELECT {shared}, number, NULL FROM results_attempts"
        " WHERE rows = 3",
    )
    [finding] = check_files(*files)
    assert "has 3 results" in finding
    change(files[0], "UPDATE runs SET results = 4")
    assert check_files(*files) == []
    change(files[0], "UPDATE runs SET results = 5")
    assert check_files(*files) == []
    lost = "UPDATE attempts SET outcome = 'runner_lost', replaced = 1 WHERE ordinal = 1"
    change(files[0], lost, "UPDATE runs SET results = 4")
    assert check_files(*files) == []


@pytest.mark.parametrize(
    "database, statement, finding",
    [
        ("state", "DELETE FROM attempts WHERE ordinal = 1", "2 rows of attempt .*not exist"),
        ("state", "DELETE FROM runs", "5 rows of run .* which does not exist"),
        ("state", "UPDATE attempts SET rows = 9 WHERE ordinal = 0", "ended with 9 rows but 3 are"),
        ("state", "UPDATE runs SET results = 4", "has 4 results but its attempts add up to 5"),
        ("rows", "DELETE FROM results_rows WHERE attempt = 1", "counts 3 rows .* but 0 of 0"),
        ("rows", "DELETE FROM results_attempts WHERE number = 1", "ended with 3 rows but 0 are"),
        ("rows", "UPDATE results_attempts SET bytes = 1 WHERE rows = 2", "2 rows of 1 bytes but"),
        ("rows", "UPDATE results_runs SET rows = 7", "positions for 7 rows .* count 5"),
        ("rows", "DELETE FROM results_log WHERE content = 'line 1'", "counts 4 lines but 2 are"),
        ("rows", "UPDATE results_runs SET log_entries = 3", "counts 3 lines but 4 are stored"),
    ],
)
def test_a_difference_is_found(
    files: tuple[Path, Path], database: str, statement: str, finding: str
) -> None:
    change(files[0] if database == "state" else files[1], statement)
    assert re.search(finding, "\n".join(check_files(*files)))


@pytest.mark.parametrize("run_state", ["ready", "running", "ending", "aborting"])
def test_the_usage_of_ended_attempts_is_counted_in_open_runs(
    files: tuple[Path, Path], run_state: str
) -> None:
    change(
        files[0],
        f"UPDATE runs SET state = '{run_state}', ended_rows = 5, ended_cpu_ms = 7",
        "UPDATE attempts SET cpu_ms = 7 WHERE ordinal = 0",
    )
    assert check_files(*files) == []
    change(files[0], "UPDATE attempts SET outcome = NULL WHERE ordinal = 0")
    [finding] = check_files(*files)
    assert "7 ms of CPU, 0 bytes and 5 rows of its ended attempts but" in finding
    assert finding.endswith("add up to 0 ms, 0 bytes and 2 rows")


def test_a_run_that_is_being_removed_is_left_out(files: tuple[Path, Path]) -> None:
    change(
        files[1],
        "UPDATE results_runs SET run_id = NULL",
        "DELETE FROM results_rows WHERE id IN (SELECT id FROM results_rows LIMIT 2)",
    )
    assert check_files(*files) == []


def test_the_findings_of_a_rule_are_limited(files: tuple[Path, Path]) -> None:
    change(
        files[1],
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30)"
        " INSERT INTO results_runs (run_id, rows, log_entries) SELECT 'lost ' || i, 1, 0 FROM n",
    )
    found = check_files(*files)
    assert len([text for text in found if "which does not exist" in text]) == MAX_FINDINGS
    assert "there are more findings of this kind" in found


# --- rows in files -------------------------------------------------------------------------------


@pytest.fixture
def sealed(tmp_path: Path) -> tuple[Path, Path]:
    """The same for a run with ten rows of each attempt in a file."""
    rows_in(tmp_path)
    [(run, first), (_, second)] = leased_in(tmp_path)
    asyncio.run(sealed_run_in(tmp_path, run, first, second))
    state, rows = tmp_path / "state.db", tmp_path / "rows.db"
    ended = "UPDATE attempts SET outcome = 'succeeded', rows = 10"
    change(state, ended, "UPDATE runs SET state = 'succeeded', results = 20")
    return state, rows


def test_rows_in_a_file_are_counted(sealed: tuple[Path, Path]) -> None:
    assert check_files(*sealed) == []
    change(sealed[1], "INSERT INTO results_rows VALUES ((1 << 32) + 5, 1, 'not removed yet')")
    assert check_files(*sealed) == []


@pytest.mark.parametrize(
    "statement, finding",
    [
        ("DELETE FROM results_frames", "20 rows in its file but the frames have 0"),
        ("UPDATE results_frames SET rows = 19", "20 rows in its file but the frames have 19"),
        ("UPDATE results_runs SET sealed = 19", "1 rows after those in its file but 0 are stored"),
        (
            "INSERT INTO results_rows VALUES ((1 << 32) + 21, 1, 'x')",
            "0 rows after those in its file but 1 are stored",
        ),
        ("UPDATE results_attempts SET rows = 9 WHERE number = 1", "ended with 10 rows but 9 are"),
    ],
)
def test_a_difference_to_the_file_is_found(
    sealed: tuple[Path, Path], statement: str, finding: str
) -> None:
    change(sealed[1], statement)
    assert finding in "\n".join(check_files(*sealed))


def test_rows_in_a_file_may_belong_to_an_unknown_attempt(sealed: tuple[Path, Path]) -> None:
    """Restoring a backup cannot remove them."""
    change(sealed[0], "DELETE FROM attempts")
    findings = check_files(*sealed)
    assert findings and not any("which does not exist" in finding for finding in findings)


def test_the_frames_of_each_run_are_found_by_key(sealed: tuple[Path, Path]) -> None:
    [query] = [query for _, query in consistency._RULES if "results_frames" in query]
    with contextlib.closing(sqlite3.connect(sealed[1])) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {query}").fetchall()
    assert any("PRIMARY KEY (rowid>? AND rowid<?)" in step for *_, step in plan)
