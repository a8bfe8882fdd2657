"""A start that waits answers the same, whether that is read in the event loop or in threads."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fyke.kit.ids import new_ulid
from fyke.model.run import RunFilter
from support.api import Api, client, start_body
from support.app import App
from support.both_paths import BothPaths

pytestmark = pytest.mark.anyio

SMALL = [{"title": "a", "n": 1}] * 3
LARGE = [{"text": "x" * 300_000}]  # more than is read in the event loop


async def _runs(app: App) -> int:
    count, _ = await app.services.runs.list(app.owner, RunFilter(), offset=0, limit=1)
    return int(count)


async def _answer(application: Any, app: App, path: str, body: Any, key: str) -> bytes:
    async with client(application, base="http://fyke.example") as http:
        api = Api(http, app.owner_key)
        answer = await api.post(path, body, headers={"idempotency-key": key})
    assert answer.status_code == 200, answer.text
    return bytes(answer.content).replace(answer.headers["x-request-id"].encode(), b"ID")


@pytest.mark.parametrize("rows", [SMALL, LARGE, []], ids=["small", "large", "none"])
@pytest.mark.parametrize("version", [1, 2])
async def test_both_answers_are_the_same_and_the_first_one_waits(
    app: App, rows: list[dict[str, Any]], version: int
) -> None:
    both, worker = BothPaths(app), await app.publish()
    path, body = "/api/v1/scraper/run", start_body(worker.id, is_async=False, page_size=50)
    if version == 2:
        path = f"/api/v2/workers/{worker.id}/runs"
        body = {"input": body["input"], "is_async": False, "limit": 50}
    for first, second in ((both.hot, both.full), (both.full, both.hot)):
        key, before = new_ulid(), await _runs(app)
        waiting = asyncio.create_task(_answer(first, app, path, body, key))
        async with asyncio.timeout(10):
            while await _runs(app) == before:
                await asyncio.sleep(0.01)
        assert not waiting.done()
        await app.execute(rows)
        # the same key starts nothing, and waits for the end of the same run
        assert await waiting == await _answer(second, app, path, body, key)
