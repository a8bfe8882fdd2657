"""An answer of the hot path is never older than the question."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from fyke.domain.workers.page import PageChange
from fyke.model.account import Caller
from fyke.model.run import Outcome
from support.both_paths import BothPaths
from support.hot_reads import (
    ALL,
    OLDEST,
    Seeded,
    account_v1,
    account_v2,
    begin,
    list_v2,
    of_v1,
    of_v2,
    rows_v1,
    rows_v2,
    start_run,
)

pytestmark = pytest.mark.anyio


async def test_a_commit_of_another_process_is_seen_at_once(
    seeded: Seeded, fresh: BothPaths
) -> None:
    run, key = seeded.runs["succeeded"], seeded.app.owner_key
    oldest = list_v2(run, key, query=b"limit=1&offset=%d" % OLDEST)
    with closing(seeded.database()) as database:
        for results in range(20):
            with database:
                database.execute("UPDATE runs SET results = ?", (results,))
            for asked in (of_v1(run, key), of_v2(run, key), oldest) * 2:
                assert b'"results":%d,' % results in (await fresh.check(asked)).body
    assert fresh.taken == 120


async def test_a_commit_elsewhere_does_not_end_a_kept_detail(
    seeded: Seeded, fresh: BothPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, key = seeded.runs["succeeded"], seeded.app.owner_key
    details = of_v1(run, key), of_v2(run, key)
    answers = [await fresh.check(asked) for asked in details]
    with closing(seeded.database()) as database:
        for balance in range(5):
            with database:
                database.execute("UPDATE accounts SET balance_micros = ?", (balance,))
            with monkeypatch.context() as patch:
                assert fresh.app.services.inline is not None
                patch.setattr(fresh.app.services.inline.runs, "get", None)
                assert [await fresh.ask_hot(asked) for asked in details] == answers
    assert fresh.taken == 12


async def test_a_commit_of_this_process_is_seen_at_once(seeded: Seeded, fresh: BothPaths) -> None:
    app, run = seeded.app, seeded.runs["succeeded"]
    worker = (await app.services.runs.get(app.owner, run)).worker.id
    both_versions = of_v1(run, app.owner_key), of_v2(run, app.owner_key)
    for title in ("First", "Second"):
        await app.services.workers.change_page(app.owner, worker, PageChange(title=title))
        for asked in both_versions * 2:
            assert title.encode() in (await fresh.check(asked)).body
    await app.services.runs.delete(app.owner, run)
    for asked in both_versions:
        assert (await fresh.check(asked)).status == 404


async def test_a_commit_during_the_read_is_seen_by_the_next(
    seeded: Seeded, fresh: BothPaths
) -> None:
    """The answer was read before the commit and is kept after it."""
    inline, database = seeded.app.services.inline, seeded.database()
    assert inline is not None
    get, results = inline.runs.get, 3

    async def get_then_commit(caller: Caller, run_id: str) -> Any:
        view = await get(caller, run_id)
        with database:
            database.execute("UPDATE runs SET results = ?", (results + 1,))
        return view

    with closing(database):
        for of in (of_v1, of_v2):
            asked = of(seeded.runs["succeeded"], seeded.app.owner_key)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(inline.runs, "get", get_then_commit)
                assert b'"results":%d,' % results in (await fresh.ask_hot(asked)).body
            results += 1
            assert b'"results":%d,' % results in (await fresh.check(asked)).body


async def test_rows_are_seen_at_once(seeded: Seeded, fresh: BothPaths) -> None:
    """Also those of an active run, and the end of an attempt whose rows are then hidden."""
    app = seeded.app
    run = await start_run(app, (await app.publish("pusher")).id)
    lease = await begin(app, run)
    pages = rows_v1(run, app.owner_key), rows_v2(run, app.owner_key)
    for count in range(1, 20):
        await app.push(lease, [{"n": count}])
        for asked in pages * 2:
            assert b'"count":%d,' % count in (await fresh.check(asked)).body
    await app.end(lease, Outcome.EXIT_CODE, "it failed")
    for asked in pages:
        assert b'"count":0,' in (await fresh.check(asked)).body
    assert fresh.taken == 19 * 4 + 2


async def test_pages_of_a_run_read_its_state_once_until_a_commit(
    seeded: Seeded, fresh: BothPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one account may read is not kept for another."""
    inline, run = fresh.app.services.inline, seeded.runs["succeeded"]
    assert inline is not None
    source, read = inline.results.source, []

    async def counted(caller: Caller, run_id: str) -> Any:
        read.append(run_id)
        return await source(caller, run_id)

    monkeypatch.setattr(inline.results, "source", counted)
    with closing(seeded.database()) as database:
        for commits in range(1, 4):
            for number in (1, 2, 3):
                asked = rows_v2(run, seeded.app.owner_key, query=b"limit=1&offset=%d" % number)
                assert (await fresh.check(asked)).status == 200
            assert read == [run] * commits
            with database:
                database.execute("UPDATE accounts SET balance_micros = ?", (commits,))
    assert (await fresh.check(rows_v2(run, seeded.app.other_key))).status == 404


async def test_a_commit_elsewhere_does_not_end_the_pages_of_an_ended_run(
    seeded: Seeded, fresh: BothPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change of the run does."""
    inline, run, key = fresh.app.services.inline, seeded.runs["succeeded"], seeded.app.owner_key
    assert inline is not None
    pages = rows_v1(run, key), rows_v2(run, key)
    answers = [await fresh.check(asked) for asked in pages]
    with closing(seeded.database()) as database:
        for balance in range(5):
            with database:
                database.execute("UPDATE accounts SET balance_micros = ?", (balance,))
            with monkeypatch.context() as patch:
                patch.setattr(inline.results, "plain_page", None)
                assert [await fresh.ask_hot(asked) for asked in pages] == answers
        with database:
            database.execute("UPDATE attempts SET outcome = 'exit_code' WHERE run_id = ?", (run,))
        for asked in pages:
            assert b'"count":0,' in (await fresh.check(asked)).body
    assert fresh.taken == 14


async def test_deleted_rows_are_gone_at_once(seeded: Seeded, fresh: BothPaths) -> None:
    app, run = seeded.app, seeded.runs["succeeded"]
    pages = rows_v1(run, app.owner_key), rows_v2(run, app.owner_key)
    for asked in pages * 2:
        answer = await fresh.check(asked)
        assert b'"count":3,' in answer.body
        assert b'"headers":[{' in answer.body
    await app.results.delete_run(run)
    for asked in pages:
        assert (await fresh.check(asked)).status == 404  # not an empty page
    await app.services.runs.delete(app.owner, run)
    for asked in pages:
        assert (await fresh.check(asked)).status == 404
    assert fresh.taken == 4


async def test_the_balance_is_seen_at_once(seeded: Seeded, fresh: BothPaths) -> None:
    with closing(seeded.database()) as database:
        for dollars in range(1, 6):
            with database:
                database.execute("UPDATE accounts SET balance_micros = ?", (dollars * 10**6,))
            for of in (account_v1, account_v2):
                assert b'"%d' % dollars in (await fresh.check(of("", seeded.app.owner_key))).body
    assert fresh.taken == 10


async def test_a_revoked_key_is_refused_by_both_from_the_same_moment(
    seeded: Seeded, fresh: BothPaths
) -> None:
    requests = [of(seeded.runs["succeeded"], seeded.keys["reads"]) for of in ALL]
    await fresh.check(requests[0])
    with closing(seeded.database()) as database, database:
        database.execute("UPDATE api_keys SET revoked_at = 1 WHERE name = 'reads'")
    found = []
    for _ in range(6):
        found += [(await fresh.check(asked)).status for asked in requests]
        fresh.clock.advance(0.2)
    assert sorted(found) == found
    assert set(found) == {200, 401}
