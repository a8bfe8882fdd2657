"""Fyke's own routes under /api/fyke/."""

from __future__ import annotations

from typing import Any

import pytest

from fyke.model.log import NewLogEntry
from fyke.model.results import AttemptBatch
from fyke.model.worker import EnvironmentState, VersionEnvironment
from fyke.reasons import Reason, ReasonCode, sentence
from fyke.wire.fyke import accounts, overview, run_logs, runs, versions, workers
from fyke.wire.fyke.callbacks import DeliveryList
from support.answers import data_as
from support.api import Api, fails, start_body
from support.app import App

pytestmark = pytest.mark.anyio

WORKERS = "/api/fyke/workers"
NOWHERE = "01HFXXXXXXXXXXXXXXXXXXXXXX"


async def test_versions_are_listed_and_withdrawn(app: App, api: Api) -> None:
    worker = await app.publish()
    path = f"{WORKERS}/owner~reader/versions"
    [entry] = data_as(versions.VersionList, await api.get(path))["list"]
    assert (entry["version"], entry["state"], entry["latest"]) == ("v1.0.1", "published", True)
    version = {name: entry[name] for name in versions.VersionItem.__struct_fields__}
    fails(await api.post(f"{path}/v1.0.1/withdraw", {}, key=app.other_key), 401, 4010)
    fails(await api.post(f"{path}/v9.9.9/withdraw", {}), 400, 4000, "v9.9.9")
    withdrawn = data_as(versions.VersionItem, await api.post(f"{path}/v1.0.1/withdraw", {}))
    assert withdrawn == version | {"state": "withdrawn"}
    fails(await api.post("/api/v1/scraper/run", start_body(worker.id)), 400, 50003)
    fails(await api.post(f"{path}/v1.0.1/restore", {}, key=app.other_key), 401, 4010)
    fails(await api.post(f"{path}/v9.9.9/restore", {}), 400, 4000, "v9.9.9")
    back = await api.post(f"{path}/v1.0.1/restore", {})
    assert data_as(versions.VersionItem, back) == version
    await api.ok("/api/v1/scraper/run", start_body(worker.id))


async def test_a_version_is_ready_or_says_why_not(app: App, api: Api) -> None:
    worker = await app.publish()
    [version] = await app.services.workers.versions(app.owner, worker.id)
    listed, path = f"{WORKERS}/owner~reader/versions", f"{WORKERS}/owner~reader/versions/v1.0.1"

    async def shown(environment: VersionEnvironment) -> Any:
        await app.storage.write(lambda tx: tx.environments.put(environment))
        [entry] = data_as(versions.VersionList, await api.get(listed))["list"]
        answer = data_as(versions.EnvironmentAnswer, await api.get(f"{path}/environment"))
        assert answer == {"environment": entry["environment"]}
        return entry["environment"]

    no_reason = {"reason": "", "reason_code": "", "reason_params": {}}
    for state in (EnvironmentState.PREPARING, EnvironmentState.READY):
        assert await shown(VersionEnvironment(version.id, state)) == {"state": state} | no_reason
    reason = Reason.of(ReasonCode.INSTALL_TIMEOUT, seconds=600)
    failed = await shown(VersionEnvironment(version.id, EnvironmentState.FAILED, reason))
    assert failed == {
        "state": "failed",
        "reason": sentence(reason),
        "reason_code": "install_timeout",
        "reason_params": {"seconds": 600},
    }
    await api.ok("/api/v1/scraper/run", start_body(worker.id))  # it is not refused
    fails(await api.get(f"{listed}/v9.9.9/environment"), 400, 4000, "v9.9.9")


async def test_the_workers_of_the_account_are_listed(app: App, api: Api) -> None:
    worker = await app.publish(public=False)
    listed = data_as(workers.OwnWorkerList, await api.get(WORKERS))["list"]
    assert [(w["path"], w["public"], w["version"]) for w in listed] == [
        (worker.path, False, "v1.0.1")
    ]
    assert (await api.get(WORKERS, key=app.other_key)).json()["data"] == {"list": []}


async def test_a_log_is_followed_by_position(app: App, api: Api, run_slug: str) -> None:
    path = f"/api/fyke/runs/{run_slug}/log"
    assert data_as(run_logs.LogPart, await api.get(path)) == {"list": []}
    lines = [NewLogEntry(2, "7", f"line {n}", 1000 + n) for n in range(5)]
    await app.results.open_attempt(run_slug, "A1")
    await app.results.commit([AttemptBatch(run_slug, "A1", log=lines)])
    seen: list[Any] = []
    while part := data_as(
        run_logs.LogPart,
        await api.get(f"{path}?limit=2&after={seen[-1]['position'] if seen else 0}"),
    )["list"]:
        assert len(part) <= 2
        seen += part
    assert [entry["content"] for entry in seen] == [line.content for line in lines]
    fails(await api.get(path, key=app.other_key), 404, 70001)


async def test_accounts_are_managed_by_the_operator_only(app: App, api: Api) -> None:
    answer = await api.post("/api/fyke/accounts", {"name": "third"})
    created = data_as(accounts.CreatedAccount, answer)
    assert (created["account"]["name"], created["account"]["operator"]) == ("third", False)
    key = created["key"]["key"]
    assert (await api.post("/api/v1/account/info", key=key)).status_code == 200
    listed = data_as(accounts.AccountList, await api.get("/api/fyke/accounts"))
    assert {a["name"] for a in listed["list"]} == {"owner", "other", "third"}
    fails(await api.post("/api/fyke/accounts", {"name": "third"}), 409, 4000)
    for method, path in (("GET", "/api/fyke/accounts"), ("GET", "/api/fyke/runners")):
        fails(await api.send(method, path, key=key), 401, 4010)
    fails(await api.post("/api/fyke/accounts", {"name": "x"}, key=key), 401, 4010)


async def test_an_account_is_credited(app: App, api: Api) -> None:
    path = "/api/fyke/accounts/other/credit"
    data = data_as(accounts.AccountItem, await api.post(path, {"usd": "12.5", "traffic_mb": 3}))
    assert (data["balance"], data["traffic"]) == ("12.50", 3_000_000)
    info = await api.ok("/api/v1/account/info", key=app.other_key)
    assert (info["balance"], info["traffic"]) == ("12.50", 3_000_000)
    for bad in ({"usd": "-1"}, {"usd": "NaN"}, {"usd": "1e308"}, {"usd": True}, {}, {"usd": [1]}):
        fails(await api.post(path, bad), 400, 4000, "usd")
    fails(await api.post(path, {"usd": 1}, key=app.other_key), 401, 4010)
    fails(await api.post("/api/fyke/accounts/nobody/credit", {"usd": 1}), 404, 4040)


async def test_the_own_account_has_its_webhook_secret(app: App, api: Api) -> None:
    data = data_as(accounts.OwnAccount, await api.get("/api/fyke/account"))
    assert data["name"] == "owner"
    assert data["webhook_secret"].startswith("whsec_")
    other = (await api.get("/api/fyke/account", key=app.other_key)).json()["data"]
    assert other["webhook_secret"] != data["webhook_secret"]


async def test_keys_are_created_listed_and_revoked(app: App, api: Api) -> None:
    created = data_as(accounts.CreatedKey, await api.post("/api/fyke/keys", {"name": "ci"}))
    listed = data_as(accounts.KeyItems, await api.get("/api/fyke/keys"))["list"]
    assert {k["name"] for k in listed} == {"local", "ci"}
    [listed_key] = [key for key in listed if key["name"] == "ci"]
    assert {name: created[name] for name in ("scopes", "expires_at")} == {
        "scopes": ["read", "run", "write", "admin"],
        "expires_at": 0,
    }
    assert (listed_key["scopes"], listed_key["expires_at"]) == (
        created["scopes"],
        created["expires_at"],
    )
    assert created["key"] not in str(listed)
    assert (await api.post("/api/v1/account/info", key=created["key"])).status_code == 200
    fails(await api.send("DELETE", f"/api/fyke/keys/{created['id']}", key=app.other_key), 404, 4040)
    assert (await api.send("DELETE", "/api/fyke/keys/ci")).status_code == 200
    fails(await api.post("/api/v1/account/info", key=created["key"]), 401, 20001)
    fails(await api.post("/api/fyke/keys", {"name": "x", "expires_at": 5}), 400, 4000)
    fails(await api.post("/api/fyke/keys", {"name": "x", "expires_at": 10**30}), 400, 4000)
    other = await api.post("/api/fyke/keys", {"name": "x", "account": "other"})
    assert other.status_code == 200
    answer = await api.post("/api/fyke/keys", {"name": "y", "account": "owner"}, key=app.other_key)
    fails(answer, 401, 4010)


@pytest.mark.parametrize(
    ("body", "problems"),
    [
        (
            {"scope": "read", "expires_in": 90},
            [
                "scope: unknown member; did you mean scopes?",
                "expires_in: unknown member; did you mean expires_at?",
            ],
        ),
        (
            {"scopes": []},
            ["scopes must name some of read, run, write, admin; omit it for all of them"],
        ),
    ],
)
async def test_a_misspelt_restriction_creates_no_key(
    api: Api, body: dict[str, Any], problems: list[str]
) -> None:
    answer = await api.post("/api/fyke/keys", {"name": "x", **body})
    fails(answer, 400, 4000)
    assert answer.json()["details"] == problems
    listed = data_as(accounts.KeyItems, await api.get("/api/fyke/keys"))["list"]
    assert {key["name"] for key in listed} == {"local"}


async def test_an_operation_without_members_refuses_unknown_ones(app: App, api: Api) -> None:
    await app.publish()
    path = f"{WORKERS}/owner~reader/unshare"
    fails(
        await api.post(path, {"now": True}),
        400,
        4000,
        "now: unknown member; this operation takes none",
    )
    assert (await api.post(path, {})).status_code == 200


async def test_a_run_has_events_and_can_be_deleted_after_its_end(
    app: App, api: Api, run_slug: str
) -> None:
    path = f"/api/fyke/runs/{run_slug}"
    fails(await api.send("DELETE", path), 400, 4000, "abort it first")
    await app.execute([{"n": 1}])
    events = data_as(runs.RunEventList, await api.get(f"{path}/events"))["list"]
    assert events[0]["kind"] == "Accepted"
    assert events[-1]["after"] == "succeeded"
    assert data_as(DeliveryList, await api.get(f"{path}/deliveries")) == {"list": []}
    for tail in ("", "/events", "/deliveries"):
        method = "GET" if tail else "DELETE"
        fails(await api.send(method, path + tail, key=app.other_key), 404, 70001)
    assert (await api.send("DELETE", path)).status_code == 200
    fails(await api.get(f"{path}/events"), 404, 70001)


async def test_a_pending_callback_is_listed(app: App, api: Api) -> None:
    worker = await app.publish()
    body = start_body(worker.id, callback_url="https://hooks.example/x")
    run = (await api.ok("/api/v1/scraper/run", body))["run_slug"]
    await app.execute()
    deliveries = data_as(DeliveryList, await api.get(f"/api/fyke/runs/{run}/deliveries"))["list"]
    assert [(d["url"], d["state"], d["tries"]) for d in deliveries] == [
        ("https://hooks.example/x", "pending", 0)
    ]


async def test_active_runners_are_listed(app: App, api: Api) -> None:
    assert data_as(overview.RunnerList, await api.get("/api/fyke/runners"))["list"] == []
    await app.register_runner()
    runners = data_as(overview.RunnerList, await api.get("/api/fyke/runners"))["list"]
    assert [(r["isolation"], r["cpus"]) for r in runners] == [("full", 8.0)]
    assert (runners[0]["idle_sandboxes"], runners[0]["idle_memory"]) == (0, 0)
