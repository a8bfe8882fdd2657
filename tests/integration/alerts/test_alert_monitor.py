"""Rules on real runs: each alert is raised and sent once, even when servers are killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fyke.domain.alerts.monitor import MAX_TRIES, AlertMonitor
from fyke.domain.alerts.rules import RuleFields
from fyke.domain.callbacks.current_mail import CurrentMail
from fyke.domain.webhooks.rules import EndpointFields
from fyke.kit.mail_servers import parse_server
from fyke.model.alert import Alert, AlertFilter
from fyke.model.callback import DeliveryFilter
from fyke.model.run import Outcome
from support.alerts import a_run, add_mail_user
from support.app import App
from support.mail_servers import using

pytestmark = pytest.mark.anyio
PROCESS = Path(__file__).parents[2] / "support" / "alert_process.py"
MAIL = using(parse_server("smtp://mail.example"))
ALL = AlertFilter()
FAILED = RuleFields("Failed", "failed")


async def alerts_of(app: App, *, process: bool = True, **members: Any) -> list[Alert]:
    """Process all pending checks; return the owner's alerts, oldest first."""
    if process:
        assert await AlertMonitor(app.storage, app.results, mail=MAIL).process_pending() is None
    _, alerts = await app.services.alerts.page(
        app.owner, AlertFilter(**members), offset=0, limit=500
    )
    return alerts[::-1]


async def test_each_rule_reports_the_runs_that_it_evaluates(app: App) -> None:
    alerts, owner = app.services.alerts, app.owner
    first, second = await app.publish("one"), await app.publish("two")
    every = (await alerts.add_rule(owner, FAILED)).rule
    zero = RuleFields("Empty", "zero_rows", worker=first.path)
    of_worker = (await alerts.add_rule(owner, zero)).rule
    disabled = (await alerts.add_rule(owner, replace(FAILED, name="Off", enabled=False))).rule
    runs = [
        await a_run(app, worker=first.id),
        await a_run(app, rows=(), worker=first.id),
        await a_run(app, rows=(), worker=second.id),
        await a_run(app, Outcome.EXIT_CODE, worker=second.id),
    ]
    raised = [(alert.rule_id, alert.run_id) for alert in await alerts_of(app)]
    assert raised == [(of_worker.id, runs[1].id), (every.id, runs[3].id)]
    assert await alerts.count_unread(owner) == 2
    assert await alerts.count_unread(app.other) == 0
    # a run is evaluated once, and a rule applies only to runs that end after it was enabled
    await alerts.change_rule(owner, disabled.id, replace(FAILED, name="On"))
    assert len(await alerts_of(app)) == 2
    await a_run(app, Outcome.EXIT_CODE, worker=second.id)
    assert [alert.rule_name for alert in await alerts_of(app)] == [
        "Empty",
        "Failed",
        "Failed",
        "On",
    ]


async def test_fewer_rows_and_missing_fields_are_detected_in_stored_rows(app: App) -> None:
    alerts, owner = app.services.alerts, app.owner
    await alerts.add_rule(owner, RuleFields("Few", "fewer_rows", factor=0.5))
    await alerts.add_rule(owner, RuleFields("Price", "missing_field", field="price", percent=20))
    full = [{"price": n} for n in range(10)]
    for _ in range(3):
        await a_run(app, rows=full)
    assert await alerts_of(app) == []
    await a_run(app, rows=[*full[:4]])
    run_with_empty_prices = await a_run(app, rows=[*full[:7], {"price": ""}, {"price": None}, {}])
    last = await alerts_of(app)
    assert [alert.rule_name for alert in last] == ["Few", "Price"]
    assert last[0].sentence.startswith("Fewer rows than usual: 4, less than 50% of 10")
    assert last[1].run_id == run_with_empty_prices.id
    assert "in 3 of 10 rows (30%; 20% are allowed)" in last[1].sentence


async def test_a_budget_alert_is_raised_once_a_month(app: App) -> None:
    alerts, owner = app.services.alerts, app.owner
    fields = RuleFields("Traffic", "budget", budget_traffic_mb=Decimal("0.003"))
    rule = (await alerts.add_rule(owner, fields)).rule
    assert rule.traffic_bytes == 3000
    runs = [await a_run(app) for _ in range(4)]  # each transfers 2,048 bytes
    [alert] = await alerts_of(app)
    assert (alert.rule_id, alert.run_id) == (rule.id, runs[0].id)
    assert "of 0.003 MB of traffic are used" in alert.sentence
    preview = await alerts.preview(owner, fields)
    assert (preview.runs, preview.traffic_bytes) == (0, 8192)
    assert preview.now is not None and preview.now.sentence.endswith(
        "of 0.003 MB of traffic are used"
    )


async def test_an_alert_is_sent_to_endpoints_and_addresses(app: App) -> None:
    alerts, webhooks, owner = app.services.alerts, app.services.webhooks, app.owner

    async def endpoint(name: str, *events: str, enabled: bool = True) -> str:
        fields = EndpointFields(name, f"http://127.0.0.1:1024/{name}", events, enabled=enabled)
        return (await webhooks.add(owner, fields)).endpoint.id

    every = await endpoint("every", "alert.raised")
    named_endpoint = await endpoint("named", "run.aborted")
    disabled = await endpoint("off", "alert.raised", enabled=False)
    await endpoint("deaf", "run.aborted")
    targets = (named_endpoint, every, disabled)
    for address in ("ada@example.org", "bo@example.org", "gone@example.org"):
        await add_mail_user(app, address)
    emails = ("Ada@example.org", "bo@example.org", "gone@example.org")
    await alerts.add_rule(owner, replace(FAILED, endpoints=targets, emails=emails))
    await app.services.users.disable(owner, "gone@example.org")
    run = await a_run(app, Outcome.EXIT_CODE)
    [alert] = await alerts_of(app)
    _, sent = await app.services.callbacks.page(owner, DeliveryFilter(), offset=0, limit=99)
    urls = sorted(logged.delivery.url.rpartition("/")[2] for logged in sent)
    assert urls == ["every", "mailto:Ada@example.org", "mailto:bo@example.org", "named"]
    for logged in sent:
        assert (logged.delivery.event, logged.delivery.run_id) == ("alert.raised", run.id)
        assert f'"alert_id":"{alert.id}"' in logged.delivery.payload
    _, of_named = await app.services.callbacks.page(
        owner, DeliveryFilter(endpoint_id=named_endpoint), offset=0, limit=9
    )
    assert len(of_named) == 1
    [mail] = [each.delivery for each in sent if each.delivery.url == "mailto:bo@example.org"]
    worker = await app.storage.read(lambda tx: tx.workers.get(run.worker_id))
    data = json.loads(mail.payload)["data"]
    assert worker is not None and data["worker"] == worker.title
    assert (data["rows"], data["task"]) == (run.results, "")


async def test_a_chat_gets_one_message_about_a_failed_run(app: App) -> None:
    alerts, webhooks, owner = app.services.alerts, app.services.webhooks, app.owner

    async def chat(name: str, *events: str, channel: str = "slack") -> str:
        url = f"http://127.0.0.1:1024/{name}"
        fields = EndpointFields(name, url, events, channel=channel)
        return (await webhooks.add(owner, fields)).endpoint.id

    both = await chat("both", "run.failed", "alert.raised")
    named = await chat("named", "run.aborted")
    program = await chat("program", "run.failed", "alert.raised", channel="webhook")
    budget = RuleFields("Traffic", "budget", budget_traffic_mb=Decimal("0.001"))
    await alerts.add_rule(owner, replace(budget, endpoints=(named,)))
    for rule in (FAILED, replace(FAILED, name="Again")):
        await alerts.add_rule(owner, replace(rule, endpoints=(both, named)))
    await a_run(app, Outcome.EXIT_CODE)
    assert len(await alerts_of(app)) == 3
    _, sent = await app.services.callbacks.page(owner, DeliveryFilter(), offset=0, limit=99)
    told = sorted((each.delivery.endpoint_id, each.delivery.event) for each in sent)
    assert told == sorted(
        [(both, "run.failed"), (both, "alert.raised"), (program, "run.failed")]
        + [(named, "alert.raised")] * 2  # of the budget, and of the failure
        + [(program, "alert.raised")] * 3
    )


async def test_mail_waits_until_the_mail_server_is_known(app: App) -> None:
    alerts, owner = app.services.alerts, app.owner
    await add_mail_user(app, "ada@example.org")
    rule = (await alerts.add_rule(owner, replace(FAILED, emails=("ada@example.org",)))).rule
    mailed = await a_run(app, Outcome.EXIT_CODE)
    mail = CurrentMail(read=False)
    monitor = AlertMonitor(app.storage, app.results, mail=mail)
    for _ in range(MAX_TRIES + 1):
        pause = await monitor.process_pending()
        assert pause is not None and 0 < pause <= 5
        await app.storage.write(lambda tx: tx.alerts.postpone_check(1, 0, 0))
    await alerts.change_rule(owner, rule.id, FAILED)
    plain = await a_run(app, Outcome.EXIT_CODE)
    await alerts.change_rule(owner, rule.id, replace(FAILED, emails=("ada@example.org",)))
    assert await alerts_of(app, process=False) == []
    mail.use(MAIL.config, 1)
    assert await monitor.process_pending() is None
    raised = await alerts_of(app, process=False)
    assert [alert.run_id for alert in raised] == [mailed.id, plain.id]
    _, sent = await app.services.callbacks.page(owner, DeliveryFilter(), offset=0, limit=9)
    assert [logged.delivery.url for logged in sent] == ["mailto:ada@example.org"] * 2


async def test_a_preview_evaluates_past_runs_and_raises_nothing(app: App) -> None:
    alerts, owner = app.services.alerts, app.owner
    full = [{"price": n} for n in range(10)]
    runs = [await a_run(app, rows=full) for _ in range(4)]
    few = await a_run(app, rows=[{"price": None}] * 2)
    bad = await a_run(app, Outcome.EXIT_CODE)
    for fields, expected in (
        (FAILED, [bad.id]),
        (RuleFields("Few", "fewer_rows", factor=0.5), [few.id]),
        (RuleFields("Price", "missing_field", field="price", percent=50), [few.id]),
        (RuleFields("Slow", "slower", factor=1000), []),
        (RuleFields("Empty", "zero_rows"), []),
    ):
        preview = await alerts.preview(owner, fields)
        assert preview.runs == len(runs) + 2
        assert [alert.run.id for alert in preview.fired] == expected
    assert await alerts_of(app) == []


async def test_a_run_that_cannot_be_evaluated_does_not_delay_the_others(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    alerts, owner = app.services.alerts, app.owner
    await alerts.add_rule(owner, replace(FAILED, name="All"))
    await alerts.add_rule(owner, RuleFields("Price", "missing_field", field="price"))
    broken = await a_run(app, rows=[{}])
    fine = await a_run(app, Outcome.EXIT_CODE)
    page = app.results.page

    async def page_or_error(run_id: str, *args: Any, **options: Any) -> Any:
        if run_id == broken.id:
            raise OSError("a fault")
        return await page(run_id, *args, **options)

    monkeypatch.setattr(app.results, "page", page_or_error)
    watch = AlertMonitor(app.storage, app.results)
    pause = await watch.process_pending()
    assert pause is not None and 0 < pause <= 30
    assert [alert.run_id for alert in await alerts_of(app, process=False)] == [fine.id]
    for tries in range(2, MAX_TRIES + 1):
        await app.storage.write(lambda tx, n=tries: tx.alerts.postpone_check(1, n - 1, 0))
        pause = await watch.process_pending()
    assert pause is None
    assert await app.storage.read(lambda tx: tx.alerts.next_check_at()) is None


async def test_rules_changed_during_the_evaluation_are_read_again(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    alerts, owner = app.services.alerts, app.owner
    fields = RuleFields("Price", "missing_field", field="price", percent=50)
    rule = (await alerts.add_rule(owner, fields)).rule
    await a_run(app, rows=[{}, {"price": 1}, {"price": 1}])
    totals, changed = app.results.totals, []

    async def change_rule_first(*args: Any, **options: Any) -> Any:
        if not changed:
            changed.append(await alerts.change_rule(owner, rule.id, replace(fields, percent=10)))
        return await totals(*args, **options)

    monkeypatch.setattr(app.results, "totals", change_rule_first)
    [alert] = await alerts_of(app)
    assert "(33.3%; 10% are allowed)" in alert.sentence


# --- killed servers -------------------------------------------------------------------------


def kill_at(folder: Path, last: int) -> bool:
    """Kill a server in its ``last`` transaction; return whether it reached that transaction."""
    path = os.pathsep.join([str(PROCESS.parents[1]), *sys.path])
    urls = [f"sqlite:///{folder / name}" for name in ("state.db", "rows.db")]
    completed = subprocess.run(
        [sys.executable, str(PROCESS), *urls, str(last)],
        env=os.environ | {"PYTHONPATH": path}, stdout=subprocess.DEVNULL, timeout=60, check=False,
    )  # fmt: skip
    assert completed.returncode in (0, -signal.SIGKILL), completed.returncode
    return completed.returncode != 0


async def killed_servers(app: App, folder: Path, kills: int, runs: int) -> None:
    alerts, owner = app.services.alerts, app.owner
    fields = EndpointFields("All", "http://127.0.0.1:1024/x", ("alert.raised",))
    await app.services.webhooks.add(owner, fields)
    await alerts.add_rule(owner, FAILED)
    await alerts.add_rule(owner, RuleFields("Price", "missing_field", field="price"))
    ended = []
    for number in range(runs):
        outcome = Outcome.EXIT_CODE if number % 2 else Outcome.SUCCEEDED
        ended.append((await a_run(app, outcome, rows=[{}])).id)
    killed = 0
    for number in range(kills):
        killed += await asyncio.to_thread(kill_at, folder, 1 + number % 3)
    assert killed == kills
    raised = await alerts_of(app)
    assert [alert.run_id for alert in raised] == ended  # each once, in the order of their ends
    count, _ = await app.services.callbacks.page(owner, DeliveryFilter(), offset=0, limit=1)
    assert count == runs


async def test_killed_servers_neither_lose_nor_duplicate_alerts(app: App, tmp_path: Path) -> None:
    await killed_servers(app, tmp_path, kills=3, runs=8)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_fifty_killed_servers_neither_lose_nor_duplicate_alerts(
    app: App, tmp_path: Path
) -> None:
    await killed_servers(app, tmp_path, kills=50, runs=120)


async def test_concurrent_servers_raise_each_alert_once(each_app: App) -> None:
    alerts, owner = each_app.services.alerts, each_app.owner
    await alerts.add_rule(owner, FAILED)
    await alerts.add_rule(owner, RuleFields("Price", "missing_field", field="price"))
    ended = [(await a_run(each_app, Outcome.EXIT_CODE)).id for _ in range(6)]
    ended += [(await a_run(each_app, rows=[{}])).id for _ in range(2)]
    watches = [AlertMonitor(each_app.storage, each_app.results) for _ in range(3)]
    await asyncio.gather(*(watch.process_pending() for watch in watches))
    assert [alert.run_id for alert in await alerts_of(each_app)] == ended
