"""The event stream of a run over a real server: every event once, and no leaked resources."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import httpx2
import pytest

from fyke.contracts.signals import output_topic
from fyke.kit.ids import run_number
from fyke.model.log import LogType, NewLogEntry
from fyke.model.results import AttemptBatch
from fyke.model.run import Outcome
from support.api import client, fails, start_body
from support.app import App
from support.served import serving
from support.streams import StreamReader

pytestmark = pytest.mark.anyio
FOREVER = 30


@pytest.fixture(autouse=True)
def no_last_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for the last line of the log, which the simulated runner does not write."""
    monkeypatch.setattr("fyke.domain.runs.stream.SUMMARY_LINE_MS", 0)


async def start_run(app: App) -> str:
    """A run of two subtasks, waiting."""
    worker = await app.publish()
    async with client(app.asgi()) as http:
        answer = await http.post(
            "/api/v1/scraper/run", json=start_body(worker.id), headers={"api-key": app.owner_key}
        )
    return str(answer.json()["data"]["run_slug"])


def numbered(first: int, count: int) -> list[dict[str, Any]]:
    return [{"n": n} for n in range(first, first + count)]


@pytest.mark.slow
async def test_a_run_is_streamed_from_start_to_end(app: App) -> None:
    run = await start_run(app)
    async with serving(app) as url, asyncio.timeout(FOREVER):
        reader = StreamReader(url, app.owner_key, run)
        reading = asyncio.create_task(reader.read())
        while not reader.events:
            await asyncio.sleep(0.005)
        leases = await app.begin()
        while "running" not in reader.statuses:
            await asyncio.sleep(0.005)
        await app.push(leases[0], numbered(1, 3), log=["one", "two"])
        while len(reader.rows) < 3:
            await asyncio.sleep(0.005)
        await app.push(leases[1], numbered(4, 2))
        for lease in leases:
            await app.end(lease)
        await reading
    assert reader.statuses == ["ready", "running", "succeeded"]
    assert reader.rows == [(n, n) for n in range(1, 6)]
    assert [text for _, text in reader.log] == ["one", "two"]
    assert [event.kind for event in reader.events][-1] == "end"
    end = reader.events[-1].data
    assert (end["status"], end["results"], end["slug"]) == ("succeeded", 5, run)
    assert reader.of("rows")[0].data["list"][0]["row"]["__coreclaw_data_id__"]


@pytest.mark.slow
async def test_a_line_written_after_the_end_is_sent_before_the_end_event(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fyke.domain.runs.stream.SUMMARY_LINE_MS", 60_000)
    run = await start_run(app)
    leases = await app.begin()
    await app.push(leases[0], [], log=["one"])
    for lease in leases:
        await app.end(lease)
    async with serving(app) as url, asyncio.timeout(FOREVER):
        reader = StreamReader(url, app.owner_key, run)
        reading = asyncio.create_task(reader.read())
        while len(reader.events) < 2:
            await asyncio.sleep(0.005)
        assert not reading.done()
        created = leases[0].run.created_at
        line = NewLogEntry(
            LogType.INFO, run_number(created), "All subtasks have completed execution!", created
        )
        await app.results.open_attempt(run, run)
        await app.results.commit([AttemptBatch(run, run, log=[line])])
        app.signals.notify(output_topic(run))
        await reading
    assert [event.kind for event in reader.events] == ["status", "log", "log", "end"]


@pytest.mark.slow
async def test_an_ended_run_is_streamed_at_once_and_the_stream_ends(app: App) -> None:
    run = await start_run(app)
    await app.execute(numbered(1, 450), log=[f"line {n}" for n in range(450)])
    async with serving(app) as url, asyncio.timeout(FOREVER):
        reader = StreamReader(url, app.owner_key, run)
        await reader.read()
        assert [n for _, n in reader.rows] == list(range(1, 451))
        assert [text for _, text in reader.log] == [f"line {n}" for n in range(450)]
        pieces = [len(e.data["list"]) for e in reader.events if "list" in e.data]
        assert max(pieces) == 200
        async with httpx2.AsyncClient(base_url=url) as http:
            answer = await http.get(
                f"/api/v2/worker-runs/{run}/events",
                headers={"api-key": app.owner_key, "last-event-id": reader.last_id},
            )
        assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.slow
async def test_reconnects_neither_lose_nor_duplicate_events(
    app: App,
) -> None:
    run = await start_run(app)
    dice = random.Random(3)
    leases = await app.begin()

    async def push_all() -> None:
        for first in range(1, 2001, 20):
            lines = [f"line {n}" for n in range(first, first + 20)]
            await app.push(leases[first % 2], numbered(first, 20), log=lines)
            await asyncio.sleep(0.002)
        for lease in leases:
            await app.end(lease)

    reader = StreamReader("", app.owner_key, run)
    pushing = asyncio.create_task(push_all())
    connections = 0
    async with asyncio.timeout(FOREVER):
        while not reader.of("end"):
            async with serving(app) as reader.base_url:
                for _ in range(3):  # three dropped connections, then the server stops
                    connections += 1
                    await reader.read(events=dice.randint(1, 6))
                    if reader.of("end"):
                        break
        await pushing
    assert connections > 5
    assert reader.rows == [(n, n) for n in range(1, 2001)]
    assert reader.log == [(n, f"line {n}") for n in range(1, 2001)]
    assert reader.statuses in (["running", "succeeded"], ["running"])


@pytest.mark.slow
async def test_only_the_requested_kinds_are_sent(app: App) -> None:
    run = await start_run(app)
    await app.execute(numbered(1, 2), log=["one"])
    async with serving(app) as url, asyncio.timeout(FOREVER):
        for kinds in ("status", "log", "rows", "rows, status"):
            reader = StreamReader(url, app.owner_key, run)
            await reader.read(kinds=kinds)
            requested = {word.strip() for word in kinds.split(",")}
            assert {event.kind for event in reader.events} == requested | {"end"}


@pytest.mark.slow
async def test_an_aborted_run_ends_as_aborted(app: App) -> None:
    run = await start_run(app)
    leases = await app.begin()
    async with serving(app) as url, asyncio.timeout(FOREVER):
        reader = StreamReader(url, app.owner_key, run)
        reading = asyncio.create_task(reader.read())
        while not reader.events:
            await asyncio.sleep(0.005)
        await app.services.runs.abort(app.owner, run)
        for lease in leases:
            await app.end(lease, Outcome.ABORTED)
        await reading
    assert reader.events[-1].data["status"] == "aborted"


@pytest.mark.slow
async def test_a_deleted_run_ends_its_streams_without_an_end(app: App) -> None:
    run = await start_run(app)
    await app.begin()
    async with serving(app) as url, asyncio.timeout(FOREVER):
        reader = StreamReader(url, app.owner_key, run)
        reading = asyncio.create_task(reader.read())
        while not reader.events:
            await asyncio.sleep(0.005)
        await app.services.runs.remove(run)
        app.signals.notify(f"run:{run}")
        await reading
        assert not reader.of("end")


async def test_invalid_parameters_are_refused_before_the_stream_starts(app: App) -> None:
    run = await start_run(app)
    path = f"/api/v2/worker-runs/{run}/events"
    async with client(app.asgi()) as http:

        async def get(path: str, key: str = app.owner_key, **headers: str) -> Any:
            return await http.get(path, headers={"api-key": key, **headers})

        fails(await get(f"{path}?kinds=status,cats"), 422, 11000, "kinds", "status, log, rows")
        fails(await get(f"{path}?last_event_id=7"), 422, 11000, "Last-Event-ID")
        fails(await get(path, **{"last-event-id": "1.2.sleeping"}), 422, 11000, "Last-Event-ID")
        foreign = await get(path, key=app.other_key)
        nowhere = await get("/api/v2/worker-runs/01HFXXXXXXXXXXXXXXXXXXXXXX/events")
        fails(foreign, 404, 70001)
        fails(nowhere, 404, 70001)
        fails(await http.get(path), 401, 12001)


@pytest.mark.slow
async def test_streams_per_key_are_limited_until_a_client_disconnects(
    app: App,
) -> None:
    run = await start_run(app)
    async with serving(app) as url, asyncio.timeout(FOREVER):
        readers = [StreamReader(url, app.owner_key, run) for _ in range(16)]
        reading = [asyncio.create_task(reader.read()) for reader in readers]
        while not all(reader.events for reader in readers):
            await asyncio.sleep(0.005)
        async with httpx2.AsyncClient(base_url=url) as http:
            path, headers = f"/api/v2/worker-runs/{run}/events", {"api-key": app.owner_key}
            answer = await http.get(path, headers=headers)
            fails(answer, 429, 13000, "at most 16 event streams per key")
            assert answer.headers["retry-after"] == "5"
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
        reconnected = StreamReader(url, app.owner_key, run)
        while not reconnected.events:
            try:
                await reconnected.read(events=1)
            except AssertionError:
                await asyncio.sleep(0.01)


@pytest.mark.slow
async def test_a_server_that_stops_ends_its_streams_and_waits_at_once(app: App) -> None:
    run = await start_run(app)
    before = asyncio.all_tasks()
    loop = asyncio.get_running_loop()
    async with httpx2.AsyncClient(timeout=60) as http, asyncio.timeout(FOREVER):
        async with serving(app) as url:
            reader = StreamReader(url, app.owner_key, run)
            reading = asyncio.create_task(reader.read())
            detail = f"{url}/api/v2/worker-runs/{run}?wait=60"
            waiting = asyncio.create_task(http.get(detail, headers={"api-key": app.owner_key}))
            while not reader.events:
                await asyncio.sleep(0.005)
            stopped = loop.time()
        assert loop.time() - stopped < 3
        await reading
        assert (await waiting).json()["data"]["status"] == "ready"
    assert {task for task in asyncio.all_tasks() if not task.done()} <= before


@pytest.mark.slow
async def test_a_revoked_key_ends_its_streams(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fyke.api.v2.events.QUIET_SECONDS", 0.0)
    run = await start_run(app)
    async with serving(app) as url, asyncio.timeout(FOREVER):
        key = await app.services.accounts.create_key(app.owner, "reader")
        reader = StreamReader(url, key.key, run)
        reading = asyncio.create_task(reader.read())
        while not reader.events:
            await asyncio.sleep(0.005)
        await app.services.accounts.revoke_key(app.owner, "reader")
        app.signals.notify(f"run:{run}")
        await reading
        assert not reader.of("end")
