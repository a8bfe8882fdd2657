"""The hot path admits and refuses the same requests as the full path."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from support.both_paths import HOST, PEER, BothPaths
from support.hot_reads import (
    ALL,
    DETAIL,
    Seeded,
    credentials,
    heads,
    of_v1,
    of_v2,
    rows_v2,
)
from support.served import serving

pytestmark = pytest.mark.anyio


async def test_every_credential(common: Seeded, both: BothPaths) -> None:
    run = common.runs["succeeded"]
    for credential in credentials(common.keys):
        for asked in (of(run, "") for of in ALL):
            rest = [pair for pair in asked.headers if pair[0] not in (b"api-key", b"authorization")]
            await both.check(replace(asked, headers=(*credential, *rest)))
    await both.check(of_v2(run, "", query=b"token=" + common.app.owner_key.encode()))
    assert both.taken


async def test_every_head(common: Seeded, both: BothPaths) -> None:
    run, key = common.runs["succeeded"], common.app.owner_key
    for head, changes in heads():
        for asked in (of(run, key) for of in ALL):
            rest = [pair for pair in asked.headers if pair != HOST]
            await both.check(replace(asked, headers=(*head, *rest), **changes))
    assert both.taken


async def test_every_path(common: Seeded, both: BothPaths) -> None:
    run, key = common.runs["succeeded"], common.app.owner_key
    for path in (run.lower(), f"{run}/", f"/{run}", f"{run}/x", f" {run}", "", "é", f"{run}\n"):
        await both.check(of_v2(path, key))
        await both.check(rows_v2(path, key))
    for path in (f"{DETAIL}/", "/api/v1//run/detail", "/API/V1/run/detail", "/", "", "/result"):
        for of in (of_v1, of_v2):
            await both.check(replace(of(run, key), path=path))
    assert not both.taken


async def test_the_rate_limit(common: Seeded) -> None:
    run, key = common.runs["succeeded"], common.app.owner_key
    for of in ALL:
        both = BothPaths(common.app, {"rate_limit": 2, "rate_burst": 3})
        found = []
        for at in range(8):
            found.append((await both.check(of(run, key))).status)
            await both.check(of(run, common.keys["unknown"]))
            both.clock.advance(0.3 if at % 2 else 0)
        assert {200, 429} == set(found)
        assert both.taken == found.count(200)


async def test_the_rate_limit_of_an_account(common: Seeded) -> None:
    both = BothPaths(common.app, {"rate_limit": 1, "rate_burst": 3})
    run = common.runs["succeeded"]
    found = []
    for _ in range(4):
        for name in ("owner", "reads", "runs"):
            found.append((await both.check(of_v2(run, common.keys[name]))).status)
    assert found.count(200) == both.taken
    assert 429 in found


async def test_requests_through_a_proxy(common: Seeded) -> None:
    both = BothPaths(common.app, {"trusted_proxies": [PEER[0]], "hsts": "max-age=60"})
    asked = of_v1(common.runs["succeeded"], common.app.owner_key)
    for headers in (
        [(b"x-forwarded-proto", b"https")],
        [(b"x-forwarded-for", b"198.51.100.1, 192.0.2.7"), (b"x-forwarded-host", b"evil")],
        [(b"x-forwarded-host", b"localhost")],
    ):
        await both.check(replace(asked, headers=(*asked.headers, *headers)))
    assert both.taken == 2


async def test_keys_that_were_not_used_for_a_second(common: Seeded) -> None:
    """The full path looks them up, and later the hot path those that were valid."""
    for name, key in common.keys.items():
        both = BothPaths(common.app, unused_keys=True)
        found = [(await both.check(of_v1(common.runs["succeeded"], key))).status]
        assert not both.taken, name
        for seconds in (0.9, 0.2):
            both.clock.advance(seconds)
            found.append((await both.check(of_v1(common.runs["succeeded"], key))).status)
        assert len(set(found)) == 1
        assert both.taken == 2 * (found[0] == 200)


async def test_the_end_of_connections(common: Seeded, both: BothPaths) -> None:
    """HTTP 1.0 and ``Connection: close``."""
    run, key = common.runs["succeeded"], common.app.owner_key
    for of in ALL:
        for headers, version in (((), b"1.0"), (((b"connection", b"close"),), b"1.1")):
            asked = of(run, key)
            asked = replace(asked, headers=(*asked.headers, *headers), version=version)
            assert (await both.check(asked)).closed
    assert both.taken == len(ALL) * 2


async def test_a_body_that_follows_its_head(common: Seeded) -> None:
    """Through a real server, which says when it waits for the body."""
    asked = of_v1(common.runs["succeeded"], common.app.owner_key)
    fields = [pair for pair in asked.headers if pair != HOST]
    fields += [(b"host", b"localhost"), (b"expect", b"100-continue"), (b"connection", b"close")]
    lines = [b"POST /api/v1/run/detail HTTP/1.1", *(b": ".join(pair) for pair in fields)]
    async with serving(common.app) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(b"\r\n".join(lines) + b"\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(asked.pieces[0])
        answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith((await BothPaths(common.app).check(asked)).body)
