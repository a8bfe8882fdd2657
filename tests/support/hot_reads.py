"""Runs and keys of every kind, and requests about them, to compare hot and full path."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from fyke.api.auth import MAX_KEY_CHARS
from fyke.api.decode import MAX_DEPTH
from fyke.api.hot.path import MAX_BODY
from fyke.contracts.revisions import RunRevisions
from fyke.domain.runs.service import StartRequest
from fyke.kit.ids import new_ulid
from fyke.model.account import Caller, Role, Scope
from fyke.model.run import Origin, Outcome
from fyke.model.runner import Lease
from fyke.storage.sql.dialects import run_sql
from support.api import start_body
from support.app import App
from support.both_paths import HOST, Asked, BothPaths, Head

OLDEST = 7  # the number of runs of the owner, see ``seed_runs``
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


async def start_run(app: App, worker: str, caller: Caller | None = None) -> str:
    request = StartRequest(worker, None, start_body(worker)["input"], "", Origin.API)
    return (await app.services.runs.start(caller or app.owner, request)).id


async def begin(app: App, run: str) -> Lease:
    """Begin all waiting runs; return a lease of this one."""
    return next(lease for lease in await app.begin() if lease.run.id == run)


async def ended_run(app: App, worker: str, outcome: Outcome = Outcome.SUCCEEDED) -> str:
    run = await start_run(app, worker)
    await app.execute([{"title": "Ünïcode", "n": 1}] * 3, outcome, "why it ended")
    return run


async def seed_runs(app: App) -> dict[str, str]:
    services = app.services
    worker, gone = [(await app.publish(name)).id for name in ("reader", "gone")]
    runs = {
        "succeeded": await ended_run(app, worker),
        "failed": await ended_run(app, worker, Outcome.EXIT_CODE),
        "removed worker": await ended_run(app, gone),
        "deleted": await ended_run(app, worker),
        "other": await start_run(app, worker, app.other),
        "unknown": new_ulid(),
        "malformed": "nobody",
        "last": "last",
    }
    await services.runs.delete(app.owner, runs["deleted"])
    await services.removal.delete(app.owner, gone)
    for name in ("aborted", "running", "aborting"):
        runs[name] = await start_run(app, worker)
        if name != "aborted":
            lease, *_ = await app.begin()
            await app.push(lease, [{"n": 1}, {"n": 2}])
        if name != "running":
            await services.runs.abort(app.owner, runs[name])
    runs["ready"] = await start_run(app, worker)
    return runs


async def seed_keys(app: App) -> dict[str, str]:
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
        run_sql(tx.connection, statement, (expired.id,))

    await app.storage.write(change)
    return keys | {"unknown": keys["owner"][:-5] + "ZZZZZ", "long": "k" * (MAX_KEY_CHARS + 1)}


def paths_of(seeded: Seeded, revisions: RunRevisions | None = None) -> BothPaths:
    config = {"hsts": "max-age=60", "abort_grace_seconds": 3600}
    return BothPaths(seeded.app, config, revisions=revisions)


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
