"""``wait``, ``ETag`` and clients that disconnect while they wait, over real sockets."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from fyke.model.run import RunFilter
from support.api import Api, fails, start_body
from support.app import App
from support.served import serving

pytestmark = pytest.mark.anyio
FOREVER = 30


def detail(run: str) -> str:
    return f"/api/v2/worker-runs/{run}"


# --- wait -----------------------------------------------------------------------------------


async def test_a_wait_ends_with_the_run(app: App, api: Api, run_slug: str) -> None:
    waiting = [asyncio.create_task(api.get(f"{detail(run_slug)}?wait=60")) for _ in range(5)]
    async with asyncio.timeout(FOREVER):
        await app.execute([{"n": 1}])
        answers = [await task for task in waiting]
    assert {answer.json()["data"]["status"] for answer in answers} == {"succeeded"}


@pytest.mark.slow
async def test_a_wait_that_times_out_returns_the_active_run(api: Api, run_slug: str) -> None:
    async with asyncio.timeout(FOREVER):
        answer = await api.get(f"{detail(run_slug)}?wait=1")
    assert answer.json()["data"]["status"] == "ready"


async def test_an_ended_run_is_returned_at_once(app: App, api: Api, run_slug: str) -> None:
    await app.execute()
    async with asyncio.timeout(10):
        for path in (detail(run_slug), "/api/v2/worker-runs/last"):
            answer = await api.get(f"{path}?wait=60")
            assert answer.json()["data"]["status"] == "succeeded"


@pytest.mark.parametrize("wait", ["61", "-1", "soon", "1.5", ""])
async def test_the_time_of_a_wait_has_limits(api: Api, run_slug: str, wait: str) -> None:
    fails(await api.get(f"{detail(run_slug)}?wait={wait}"), 422, 11000, "wait")


async def test_a_wait_for_a_run_of_another_account_is_refused(
    app: App, api: Api, run_slug: str
) -> None:
    async with asyncio.timeout(10):
        answer = await api.get(f"{detail(run_slug)}?wait=60", key=app.other_key)
    fails(answer, 404, 70001)


# --- clients that disconnect ----------------------------------------------------------------


def request(app: App, method: str, path: str, body: Any = None) -> bytes:
    """The raw bytes of a request with the owner's key."""
    content = b"" if body is None else json.dumps(body).encode()
    head = (
        f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\napi-key: {app.owner_key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


async def request_and_disconnect(
    url: str, data: bytes, count: int, waiting: Callable[[], Awaitable[bool]]
) -> None:
    """Send ``count`` requests and close their connections once all of them are ``waiting``."""
    port = int(url.rpartition(":")[2])
    ends = [await asyncio.open_connection("127.0.0.1", port) for _ in range(count)]
    for _, writer in ends:
        writer.write(data)
    async with asyncio.timeout(FOREVER):
        while not await waiting():
            await asyncio.sleep(0.005)
    for _, writer in ends:
        writer.transport.abort()


async def resources(app: App) -> tuple[set[asyncio.Task[Any]], int]:
    """The tasks and the number of sockets, with those that the first listener creates for good."""
    async with app.signals.listen():
        return asyncio.all_tasks(), open_sockets()


async def until_released(before: set[asyncio.Task[Any]], descriptors: int) -> None:
    """Wait until there are only the tasks ``before`` and that number of sockets."""
    async with asyncio.timeout(FOREVER):
        while any(not task.done() for task in asyncio.all_tasks() - before):
            await asyncio.sleep(0.005)
        while open_sockets() > descriptors:
            await asyncio.sleep(0.005)


def open_sockets() -> int:
    """The number of sockets of this process."""
    count = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            count += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
        except OSError:
            continue
    return count


async def disconnects(app: App, count: int) -> None:
    """Every start continues without its client, and no task or socket is left."""
    worker = await app.publish()
    data = request(app, "POST", "/api/v1/scraper/run", start_body(worker.id, is_async=False))
    async with serving(app) as url:
        before, descriptors = await resources(app)
        for sent in range(25, count + 1, 25):

            async def all_started(sent: int = sent) -> bool:
                return await number_of_runs(app) == sent

            await request_and_disconnect(url, data, 25, all_started)
            await until_released(before, descriptors)
    while leases := await app.begin():
        for lease in leases:
            await app.end(lease)
    _, views = await app.services.runs.list(app.owner, RunFilter(), offset=0, limit=count)
    assert [view.run.state.value for view in views] == ["succeeded"] * count


async def number_of_runs(app: App) -> int:
    count, _ = await app.services.runs.list(app.owner, RunFilter(), offset=0, limit=1)
    return count


@pytest.mark.slow
async def test_clients_that_disconnect_during_a_sync_start_leave_no_resources(app: App) -> None:
    await disconnects(app, 25)


@pytest.mark.long
async def test_a_thousand_clients_that_disconnect_during_a_sync_start_leave_no_resources(
    app: App,
) -> None:
    await disconnects(app, 1000)


@pytest.mark.slow
@pytest.mark.parametrize("path", ["?wait=60", "/events"])
async def test_clients_that_disconnect_during_a_wait_or_stream_leave_no_resources(
    app: App, run_slug: str, path: str
) -> None:
    async with serving(app) as url:
        before, descriptors = await resources(app)

        async def all_wait() -> bool:
            return len(asyncio.all_tasks() - before) >= 20  # two tasks for each request

        await request_and_disconnect(
            url, request(app, "GET", detail(run_slug) + path), 10, all_wait
        )
        await until_released(before, descriptors)


# --- unchanged answers ----------------------------------------------------------------------


async def test_unchanged_details_are_not_sent_again(app: App, api: Api, run_slug: str) -> None:
    await app.execute([{"n": 1}, {"n": 2}])
    worker = (await api.get(detail(run_slug))).json()["data"]["scraper_slug"]
    for path in (
        detail(run_slug),
        "/api/v2/worker-runs/last",
        f"{detail(run_slug)}/result?limit=1",
        f"/api/v2/workers/{worker}/input-schema",
    ):
        first = await api.get(path)
        tag = first.headers["etag"]
        assert tag.startswith('W/"'), path
        assert first.headers["cache-control"] == "private, no-cache"
        for condition in (tag, f'"other", {tag}', tag.removeprefix("W/"), "*"):
            repeated = await api.http.get(
                path, headers={"api-key": api.key, "if-none-match": condition}
            )
            assert (repeated.status_code, repeated.content) == (304, b""), path
            assert repeated.headers["etag"] == tag
            assert repeated.headers["cache-control"] == "private, no-cache"
            assert repeated.headers["x-request-id"]
            assert repeated.headers["access-control-allow-origin"] == "*"
        changed = await api.get(path, headers={"if-none-match": 'W/"other"'})
        assert changed.json()["data"] == first.json()["data"]


async def test_the_tag_changes_with_the_data(app: App, api: Api, run_slug: str) -> None:
    ready = await api.get(detail(run_slug))
    empty = await api.get(f"{detail(run_slug)}/result")
    await app.execute([{"n": 1}])
    for path, before in ((detail(run_slug), ready), (f"{detail(run_slug)}/result", empty)):
        after = await api.get(path, headers={"if-none-match": before.headers["etag"]})
        assert after.status_code == 200
        assert after.headers["etag"] != before.headers["etag"]


async def test_an_error_has_no_tag_and_the_tag_of_another_account_gives_no_access(
    app: App, api: Api, run_slug: str
) -> None:
    tag = (await api.get(detail(run_slug))).headers["etag"]
    answer = await api.get(detail(run_slug), key=app.other_key, headers={"if-none-match": tag})
    fails(answer, 404, 70001)
    assert "etag" not in answer.headers


async def test_a_browser_on_another_site_can_use_all_features(api: Api) -> None:
    answer = await api.http.options(
        "/api/v2/worker-runs/last",
        headers={
            "origin": "https://elsewhere.example",
            "access-control-request-method": "GET",
            "access-control-request-headers": "if-none-match",
        },
    )
    allowed = answer.headers["access-control-allow-headers"].split(", ")
    assert {"idempotency-key", "if-none-match", "last-event-id"} <= set(allowed)
    answer = await api.get("/api/v2/users/account")
    exposed = answer.headers["access-control-expose-headers"].split(", ")
    assert {"etag", "retry-after", "ratelimit", "idempotency-replayed"} <= set(exposed)
    refused = await api.get("/api/v2/worker-runs?limit=x")
    assert {"x-fyke-error", "x-fyke-reason"} <= set(exposed)
    assert "x-fyke-error" in refused.headers
    assert refused.headers["access-control-expose-headers"].split(", ") == exposed
