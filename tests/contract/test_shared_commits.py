"""The commits of several runners share a transaction, and each gets its own answers."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import pytest

from fyke.domain.nodes.shared_commits import SharedCommits
from fyke.errors import InvalidRequest, NotStorable, Unavailable
from fyke.model.log import LogType, NewLogEntry
from fyke.model.results import AttemptBatch, PushedRow
from fyke.storage.sql.results.store import SqlResults

pytestmark = pytest.mark.anyio


def batch(run: str, attempt: str, *rows: bytes) -> AttemptBatch:
    return AttemptBatch(run, attempt, [PushedRow(row) for row in rows], number=1)


async def rows_of(results: SqlResults, run: str) -> list[bytes]:
    return [row.data for row in await results.page(run, frozenset(), offset=0, limit=100)]


async def test_each_gets_its_own_answers(results: SqlResults) -> None:
    for number in range(6):
        await results.open_attempt("r", f"a{number}")
    await results.close_attempt("a4")
    commits = SharedCommits(results)
    asked = [[batch("r", f"a{number}", b"%d" % number)] for number in range(5)]
    asked.append([batch("r", "unknown", b"6"), batch("r", "a5", b"7")])
    answers = await asyncio.gather(*map(commits.commit, asked))
    assert answers == [[True]] * 4 + [[False], [False, True]]
    assert sorted(await rows_of(results, "r")) == [b"0", b"1", b"2", b"3", b"7"]


async def test_those_that_come_during_a_commit_share_the_next_one() -> None:
    store = Gated()
    commits = SharedCommits(store)  # type: ignore[arg-type]  # only commit is used
    first = asyncio.create_task(commits.commit([batch("r", "a0", b"0")]))
    await asyncio.sleep(0)
    others = [
        asyncio.create_task(commits.commit([batch("r", f"a{number}", b"1")]))
        for number in range(1, 4)
    ]
    await asyncio.sleep(0)
    store.gate.set()
    await asyncio.gather(first, *others)
    assert store.sizes == [1, 3]


async def test_one_that_is_refused_does_not_refuse_the_others() -> None:
    store = Gated()
    store.gate.set()
    store.errors["bad"] = InvalidRequest("no")
    commits = SharedCommits(store)  # type: ignore[arg-type]  # only commit is used
    calls = [commits.commit([batch("r", name, b"1")]) for name in ("a", "bad", "b")]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert answers == [[True], store.errors["bad"], [True]]
    store.errors["bad"] = Unavailable()
    store.sizes.clear()
    calls = [commits.commit([batch("r", name, b"1")]) for name in ("a", "bad", "b")]
    assert await asyncio.gather(*calls, return_exceptions=True) == [store.errors["bad"]] * 3
    assert store.sizes == [3]


async def test_what_cannot_be_stored_is_refused_to_the_one_that_has_sent_it(
    results: SqlResults,
) -> None:
    for attempt in ("first", "bad", "good"):
        await results.open_attempt("r", attempt)
    line = NewLogEntry(LogType.INFO, "", "text", 2**63)  # a column has 63 bits
    bad = AttemptBatch("r", "bad", [PushedRow(b"{}", "k", "v")], log=[line], number=1)
    commits = SharedCommits(results)
    sent = [batch("r", "first", b"1"), bad, batch("r", "good", b"2")]
    calls = [commits.commit([each]) for each in sent]
    first, refused, good = await asyncio.gather(*calls, return_exceptions=True)
    assert (first, good) == ([True], [True])
    assert isinstance(refused, NotStorable)
    assert await rows_of(results, "r") == [b"1", b"2"]


class Gated:
    """Results that commit when ``gate`` is open, and raise for the attempts in ``errors``."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.sizes: list[int] = []
        self.errors: dict[str, Exception] = {}

    async def commit(
        self, batches: list[AttemptBatch], opening: Collection[str] = ()
    ) -> list[bool]:
        self.sizes.append(len(batches))
        await self.gate.wait()
        for each in batches:
            if each.attempt_id in self.errors:
                raise self.errors[each.attempt_id]
        return [True] * len(batches)
