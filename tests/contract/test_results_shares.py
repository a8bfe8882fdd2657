"""The contract of ``Results`` for rows that several attempts have upserted: they are visible as
long as one of these attempts is, at every moment and in every order of pushes, ends and retries.
"""

from __future__ import annotations

import itertools
import json
import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import text

from fyke.contracts.inline import NotInline
from fyke.model.results import AttemptBatch, PushedRow, RunTotals
from fyke.storage.sql.dialects import make_engine
from fyke.storage.sql.results import read
from fyke.storage.sql.results.migrate import migrate_results
from fyke.storage.sql.results.store import SqlResults
from fyke.storage.sql.results.tables import VERSION_TABLE
from support.rows import NONE, RUN, everything, plain, upsert
from support.sealed import seal_small_frames
from support.stores import open_rows

pytestmark = pytest.mark.anyio

ATTEMPTS = "abcde"


@dataclass
class ModelRow:
    """What a row should be: its fields, and the attempts that have pushed them, in order."""

    attempts: list[str]
    fields: dict[str, Any]

    @property
    def data(self) -> bytes:
        return json.dumps(self.fields, separators=(",", ":")).encode()


@dataclass
class Model:
    """The rows of a run, and which of them each key stands for."""

    rows: list[ModelRow] = field(default_factory=list)
    keys: dict[str, ModelRow] = field(default_factory=dict)

    def push(self, attempt: str, key: str, fields: dict[str, Any]) -> None:
        row = self.keys.get(key) if key else None
        if row is None:
            row = ModelRow([], {})
            self.rows.append(row)
            if key:
                self.keys[key] = row
        row.fields |= fields
        if attempt not in row.attempts:
            row.attempts.append(attempt)

    def release(self, attempt: str) -> None:
        self.keys = {key: row for key, row in self.keys.items() if row.attempts != [attempt]}

    def visible(self, hidden: frozenset[str]) -> list[tuple[int, str, bytes]]:
        return [
            (position, row.attempts[0], row.data)
            for position, row in enumerate(self.rows, 1)
            if not hidden.issuperset(row.attempts)
        ]

    def totals(self, hidden: frozenset[str]) -> RunTotals:
        rows = self.visible(hidden)
        kept = sum(1 for _, first, _ in rows if first in hidden)
        return RunTotals(len(rows), sum(len(data) for *_, data in rows), kept)


async def check(
    results: SqlResults, model: Model, hidden: frozenset[str], rng: random.Random
) -> None:
    """Compare every kind of read."""
    expected = model.visible(hidden)
    walked = await everything(results, hidden=hidden)
    assert [(row.position, row.attempt_id, row.data) for row in walked] == expected
    assert await results.totals(RUN, hidden) == model.totals(hidden)
    for offset in {0, 1, rng.randint(0, 9), len(expected) - 1, len(expected)}:
        begin, limit = max(offset, 0), rng.randint(1, 9)
        page = await results.page(RUN, hidden, offset=begin, limit=limit)
        assert page == walked[begin : begin + limit]
    texts, positions = list[bytes](), list[int]()
    limit = rng.randint(1, 20)
    while block := await results.block_after(
        RUN, hidden, position=positions[-1] if positions else 0, limit=limit
    ):
        texts += block.texts()
        positions += block.positions
    assert list(zip(positions, texts, strict=True)) == [(at, data) for at, _, data in expected]
    keys = await results.keys(RUN, hidden)
    named = (key for *_, data in expected for key in json.loads(data))
    assert keys is None or keys == list(dict.fromkeys(named))


def random_batch(rng: random.Random, model: Model, attempt: str, count: int) -> AttemptBatch:
    rows = []
    for number in range(rng.randint(1, 4)):
        name = rng.choice(["n", attempt, "x" * rng.randint(1, 9)])
        fields = {name: count * 10 + number}
        key = rng.choice(["", "1", "1", "2", "3", "4", "5"])
        model.push(attempt, key, fields)
        data = json.dumps(fields, separators=(",", ":")).encode()
        rows.append(upsert(data, key) if key else PushedRow(data))
    return AttemptBatch(RUN, attempt, rows)


def subsets(attempts: str) -> list[frozenset[str]]:
    sizes = range(len(attempts) + 1)
    return [frozenset(some) for n in sizes for some in itertools.combinations(attempts, n)]


@pytest.mark.parametrize("seed", range(6))
async def test_a_row_is_visible_as_long_as_one_of_its_attempts_is(
    results: SqlResults, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal_small_frames(monkeypatch)
    if seed % 2:
        monkeypatch.setattr(read, "SHALLOW", 0)
    rng, model = random.Random(seed), Model()
    waiting, opened, closed = list(ATTEMPTS), list[str](), list[str]()
    for count in range(36):
        if waiting and (not opened or rng.random() < 0.25):
            opened.append(waiting.pop())
            await results.open_attempt(RUN, opened[-1])
        elif rng.random() < 0.12 and len(opened) > 1:
            closed.append(opened.pop(rng.randrange(len(opened))))
            await results.close_attempt(closed[-1])
            if rng.random() < 0.5:
                model.release(closed[-1])
                await results.release_upserts(closed[-1])
        else:
            writing = [rng.choice(opened) for _ in range(rng.randint(1, 3))]
            batches = [random_batch(rng, model, attempt, count) for attempt in writing]
            assert await results.commit(batches) == [True] * len(batches)
        if rng.random() < 0.3:
            ended = frozenset(attempt for attempt in closed if rng.random() < 0.7)
            await check(results, model, ended, rng)
    for attempt in ATTEMPTS:
        await results.close_attempt(attempt)
    choices = rng.sample(subsets(ATTEMPTS), 8)
    for hidden in choices:
        await check(results, model, hidden, rng)
    await results.seal_runs([RUN], 1)
    for hidden in choices:
        await check(results, model, hidden, rng)
        assert await results.keys(RUN, hidden) is not None
    await results.delete_run(RUN)
    left = await results._read(lambda driver: driver.query("SELECT * FROM results_shares"))
    assert left == []


@pytest.mark.parametrize("order", ["ab", "ba"])
async def test_it_does_not_matter_which_attempt_was_first(results: SqlResults, order: str) -> None:
    for attempt in "ab":
        await results.open_attempt(RUN, attempt)
    for attempt in order:
        row = upsert(b'{"id":1,"%s":true}' % attempt.encode())
        assert await results.commit([AttemptBatch(RUN, attempt, [row])]) == [True]
    for hidden in (NONE, frozenset("a"), frozenset("b")):
        [row] = await results.page(RUN, hidden, offset=0, limit=9)
        assert json.loads(row.data) == {"id": 1, "a": True, "b": True}
        assert (await results.totals(RUN, hidden)).rows == 1
    assert await results.page(RUN, frozenset("ab"), offset=0, limit=9) == []
    assert await results.totals(RUN, frozenset("ab")) == RunTotals(0, 0)


async def test_an_attempt_without_rows_of_its_own_hides_what_it_has_upserted(
    results: SqlResults,
) -> None:
    for attempt in "abc":
        await results.open_attempt(RUN, attempt)
        await results.commit([AttemptBatch(RUN, attempt, [upsert(b'{"n":1}')])])
    assert await everything(results, hidden=frozenset("abc")) == []
    assert (await results.totals(RUN, frozenset("abc"))).rows == 0
    assert (await results.totals(RUN, frozenset("ac"))).kept == 1


async def test_a_hidden_row_is_shown_when_an_open_attempt_upserts_it(
    results: SqlResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also on pages for which positions of hidden rows were read before."""
    monkeypatch.setattr(read, "SHALLOW", 0)
    hidden = frozenset("ab")

    async def shown() -> list[int]:
        return [row.position for row in await results.page(RUN, hidden, offset=0, limit=9)]

    for attempt in "ab":
        await results.open_attempt(RUN, attempt)
        rows = [upsert(b'{"n":1}'), *plain(1), upsert(b'{"n":2}', "2")]
        await results.commit([AttemptBatch(RUN, attempt, rows)])
        await results.close_attempt(attempt)
        assert await shown() == []
    for attempt, key, expected in (("c", "2", [3]), ("d", "1", [1, 3])):
        await results.open_attempt(RUN, attempt)
        assert await shown() == expected[-1:] * (attempt == "d")
        await results.commit([AttemptBatch(RUN, attempt, [upsert(b"{}", key)])])
        assert await shown() == expected
        await results.close_attempt(attempt)
        assert await shown() == expected


async def test_a_row_that_others_have_upserted_is_not_released(results: SqlResults) -> None:
    for attempt in "abc":
        await results.open_attempt(RUN, attempt)
    await results.commit([AttemptBatch(RUN, "a", [upsert(b'{"a":1}'), upsert(b'{"a":2}', "2")])])
    await results.commit([AttemptBatch(RUN, "b", [upsert(b'{"b":1}')])])
    await results.close_attempt("a")
    await results.release_upserts("a")
    await results.commit([AttemptBatch(RUN, "c", [upsert(b'{"c":1}'), upsert(b'{"c":2}', "2")])])
    rows = [row.data for row in await everything(results, hidden=frozenset("a"))]
    assert rows == [b'{"a":1,"b":1,"c":1}', b'{"c":2}']


async def test_the_event_loop_leaves_such_rows_to_a_thread(results: SqlResults) -> None:
    inline = await results.inline()
    if inline is None:
        pytest.skip("PostgreSQL is not read in the event loop")
    for attempt in "ab":
        await results.open_attempt(RUN, attempt)
        await results.commit([AttemptBatch(RUN, attempt, plain(1))])
    await results.close_attempt("a")
    assert len(await inline.page(RUN, frozenset("a"), offset=0, limit=9)) == 1
    await results.commit([AttemptBatch(RUN, "b", [upsert(b"{}")])])
    await results.open_attempt(RUN, "c")
    await results.commit([AttemptBatch(RUN, "c", [upsert(b"{}")])])
    for work in (
        lambda: inline.page(RUN, frozenset("a"), offset=0, limit=9),
        lambda: inline.totals(RUN, frozenset("bc")),
    ):
        with pytest.raises(NotInline):
            await work()
    assert len(await inline.page(RUN, NONE, offset=0, limit=9)) == 3
    assert (await inline.totals(RUN, frozenset("a"))).rows == 2
    assert (await results.totals(RUN, frozenset("bc"))).rows == 1
    assert (await inline.totals(RUN, frozenset("bc"))).rows == 1, "the thread has found out"


async def test_the_migration_counts_the_records_that_there_are(results_url: str) -> None:
    async with open_rows(results_url) as store:
        for attempt in "abc":
            await store.open_attempt(RUN, attempt)
        for attempt, keys in (("a", "123"), ("b", "14"), ("c", "24")):
            rows = [upsert(b'{"%s":1}' % attempt.encode(), key) for key in keys]
            await store.commit([AttemptBatch(RUN, attempt, rows)])
        totals = {hidden: await store.totals(RUN, hidden) for hidden in subsets("abc")}
    engine = make_engine(results_url, durable=False)
    with engine.begin() as connection:
        for column in ("shared_rows", "shared_bytes", "upserted"):
            connection.execute(text(f"ALTER TABLE results_attempts DROP COLUMN {column}"))
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = 'r0006'"))
    engine.dispose()
    migrate_results(results_url)
    async with open_rows(results_url) as store:
        for hidden, before in totals.items():
            assert await store.totals(RUN, hidden) == before
    assert totals[frozenset("ab")] == RunTotals(2, 26, 2)
