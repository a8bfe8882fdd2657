"""With and without the journal, the same calls get the same answers and leave the same rows."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from fyke.model.log import NewLogEntry
from fyke.model.results import AttemptBatch, Header, PushedRow
from fyke.storage.sql.results.store import SqlResults
from support.prepared import rows_in
from support.rows import NONE, everything
from support.stores import kill_runner, open_rows

pytestmark = pytest.mark.anyio

RUNS = ("one", "two")
ATTEMPTS = [(run, f"{run}-{n}") for run in RUNS for n in range(3)]
STEPS = 150


class Plain:
    """SQLite alone."""

    def __init__(self, store: SqlResults) -> None:
        self.store = self.other = store
        self.deleted = dict.fromkeys(RUNS, 0)  # ids are not used again

    def attempts(self) -> list[tuple[str, str]]:
        return [
            (f"{run}.{self.deleted[run]}", f"{attempt}.{self.deleted[run]}")
            for run, attempt in ATTEMPTS
        ]

    async def restart(self, kill: bool) -> None:
        """Nothing is lost in a restart."""

    async def delete(self, run: str) -> None:
        """A run is deleted after its attempts have ended."""
        name = f"{run}.{self.deleted[run]}"
        for of_run, attempt in self.attempts():
            if of_run == name:
                await self.store.close_attempt(attempt)
        await self.store.delete_run(name)
        self.deleted[run] += 1


class Journaled(Plain):
    """A runner with a journal, which is restarted or killed, and the store of a server."""

    runner: Any

    def __init__(self, url: str, folder: Path, other: SqlResults, durable: bool) -> None:
        super().__init__(other)
        self._url, self._folder, self._durable = url, folder, durable
        self._stack = AsyncExitStack()

    async def start(self) -> None:
        self.store = self.runner = await self._stack.enter_async_context(
            open_rows(self._url, journal=self._folder, runner=True, durable=self._durable)
        )

    async def restart(self, kill: bool) -> None:
        if kill:
            await kill_runner(self.runner)
        await self.close()
        await self.start()

    async def close(self) -> None:
        await self._stack.aclose()


async def store(results: SqlResults, batch: AttemptBatch) -> bool:
    answer = await results.append(batch)
    return (await results.commit([batch]))[0] if answer is None else answer


def random_batch(rng: random.Random, run: str, attempt: str, step: int) -> AttemptBatch:
    rows = []
    for n in range(rng.choice((0, 1, 1, 2, 7))):
        data = b'{"n":%d,"f%d":%d}' % (step * 10 + n, rng.randrange(4), step)
        upsert = ("key", str(rng.randrange(5))) if rng.random() < 0.4 else ("", "")
        rows.append(PushedRow(data, *upsert))
    batch = AttemptBatch(run, attempt, rows)
    if rng.random() < 0.2:
        batch.headers = [Header(f"l{step}", f"k{rng.randrange(3)}", "text")]
    if rng.random() < 0.3:
        batch.log = [NewLogEntry(2, "g\ud800", f"step {step}\0", step)]
    return batch


async def step_of(side: Plain, rng: random.Random, step: int) -> Any:
    """Make one random call; return its answer."""
    attempts = side.attempts()
    run, attempt = rng.choice(attempts)
    match rng.choices(range(9), (20, 35, 20, 4, 4, 4, 2, 1, 10))[0]:
        case 0:
            return await side.store.open_attempt(run, attempt)
        case 1:
            return await store(side.store, random_batch(rng, run, attempt, step))
        case 2:
            batches = [random_batch(rng, *rng.choice(attempts), step) for _ in range(4)]
            return await side.store.commit(batches)
        case 3:
            return await side.store.close_attempt(attempt)
        case 4:
            return await side.other.close_attempt(attempt)
        case 5:
            await side.restart(kill=rng.random() < 0.6)
            return await open_all(side.store, attempts[:4])
        case 6:
            return await side.other.commit([random_batch(rng, run, attempt, step)])
        case 7:
            return await side.delete(rng.choice(RUNS))
    return await side.store.totals(run, frozenset({attempt}))


async def open_all(results: SqlResults, attempts: list[tuple[str, str]]) -> None:
    for run, attempt in attempts:
        await results.open_attempt(run, attempt)


async def content(side: Plain, results: SqlResults) -> list[Any]:
    found: list[Any] = []
    for run in RUNS:
        name = f"{run}.{side.deleted[run]}"
        found += await everything(results, name)
        found += [await results.headers(name), await results.totals(name, NONE)]
        found.append(await results.log_after(name, 0, 1000))
    return found


@pytest.fixture(params=[False, True])
async def sides(
    request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str
) -> AsyncIterator[tuple[Plain, Journaled]]:
    for name in ("plain", "journaled"):
        (tmp_path / name).mkdir()
    url, journal = rows_in(tmp_path / "journaled"), tmp_path / "journal"
    async with (
        open_rows(rows_in(tmp_path / "plain")) as plain,
        open_rows(url, journal=journal) as other,
    ):
        journaled = Journaled(url, journal, other, request.param)
        await journaled.start()
        yield Plain(plain), journaled
        await journaled.close()


@pytest.mark.parametrize(
    "seed", [1, 2, 3, *(pytest.param(n, marks=pytest.mark.long) for n in range(4, 100))]
)
async def test_the_same_calls_get_the_same_answers(
    sides: tuple[Plain, Journaled], seed: int
) -> None:
    randoms = [random.Random(seed), random.Random(seed)]
    for step in range(STEPS):
        plain, journaled = [
            await step_of(side, rng, step) for side, rng in zip(sides, randoms, strict=True)
        ]
        assert journaled == plain, step
    expected = await content(sides[0], sides[0].store)
    assert await content(sides[1], sides[1].store) == expected
    assert await content(sides[1], sides[1].other) == expected
