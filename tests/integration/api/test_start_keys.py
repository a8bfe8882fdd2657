"""``Idempotency-Key``: a repeated start returns the same run, in both versions of the API."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fyke.api.media import SAMPLE_ULID
from fyke.model.run import RunFilter
from support.api import Api, fails, start_body
from support.app import App

pytestmark = pytest.mark.anyio

RUN = "/api/v1/scraper/run"
KEY = {"idempotency-key": "order 66"}
REPLAYED = "idempotency-replayed"
NO_RUN = "01HFXXXXXXXXXXXXXXXXXXXXXX"


async def runs_of(app: App) -> int:
    count, _ = await app.services.runs.list(app.owner, RunFilter(), offset=0, limit=1)
    return count


def body_v2(**options: Any) -> dict[str, Any]:
    return {"input": start_body("")["input"]} | options


@pytest.mark.slow
async def test_fifty_concurrent_starts_with_one_key_start_one_run(app: App, api: Api) -> None:
    worker = await app.publish()
    answers = await asyncio.gather(
        *(api.ok(RUN, start_body(worker.id), headers=KEY) for _ in range(50))
    )
    assert len({answer["run_slug"] for answer in answers}) == 1
    assert await runs_of(app) == 1


async def test_without_the_header_every_post_starts_a_run(app: App, api: Api) -> None:
    worker = await app.publish()
    slugs = [(await api.ok(RUN, start_body(worker.id)))["run_slug"] for _ in range(2)]
    assert len(set(slugs)) == 2


async def test_another_request_with_the_same_key_is_refused(app: App, api: Api) -> None:
    worker = await app.publish()
    await api.ok(RUN, start_body(worker.id), headers=KEY)
    other = start_body(worker.id, is_async=False)
    fails(await api.post(RUN, other, headers=KEY), 409, 4000, "Idempotency-Key", "new key")
    path = f"/api/v2/workers/{worker.id}/runs"
    fails(await api.post(path, body_v2(), headers=KEY), 409, 11000, "Idempotency-Key")
    assert await runs_of(app) == 1


async def test_two_accounts_can_use_the_same_key(app: App, api: Api) -> None:
    worker = await app.publish()
    own_run = await api.ok(RUN, start_body(worker.id), headers=KEY)
    foreign_run = await api.ok(RUN, start_body(worker.id), headers=KEY, key=app.other_key)
    assert own_run != foreign_run


@pytest.mark.common_app
@pytest.mark.parametrize(
    "text", ["", "k" * 256, "tab\tkey", "n\u00e9e".encode("latin-1"), "bell\x7f"], ids=repr
)
async def test_invalid_start_keys_are_refused(app: App, api: Api, text: Any) -> None:
    worker = await app.publish()
    headers = {"idempotency-key": text}
    fails(await api.post(RUN, start_body(worker.id), headers=headers), 400, 4000, "Idempotency-Key")
    path = f"/api/v2/workers/{worker.id}/runs"
    fails(await api.post(path, body_v2(), headers=headers), 422, 11000, "1 to 255 printable")
    assert await runs_of(app) == 0


@pytest.mark.parametrize(
    "text",
    ["<string>", "<uuid>", "string", "String", "{{key}}", "${KEY}", "$KEY", SAMPLE_ULID],
)
async def test_a_placeholder_is_not_accepted_as_a_key(app: App, api: Api, text: str) -> None:
    worker = await app.publish()
    headers = {"idempotency-key": text}
    answer = await api.post(RUN, start_body(worker.id), headers=headers)
    fails(answer, 400, 4000, "Idempotency-Key", "placeholder", "omit the header")
    path = f"/api/v2/workers/{worker.id}/runs"
    fails(await api.post(path, body_v2(), headers=headers), 422, 11000, "placeholder")
    assert await runs_of(app) == 0


@pytest.mark.parametrize("text", ["strings", "a<string>", "string 1", "{key}", "$5", "order $KEY"])
async def test_a_key_that_merely_contains_a_placeholder_is_accepted(
    app: App, api: Api, text: str
) -> None:
    worker = await app.publish()
    headers = {"idempotency-key": text}
    first = await api.ok(RUN, start_body(worker.id), headers=headers)
    assert await api.ok(RUN, start_body(worker.id), headers=headers) == first


async def test_a_key_of_255_characters_is_accepted(app: App, api: Api) -> None:
    worker = await app.publish()
    headers = {"idempotency-key": "~ " * 127 + "!"}
    first = await api.ok(RUN, start_body(worker.id), headers=headers)
    assert await api.ok(RUN, start_body(worker.id), headers=headers) == first


async def test_a_refused_start_does_not_store_its_key(app: App, api: Api) -> None:
    worker = await app.publish()
    await app.withdraw(worker, "v1.0.1")
    body = start_body(worker.id)
    assert (await api.post(RUN, body, headers=KEY)).status_code == 400
    await app.publish(main="print('second')\n")
    assert (await api.ok(RUN, body, headers=KEY))["run_slug"]


async def test_a_retry_returns_the_run_even_when_its_version_was_withdrawn(
    app: App, api: Api
) -> None:
    worker = await app.publish()
    body = start_body(worker.id, version="v1.0.1")
    first = await api.ok(RUN, body, headers=KEY)
    await app.withdraw(worker, "v1.0.1")
    assert await api.ok(RUN, body, headers=KEY) == first


async def test_a_retry_in_sync_mode_waits_for_the_same_run(app: App, api: Api) -> None:
    worker = await app.publish()
    body = start_body(worker.id, is_async=False)
    starts = [asyncio.create_task(api.ok(RUN, body, headers=KEY)) for _ in range(2)]
    while not await runs_of(app):
        await asyncio.sleep(0.01)
    await app.execute([{"n": 1}])
    first, second = await asyncio.gather(*starts)
    assert first["run_slug"] == second["run_slug"]
    assert first["status"] == second["status"] == 3
    assert await runs_of(app) == 1
    assert (await api.ok(RUN, body, headers=KEY))["run_slug"] == first["run_slug"]


async def test_a_deleted_run_is_not_silently_started_again(app: App, api: Api) -> None:
    worker = await app.publish()
    slug = (await api.ok(RUN, start_body(worker.id), headers=KEY))["run_slug"]
    await app.execute()
    await api.send("DELETE", f"/api/fyke/runs/{slug}")
    answer = await api.post(RUN, start_body(worker.id), headers=KEY)
    fails(answer, 409, 4000, "Idempotency-Key", "deleted")


@pytest.mark.slow
async def test_reruns_and_tasks_accept_a_key(app: App, api: Api) -> None:
    worker = await app.publish()
    slug = (await api.ok(RUN, start_body(worker.id)))["run_slug"]
    task = await app.services.tasks.create(
        app.owner, worker.id, "Daily", start_body("")["input"], version=None
    )
    for path, body in [
        ("/api/v1/rerun", {"run_slug": slug}),
        ("/api/v1/task/run", {"task_slug": task.id}),
        (f"/api/v2/worker-runs/{slug}/rerun", {}),
        ("/api/v2/worker-runs/last/rerun", {}),
        (f"/api/v2/workers/{worker.id}/runs/last/rerun", {}),
        (f"/api/v2/workers/{worker.id}/runs", body_v2()),
    ]:
        headers = {"idempotency-key": path}
        before = await runs_of(app)
        first = await api.ok(path, body, headers=headers)
        assert await api.ok(path, body, headers=headers) == first, path
        assert await runs_of(app) == before + 1, path


async def test_a_key_can_be_reused_after_a_day(
    app: App, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await app.publish()
    monkeypatch.setattr("fyke.domain.runs.start_keys.VALID_MS", 0)
    first = await api.ok(RUN, start_body(worker.id), headers=KEY)
    repeated = await api.post(RUN, start_body(worker.id), headers=KEY)
    assert repeated.json()["data"] != first
    assert REPLAYED not in repeated.headers


async def test_a_replayed_response_has_a_header_that_says_so(app: App, api: Api) -> None:
    worker = await app.publish()
    slug = (await api.ok(RUN, start_body(worker.id)))["run_slug"]
    task = await app.services.tasks.create(
        app.owner, worker.id, "Daily", start_body("")["input"], version=None
    )
    for path, body in [
        (RUN, start_body(worker.id)),
        ("/api/v1/rerun", {"run_slug": slug}),
        ("/api/v1/task/run", {"task_slug": task.id}),
        (f"/api/v2/workers/{worker.id}/runs", body_v2()),
        (f"/api/v2/workers/{worker.id}/queued-runs", body_v2()),
        (f"/api/v2/worker-runs/{slug}/rerun", {}),
        (f"/api/v2/worker-tasks/{task.id}/runs", {}),
        ("/api/fyke/runs/bulk", {"action": "rerun", "runs": [slug]}),
    ]:
        headers = {"idempotency-key": path}
        first, repeated = [await api.post(path, body, headers=headers) for _ in range(2)]
        assert (first.status_code, repeated.status_code) == (200, 200), (path, first.text)
        assert first.json()["data"] == repeated.json()["data"], path
        assert REPLAYED not in first.headers, path
        assert repeated.headers[REPLAYED] == "true", path
        assert REPLAYED not in (await api.post(path, body)).headers, path
    body = start_body(worker.id, is_async=False)
    other = await api.post(RUN, body, headers={"idempotency-key": RUN})
    assert (other.status_code, REPLAYED in other.headers) == (409, False)


async def test_concurrent_starts_after_the_first_are_marked_as_replayed(app: App, api: Api) -> None:
    worker = await app.publish()
    starts = [api.post(RUN, start_body(worker.id), headers=KEY) for _ in range(20)]
    answers = await asyncio.gather(*starts)
    assert sum(REPLAYED in answer.headers for answer in answers) == 19


async def test_a_bulk_rerun_is_replayed_only_when_all_its_reruns_are(app: App, api: Api) -> None:
    worker = await app.publish()
    path, more = "/api/fyke/runs/bulk", {"headers": KEY}
    slugs = [(await api.ok(RUN, start_body(worker.id)))["run_slug"] for _ in range(2)]
    body = {"action": "rerun", "runs": slugs}
    refused = await api.post(path, {"action": "rerun", "runs": [NO_RUN]}, **more)
    assert REPLAYED not in refused.headers, "a refused request is not a replay"
    await api.ok(path, body, **more)
    assert (await api.post(path, body, **more)).headers[REPLAYED] == "true"
    slugs.append((await api.ok(RUN, start_body(worker.id)))["run_slug"])
    other = await api.post(path, {"action": "rerun", "runs": slugs}, **more)
    assert (other.json()["data"]["done"], REPLAYED in other.headers) == (1, False)


@pytest.mark.common_app
@pytest.mark.parametrize("text", ["<string>", " {{worker}} ", SAMPLE_ULID])
async def test_a_placeholder_in_place_of_an_id_is_explained(api: Api, text: str) -> None:
    advice = f"{text.strip()} is a placeholder; replace it with the real value"
    body = fails(await api.post(RUN, start_body(text)), 404, 50001)
    assert body["details"] == [f"scraper_slug: {advice}"]
    body = fails(await api.post("/api/v1/run/detail", {"run_slug": text}), 404, 70001)
    assert body["details"] == [f"run_slug: {advice}"]
    body = fails(await api.get(f"/api/v2/worker-runs/{text.strip()}"), 404, 70001)
    assert body["details"] == [f"runId: {advice}"]
    assert "details" not in fails(
        await api.post("/api/v1/run/detail", {"run_slug": NO_RUN}), 404, 70001
    )
