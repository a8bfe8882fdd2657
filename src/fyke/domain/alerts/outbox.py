"""Queues ended runs for evaluation, and the messages of alerts for delivery."""

from __future__ import annotations

from typing import Any

from fyke.contracts.signals import ALERTS
from fyke.contracts.state import Transaction
from fyke.domain.alerts.rules import mail_addresses
from fyke.domain.callbacks.outbox import add_delivery
from fyke.domain.callbacks.url import MAIL
from fyke.domain.webhooks.messages import message
from fyke.domain.webhooks.outbox import send
from fyke.kit.decimals import duration
from fyke.model.alert import Alert, Rule, RuleKind
from fyke.model.callback import DeliveryKind
from fyke.model.run import Run
from fyke.model.webhook import Endpoint, MessageChannel, WebhookEvent


def queue_rule_checks(tx: Transaction, run: Run) -> None:
    """Write a pending check for ``run``, in the transaction that ends it, if any rule applies to
    it.
    """
    if tx.alerts.rules_for(run):
        tx.alerts.add_check(run)
        tx.notify(ALERTS)


def raise_alert(
    tx: Transaction,
    rule: Rule,
    alert: Alert,
    run: Run | None,
    *,
    mails: bool,
    notified: set[str] | None = None,
) -> bool:
    """Store the alert of ``run`` and queue its messages: to endpoints that subscribe to all alerts,
    to those of the rule, and, with a mail server, to those of the rule's addresses that are still a
    user's. A chat gets one message about a failed run. False when it was raised before. ``run`` is
    None for a refused start; ``notified``: the ids of the chats that have a message of it, to which
    this adds others.
    """
    if not tx.alerts.add_alert(alert):
        return False
    event = WebhookEvent.ALERT_RAISED
    body = message(event, tx.now, alert_data(alert))
    endpoints = {item.id: item for item in tx.webhooks.listening(alert.account_id, event)}
    for endpoint_id in rule.endpoints:
        endpoint = tx.webhooks.get(endpoint_id)
        if endpoint is not None and endpoint.enabled:
            endpoints[endpoint_id] = endpoint
    if run is not None and alert.kind is RuleKind.FAILED:
        endpoints = {key: each for key, each in endpoints.items() if not _knows(tx, each, run)}
    if notified is not None:
        endpoints = {key: each for key, each in endpoints.items() if key not in notified}
        notified.update(key for key, each in endpoints.items() if _is_chat(each))
    send(tx, endpoints.values(), alert.run_id, DeliveryKind.ALERT, event, body)
    allowed = mail_addresses(tx, alert.account_id) if mails and rule.emails else frozenset()
    mail = message(event, tx.now, _mail_data(tx, alert, run)) if allowed else ""
    for address in rule.emails:
        if address.lower() not in allowed:  # its user was disabled or removed since
            continue
        add_delivery(
            tx,
            account_id=alert.account_id,
            run_id=alert.run_id,
            url=MAIL + address,
            body=mail,
            kind=DeliveryKind.ALERT,
            event=event,
        )
    return True


def _knows(tx: Transaction, endpoint: Endpoint, run: Run) -> bool:
    """Whether the endpoint is a chat that has a message that ``run`` has failed."""
    return _is_chat(endpoint) and (
        tx.outbox.has_call(run.id, DeliveryKind.TERMINAL, endpoint.id)
        or tx.outbox.has_call(run.id, DeliveryKind.ALERT, endpoint.id)
    )


def _is_chat(endpoint: Endpoint) -> bool:
    return endpoint.channel is not MessageChannel.WEBHOOK


def alert_data(alert: Alert) -> dict[str, Any]:
    """The data of an alert in a message."""
    return {
        "alert_id": alert.id,
        "rule_id": alert.rule_id,
        "rule": alert.rule_name,
        "kind": alert.kind.value,
        "sentence": alert.sentence,
        "run_slug": alert.run_id,
        "worker_slug": alert.worker_id,
        "task_slug": alert.task_id,
    }


def _mail_data(tx: Transaction, alert: Alert, run: Run | None) -> dict[str, Any]:
    """What a mail needs in addition, because people read it: names, rows and the duration."""
    worker = tx.workers.get(alert.worker_id)
    task = tx.tasks.get(alert.task_id) if alert.task_id else None
    return alert_data(alert) | {
        "worker": (worker.title or worker.path) if worker else "",
        "task": task.title if task else "",
        "rows": "" if run is None else run.results,
        "duration": "" if run is None else duration(run.duration_ms()),
    }
