"""Rate limits, with one and two servers on a database, and the reasons why runs wait."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import copy
from pathlib import Path
from typing import Any

import pytest

from fyke.api.app import ApiConfig, add_pages, build_app
from fyke.api.ratelimit import RateShare
from fyke.console.api_client import ApiClient
from fyke.console.app import ConsoleConfig
from fyke.console.compose import build_console
from fyke.domain.accounts.service import Accounts
from fyke.domain.services import Services
from fyke.kit.clock import ManualClock, SystemClock
from fyke.model.account import Plan
from fyke.model.runner import RunnerInfo
from fyke.storage.signals.postgres import PostgresSignals
from fyke.storage.sql.state.storage import SqlStorage, open_storage
from fyke.timers.servers import ServerTimer
from support.api import Api, client, fails, start_body
from support.app import RUNNER, SECRET, App, open_app

pytestmark = pytest.mark.anyio

POLICY = '"default";q=120;w=2'


def standing(answer: Any) -> tuple[int, int]:
    """Return the remaining requests, and the seconds until the bucket is full."""
    match = re.fullmatch(r'"default";r=(\d+);t=(\d+)', answer.headers["ratelimit"])
    assert match, answer.headers
    return int(match[1]), int(match[2])


async def test_every_answer_has_the_remaining_requests_of_its_key(app: App) -> None:
    config = ApiConfig(master_secret=SECRET, rate_limit=60)
    async with client(build_app(app.services, config, ManualClock())) as http:
        api = Api(http, app.owner_key)
        answers = [
            await api.post("/api/v1/account/info"),
            await api.get("/api/v2/users/account"),
            await api.post("/api/v1/run/detail", {"run_slug": "nobody"}),
            await api.get("/api/v2/worker-runs/nobody"),
        ]
        public = await api.get("/api/v2/store", key=None)
    assert {answer.headers["ratelimit-policy"] for answer in [*answers, public]} == {POLICY}
    assert [standing(answer)[0] for answer in answers] == [119, 118, 117, 116]
    assert standing(public) == (119, 1)  # the limit of the address, not of the key


async def test_beyond_the_limit_both_dialects_refuse_with_the_time_to_wait(app: App) -> None:
    async with client(app.asgi(rate_limit=1, rate_burst=2)) as http:
        api = Api(http, app.owner_key)
        for _ in range(2):
            assert (await api.get("/api/v2/users/account")).status_code == 200
        refused = await api.get("/api/v2/users/account")
        fails(refused, 429, 13000)
        assert refused.headers["retry-after"] == "1"
        assert standing(refused)[0] == 0
        fails(await api.post("/api/v1/account/info"), 429, 4290)
        assert (await api.get("/api/v2/users/account", key=app.other_key)).status_code == 200


async def test_a_key_may_have_its_own_limit(app: App) -> None:
    accounts = Accounts(app.storage, SystemClock(), rate_limit=60)
    slow = await accounts.create_key(app.owner, "slow", rate_limit=3)
    async with client(app.asgi(rate_limit=60)) as http:
        api = Api(http, slow.key)
        await api.get("/api/v2/users/account")  # the first request identifies the key
        answered = await api.get("/api/v2/users/account")
        assert answered.headers["ratelimit-policy"] == '"default";q=6;w=2'
        codes = [(await api.get("/api/v2/users/account")).status_code for _ in range(8)]
        assert 429 in codes
        listed = (await api.get("/api/fyke/keys", key=app.owner_key)).json()["data"]["list"]
        assert {key["name"]: key["rate_limit"] for key in listed} == {"local": 0, "slow": 3}


def changed(services: Services, **members: Any) -> Services:
    """Return the services with some replaced."""
    changed_services = copy(services)
    vars(changed_services).update(members)
    return changed_services


async def test_only_the_operator_grants_more_than_the_limit_of_the_server(app: App) -> None:
    limited = changed(app.services, accounts=Accounts(app.storage, SystemClock(), rate_limit=60))
    asgi = build_app(limited, ApiConfig(master_secret=SECRET, rate_limit=60))
    async with client(asgi) as http:
        api = Api(http, app.other_key)
        too_fast = {"name": "fast", "rate_limit": 61}
        fails(await api.post("/api/fyke/keys", too_fast), 401, 4010, "60 requests a second")
        await api.ok("/api/fyke/keys", {"name": "slow", "rate_limit": 60})
        await api.ok("/api/fyke/keys", too_fast, key=app.owner_key)
        wrong = {"name": "x", "rate_limit": -1}
        fails(await api.post("/api/fyke/keys", wrong), 400, 4000, "rate_limit")


@asynccontextmanager
async def a_server(url: str) -> AsyncIterator[tuple[SqlStorage, ServerTimer, RateShare]]:
    signals = PostgresSignals(url)
    storage = open_storage(url, durable=False, notify=signals.notify, hiding=frozenset())
    share = RateShare()
    try:
        yield storage, ServerTimer(storage, signals, share.counted), share
    finally:
        signals.close()
        await storage.close()


async def test_two_servers_on_one_database_share_a_limit(app: App, postgres_state_url: str) -> None:
    async with (
        a_server(postgres_state_url) as (storage, first, first_share),
        a_server(postgres_state_url) as (other, second, second_share),
    ):
        clock = ManualClock()
        _, key = await Accounts(storage, SystemClock()).bootstrap()
        assert key is not None
        await first.join()
        beating = asyncio.create_task(first.tick())
        try:
            assert first_share.servers == 1
            await second.join()
            await _until(lambda: first_share.servers == 2)
            assert second_share.servers == 2
            allowed = 0
            for place, share in ((storage, first_share), (other, second_share)):
                services = changed(app.services, accounts=Accounts(place, clock), storage=place)
                config = ApiConfig(master_secret=SECRET, rate_limit=60)
                async with client(build_app(services, config, clock, share)) as http:
                    api = Api(http, key)
                    answers = [await api.get("/api/v2/users/account") for _ in range(80)]
                allowed += sum(answer.status_code == 200 for answer in answers)
            assert allowed == 120
            await second.leave()
            await _until(lambda: first_share.servers == 1)
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)


@pytest.mark.parametrize(("servers", "allowed"), [(1, 8), (2, 4), (100, 1)])
async def test_wrong_keys_and_pages_are_limited_by_the_share_of_a_server(
    app: App, servers: int, allowed: int
) -> None:
    clock, share = ManualClock(), RateShare(servers)
    config = ApiConfig(master_secret=SECRET, rate_limit=0, guesses=8, guesses_per_minute=10)
    asgi = build_app(app.services, config, clock, share)
    pages = build_console(
        app.services,
        ConsoleConfig(SECRET, rate_limit=4, data_folder="/srv/fyke"),
        ApiClient(asgi, asgi.openapi),
        clock,
        share,
    )
    add_pages(asgi, pages)
    async with client(asgi) as http:
        api = Api(http, app.owner_key)
        wrong = [await api.get("/api/v2/users/account", key=f"wrong-{n}") for n in range(10)]
        assert [answer.status_code for answer in wrong].count(401) == allowed
        shown = [await http.get("/login", headers={"accept": "text/html"}) for _ in range(10)]
        assert [answer.status_code for answer in shown].count(429) == 10 - allowed


@pytest.mark.parametrize(
    ("plan", "posts"),
    [(Plan.FREE, 20), pytest.param(Plan.PRO, 500, marks=pytest.mark.long)],
)
async def test_direct_starts_on_postgresql_respect_the_plan(
    tmp_path: Path, templates: Path, postgres_state_url: str, plan: Plan, posts: int
) -> None:
    async with (
        open_app(tmp_path, templates, state_url=postgres_state_url) as app,
        client(app.asgi()) as http,
    ):
        worker = await app.publish()
        await app.services.accounts.set_plan(app.owner, "other", plan.value)
        api = Api(http, app.other_key)
        body = {"input": {"urls": [{"url": "https://a.example"}]}}
        path = f"/api/v2/workers/{worker.id}/runs"
        answers = await asyncio.gather(*(api.post(path, body) for _ in range(posts)))
        answered = Counter((answer.status_code, answer.json()["code"]) for answer in answers)
        assert plan.max_runs is not None
        assert answered == {(200, 0): plan.max_runs, (400, 30003): posts - plan.max_runs}
        account_id = app.other.account_id
        open_runs = await app.storage.read(lambda tx: tx.admission.count_open(account_id, 999))
        assert open_runs == plan.max_runs


async def _until(true: Any) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.01)


async def why(api: Api, slug: str) -> tuple[str, str]:
    answer = (await api.get(f"/api/fyke/runs/{slug}/waiting")).json()["data"]
    assert answer["slug"] == slug
    return answer["code"], answer["reason"]


async def beat(app: App, cpus: float, memory: int) -> None:
    def work(tx: Any) -> None:
        tx.runs.put_runner(RunnerInfo(RUNNER, "node", "full", "", cpus, memory, tx.now))

    await app.storage.write(work)


async def test_a_waiting_run_has_a_reason(app: App, api: Api, run_slug: str) -> None:
    assert (await why(api, run_slug))[0] == "no_runner"
    await beat(app, 0.1, 256)
    code, reason = await why(api, run_slug)
    assert code == "room"
    assert "needs 0.125 cores and 512 MB, more than any machine has in all (0.1 cores" in reason
    await beat(app, 8, 8192)
    worker = (await app.services.runs.get(app.owner, run_slug)).run.worker_id
    second = (await api.ok("/api/v1/scraper/run", start_body(worker)))["run_slug"]
    code, reason = await why(api, second)
    assert code == "queue" and reason.startswith("older subtasks wait before it: 2;")
    leases = await app.lease()
    assert (await why(api, second))[0] == "preparing"
    attempt = next(x.attempt for x in leases if x.run.id == second)
    await app.attempts.started(attempt.key, attempt.runner_id)
    assert await why(api, second) == ("", "")
    fails(await api.get(f"/api/fyke/runs/{second}/waiting", key=app.other_key), 404, 70001)


async def test_a_run_that_waits_for_its_plan_is_listed_with_the_reason(app: App, api: Api) -> None:
    await beat(app, 8, 8192)
    worker = await app.publish()
    api.key = app.other_key
    slugs = [(await api.ok("/api/v1/scraper/run", start_body(worker.id)))["run_slug"]
             for _ in range(3)]  # fmt: skip
    await app.begin()
    code, reason = await why(api, slugs[2])
    assert code == "plan" and "the plan free allows 2 runs at once" in reason
    listed = (await api.get("/api/fyke/waiting-runs")).json()["data"]["list"]
    params = {"plan": "free", "most": 2}
    assert listed == [{"slug": slugs[2], "code": code, "reason": reason, "params": params}]
    changed = await api.send(
        "PUT", "/api/fyke/accounts/other/plan", json={"plan": "Starter"}, key=app.owner_key
    )
    assert (changed.json()["data"]["plan"], changed.json()["data"]["most_runs"]) == ("starter", 5)
    assert (await why(api, slugs[2]))[0] == "room"
    assert {lease.run.id for lease in await app.begin()} == {slugs[2]}


@pytest.mark.parametrize(
    ("system", "message"),
    [
        ({"cpus": 2.5}, "system.cpus is 2.5, and the plan free allows 2 cores"),
        ({"cpus": 64, "memory": 512}, "system.cpus is 64, and the plan free allows 2 cores"),
        ({"memory": 8192}, "system.memory is 8192 MB, and the plan free allows 4096"),
        (
            {"browser_memory": 4097},
            "system.browser_memory is 4097 MB, and the plan free allows 4096",
        ),
    ],
)
async def test_no_run_gets_a_larger_device_than_its_plan_allows(
    app: App, api: Api, system: dict[str, Any], message: str
) -> None:
    worker = await app.publish()
    body = start_body(worker.id)
    body["input"]["parameters"]["system"] = system
    fails(await api.post("/api/v1/scraper/run", body, key=app.other_key), 400, 4000, message)
    for way in ("runs", "queued-runs"):
        path, sent = f"/api/v2/workers/{worker.id}/{way}", {"input": body["input"]}
        fails(await api.post(path, sent, key=app.other_key), 400, 11000, message)
    assert (await api.ok("/api/v1/run/list", {}, key=app.other_key))["count"] == 0
    body["input"]["parameters"]["system"] = {"cpus": 2, "memory": 4096}
    await api.ok("/api/v1/scraper/run", body, key=app.other_key)
    body["input"]["parameters"]["system"] = system
    await api.ok("/api/v1/scraper/run", body)  # the operator's account has the plan unlimited


async def test_plans_are_set_by_name_and_by_the_operator_only(app: App, api: Api) -> None:
    path = "/api/fyke/accounts/other/plan"
    answer = await api.send("PUT", path, json={"plan": "pro"}, key=app.other_key)
    fails(answer, 401, 4010)
    fails(await api.send("PUT", path, json={"plan": "gold"}), 400, 4000, "gold", "business")
    fails(await api.send("PUT", "/api/fyke/accounts/x/plan", json={"plan": "pro"}), 404, 4040)
    own = (await api.get("/api/fyke/account")).json()["data"]
    assert (own["plan"], own["most_runs"]) == ("unlimited", 0)
    other = (await api.get("/api/fyke/account", key=app.other_key)).json()["data"]
    assert (other["plan"], other["most_runs"]) == ("free", 2)
