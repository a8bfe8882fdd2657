"""Rows of a run in a file of several frames."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from fyke.contracts.inline import NotInline
from fyke.model.results import AttemptBatch
from fyke.storage.sql.results import frames
from fyke.storage.sql.results.excluded import Excluded
from fyke.storage.sql.results.sealed import SealedRows, StoredRun
from fyke.storage.sql.results.store import SqlResults
from support.prepared import rows_in
from support.rows import RUN, numbers, plain
from support.sealed import seal_small_frames
from support.stores import open_rows

pytestmark = pytest.mark.anyio

COUNT = 200  # in frames of 64 rows
LARGE = 2**30


class Sealed:
    """A run whose rows are in a file: ten of attempt 1, ten of attempt 2, and so on."""

    def __init__(self, store: SqlResults) -> None:
        self.store = store

    async def read(self, work: Callable[[SealedRows], Any]) -> Any:
        run = StoredRun(1, COUNT, COUNT)
        return await self.store._read(
            lambda driver: work(SealedRows(driver, self.store._frames, RUN, run))
        )

    async def change(self, statement: str) -> None:
        await self.store._write(lambda driver: driver.run(statement))


@pytest.fixture
async def sealed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sealed]:
    seal_small_frames(monkeypatch)
    async with open_rows(rows_in(tmp_path), blobs=tmp_path / "blobs") as store:
        for attempt in "ab":
            await store.open_attempt(RUN, attempt)
        for n in range(0, COUNT, 10):
            batch = AttemptBatch(RUN, "ab"[n // 10 % 2], plain(*range(n, n + 10)))
            await store.commit([batch])
        for attempt in "ab":
            await store.close_attempt(attempt)
        await store.seal_runs([RUN], 1)
        yield Sealed(store)


@pytest.mark.parametrize("position, limit", [(0, 5), (60, 10), (63, 1), (64, 200), (199, 9)])
async def test_rows_after_a_position_cross_frames(
    sealed: Sealed, position: int, limit: int
) -> None:
    rows = await sealed.read(lambda rows: rows.after(position, limit, Excluded()))
    assert numbers(rows) == list(range(COUNT))[position : position + limit]
    assert [row.position for row in rows] == [n + 1 for n in numbers(rows)]
    assert [row.attempt_id for row in rows] == ["ab"[n // 10 % 2] for n in numbers(rows)]


async def test_rows_of_excluded_attempts_are_left_out(sealed: Sealed) -> None:
    rows = await sealed.read(lambda rows: rows.after(55, 30, Excluded((1,))))
    assert numbers(rows) == [*range(55, 60), *range(70, 80), *range(90, 100), *range(110, 115)]
    assert await sealed.read(lambda rows: rows.after(0, 30, Excluded((1, 2)))) == []
    positions = await sealed.read(lambda rows: rows.hidden_positions(Excluded((2,))))
    assert positions == [n + 1 for n in range(COUNT) if n // 10 % 2]


async def test_a_block_joins_frames_up_to_its_limits(sealed: Sealed) -> None:
    def block(position: int, limit: int, max_bytes: int, *excluded: int) -> Any:
        hidden = Excluded(excluded)
        return sealed.read(lambda rows: rows.block_after(position, limit, max_bytes, hidden))

    whole = await block(0, 999, LARGE)
    assert whole.positions == list(range(1, COUNT + 1))
    assert [b'{"n": %d}' % n for n in range(COUNT)] == whole.texts()
    assert (await block(60, 70, LARGE)).positions == list(range(61, 131))
    assert (await block(0, 999, LARGE, 1)).positions == [n + 1 for n in range(COUNT) if n // 10 % 2]
    assert (await block(5, 999, 100)).positions == list(range(6, 16)), "ten rows of ten bytes"
    assert (await block(0, 999, 1)).positions == [1], "at least one"
    assert (await block(0, 999, 1000)).positions == list(range(1, 65)), "half of the bytes suffice"
    assert await block(COUNT, 9, LARGE) is None
    assert await block(0, 9, LARGE, 1, 2) is None


async def test_scattered_rows_are_read_by_frame(sealed: Sealed) -> None:
    wanted = [200, 1, 64, 65, 130, 131, 63]
    rows = await sealed.read(lambda rows: rows.at(wanted))
    assert [row.position for row in rows] == sorted(wanted)
    assert numbers(rows) == [position - 1 for position in sorted(wanted)]
    assert await sealed.read(lambda rows: rows.at([])) == []
    assert await sealed.read(lambda rows: rows.at([COUNT + 1])) == []


async def test_what_is_left_of_a_run_that_is_being_deleted_is_read(sealed: Sealed) -> None:
    await sealed.change("DELETE FROM results_attempts WHERE attempt_id = 'b'")
    rows = await sealed.read(lambda rows: rows.after(5, 20, Excluded()))
    assert numbers(rows) == [*range(5, 10), *range(20, 25)]
    await sealed.change("DELETE FROM results_frames")
    assert await sealed.read(lambda rows: rows.after(5, 20, Excluded())) == []
    assert await sealed.read(lambda rows: rows.at([5])) == []


async def test_looking_for_hidden_rows_is_bounded_in_the_event_loop(
    sealed: Sealed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "MAX_PASSED", COUNT - 1)
    inline = await sealed.store.inline()
    assert inline is not None
    for hidden in (frozenset("a"), frozenset("ab")):
        with pytest.raises(NotInline):
            await inline.page(RUN, hidden, offset=0, limit=10)
    with pytest.raises(NotInline):
        await inline.rows_after(RUN, frozenset("ab"), position=0, limit=10)
