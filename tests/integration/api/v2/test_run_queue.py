"""The five operations of the run queue, each called for real, its whole answer compared."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fyke.model.account import Plan
from fyke.model.billing import Prices
from fyke.model.run import Origin, RunState
from support.api import Api, client, fails
from support.app import App, open_app

pytestmark = pytest.mark.anyio

BODY: dict[str, Any] = {"input": {"urls": [{"url": "https://a.example"}]}}
NOT_WAITING = "item is not in waiting state"
UNKNOWN = "item does not exist"


async def enqueue(api: Api, worker_id: str, **options: Any) -> str:
    data = await api.ok(f"/api/v2/workers/{worker_id}/queued-runs", BODY | options)
    return str(data["queue_ref"])


async def items(api: Api, **query: Any) -> Any:
    answer = await api.get("/api/v2/run-queue/items", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def runs_of(app: App, account_id: str) -> int:
    return await app.storage.read(lambda tx: tx.admission.count_open(account_id, 1000))


async def test_queueing_a_run_returns_its_reference_and_starts_nothing(app: App, api: Api) -> None:
    worker = await app.publish()
    answer = await api.post(f"/api/v2/workers/{worker.id}/queued-runs", BODY | {"is_async": False})
    assert answer.status_code == 200
    data = answer.json()["data"]
    ref = data["queue_ref"]
    assert data == {"queue_ref": ref, "queue_status": "waiting", "queued": True}
    assert 0 < int(ref) < 2**53
    released = {"queue_refs": [int(ref)]}  # for clients that store it as a number
    release = await api.ok("/api/v2/run-queue/items/release", released)
    assert release == {"results": [{"queue_ref": ref, "success": True}]}
    assert await runs_of(app, app.owner.account_id) == 0


async def test_the_list_has_all_members_before_and_after_the_wait(app: App, api: Api) -> None:
    worker = await app.publish()
    url = "http://8.8.8.8/hook"
    ref = await enqueue(api, worker.id, callback_url=url)
    listed = await items(api)
    [item] = listed.pop("list")
    assert listed == {"count": 1, "page_index": 1, "page_size": 20}
    created = item.pop("created_at")
    assert created > 1_700_000_000
    before = {
        "queue_ref": ref,
        "queue_status": "waiting",
        "worker_slug": worker.id,
        "worker_path": "owner~reader",
        "title": "The reader",
        "version": worker.latest or "1.0.0",
        "callback_url": url,
        "reason": "waits for activation",
        "run_slug": "",
        "ended_at": 0,
    }
    assert item | {"version": before["version"]} == before

    answer = await api.ok("/api/v2/run-queue/items/activate", {"queue_refs": [ref]})
    run_slug = answer["results"][0]["run_slug"]
    assert answer == {"results": [{"queue_ref": ref, "success": True, "run_slug": run_slug}]}
    run = await app.storage.read(lambda tx: tx.runs.get(run_slug))
    assert run is not None
    assert (run.origin, run.callback_url, run.state) == (Origin.API_V2, url, RunState.READY)
    assert "a.example" in run.input_json

    assert (await items(api, status="waiting"))["list"] == []
    [after] = (await items(api, status="inactive"))["list"]
    assert (after["queue_status"], after["run_slug"]) == ("inactive", run_slug)
    assert after["reason"] == f"activated as run {run_slug}"
    assert after["ended_at"] >= created


async def test_items_are_released_permanently_one_by_one_or_together(app: App, api: Api) -> None:
    worker = await app.publish()
    refs = [await enqueue(api, worker.id) for _ in range(3)]
    answer = await api.ok(f"/api/v2/run-queue/items/{refs[0]}/release", {"reason": "too late"})
    assert answer == {"results": [{"queue_ref": refs[0], "success": True}]}
    many = await api.ok(
        "/api/v2/run-queue/items/release", {"queue_refs": [*refs, refs[2], 17, "nobody"]}
    )
    assert many == {
        "results": [
            {"queue_ref": refs[0], "success": False, "error": NOT_WAITING},
            {"queue_ref": refs[1], "success": True},
            {"queue_ref": refs[2], "success": True},
            {"queue_ref": refs[2], "success": False, "error": NOT_WAITING},
            {"queue_ref": "17", "success": False, "error": UNKNOWN},
            {"queue_ref": "nobody", "success": False, "error": UNKNOWN},
        ]
    }
    activated = await api.ok("/api/v2/run-queue/items/activate", {"queue_refs": [refs[0]]})
    assert activated["results"][0] == {
        "queue_ref": refs[0], "success": False, "error": NOT_WAITING,
    }  # fmt: skip
    reasons = {i["queue_ref"]: i["reason"] for i in (await items(api))["list"]}
    assert reasons == {refs[0]: "released: too late", refs[1]: "released", refs[2]: "released"}
    assert await runs_of(app, app.owner.account_id) == 0


async def test_null_and_an_empty_list_are_refused(api: Api) -> None:
    for path in ("activate", "release"):
        for body in ({"queue_refs": None}, {"queue_refs": []}, {}):
            assert await api.ok(f"/api/v2/run-queue/items/{path}", body) == {"results": []}


async def test_items_of_another_account_have_the_same_error_as_unknown_ones(
    app: App, api: Api
) -> None:
    worker = await app.publish()
    ref = await enqueue(api, worker.id)
    absent = str(int(ref) + 1)
    for path in ("activate", "release"):
        results = await api.ok(
            f"/api/v2/run-queue/items/{path}", {"queue_refs": [ref, absent]}, key=app.other_key
        )
        mine, none = results["results"]
        assert mine | {"queue_ref": absent} == none
        assert none == {"queue_ref": absent, "success": False, "error": UNKNOWN}
    answer = await api.ok(f"/api/v2/run-queue/items/{ref}/release", {}, key=app.other_key)
    assert answer["results"][0]["error"] == UNKNOWN
    assert (await items(api, status="waiting"))["count"] == 1
    listed = await api.get("/api/v2/run-queue/items", key=app.other_key)
    assert listed.json()["data"]["count"] == 0


@pytest.mark.parametrize("verb", ["activate", "release"])
async def test_an_invalid_item_number_has_the_same_error_as_an_unknown_one(
    app: App, api: Api, verb: str
) -> None:
    ref = await enqueue(api, (await app.publish()).id)
    texts = ["0", "-1", "1.5", f"0{ref}", f"+{ref}", "x", "", "01HF0000000000000000000000"]
    texts += ["\u0661", str(2**63 - 1), str(2**63), str(2**64 + int(ref)), "9" * 5000]
    path = f"/api/v2/run-queue/items/{verb}"
    released = await api.ok(path, {"queue_refs": [*texts, 0, -1, 2**63 - 1, 2**63]})
    references = [*texts, "0", "-1", str(2**63 - 1), str(2**63)]
    assert released["results"] == [
        {"queue_ref": text, "success": False, "error": UNKNOWN} for text in references
    ]
    for text in ("0", "-1", "1.5", "x", str(2**63), "9" * 300):
        answer = await api.ok(f"/api/v2/run-queue/items/{text}/release", {})
        assert answer["results"] == [{"queue_ref": text, "success": False, "error": UNKNOWN}]
    for value in (1.5, True, None, [ref], {"queue_ref": ref}):
        wrong = {"queue_refs": [ref, value]}
        fails(await api.post(path, wrong), 422, 11000, "queue_refs", "list of strings")
    assert (await items(api, status="waiting"))["count"] == 1


async def test_the_error_for_a_bad_request_states_the_expected_form(app: App, api: Api) -> None:
    worker = await app.publish()
    many = {"queue_refs": [str(n) for n in range(101)]}
    fails(await api.post("/api/v2/run-queue/items/activate", many), 422, 11000, "queue_refs", "100")
    wrong = {"queue_refs": "abc"}
    fails(await api.post("/api/v2/run-queue/items/release", wrong), 422, 11000, "queue_refs")
    answer = await api.get("/api/v2/run-queue/items", params={"status": "lost"})
    fails(answer, 422, 11000, "status", "inactive")
    long = {"reason": "x" * 501}
    fails(await api.post("/api/v2/run-queue/items/a/release", long), 422, 11000, "reason", "500")
    path = f"/api/v2/workers/{worker.id}/queued-runs"
    fails(await api.post(path, {"input": {}}), 400, 11000, "urls")
    fails(await api.post(path, BODY | {"version": "9.9.9"}), 400, 50003, "9.9.9")
    fails(await api.post(path, BODY | {"callback_url": "ftp://x"}), 400, 11000, "callback_url")
    fails(await api.post("/api/v2/workers/owner~none/queued-runs", BODY), 404, 50001)


async def test_only_one_of_many_concurrent_activations_starts_a_run(app: App, api: Api) -> None:
    worker = await app.publish()
    ref = await enqueue(api, worker.id)
    body = {"queue_refs": [ref, ref]}
    answers = await asyncio.gather(
        *(api.ok("/api/v2/run-queue/items/activate", body) for _ in range(10))
    )
    results = [result for answer in answers for result in answer["results"]]
    assert [result.get("error") for result in results].count(None) == 1
    assert {result.get("error") for result in results} == {None, NOT_WAITING}
    assert await runs_of(app, app.owner.account_id) == 1


async def test_an_item_waits_while_the_plan_is_full(app: App, api: Api) -> None:
    worker = await app.publish()
    api.key = app.other_key
    refs = [await enqueue(api, worker.id) for _ in range(3)]
    answer = await api.ok("/api/v2/run-queue/items/activate", {"queue_refs": refs})
    assert [result["success"] for result in answer["results"]] == [True, True, False]
    assert "the plan free allows 2 runs at once" in answer["results"][2]["error"]
    [item] = (await items(api, status="waiting"))["list"]
    assert item["reason"].startswith("waits for activation; the plan free allows 2 runs")
    await app.execute()
    [item] = (await items(api, status="waiting"))["list"]
    assert item["reason"] == "waits for activation"
    answer = await api.ok("/api/v2/run-queue/items/activate", {"queue_refs": refs})
    assert [result["success"] for result in answer["results"]] == [False, False, True]


async def test_an_item_that_can_never_start_ends_with_the_reason(app: App, api: Api) -> None:
    gone, old = await app.publish("gone"), await app.publish("old")
    first, second = await enqueue(api, gone.id), await enqueue(api, old.id)
    await app.services.removal.delete(app.owner, gone.id)
    [held] = await app.storage.read(
        lambda tx: [i for i in tx.queue.page(app.owner.account_id, True, offset=0, limit=9)[1]
                    if i.number == int(second)]
    )  # fmt: skip
    await app.withdraw(old, held.version)
    done = await api.ok("/api/v2/run-queue/items/activate", {"queue_refs": [first, second]})
    assert [result["success"] for result in done["results"]] == [False, False]
    listed = {i["queue_ref"]: i for i in (await items(api, status="inactive"))["list"]}
    assert listed[first]["reason"] == done["results"][0]["error"] == "the Worker does not exist"
    assert "was withdrawn" in listed[second]["reason"]


async def test_without_balance_a_run_is_refused_and_a_queued_one_waits(
    tmp_path: Path, templates: Path
) -> None:
    prices = Prices(cpu_hour=Decimal(1))
    async with (
        open_app(tmp_path, templates, prices=prices) as app,
        client(app.asgi()) as http,
    ):
        api = Api(http, app.owner_key)
        worker = await app.publish()
        fails(await api.post(f"/api/v2/workers/{worker.id}/runs", BODY), 400, 30001)
        ref = await enqueue(api, worker.id)
        [item] = (await items(api))["list"]
        assert "0 USD are free; credit the account" in item["reason"]
        answer = await api.ok("/api/v2/run-queue/items/activate", {"queue_refs": [ref]})
        assert (answer["results"][0]["success"], (await items(api, status="waiting"))["count"]) == (
            False, 1,
        )  # fmt: skip
        await app.services.accounts.credit(app.owner, "owner", Decimal(100), Decimal(0))
        answer = await api.ok("/api/v2/run-queue/items/activate", {"queue_refs": [ref]})
        assert answer["results"][0]["success"]


async def test_the_same_key_returns_the_same_item(app: App, api: Api) -> None:
    worker = await app.publish()
    path, headers = f"/api/v2/workers/{worker.id}/queued-runs", {"Idempotency-Key": "one"}
    refs = {(await api.ok(path, BODY, headers=headers))["queue_ref"] for _ in range(3)}
    assert len(refs) == 1
    assert (await items(api))["count"] == 1
    fails(await api.post(path, BODY | {"is_async": False}, headers=headers), 409, 11000)


@pytest.mark.parametrize(
    ("plan", "posts"),
    [(Plan.FREE, 40), pytest.param(Plan.PRO, 500, marks=pytest.mark.long)],
)
async def test_direct_starts_respect_the_plan_exactly(
    app: App, api: Api, plan: Plan, posts: int
) -> None:
    worker = await app.publish()
    await app.services.accounts.set_plan(app.owner, "other", plan.value)
    api.key = app.other_key
    path = f"/api/v2/workers/{worker.id}/runs"
    answers = await asyncio.gather(*(api.post(path, BODY) for _ in range(posts)))
    refused = [answer for answer in answers if answer.status_code != 200]
    assert len(answers) - len(refused) == plan.max_runs
    fails(refused[0], 400, 30003, f"the plan {plan.value} allows {plan.max_runs} runs at once")
    assert {answer.json()["code"] for answer in refused} == {30003}
    assert all(int(answer.headers["retry-after"]) > 0 for answer in refused)
    assert await runs_of(app, app.other.account_id) == plan.max_runs
    entries = await app.storage.read(lambda tx: tx.ledger.entries(app.other.account_id, limit=9))
    assert entries == []


async def test_starts_of_v1_are_accepted_and_wait(app: App, api: Api) -> None:
    worker = await app.publish()
    api.key = app.other_key
    start = {"scraper_slug": worker.id, "input": {"parameters": {"custom": BODY["input"]}}}
    slugs = [(await api.ok("/api/v1/scraper/run", start))["run_slug"] for _ in range(4)]
    leases = await app.begin()
    assert {lease.run.id for lease in leases} == set(slugs[:2])
    last = await api.ok("/api/v1/run/detail", {"run_slug": slugs[3]})
    assert last["status"] == 1
    await app.end(leases[0])
    assert {lease.run.id for lease in await app.begin()} == {slugs[2]}
