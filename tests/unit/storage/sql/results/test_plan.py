"""What one commit writes: positions, merged upserts, sums of attempts."""

from __future__ import annotations

import pytest

from fyke.model.log import NewLogEntry
from fyke.model.results import AttemptBatch, Header, PushedRow
from fyke.storage.sql.results import plan as module
from fyke.storage.sql.results.merge import digest, merge
from fyke.storage.sql.results.plan import (
    CommitPlan,
    Growth,
    RunCounters,
    StoredRow,
    check,
    upsert_digests,
)
from fyke.storage.sql.results.tables import key, position_of

A, B = 11, 12  # numbers of attempts


def batch(*rows: PushedRow, **more: object) -> AttemptBatch:
    return AttemptBatch("run", "a", list(rows), **more)


def upsert(data: bytes, value: str = "1") -> PushedRow:
    return PushedRow(data, "id", value)


def test_rows_continue_the_positions_of_the_run_for_every_attempt() -> None:
    plan, run = CommitPlan(), RunCounters(number=3, rows=40, log_entries=0)
    plan.add(batch(PushedRow(b"{}"), PushedRow(b'{"n":1}')), run, A, {})
    plan.add(batch(PushedRow(b"[]")), run, B, {})
    assert plan.rows == [
        (key(3, 41), A, b"{}"), (key(3, 42), A, b'{"n":1}'), (key(3, 43), B, b"[]"),
    ]  # fmt: skip
    assert plan.growth == {A: Growth(2, 9), B: Growth(1, 2)}
    assert run.rows == 43
    assert plan.upserts == []


def test_an_attempt_without_rows_has_a_growth() -> None:
    plan = CommitPlan()
    plan.add(batch(), RunCounters(3, 0, 0), A, {})
    assert plan.growth == {A: Growth(0, 0)}
    assert plan.headers == {}


def test_an_upsert_of_a_stored_row_changes_that_row_and_the_sums_of_its_attempt() -> None:
    plan, run = CommitPlan(), RunCounters(3, 1, 0)
    known = {(3, digest("id", "1")): StoredRow(key(3, 1), B, b'{"long":"xxxxxx"}')}
    plan.add(batch(upsert(b'{"long":1}')), run, A, known)
    plan.add(batch(upsert(b'{"new":2}')), run, A, known)
    plan.finish()
    assert plan.rows == []
    assert plan.merged == {key(3, 1): b'{"long":1,"new":2}'}
    size = len(plan.merged[key(3, 1)])
    shared = Growth(0, 1, shared_rows=1, shared_bytes=size)
    assert plan.growth == {A: Growth(0, 0, upserted=1), B: shared}
    assert plan.shares == [(key(3, 1), B, len(plan.merged[key(3, 1)])), (key(3, 1), A, None)]
    assert run.rows == 1


def test_only_rows_of_several_attempts_have_shares() -> None:
    plan, run, known = CommitPlan(), RunCounters(3, 2, 0), dict[tuple[int, bytes], StoredRow]()
    known[3, digest("id", "1")] = StoredRow(key(3, 1), A, b"{}")
    known[3, digest("id", "2")] = StoredRow(key(3, 2), A, b"{}", shared_bytes=2)
    plan.add(batch(upsert(b'{"a":1}'), upsert(b'{"a":2}', "2"), upsert(b"{}", "3")), run, A, known)
    plan.finish()
    assert plan.shares == [(key(3, 2), A, 7)], "its size has changed"
    assert plan.growth[A].shared_rows == 0
    assert plan.growth[A].shared_bytes == 5
    plan = CommitPlan()
    plan.add(batch(upsert(b'{"b":3}', "3")), run, B, known)
    plan.finish()
    assert plan.shares == [(key(3, 3), A, 7), (key(3, 3), B, None)]


def test_an_upsert_of_a_row_of_the_same_commit_is_merged_before_it_is_written() -> None:
    plan, run, known = CommitPlan(), RunCounters(3, 0, 0), dict[tuple[int, bytes], StoredRow]()
    plan.add(batch(PushedRow(b"[]"), upsert(b'{"a":1}'), upsert(b'{"b":2}')), run, A, known)
    plan.add(batch(upsert(b'{"c":3}')), run, B, known)
    plan.finish()
    assert plan.rows == [(key(3, 1), A, b"[]"), (key(3, 2), A, b'{"a":1,"b":2,"c":3}')]
    assert plan.merged == {}
    assert plan.upserts == [(3, digest("id", "1"), key(3, 2))]
    size = len(b'{"a":1,"b":2,"c":3}')
    assert plan.growth[A] == Growth(2, 2 + size, shared_rows=1, shared_bytes=size)
    assert plan.growth[B] == Growth(upserted=1)


def test_a_row_is_merged_once_however_many_upserts_it_gets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    merges: list[int] = []

    def count(stored: bytes, *pushed: bytes) -> bytes:
        merges.append(len(pushed))
        return merge(stored, *pushed)

    monkeypatch.setattr(module, "merge", count)
    plan, run = CommitPlan(), RunCounters(3, 1, 0)
    known = {(3, digest("id", "1")): StoredRow(key(3, 1), B, b'{"n":0}')}
    for n in range(10):
        plan.add(batch(*[upsert(b'{"n":%d}' % n), upsert(b'{"m":%d}' % n)]), run, A, known)
    plan.finish()
    assert merges == [20]
    assert plan.merged == {key(3, 1): b'{"n":9,"m":9}'}


def test_the_same_key_in_another_run_is_another_row() -> None:
    plan, known = CommitPlan(), dict[tuple[int, bytes], StoredRow]()
    plan.add(batch(upsert(b'{"a":1}')), RunCounters(3, 0, 0), A, known)
    plan.add(batch(upsert(b'{"a":2}')), RunCounters(4, 0, 0), B, known)
    assert [data for _, _, data in plan.rows] == [b'{"a":1}', b'{"a":2}']
    assert [run for run, _, _ in plan.upserts] == [3, 4]


def test_log_lines_have_positions_of_their_own_and_storable_text() -> None:
    plan, run = CommitPlan(), RunCounters(3, 40, 7)
    plan.add(
        batch(log=[NewLogEntry(2, "g\0", "\ud800", 5), NewLogEntry(4, "", "b", 6)]), run, A, {}
    )
    assert plan.log == [(key(3, 8), 2, "g\ufffd", "\ufffd", 5), (key(3, 9), 4, "", "b", 6)]
    assert [position_of(line[0]) for line in plan.log] == [8, 9]
    assert (run.rows, run.log_entries) == (40, 9)


def test_the_last_header_counts_even_when_empty() -> None:
    plan, run = CommitPlan(), RunCounters(3, 0, 0)
    plan.add(batch(headers=[Header("T\0", "k", "text")]), run, A, {})
    assert plan.headers == {A: b'[["T\xef\xbf\xbd","k","text"]]'}
    plan.add(batch(), run, A, {})
    assert plan.headers == {A: b'[["T\xef\xbf\xbd","k","text"]]'}
    plan.add(batch(headers=[]), run, A, {})
    assert plan.headers == {A: b"[]"}


def test_each_digest_is_looked_up_once_per_run() -> None:
    one, two = RunCounters(3, 0, 0), RunCounters(4, 0, 0)
    rows = batch(upsert(b"{}", "x"), PushedRow(b"{}"), upsert(b"{}", "y"), upsert(b"{}", "x"))
    assert upsert_digests([(rows, one), (batch(PushedRow(b"{}")), two)]) == {
        3: [digest("id", "x"), digest("id", "y")]
    }


@pytest.mark.parametrize("kind", [0, 5, -1])
def test_an_unknown_log_type_is_refused_with_the_known_ones(kind: int) -> None:
    with pytest.raises(ValueError, match=rf"1 \(debug\).*4 \(error\), not {kind}$"):
        check(batch(log=[NewLogEntry(1, "", "", 0), NewLogEntry(kind, "", "", 0)]))


def test_a_batch_has_no_more_rows_than_a_run_has_positions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LAST_POSITION", 2)
    check(batch(PushedRow(b"{}"), PushedRow(b"{}"), log=[NewLogEntry(4, "", "", 0)]))
    with pytest.raises(ValueError, match="at most 2 rows, not 3"):
        check(batch(*[PushedRow(b"{}")] * 3))
