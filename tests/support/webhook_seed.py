"""Seed data for pages: webhooks, deliveries, rules and alerts."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from fyke.contracts.delivery import ReceiverResponse
from fyke.domain.alerts.monitor import AlertMonitor
from fyke.domain.alerts.rules import RuleFields
from fyke.domain.callbacks.record import record
from fyke.domain.callbacks.slots import free_slots
from fyke.domain.webhooks.rules import EndpointFields
from fyke.model.alert import AlertFilter
from fyke.model.callback import DeliveryFilter
from fyke.model.run import Outcome
from support.alerts import a_run, add_mail_user
from support.app import App

NOWHERE = "http://127.0.0.1:1024"  # no server listens there
FULL = ReceiverResponse(
    503, reply='{"error": "the queue behind this address is full", "retry": true}'
)
TAKEN = ReceiverResponse(200, reply="ok")


async def seed_webhooks(app: App) -> dict[str, str]:
    """Fill the owner's account; return an address for each path with parameters."""
    webhooks, alerts, owner = app.services.webhooks, app.services.alerts, app.owner
    fields = EndpointFields(
        "Operations", f"{NOWHERE}/hooks/4f1c9a", ("run.failed", "alert.raised"),
        "The channel that is always read",
    )  # fmt: skip
    failing = (await webhooks.add(owner, fields)).endpoint.id
    await webhooks.add(
        owner, replace(fields, name="Warehouse", url=f"{NOWHERE}/load", events=("run.succeeded",))
    )
    disabled = replace(fields, name="Old receiver", enabled=False, description="")
    await webhooks.add(owner, disabled)
    rule = (await alerts.add_rule(owner, RuleFields("A run has failed", "failed"))).rule
    await add_mail_user(app, "ada@example.org")
    await alerts.add_rule(
        owner,
        RuleFields("Prices are there", "missing_field", field="price", percent=5,
                   endpoints=(failing,), emails=("ada@example.org",)),
    )  # fmt: skip
    await alerts.add_rule(
        owner, RuleFields("November", "budget", budget_usd=Decimal(25), enabled=False)
    )
    await a_run(app, Outcome.EXIT_CODE)
    await a_run(app, rows=[{"price": None, "name": "a"}, {"name": "b"}])
    await AlertMonitor(app.storage, app.results).process_pending()
    first = (await alerts.page(owner, AlertFilter(), offset=0, limit=1))[1][0]
    await alerts.mark_read(owner, [first.id])
    await _try_all(app)
    _, deliveries = await app.services.callbacks.page(
        owner, DeliveryFilter(endpoint_id=failing), offset=0, limit=1
    )
    hook = f"/settings/webhooks/{failing}"
    return {
        "/settings/webhooks/{id}": hook,
        "/settings/webhooks/{id}/edit": f"{hook}/edit",
        "/settings/webhooks/{id}/deliveries/{delivery}": (
            f"{hook}/deliveries/{deliveries[0].delivery.id}"
        ),
        "/alerts/rules/{id}": f"/alerts/rules/{rule.id}",
        "/admin/health/{card}": "/admin/health/timers",
    }


async def _try_all(app: App) -> None:
    """Record attempts of some messages: the alerts fail, the others are delivered."""

    def work(tx: Any) -> None:
        for number in range(4):
            # one second apart, because the rate for a host is limited
            at = tx.now + number * 1000
            for claim in tx.outbox.claim(at, free_slots(()), at + 60_000):
                answer = FULL if claim.delivery.event == "alert.raised" else TAKEN
                record(tx, claim.delivery, answer, at=tx.now, duration_ms=87)

    await app.storage.write(work)
