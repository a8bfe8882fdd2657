"""The same bytes again on one connection: everything but their meaning is decided each time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import closing

import pytest

from support.both_paths import Answered, Asked, BothPaths, Session
from support.hot_reads import ALL, OF_A_RUN, Seeded, of_v1, of_v2, paths_of

pytestmark = pytest.mark.anyio


class Sessions:
    """A connection to each application of ``paths``."""

    def __init__(self, paths: BothPaths) -> None:
        self.hot, self.full = Session(paths.hot), Session(paths.full)

    async def check(self, asked: Asked) -> Answered:
        answered = await self.hot.send(asked)
        assert answered == await self.full.send(asked)
        return answered


@pytest.fixture
async def sessions(fresh: BothPaths) -> AsyncIterator[Sessions]:
    opened = Sessions(fresh)
    yield opened
    opened.hot.protocol.connection_lost(None)
    opened.full.protocol.connection_lost(None)


async def test_every_read_is_repeated(seeded: Seeded, sessions: Sessions) -> None:
    for of in ALL:
        asked = of(seeded.runs["succeeded"], seeded.app.owner_key)
        repeated = sessions.hot.repeated
        for _ in range(4):  # the first looks the key up, or is kept
            assert (await sessions.check(asked)).status == 200
        assert sessions.hot.repeated - repeated in (2, 3)
    assert not sessions.full.repeated


async def test_each_of_them_counts_for_the_rate_limit(seeded: Seeded) -> None:
    paths = BothPaths(seeded.app, {"rate_limit": 2, "rate_burst": 6})
    sessions, found = Sessions(paths), []
    for at in range(16):
        asked = of_v1(seeded.runs["succeeded"], seeded.app.owner_key)
        found.append((await sessions.check(asked)).status)
        paths.clock.advance(0.2 if at > 7 else 0)
    assert 429 in found[6:8]
    assert 200 in found[8:]
    assert sessions.hot.repeated


async def test_a_key_is_refused_once_it_is_revoked(
    seeded: Seeded, fresh: BothPaths, sessions: Sessions
) -> None:
    requests = [of(seeded.runs["succeeded"], seeded.keys["reads"]) for of in OF_A_RUN]
    for asked in requests * 3:
        await sessions.check(asked)
    repeated = sessions.hot.repeated
    assert repeated
    with closing(seeded.database()) as database, database:
        database.execute("UPDATE api_keys SET revoked_at = 1 WHERE name = 'reads'")
    found = []
    for _ in range(6):
        found += [(await sessions.check(asked)).status for asked in requests]
        fresh.clock.advance(0.2)
    assert sorted(found) == found
    assert set(found) == {200, 401}
    assert sessions.hot.repeated == repeated + found.count(200)


async def test_a_change_and_a_deletion_are_seen(seeded: Seeded, sessions: Sessions) -> None:
    app, run = seeded.app, seeded.runs["succeeded"]
    requests = of_v1(run, app.owner_key), of_v2(run, app.owner_key)
    for results in range(5):
        with closing(seeded.database()) as database, database:
            database.execute("UPDATE runs SET results = ?", (results,))
        for asked in requests:
            assert b'"results":%d,' % results in (await sessions.check(asked)).body
    assert sessions.hot.repeated >= 6
    await app.services.runs.delete(app.owner, run)
    for asked in requests:
        assert (await sessions.check(asked)).status == 404


async def test_equal_bytes_of_another_peer_may_mean_something_else(seeded: Seeded) -> None:
    """A trusted proxy says that the client uses https; another peer cannot."""
    app = seeded.app
    paths = BothPaths(app, {"trusted_proxies": ["198.51.100.1"], "hsts": "max-age=60"})
    asked = of_v1(seeded.runs["succeeded"], app.owner_key)
    headers = (*asked.headers, (b"x-forwarded-proto", b"https"))
    asked = of_v1(seeded.runs["succeeded"], app.owner_key, headers=headers)
    hot = paths.hot.hot_path
    assert hot is not None
    for peer, secure in (("192.0.2.7", False), ("198.51.100.1", True)) * 2:
        sessions = Sessions(paths)
        for session in (sessions.hot, sessions.full):
            session.protocol.client = peer, 1
            session.protocol._repeated = hot.repeated("http", peer)
        for _ in range(3):
            answered = await sessions.check(asked)
            assert (b"strict-transport-security" in dict(answered.headers)) == secure
        assert sessions.hot.repeated


async def test_nothing_is_kept_for_strangers(seeded: Seeded) -> None:
    paths = paths_of(seeded)
    asked = of_v1(seeded.runs["succeeded"], seeded.keys["unknown"])
    await paths.check(asked)
    await paths.check(asked)
    assert not paths.repeated
    assert paths.hot.hot_path is not None
    known = paths.hot.hot_path.repeated("http", "192.0.2.7")
    assert known.get(asked.head() + asked.pieces[0]) is None
