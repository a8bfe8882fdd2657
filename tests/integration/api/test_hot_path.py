"""The hot path answers byte for byte what the full path answers."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from fyke.api.auth import MAX_KEY_CHARS
from fyke.api.decode import MAX_DEPTH
from fyke.api.hot.path import MAX_BODY
from fyke.domain.runs.service import StartRequest
from fyke.domain.workers.page import PageChange
from fyke.kit.ids import new_ulid
from fyke.model.account import Caller, Role, Scope
from fyke.model.results import Header
from fyke.model.run import Origin, Outcome
from fyke.model.runner import Lease
from support.api import start_body
from support.app import App, open_app
from support.both_paths import HOST, PEER, Asked, BothPaths, Head
from support.served import serving

pytestmark = pytest.mark.anyio

CASES = 150
OLDEST = 7  # the number of runs of the owner, see ``_runs``
DETAIL, LIST, ROWS = "/api/v1/run/detail", "/api/v1/run/list", "/api/v1/run/result/list"
TYPE = (b"content-type", b"application/json")
ETAG = b'W/"6a09e667f3bcc908b2fb1366ea957d3e"'


@dataclass
class Seeded:
    """Runs in every state, and keys of every kind, by name."""

    app: App
    runs: dict[str, str]
    keys: dict[str, str]

    def database(self) -> sqlite3.Connection:
        """The state as another process sees it."""
        return sqlite3.connect(str(self.app.storage.engine.url.database), timeout=30)


async def _start(app: App, worker: str, caller: Caller | None = None) -> str:
    request = StartRequest(worker, None, start_body(worker)["input"], "", Origin.API)
    return (await app.services.runs.start(caller or app.owner, request)).id


async def _begin(app: App, run: str) -> Lease:
    """Begin all waiting runs; return a lease of this one."""
    return next(lease for lease in await app.begin() if lease.run.id == run)


async def _ended_run(app: App, worker: str, outcome: Outcome = Outcome.SUCCEEDED) -> str:
    run = await _start(app, worker)
    await app.execute([{"title": "Ünïcode", "n": 1}] * 3, outcome, "why it ended")
    return run


async def _runs(app: App) -> dict[str, str]:
    services = app.services
    worker, gone = [(await app.publish(name)).id for name in ("reader", "gone")]
    runs = {
        "succeeded": await _ended_run(app, worker),
        "failed": await _ended_run(app, worker, Outcome.EXIT_CODE),
        "removed worker": await _ended_run(app, gone),
        "deleted": await _ended_run(app, worker),
        "other": await _start(app, worker, app.other),
        "unknown": new_ulid(),
        "malformed": "nobody",
        "last": "last",
    }
    await services.runs.delete(app.owner, runs["deleted"])
    await services.removal.delete(app.owner, gone)
    for name in ("aborted", "running", "aborting"):
        runs[name] = await _start(app, worker)
        if name != "aborted":
            lease, *_ = await app.begin()
            await app.push(lease, [{"n": 1}, {"n": 2}])
        if name != "running":
            await services.runs.abort(app.owner, runs[name])
    runs["ready"] = await _start(app, worker)
    return runs


async def _keys(app: App) -> dict[str, str]:
    accounts = app.services.accounts
    keys = {"owner": app.owner_key, "other": app.other_key}
    for name, scope in (("reads", Scope.READ), ("runs", Scope.RUN), ("revoked", Scope.READ)):
        made = await accounts.create_key(app.owner, name, scopes=frozenset({scope}))
        keys[name] = made.key
    expired = await accounts.create_key(app.owner, "expired", expires_at=4_000_000_000_000)
    keys["expired"] = expired.key
    await accounts.revoke_key(app.owner, "revoked")

    def change(tx: Any) -> None:
        viewer = replace(tx.accounts.user(app.other.user_id), role=Role.VIEWER)
        assert tx.accounts.change_user(viewer)
        statement = "UPDATE api_keys SET expires_at = 1 WHERE id = ?"
        tx.connection.exec_driver_sql(statement, (expired.id,))

    await app.storage.write(change)
    return keys | {"unknown": keys["owner"][:-5] + "ZZZZZ", "long": "k" * (MAX_KEY_CHARS + 1)}


@pytest.fixture(scope="module")
def common(tmp_path_factory: pytest.TempPathFactory, templates: Path) -> Iterator[Seeded]:
    """For tests that change nothing; opened as ``common_app`` is."""
    stack = AsyncExitStack()

    async def opened() -> Seeded:
        folder = tmp_path_factory.mktemp("common")
        app = await stack.enter_async_context(open_app(folder, templates))
        return Seeded(app, await _runs(app), await _keys(app))

    with ThreadPoolExecutor(1) as thread:
        runner = thread.submit(asyncio.Runner).result()
        yield thread.submit(runner.run, opened()).result()
        thread.submit(runner.run, stack.aclose()).result()
        thread.submit(runner.close).result()


@pytest.fixture
async def seeded(app: App) -> Seeded:
    return Seeded(app, await _runs(app), await _keys(app))


def paths_of(seeded: Seeded) -> BothPaths:
    return BothPaths(seeded.app, {"hsts": "max-age=60", "abort_grace_seconds": 3600})


@pytest.fixture
def both(common: Seeded) -> BothPaths:
    return paths_of(common)


@pytest.fixture
def fresh(seeded: Seeded) -> BothPaths:
    return paths_of(seeded)


# --- requests ------------------------------------------------------------------------------


def with_body(path: str, body: bytes, key: str, **changes: Any) -> Asked:
    length = (b"content-length", str(len(body)).encode())
    headers = (HOST, (b"api-key", key.encode()), TYPE, length)
    return replace(Asked("POST", path, headers, (body,)), **changes)


def with_query(path: str, key: str, **changes: Any) -> Asked:
    headers = (HOST, (b"authorization", b"Bearer " + key.encode()))
    return replace(Asked("GET", path, headers), **changes)


def of_v1(run: str, key: str, **changes: Any) -> Asked:
    return with_body(DETAIL, json.dumps({"run_slug": run}).encode(), key, **changes)


def of_v2(run: str, key: str, **changes: Any) -> Asked:
    return with_query(f"/api/v2/worker-runs/{run}", key, **changes)


def rows_v1(run: str, key: str, **changes: Any) -> Asked:
    body = json.dumps({"run_slug": run, "page_size": 2}).encode()
    return with_body(ROWS, body, key, **changes)


def rows_v2(run: str, key: str, **changes: Any) -> Asked:
    query = {"query": b"limit=2&offset=1"} | changes
    return with_query(f"/api/v2/worker-runs/{run}/result", key, **query)


def account_v1(run: str, key: str, **changes: Any) -> Asked:
    return with_body("/api/v1/account/info", b"{}", key, **changes)


def account_v2(run: str, key: str, **changes: Any) -> Asked:
    return with_query("/api/v2/users/account", key, **changes)


def list_v1(run: str, key: str, **changes: Any) -> Asked:
    return with_body(LIST, b'{"page_size":5,"page_index":2}', key, **changes)


def list_v2(run: str, key: str, **changes: Any) -> Asked:
    return with_query("/api/v2/worker-runs", key, **({"query": b"limit=2"} | changes))


OF_A_RUN = (of_v1, of_v2, rows_v1, rows_v2)
ALL = (*OF_A_RUN, list_v1, list_v2, account_v1, account_v2)


def credentials(keys: dict[str, str]) -> Iterator[Head]:
    """Ways to send a key, right and wrong."""
    for key in keys.values():
        yield ((b"api-key", key.encode()),)
        yield ((b"authorization", b"bearer  " + key.encode()),)
    owner, other = keys["owner"].encode(), keys["other"].encode()
    yield ()
    yield ((b"x-api-key", owner),)
    yield ((b"authorization", b"Bearer " + other), (b"api-key", owner))
    yield ((b"authorization", b"Basic eA=="), (b"api-key", b" " + owner + b" "))
    yield ((b"api-key", owner), (b"api-key", other))
    yield ((b"api-key", b""), (b"x-api-key", other))
    yield ((b"api-key", b"\xe9\xff"),)


def heads() -> Iterator[tuple[Head, dict[str, Any]]]:
    """Other headers, and members of the request that belong to them."""
    yield (HOST,), {}
    yield (HOST,), {"scheme": "https"}
    yield (HOST, (b"content-type", b"text/plain; charset=utf-16")), {}
    yield (HOST, (b"origin", b"https://a.example"), (b"accept", b"text/html")), {}
    yield (HOST, (b"x-request-id", b"mine-1")), {}
    yield (HOST, (b"x-request-id", b"not <safe>")), {}
    yield (HOST, (b"x-forwarded-for", b"198.51.100.1"), (b"x-forwarded-host", b"evil")), {}
    yield ((b"host", b"FYKE.example:8100"),), {}
    yield ((b"host", b"evil.example"),), {}
    yield (), {}
    yield (HOST, HOST), {}
    yield (HOST, (b"content-encoding", b"gzip")), {}
    yield (HOST, (b"content-encoding", b"identity")), {}
    yield (HOST, (b"if-none-match", b"*")), {}
    yield (HOST, (b"if-none-match", ETAG)), {}
    yield (HOST,), {"query": b"wait=0"}
    yield (HOST,), {"query": b"wait=x"}
    yield (HOST,), {"query": b"token=nothing&x=%FF"}
    for method in ("HEAD", "OPTIONS", "GET", "POST", "PUT", "DELETE", "TRACE"):
        yield (HOST,), {"method": method}
    preflight = ((b"origin", b"https://a.example"), (b"access-control-request-method", b"POST"))
    yield (HOST, *preflight), {"method": "OPTIONS"}


def bodies(run: str) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Bodies of v1, and the pieces in which they arrive."""
    slug = json.dumps({"run_slug": run}).encode()
    yield slug, {}
    yield slug, {"pieces": (slug[:5], slug[5:])}
    yield slug, {"pieces": (b"", slug[:1], slug[1:], b"")}
    yield slug, {"pieces": (slug[:5],), "leaves": True}
    yield slug, {"pieces": (), "leaves": True}
    yield b"\xef\xbb\xbf" + slug, {}
    yield b" \r\n\t" + slug + b"\n", {}
    yield slug + b" " * MAX_BODY, {}
    yield slug + b"x", {}
    yield slug.replace(b"}", b',"run_slug":"other"}'), {}
    yield b'{"run_slug":"x",' + slug[1:], {}
    yield b'{"more":' + b"[" * 70 + b"]" * 70 + b"," + slug[1:], {}
    yield b'{"more":' + b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1) + b"," + slug[1:], {}
    yield b'{"more":"' + b"[" * 70 + b'",' + slug[1:], {}
    for value in (f" {run}\n", run.lower(), f"{run}\0", "\ud800", "", " ", "string", f"{run}/x"):
        yield json.dumps({"run_slug": value}).encode(), {}
    for text in (b"null", b"1", b"NaN", b"[]", b"{}", b"true", b'"\xff"', b'"\\ud800"', b"1e999"):
        yield b'{"run_slug":' + text + b"}", {}
        yield text, {}
    yield b"", {}
    yield b"{", {}
    for members in (
        {"page_index": 2, "page_size": 1},
        {"page_index": 0, "page_size": -1},
        {"page_index": 10**30, "page_size": 100},
        {"page_index": 1.0, "page_size": 1e1},
        {"page_index": 1.5},
        {"page_index": True},
        {"page_index": "2", "page_size": None},
        {"page_size": 101},
        {"page_size": 5000},
        {"page": 2, "limit": 1},
        {"sort": "-n"},
        {"fields": "n"},
        {"cursor": "*"},
        {"failed_rows": True},
        {"unknown": [{}]},
    ):
        yield json.dumps({"run_slug": run} | members).encode(), {}


def queries() -> Iterator[bytes]:
    """Queries of v2."""
    yield b""
    yield from (b"offset=%d&limit=%d" % numbers for numbers in ((0, 1), (1, 100), (2, 2), (9, 9)))
    yield from (b"limit=%s" % number for number in (b"0", b"1", b"101", b"-1", b"x", b"", b"1.0"))
    yield from (
        b"offset=%s" % number for number in (b"+1", b"01", b" 1", b"%31", b"1" * 30, b"1e1")
    )
    yield from (b"offset=1limit=2", b"&limit=2", b"limit=2&", b"limit=1&limit=2", b"limit", b"=")
    yield from (
        b"cursor=*",
        b"sort=n",
        b"fields=n",
        b"failed_rows=1",
        b"wait=0",
        b"wait=x",
        b"\xff",
    )


def lengths(body: bytes) -> Iterator[Head]:
    """Ways to declare the length of a body."""
    for value in (str(len(body)), f"0{len(body)}", f"+{len(body)}", "", "x", "1048577", "-1"):
        yield ((b"content-length", value.encode()),)
    yield ()
    yield ((b"transfer-encoding", b"chunked"),)


# --- tests ---------------------------------------------------------------------------------


async def test_runs_in_every_state(common: Seeded, both: BothPaths) -> None:
    for name, run in common.runs.items():
        for of in OF_A_RUN:
            taken = both.taken
            for _ in range(3):  # read, kept, and for v2 after the client has read ``aborting``
                answer = await both.check(of(run, common.app.owner_key))
            full = name == "last" or (of is of_v2 and name in ("aborted", "aborting"))
            assert both.taken - taken == 3 * (answer.status == 200 and not full), name


async def test_lists_of_every_status(common: Seeded, both: BothPaths) -> None:
    """Also of runs that are being aborted, whose status in v2 depends on the client."""
    key = common.app.owner_key
    for status in (*range(-1, 7), "failed", None):
        for size in (1, 20, 21):
            body = json.dumps({"status": status, "page_size": size}).encode()
            await both.check(with_body(LIST, body, key))
    for page in range(1, 12):
        for _ in range(2):
            await both.check(list_v2("", key, query=b"limit=1&offset=%d" % page))
    for sent in (b"{}", b'{"scraper_slug":"x"}', b'{"page_index":1000}', b'{"page":2}'):
        await both.check(with_body(LIST, sent, key))
    assert both.taken > 20


async def test_an_aborted_run_is_listed_inline_after_the_grace_period(common: Seeded) -> None:
    both = BothPaths(common.app, {"abort_grace_seconds": 0})
    for name in ("owner", "other"):
        for _ in range(2):
            await both.check(list_v2("", common.keys[name], query=b"limit=20"))
    assert both.taken == 4


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


async def test_every_body(common: Seeded, both: BothPaths) -> None:
    run, key = common.runs["succeeded"], common.app.owner_key
    body = json.dumps({"run_slug": run}).encode()
    for path in (DETAIL, ROWS, LIST, "/api/v1/account/info"):
        for sent, changes in bodies(run):
            await both.check(with_body(path, sent, key, **changes))
        for length in lengths(body):
            headers = (HOST, (b"api-key", key.encode()), *length)
            await both.check(with_body(path, body, key, headers=headers))
    assert both.taken


async def test_every_query(common: Seeded, both: BothPaths) -> None:
    run, key = common.runs["succeeded"], common.app.owner_key
    for query in queries():
        for of in (of_v2, rows_v2, list_v2, account_v2):
            await both.check(of(run, key, query=query))
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


async def test_the_data_of_a_known_tag_is_not_sent_again(common: Seeded, both: BothPaths) -> None:
    for of in (of_v2, rows_v2):
        asked = of(common.runs["succeeded"], common.app.owner_key)
        tag = dict((await both.check(asked)).headers)[b"etag"]
        for known in (tag, tag.removeprefix(b"W/"), b'"x", ' + tag):
            headers = (*asked.headers, (b"if-none-match", known))
            assert (await both.check(replace(asked, headers=headers))).status == 304
    assert both.taken == 8


async def test_combinations(common: Seeded, both: BothPaths) -> None:
    draw = random.Random(13)
    runs, keys = list(common.runs.values()), list(credentials(common.keys))
    for _ in range(CASES):
        run = draw.choice(runs)
        head, changes = draw.choice(list(heads()))
        if draw.random() < 0.5:
            body, pieces = draw.choice(list(bodies(run)))
            length = draw.choice(list(lengths(body)))
            path = draw.choice((DETAIL, ROWS, LIST, "/api/v1/account/info"))
            asked = with_body(path, body, "", **(pieces | changes))
            headers = (*head, *draw.choice(keys), *length)
        else:
            asked = draw.choice((of_v2, rows_v2, list_v2, account_v2))(run, "", **changes)
            headers = (*head, *draw.choice(keys))
        await both.check(replace(asked, headers=headers))


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


async def test_a_body_that_does_not_arrive_in_time(
    common: Seeded, both: BothPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fyke.api.hot.path.MAX_BODY_SECONDS", 0.01)
    asked = of_v1(common.runs["succeeded"], common.app.owner_key)
    for pieces in ((), (b'{"run',)):
        answer = await both.ask_hot(replace(asked, pieces=pieces, stalls=True))
        assert answer.status == 408
        assert b"within 60 seconds" in answer.body


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


# --- fresh answers -------------------------------------------------------------------------


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
    run = await _start(app, (await app.publish("pusher")).id)
    lease = await _begin(app, run)
    pages = rows_v1(run, app.owner_key), rows_v2(run, app.owner_key)
    for count in range(1, 20):
        await app.push(lease, [{"n": count}])
        for asked in pages * 2:
            assert b'"count":%d,' % count in (await fresh.check(asked)).body
    await app.end(lease, Outcome.EXIT_CODE, "it failed")
    for asked in pages:
        assert b'"count":0,' in (await fresh.check(asked)).body
    assert fresh.taken == 19 * 4 + 2


async def test_deleted_rows_are_gone_at_once(seeded: Seeded, fresh: BothPaths) -> None:
    app, run = seeded.app, seeded.runs["succeeded"]
    pages = rows_v1(run, app.owner_key), rows_v2(run, app.owner_key)
    for count, columns in ((3, b'"headers":[{'), (0, b'"headers":[]')):
        for asked in pages * 2:
            answer = await fresh.check(asked)
            assert b'"count":%d,' % count in answer.body
            assert columns in answer.body
        await app.results.delete_run(run)
    await app.services.runs.delete(app.owner, run)
    for asked in pages:
        assert (await fresh.check(asked)).status == 404
    assert fresh.taken == 8


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


# --- what is not read in the loop ----------------------------------------------------------


async def test_large_values_are_read_in_a_thread(seeded: Seeded, fresh: BothPaths) -> None:
    app, key = seeded.app, seeded.app.owner_key
    for rows, size, inline in ((1, 8_000_000, 0), (20, 16_000, 0), (2, 16_000, 1)):
        run = await _start(app, (await app.publish(f"large-{size}-{rows}")).id)
        lease = await _begin(app, run)
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
