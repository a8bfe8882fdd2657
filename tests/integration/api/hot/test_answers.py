"""The hot path answers byte for byte what the full path answers."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest

from support.both_paths import HOST, BothPaths
from support.hot_reads import (
    DETAIL,
    LIST,
    OF_A_RUN,
    ROWS,
    Seeded,
    account_v2,
    bodies,
    credentials,
    heads,
    lengths,
    list_v2,
    of_v2,
    queries,
    rows_v1,
    rows_v2,
    with_body,
)

pytestmark = pytest.mark.anyio

CASES = 150


async def test_runs_in_every_state(stored: Seeded, paths: BothPaths) -> None:
    for name, run in stored.runs.items():
        for of in OF_A_RUN:
            taken = paths.taken
            for _ in range(3):  # read, kept, and for v2 after the client has read ``aborting``
                answer = await paths.check(of(run, stored.app.owner_key))
            full = name == "last" or (of is of_v2 and name in ("aborted", "aborting"))
            full = full or (of in (rows_v1, rows_v2) and stored.app.services.inline is None)
            assert paths.taken - taken == 3 * (answer.status == 200 and not full), name


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


async def test_every_body(stored: Seeded, paths: BothPaths) -> None:
    run, key = stored.runs["succeeded"], stored.app.owner_key
    body = json.dumps({"run_slug": run}).encode()
    for path in (DETAIL, ROWS, LIST, "/api/v1/account/info"):
        for sent, changes in bodies(run):
            await paths.check(with_body(path, sent, key, **changes))
        for length in lengths(body):
            headers = (HOST, (b"api-key", key.encode()), *length)
            await paths.check(with_body(path, body, key, headers=headers))
    assert paths.taken


async def test_every_query(stored: Seeded, paths: BothPaths) -> None:
    run, key = stored.runs["succeeded"], stored.app.owner_key
    for query in queries():
        for of in (of_v2, rows_v2, list_v2, account_v2):
            await paths.check(of(run, key, query=query))
    assert paths.taken


async def test_the_data_of_a_known_tag_is_not_sent_again(stored: Seeded, paths: BothPaths) -> None:
    for of in (of_v2, rows_v2):
        asked = of(stored.runs["succeeded"], stored.app.owner_key)
        tag = dict((await paths.check(asked)).headers)[b"etag"]
        for known in (tag, tag.removeprefix(b"W/"), b'"x", ' + tag):
            headers = (*asked.headers, (b"if-none-match", known))
            assert (await paths.check(replace(asked, headers=headers))).status == 304
    assert paths.taken == (8 if stored.app.services.inline else 4)


async def test_combinations(stored: Seeded, paths: BothPaths) -> None:
    draw = random.Random(13)
    runs, keys = list(stored.runs.values()), list(credentials(stored.keys))
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
        await paths.check(replace(asked, headers=headers))
