"""Remembering which attempts were looked up."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from fyke.storage.sql.results.known import KnownAttempts, LookedUp, NewAttempts

pytestmark = pytest.mark.anyio


async def none(attempt_ids: Sequence[str]) -> frozenset[str]:
    return frozenset()


async def all_but_lost(attempt_ids: Sequence[str]) -> frozenset[str]:
    return frozenset(attempt_ids) - {"lost"}


async def test_lookups_accumulate() -> None:
    known = KnownAttempts(all_but_lost)
    assert known.of("run") == LookedUp(0, frozenset())
    await known.look_up("run", NewAttempts(7, ["a", "lost"]))
    await known.look_up("run", NewAttempts(9, ["b"]))
    await known.look_up("run", NewAttempts(8, ["a", "b"]))  # of a read that started earlier
    assert known.of("run") == LookedUp(9, frozenset({"lost"}))


async def test_the_runs_that_were_looked_up_last_are_kept() -> None:
    known = KnownAttempts(none, limit=2)
    for run in ("1", "2", "1", "3"):
        await known.look_up(run, NewAttempts(1, [run]))
    assert known.of("2") == LookedUp()
    assert known.of("1").unknown == {"1"}


async def test_a_failed_lookup_is_repeated() -> None:
    async def fail(attempt_ids: Sequence[str]) -> frozenset[str]:
        raise ConnectionError

    known = KnownAttempts(fail)
    with pytest.raises(ConnectionError):
        await known.look_up("run", NewAttempts(1, ["a"]))
    assert known.of("run") == LookedUp()
