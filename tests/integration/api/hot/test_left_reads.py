"""What the hot path leaves to the full path because it would be long, or fails."""

from __future__ import annotations

import json
from contextlib import closing
from typing import Any

import pytest

from fyke.model.account import Caller
from fyke.model.results import Header
from support.both_paths import BothPaths
from support.hot_reads import (
    OF_A_RUN,
    ROWS,
    Seeded,
    begin,
    of_v1,
    start_run,
    with_body,
)

pytestmark = pytest.mark.anyio


async def test_large_values_are_read_in_a_thread(seeded: Seeded, fresh: BothPaths) -> None:
    app, key = seeded.app, seeded.app.owner_key
    for rows, size, inline in ((1, 8_000_000, 0), (20, 16_000, 0), (2, 16_000, 1)):
        run = await start_run(app, (await app.publish(f"large-{size}-{rows}")).id)
        lease = await begin(app, run)
        await app.push(lease, [{"text": "x" * size}] * rows, [Header("Text", "text", "text")])
        body = json.dumps({"run_slug": run, "page_size": 50}).encode()
        taken = fresh.taken
        assert b'"count":%d,' % rows in (await fresh.check(with_body(ROWS, body, key))).body
        assert fresh.taken - taken == inline
    run, taken = seeded.runs["succeeded"], fresh.taken
    with closing(seeded.database()) as database, database:
        database.execute("UPDATE runs SET input_json = ? WHERE id = ?", ("x" * 10**6, run))
    for of in OF_A_RUN:
        assert (await fresh.check(of(run, key))).status == 200
    assert fresh.taken == taken


async def test_a_writer_locks_no_reader_out(seeded: Seeded, fresh: BothPaths) -> None:
    asked = of_v1(seeded.runs["succeeded"], seeded.app.owner_key)
    await fresh.check(asked)
    with closing(seeded.database()) as database:
        database.execute("BEGIN IMMEDIATE")
        database.execute("UPDATE runs SET results = 78")
        assert b'"results":3,' in (await fresh.check(asked)).body
        database.rollback()
    assert fresh.taken == 2


async def test_a_failure_of_the_hot_read_is_answered_by_the_full_path(
    common: Seeded, both: BothPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(caller: Caller, run_id: str) -> Any:
        raise ZeroDivisionError

    assert both.app.services.inline is not None
    monkeypatch.setattr(both.app.services.inline.runs, "get", fail)
    answer = await both.ask_hot(of_v1(common.runs["succeeded"], common.app.owner_key))
    assert answer.status == 200
    assert [line["event"] for line in answer.log] == ["hot_read_failed", "request"]
    assert not both.taken


async def test_a_failure_of_the_look_up_of_a_key_is_answered_by_the_full_path(
    common: Seeded, both: BothPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(key_digest: str) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(both.accounts[True], "current", fail)
    answer = await both.ask_hot(of_v1(common.runs["succeeded"], common.app.owner_key))
    assert answer.status == 200
    assert [line["event"] for line in answer.log] == ["hot_read_failed", "request"]
    assert not both.taken
