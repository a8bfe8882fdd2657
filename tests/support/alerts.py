"""Valid rules, alerts and endpoints for tests, changed by keyword."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fyke.domain.runs.service import StartRequest
from fyke.model.alert import Alert, Rule, RuleKind
from fyke.model.run import Origin, Outcome, Run
from fyke.model.webhook import Endpoint, WebhookEvent
from support import records
from support.app import App

INPUT = {"parameters": {"custom": {"urls": [{"url": "https://a.example"}]}}}


async def add_mail_user(app: App, address: str, **changes: Any) -> None:
    """Add a user with a confirmed address, which alerts may be mailed to."""
    fields = {"name": address, "password_hash": "-", "confirmed_at": 1, **changes}
    user = records.user(app.owner.account_id, **fields)
    await app.storage.write(lambda tx: tx.accounts.add_user(user))


def a_rule(account_id: str, **changes: Any) -> Rule:
    base = Rule(
        id=records.ordered_id(),
        account_id=account_id,
        name="Watch",
        kind=RuleKind.FAILED,
        worker_id="",
        task_id="",
        factor=0.0,
        field="",
        percent=0.0,
        usd_micros=0,
        traffic_bytes=0,
        endpoints=(),
        emails=(),
        enabled=True,
        since=0,
        created_at=records.START,
        updated_at=records.START,
    )
    return replace(base, **changes)


def an_alert(rule: Rule, **changes: Any) -> Alert:
    base = Alert(
        id=records.ordered_id(),
        account_id=rule.account_id,
        rule_id=rule.id,
        rule_name=rule.name,
        kind=rule.kind,
        run_id=records.ordered_id(),
        worker_id="w",
        task_id="",
        sentence="The run failed: it did",
        at=records.START,
    )
    return replace(base, **changes)


def an_endpoint(account_id: str, **changes: Any) -> Endpoint:
    name = records.ordered_id()
    base = Endpoint(
        id=name,
        account_id=account_id,
        name=f"hook-{name}",
        url="https://hooks.example/x",
        events=(WebhookEvent.RUN_FAILED,),
        description="",
        enabled=True,
        salt="salt-1",
        old_salt="",
        old_until=0,
        created_at=records.START,
        updated_at=records.START,
    )
    return replace(base, **changes)


async def a_run(
    app: App,
    outcome: Outcome = Outcome.SUCCEEDED,
    rows: Sequence[dict[str, Any]] = ({"n": 1},),
    worker: str = "",
) -> Run:
    """Start a run of the owner and execute it to its end."""
    if not worker:
        workers = await app.services.overview.workers(app.owner)
        worker = workers[0].id if workers else (await app.publish()).id
    request = StartRequest(worker, None, INPUT, "", Origin.API)
    run = await app.services.runs.start(app.owner, request)
    await app.execute(rows, outcome, "it went wrong")
    return (await app.services.runs.get(app.owner, run.id)).run
