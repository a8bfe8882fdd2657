"""Webhooks, alert rules and alerts over the API: what is sent, refused, and answered."""

from __future__ import annotations

from typing import Any

import pytest

from fyke.domain.alerts.monitor import AlertMonitor
from fyke.domain.alerts.service import Alerts
from fyke.domain.runs.outcome import end_of
from fyke.model.run import Outcome
from fyke.reasons import Reason, ReasonCode
from support.alerts import a_run, add_mail_user
from support.api import Api, fails, start_body
from support.app import App

pytestmark = pytest.mark.anyio
HOOKS, RULES, ALERTS = "/api/fyke/webhooks", "/api/fyke/alerts/rules", "/api/fyke/alerts"
HOOK = {"name": "Ops", "url": "http://127.0.0.1:1024/x", "events": ["run.failed"]}


async def get_data(api: Api, path: str, **params: Any) -> Any:
    answer = await api.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def test_a_webhook_is_created_changed_and_deleted(api: Api) -> None:
    endpoint = await api.ok(HOOKS, HOOK)
    assert set(endpoint) == {"id", "name", "secret"} and endpoint["secret"].startswith("whsec_")
    webhook = await get_data(api, f"{HOOKS}/{endpoint['id']}")
    assert (webhook["url"], webhook["events"], webhook["enabled"]) == (
        HOOK["url"],
        ["run.failed"],
        True,
    )
    assert "secret" not in webhook and webhook["old_secret_until"] == 0
    changed = await api.send(
        "PUT",
        f"{HOOKS}/{endpoint['id']}",
        json=HOOK | {"events": "run.aborted", "enabled": "false"},
    )
    assert changed.json()["data"]["events"] == ["run.aborted"]
    rotated = await api.ok(f"{HOOKS}/{endpoint['id']}/rotate")
    assert rotated["secret"] != endpoint["secret"]
    assert (await get_data(api, f"{HOOKS}/{endpoint['id']}"))["old_secret_until"] > 0
    assert (await api.send("DELETE", f"{HOOKS}/{endpoint['id']}")).status_code == 200
    fails(await api.get(f"{HOOKS}/{endpoint['id']}"), 404, 4040)
    assert await get_data(api, HOOKS) == {"list": []}


@pytest.mark.common_app
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": ""}, ("name: it must have 1 to 80",)),
        ({"url": "http://localhost/"}, ("url: localhost port 80", "FYKE_CALLBACK_ALLOW")),
        ({"events": []}, ("events: choose at least one",)),
        ({"events": ["run.done"]}, ("no event 'run.done'", "run.started")),
        ({"events": [1]}, ("events must be a list of strings",)),
        ({"events": {"a": 1}}, ("events must be a list of strings",)),
        ({"name": None, "url": None}, ("name: ", "url: ")),
    ],
)
async def test_invalid_webhooks_are_refused(
    api: Api, change: dict[str, Any], words: tuple[str, ...]
) -> None:
    fails(await api.post(HOOKS, HOOK | change), 400, 4000, *words)


async def test_a_name_is_unique_and_an_account_has_at_most_twenty_webhooks(api: Api) -> None:
    await api.ok(HOOKS, HOOK)
    fails(await api.post(HOOKS, HOOK), 409, 4000, "a webhook named 'Ops'")
    for number in range(19):
        await api.ok(HOOKS, HOOK | {"name": f"n{number}"})
    fails(await api.post(HOOKS, HOOK | {"name": "more"}), 400, 4000, "at most 20 webhooks")


async def test_a_delivery_has_the_sent_body(app: App, api: Api) -> None:
    await app.register_runner()
    endpoint = await api.ok(HOOKS, HOOK)
    run = await a_run(app, Outcome.EXIT_CODE)
    page = await get_data(api, "/api/fyke/deliveries", webhook=endpoint["id"])
    [listed] = page["list"]
    assert (listed["webhook"], listed["event"], listed["kind"]) == (
        endpoint["id"],
        "run.failed",
        "terminal",
    )
    assert listed["run_slug"] == run.id
    delivery = await get_data(api, f"/api/fyke/deliveries/{listed['id']}")
    assert delivery == listed | {"body": delivery["body"]}
    assert delivery["body"].startswith('{"type":"run.failed","timestamp":"')
    assert (await get_data(api, "/api/fyke/deliveries", webhook="other"))["count"] == 0
    answer = await api.get(f"/api/fyke/deliveries/{listed['id']}", key=app.other_key)
    fails(answer, 404, 4040)


async def test_a_rule_raises_an_alert_that_is_marked_as_read(app: App, api: Api) -> None:
    await app.register_runner()
    rules = await get_data(api, RULES)
    assert (rules["list"], rules["mails"]) == ([], True)
    rule = await api.ok(RULES, rules["example"])
    assert (rule["kind"], rule["enabled"], rule["worker"]) == ("failed", True, "")
    run = await a_run(app, Outcome.EXIT_CODE)
    await AlertMonitor(app.storage, app.results).process_pending()
    page = await get_data(api, ALERTS, unread=1)
    [alert] = page["list"]
    assert (page["count"], page["unread"], alert["rule_id"]) == (1, 1, rule["id"])
    assert (alert["run_slug"], alert["sentence"]) == (run.id, "The run failed: it went wrong")
    fails(await api.post(f"{ALERTS}/read"), 400, 4000, "ids: name the alerts")
    assert await api.ok(f"{ALERTS}/read", {"ids": [alert["id"], "other"]}) == {"marked": 1}
    assert await api.ok(f"{ALERTS}/read", {"all": True}) == {"marked": 0}
    assert (await get_data(api, ALERTS))["unread"] == 0
    assert (await api.send("DELETE", f"{RULES}/{rule['id']}")).status_code == 200
    assert (await get_data(api, ALERTS))["count"] == 1


async def test_a_stored_rule_is_returned_as_sent(app: App, api: Api) -> None:
    worker = await app.publish("reader")
    hook = await api.ok(HOOKS, HOOK)
    await add_mail_user(app, "ada@example.org")
    fields = {
        "name": "Spent", "kind": "budget", "worker": worker.path, "budget_usd": "12.5",
        "budget_traffic_mb": 0.25, "endpoints": [hook["id"]], "emails": "ada@example.org",
        "factor": 3, "field": "ignored",
    }  # fmt: skip
    rule = await api.ok(RULES, fields)
    assert (rule["worker"], rule["worker_path"]) == (worker.id, worker.path)
    assert (rule["budget_usd"], rule["budget_traffic_mb"]) == ("12.5", "0.25")
    assert (rule["endpoints"], rule["emails"]) == ([hook["id"]], ["ada@example.org"])
    assert (rule["factor"], rule["field"]) == (0, "")  # members of other kinds
    change = {"name": "Few", "kind": "fewer_rows", "factor": 0.5}
    changed = await api.send("PUT", f"{RULES}/{rule['id']}", json=change)
    assert changed.json()["data"]["factor"] == 0.5
    stored = await get_data(api, f"{RULES}/{rule['id']}")
    assert (stored["budget_usd"], stored["worker"], stored["created_at"]) == (
        "0", "", rule["created_at"],
    )  # fmt: skip


@pytest.mark.common_app
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "sometimes"}, ("kind: it must be one of failed,",)),
        ({"name": " "}, ("name: it must have",)),
        ({"kind": "fewer_rows"}, ("factor: it must be above 0", "0.5")),
        ({"reasons": ["timeout", "late"]}, ("reasons: unknown reason 'late'", "timeout")),
        ({"kind": "slower", "factor": 0.9}, ("factor: it must be 1 to 1000",)),
        ({"kind": "missing_field", "percent": 100}, ("field: ", "percent: ")),
        ({"kind": "budget"}, ("budget_usd: give an amount",)),
        ({"worker": "no/body"}, ("worker: unknown worker 'no/body'",)),
        ({"task": "01HFXXXXXXXXXXXXXXXXXXXXXX"}, ("task: unknown task",)),
        ({"worker": "a/b", "task": "x"}, ("task: name a worker or a task, not both",)),
        ({"endpoints": ["01HF"]}, ("endpoints: unknown webhook '01HF'",)),
        ({"emails": ["ada@example.org\r\nBcc: eve@example.org"]}, ("emails: ", "not a mail")),
        ({"emails": [f"a{n}@example.org" for n in range(11)]}, ("emails: at most 10",)),
    ],
)
async def test_invalid_fields_of_a_rule_are_refused(
    api: Api, change: dict[str, Any], words: tuple[str, ...]
) -> None:
    rule = {"name": "R", "kind": "failed"} | change
    fails(await api.post(RULES, rule), 400, 4000, *words)
    fails(await api.post(f"{RULES}/preview", rule), 400, 4000, *words)


async def test_mail_is_sent_only_to_confirmed_addresses_of_users(app: App, api: Api) -> None:
    await add_mail_user(app, "ada@example.org")
    await add_mail_user(app, "off@example.org", disabled=True)
    await add_mail_user(app, "unconfirmed@example.org", confirmed_at=0)
    await app.services.users.invite(app.owner, "invited@example.org", "viewer")
    rule = {"name": "R", "kind": "failed"}
    others = ("eve", "off", "unconfirmed", "invited")
    for other in (f"{name}@example.org" for name in others):
        both = rule | {"emails": ["ada@example.org", other]}
        message = f"emails: '{other}' is not the confirmed address of an active user"
        for path in (RULES, f"{RULES}/preview"):
            fails(await api.post(path, both), 400, 4000, message)
    await api.ok(RULES, rule | {"emails": ["Ada@Example.org"]})


async def test_mail_addresses_need_a_mail_server(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Alerts, "mails", False)
    rule = {"name": "R", "kind": "failed", "emails": ["ada@example.org"]}
    fails(await api.post(RULES, rule), 400, 4000, "emails: ", "FYKE_SMTP_URL")
    assert (await get_data(api, RULES))["mails"] is False


async def test_a_rule_keeps_its_addresses_without_a_mail_server(
    app: App, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ada", "bo"):
        await add_mail_user(app, f"{name}@example.org")
    rule = {"name": "R", "kind": "failed", "emails": ["Ada@Example.org"]}
    path = f"{RULES}/{(await api.ok(RULES, rule))['id']}"
    monkeypatch.setattr(Alerts, "mails", False)
    answer = await api.send("PUT", path, json=rule | {"enabled": False})
    assert answer.status_code == 200, answer.text
    kept = await get_data(api, path)
    assert (kept["enabled"], kept["emails"]) == (False, rule["emails"])
    more = rule | {"emails": ["ada@example.org", "bo@example.org"]}
    fails(await api.send("PUT", path, json=more), 400, 4000, "emails: ", "FYKE_SMTP_URL")
    monkeypatch.setattr(Alerts, "mails", True)
    await app.services.users.disable(app.owner, "ada@example.org")
    answer = await api.send("PUT", path, json=rule | {"enabled": False})
    assert answer.status_code == 200, answer.text


async def test_a_rule_keeps_its_reasons(app: App, api: Api) -> None:
    await app.register_runner()
    body = {"name": "Slow", "kind": "failed", "reasons": ["Timeout", "timeout", "out_of_memory"]}
    rule = await api.ok(RULES, body)
    assert rule["reasons"] == ["timeout", "out_of_memory"]
    assert (await get_data(api, f"{RULES}/{rule['id']}"))["reasons"] == rule["reasons"]
    worker = await app.publish()
    for code in (ReasonCode.SIGNAL, ReasonCode.TIMEOUT):
        await api.ok("/api/v1/scraper/run", start_body(worker.id))
        end = end_of(Reason(code))
        await app.execute([], end.outcome, end.message, reason=end.reason)
    await AlertMonitor(app.storage, app.results).process_pending()
    [alert] = (await get_data(api, "/api/fyke/alerts"))["list"]
    assert (alert["reason_code"], alert["kind"]) == ("timeout", "failed")
    changed = await api.send("PUT", f"{RULES}/{rule['id']}", json=body | {"kind": "zero_rows"})
    assert changed.json()["data"]["reasons"] == []
