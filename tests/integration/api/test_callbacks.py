"""The log of callbacks, replays and receivers over HTTP, with a running timer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest

from fyke.contracts.delivery import ReceiverResponse
from fyke.domain.callbacks.receivers import DISABLED
from fyke.kit.clock import ManualClock
from fyke.model.run import Outcome
from fyke.timers.callbacks import CallbackTimer
from support.api import Api, fails, start_body
from support.app import SECRET, App

pytestmark = pytest.mark.anyio

LOG = "/api/fyke/deliveries"
RECEIVERS = "/api/fyke/receivers"
HOOK = "https://hooks.example/x"
HOST = "https://hooks.example:443"
DAY = 24 * 3600
V2 = "/api/v2/workers/owner~reader/runs"
CUSTOM = {"urls": [{"url": "https://a.example"}]}


class RecordingNotifier:
    """A notifier that keeps each message and gives the configured answers, then 200."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes, dict[str, str]]] = []
        self.answers: list[ReceiverResponse] = []
        self.changed = asyncio.Condition()

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> ReceiverResponse:
        async with self.changed:
            self.sent.append((url, body, headers))
            self.changed.notify_all()
        return self.answers.pop(0) if self.answers else ReceiverResponse(200)


class Setup:
    """Runs with callbacks, and a timer that runs on request."""

    def __init__(self, app: App, api: Api, clock: ManualClock) -> None:
        self.app, self.api, self.clock = app, api, clock
        self.post = RecordingNotifier()
        # stored times and the timer use this clock too
        app.storage._clock = clock.now_ms

    async def run(self, url: str = HOOK, version: int = 1) -> str:
        if version == 1:
            body = start_body("owner/reader", callback_url=url)
            return str((await self.api.ok("/api/v1/scraper/run", body))["run_slug"])
        body = {"input": CUSTOM, "callback_url": url}
        return str((await self.api.ok(V2, body))["run_slug"])

    async def end_run(self, url: str = HOOK, version: int = 1) -> str:
        run = await self.run(url, version)
        await self.app.execute()
        return run

    async def log(self, query: str = "", **options: Any) -> Any:
        answer = await self.api.get(f"{LOG}{query}", **options)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    async def of_run(self, run: str) -> list[dict[str, Any]]:
        answer = await self.api.get(f"/api/fyke/runs/{run}/deliveries")
        deliveries: list[dict[str, Any]] = answer.json()["data"]["list"]
        return deliveries

    async def until_settled(self, condition: Callable[[], Any]) -> None:
        """Run the timer until ``condition`` (a coroutine function) is true."""
        async with self.working(), asyncio.timeout(20):
            while not await condition():
                await asyncio.sleep(0.005)

    async def until_tried(self, count: int) -> None:
        """Run the timer until the log has ``count`` attempts."""

        async def enough() -> bool:
            deliveries = (await self.log())["list"]
            return sum(len(delivery["attempts"]) for delivery in deliveries) >= count

        await self.until_settled(enough)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        timer = CallbackTimer(
            self.app.storage, self.post, self.app.signals, self.clock, SECRET, at_once=20
        )
        task = asyncio.create_task(timer.tick())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@pytest.fixture
async def setup(app: App, api: Api) -> Setup:
    await app.publish()
    return Setup(app, api, ManualClock(1_700_000_000_000))


def item(run: str, name: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": name,
        "run_slug": run,
        "kind": "terminal",
        "webhook": "",
        "event": "",
        "url": HOOK,
        "receiver": HOST,
        "state": "pending",
        "tries": 0,
        "next_at": 1_700_000_000,
        "last_status": 0,
        "last_error": "",
        "created_at": 1_700_000_000,
        "ended_at": 0,
        "attempts": [],
    } | changes


@pytest.mark.slow
async def test_the_log_of_a_run_has_every_attempt(setup: Setup) -> None:
    run = await setup.end_run()
    [waiting] = await setup.of_run(run)
    assert waiting == item(run, waiting["id"])
    setup.post.answers = [ReceiverResponse(0, "cannot connect: refused"), ReceiverResponse(503)]
    await setup.until_tried(1)
    setup.clock.advance(6)
    await setup.until_tried(2)
    setup.clock.advance(400)
    await setup.until_tried(3)
    [delivery] = await setup.of_run(run)
    attempts = [
        {"timestamp": 1_700_000_000_000, "status": 0, "error": "cannot connect: refused",
         "duration_ms": 0, "reply": ""},
        {"timestamp": 1_700_000_006_000, "status": 503, "error": "", "duration_ms": 0, "reply": ""},
        {"timestamp": 1_700_000_406_000, "status": 200, "error": "", "duration_ms": 0, "reply": ""},
    ]  # fmt: skip
    assert delivery == item(
        run, waiting["id"], state="delivered", tries=3, last_status=200, attempts=attempts,
        next_at=delivery["next_at"], ended_at=1_700_000_406,
    )  # fmt: skip
    assert {headers["webhook-id"] for _, _, headers in setup.post.sent} == {waiting["id"]}
    assert (await setup.log())["list"] == [delivery]


@pytest.mark.slow
async def test_the_log_of_the_account_is_filtered_and_paged(setup: Setup) -> None:
    runs = []
    for url in (HOOK, "http://hooks.example:8080/y", "https://other.example/z"):
        runs.append(await setup.end_run(url))
        setup.clock.advance(1)
    setup.post.answers = [ReceiverResponse(410)]
    await setup.until_tried(2)  # one delivery for each host
    setup.clock.advance(1)
    await setup.until_tried(3)
    full_log = await setup.log()
    assert full_log == {
        "count": 3, "list": full_log["list"], "page_index": 1, "page_size": 20,
    }  # fmt: skip
    assert [delivery["run_slug"] for delivery in full_log["list"]] == runs[::-1]
    [refused] = [delivery for delivery in full_log["list"] if delivery["last_status"] == 410]
    for query, expected in (
        ("?state=failed", [refused]),
        ("?state=%20FAILED%20", [refused]),
        ("?state=pending", []),
        ("?host=HOOKS.example", full_log["list"][1:]),
        ("?host=hooks.example:443", full_log["list"][2:]),
        ("?host=hooks.exampl", []),
        ("?host=other.example&state=superseded", []),
    ):
        data = await setup.log(query)
        assert (data["count"], data["list"]) == (len(expected), expected), query
    page = await setup.log("?page_index=2&page_size=2")
    assert page == {
        "count": 3, "list": full_log["list"][2:], "page_index": 2, "page_size": 2,
    }  # fmt: skip
    assert (await setup.log("?page_index=9"))["list"] == []
    assert (await setup.log(key=setup.app.other_key))["count"] == 0
    words = "pending, delivered, failed, superseded"
    fails(await setup.api.get(f"{LOG}?state=lost"), 400, 4000, "state", words)


async def test_a_replay_has_the_same_id_and_a_new_timestamp(setup: Setup) -> None:
    run = await setup.end_run()
    setup.post.answers = [ReceiverResponse(410)]
    await setup.until_tried(1)
    [failed] = await setup.of_run(run)
    assert (failed["state"], failed["ended_at"]) == ("failed", 1_700_000_000)
    setup.clock.advance(3600)
    path = f"{LOG}/{failed['id']}/replay"
    fails(await setup.api.post(path, key=setup.app.other_key), 404, 4040)
    fails(await setup.api.post(f"{LOG}/msg_nothing/replay"), 404, 4040)
    replayed = await setup.api.ok(path)
    assert replayed == failed | {
        "state": "pending", "tries": 0, "next_at": 1_700_003_600, "ended_at": 0,
    }  # fmt: skip
    await setup.until_tried(2)
    [delivery] = await setup.of_run(run)
    assert (delivery["state"], delivery["tries"], len(delivery["attempts"])) == ("delivered", 1, 2)
    (_, first, before), (_, second, after) = setup.post.sent
    assert first == second
    assert before["webhook-id"] == after["webhook-id"] == failed["id"]
    assert int(after["webhook-timestamp"]) - int(before["webhook-timestamp"]) == 3600
    assert before["webhook-signature"] != after["webhook-signature"]


async def test_a_delivery_that_is_being_sent_is_not_replayed(setup: Setup) -> None:
    run = await setup.end_run()
    [waiting] = await setup.of_run(run)

    def claimed(tx: Any) -> None:
        delivery = tx.outbox.lock(waiting["id"])
        tx.outbox.save(replace(delivery, claimed_until=tx.now + 60_000))

    await setup.app.storage.write(claimed)
    answer = await setup.api.post(f"{LOG}/{waiting['id']}/replay")
    fails(answer, 400, 4000, "being sent at this moment")
    setup.clock.advance(60)
    await setup.api.ok(f"{LOG}/{waiting['id']}/replay")


@pytest.mark.slow
async def test_five_days_of_failures_disable_a_receiver_until_it_is_enabled(
    setup: Setup,
) -> None:
    setup.post.answers = [ReceiverResponse(500)] * 2
    first = await setup.end_run()
    await setup.until_tried(1)
    setup.clock.advance(5 * DAY)
    await setup.until_tried(2)
    disabled = {
        "receiver": HOST,
        "disabled": True,
        "disabled_at": 1_700_000_000 + 5 * DAY,
        "failing_since": 1_700_000_000,
        "last_success_at": 0,
        "last_failure_at": 1_700_000_000 + 5 * DAY,
    }
    assert (await setup.api.get(RECEIVERS)).json()["data"] == {"list": [disabled]}
    setup.clock.advance(60)
    second = await setup.end_run()
    [refused] = await setup.of_run(second)
    now = 1_700_000_060 + 5 * DAY
    assert refused == item(
        second, refused["id"], state="failed", last_error=DISABLED, next_at=now, created_at=now,
        ended_at=now,
    )  # fmt: skip
    replay = f"{LOG}/{refused['id']}/replay"
    fails(await setup.api.post(replay), 400, 4000, HOST, "switched off", "enable it")
    path = f"{RECEIVERS}/enable"
    fails(await setup.api.post(path, {"receiver": HOST}, key=setup.app.other_key), 404, 4040)
    fails(await setup.api.post(path, {"receiver": "https://a.example"}), 404, 4040)
    fails(await setup.api.post(path, {"receiver": "hooks"}), 400, 4000, "receiver", "http://")
    on = await setup.api.ok(path, {"receiver": HOOK})
    assert on == disabled | {"disabled": False, "disabled_at": 0, "failing_since": 0}
    await setup.api.ok(replay)
    await setup.until_tried(3)
    assert [(await setup.of_run(run))[0]["state"] for run in (first, second)] == [
        "failed", "delivered",
    ]  # fmt: skip
    [good] = (await setup.api.get(RECEIVERS)).json()["data"]["list"]
    assert good == on | {"last_success_at": now}
    assert (await setup.api.get(RECEIVERS, key=setup.app.other_key)).json()["data"] == {"list": []}


@pytest.mark.slow
async def test_a_success_resets_the_five_days(setup: Setup) -> None:
    setup.post.answers = [ReceiverResponse(500), ReceiverResponse(200), ReceiverResponse(500)]
    await setup.end_run()
    await setup.until_tried(1)
    setup.clock.advance(4 * DAY)
    await setup.until_tried(2)
    setup.clock.advance(1)
    await setup.end_run()
    await setup.until_tried(3)
    [receiver] = (await setup.api.get(RECEIVERS)).json()["data"]["list"]
    success = 1_700_000_000 + 4 * DAY
    assert receiver == {
        "receiver": HOST, "disabled": False, "disabled_at": 0, "failing_since": success + 1,
        "last_success_at": success, "last_failure_at": success + 1,
    }  # fmt: skip


async def test_a_run_of_v2_reports_its_start_and_then_its_end(setup: Setup) -> None:
    run = await setup.run(version=2)
    [lease] = await setup.app.begin()
    setup.clock.advance(1)
    await setup.app.push(lease, [{"n": 1}])
    await setup.app.end(lease)
    kinds = [(delivery["kind"], delivery["state"]) for delivery in await setup.of_run(run)]
    assert kinds == [("running", "pending"), ("terminal", "pending")]
    await setup.until_tried(1)
    setup.clock.advance(1)
    await setup.until_tried(2)
    bodies = [json.loads(body) for _, body, _ in setup.post.sent]
    running = {
        "run_slug": run, "run_id": run, "status": 2, "results": 0, "usage": "0",
        "run_status": "running", "error_message": "", "execution_start_timestamp": 1_700_000_000,
        "execution_end_timestamp": 0, "running_duration": 0, "result_count": 0,
        "result_message": "",
    }  # fmt: skip
    assert bodies[0] == running
    assert bodies[1] == running | {
        "status": 3, "results": 1, "run_status": "succeeded", "result_count": 1,
        "execution_end_timestamp": 1_700_000_001, "running_duration": 1, "result_message": "done",
    }  # fmt: skip
    ids = [headers["webhook-id"] for _, _, headers in setup.post.sent]
    assert len(set(ids)) == 2


async def test_a_run_of_v1_reports_only_its_end(setup: Setup) -> None:
    run = await setup.end_run()
    assert [delivery["kind"] for delivery in await setup.of_run(run)] == ["terminal"]


async def test_a_failed_running_callback_is_superseded_by_the_end(setup: Setup) -> None:
    run = await setup.run(version=2)
    [lease] = await setup.app.begin()
    setup.post.answers = [ReceiverResponse(500)]
    await setup.until_tried(1)
    setup.clock.advance(1)
    await setup.app.end(lease, Outcome.EXIT_CODE, "it broke")
    running, terminal = await setup.of_run(run)
    assert running == item(
        run, running["id"], kind="running", state="superseded", tries=1, last_status=500,
        last_error="the run has ended", next_at=running["next_at"], ended_at=1_700_000_001,
        attempts=[
            {"timestamp": 1_700_000_000_000, "status": 500, "error": "", "duration_ms": 0,
             "reply": ""},
        ],
    )  # fmt: skip
    await setup.until_tried(2)
    setup.clock.advance(DAY)
    deliveries = await setup.of_run(run)
    assert [delivery["state"] for delivery in deliveries] == ["superseded", "delivered"]
    assert deliveries[1]["id"] == terminal["id"]
    replay = f"{LOG}/{running['id']}/replay"
    fails(await setup.api.post(replay), 400, 4000, "the run has ended")


async def test_the_setting_disables_the_running_callback(setup: Setup) -> None:
    attempts = setup.app.attempts
    attempts._rules = replace(attempts._rules, running_callbacks=False)
    run = await setup.run(version=2)
    [lease] = await setup.app.begin()
    assert await setup.of_run(run) == []
    await setup.app.end(lease)
    assert [delivery["kind"] for delivery in await setup.of_run(run)] == ["terminal"]
