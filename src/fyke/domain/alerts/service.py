"""The alerts and alert rules of an account."""

from __future__ import annotations

import builtins
from collections.abc import Collection
from dataclasses import dataclass, replace

from fyke.contracts.results import Results
from fyke.contracts.state import Storage, Transaction
from fyke.domain.accounts.audit import record
from fyke.domain.accounts.rights import require_editor
from fyke.domain.alerts.preview import RulePreview, preview
from fyke.domain.alerts.rules import RuleFields, mail_addresses, validate_rule
from fyke.domain.callbacks.current_mail import CurrentMail
from fyke.errors import InvalidRequest, NotFound, Refused
from fyke.kit.ids import new_ulid
from fyke.model.account import Caller
from fyke.model.alert import MAX_RULES, MAX_UNREAD_COUNT, Alert, AlertFilter, Rule, RuleKind
from fyke.model.audit import AuditAction
from fyke.model.task import Task
from fyke.model.worker import Worker

MAX_MARKED = 1000  # alerts that are marked as read by one request


@dataclass(frozen=True, slots=True)
class RuleView:
    """A rule, and the names of its worker and task (empty when deleted or not restricted)."""

    rule: Rule
    worker_path: str
    task_title: str


@dataclass(frozen=True, slots=True)
class AlertSubject:
    """What an alert is about: None where it was deleted, or for runs without a task."""

    worker: Worker | None
    task: Task | None


class Alerts:
    """The alerts and rules of all accounts; each account can read only its own. Mail addresses can
    be added to a rule only while the installation has a mail server: ``mail``.
    """

    def __init__(
        self, storage: Storage, results: Results, *, mail: CurrentMail | None = None
    ) -> None:
        self._storage = storage
        self._results = results
        self._mail = mail or CurrentMail()

    @property
    def mails(self) -> bool:
        """Whether mail addresses can be added to a rule."""
        return self._mail.exists()

    # --- alerts ----------------------------------------------------------------------------

    async def page(
        self, caller: Caller, filter: AlertFilter, *, offset: int, limit: int
    ) -> tuple[int, list[Alert]]:
        """Total count, and one page, newest first."""
        return await self._storage.read(
            lambda tx: tx.alerts.alerts(caller.account_id, filter, offset=offset, limit=limit)
        )

    async def subjects(self, alerts: Collection[Alert]) -> dict[str, AlertSubject]:
        """The workers and tasks of the caller's alerts, by the id of the alert."""
        worker_ids = {alert.worker_id for alert in alerts}
        task_ids = {alert.task_id for alert in alerts if alert.task_id}

        def work(tx: Transaction) -> dict[str, AlertSubject]:
            workers, tasks = tx.workers.get_all(worker_ids), tx.tasks.get_all(task_ids)
            return {
                alert.id: AlertSubject(workers.get(alert.worker_id), tasks.get(alert.task_id))
                for alert in alerts
            }

        return await self._storage.read(work)

    async def count_unread(self, caller: Caller) -> int:
        """The number of unread alerts; ``MAX_UNREAD_COUNT`` stands for this number or more."""
        return await self._storage.read(
            lambda tx: tx.alerts.count_unread(caller.account_id, MAX_UNREAD_COUNT)
        )

    async def mark_read(self, caller: Caller, alert_ids: Collection[str] | None) -> int:
        """Mark the named alerts as read, or all with None; return how many were unread. Ids of
        other accounts are ignored. Raises ``Forbidden``, ``InvalidRequest`` for too many at once.
        """
        require_editor(caller, "Marking alerts as read")
        if alert_ids is not None and len(alert_ids) > MAX_MARKED:
            raise InvalidRequest(f"at most {MAX_MARKED} at once", field="ids")
        return await self._storage.write(
            lambda tx: tx.alerts.mark_read(caller.account_id, alert_ids, tx.now)
        )

    # --- rules -----------------------------------------------------------------------------

    async def rules(self, caller: Caller) -> builtins.list[RuleView]:
        """The rules, oldest first."""
        return await self._storage.read(
            lambda tx: [_view(tx, rule) for rule in tx.alerts.rules(caller.account_id)]
        )

    async def rule(self, caller: Caller, rule_id: str) -> RuleView:
        """One rule of the account. Raises ``NotFound``."""
        return await self._storage.read(lambda tx: _view(tx, own_rule(tx, caller, rule_id)))

    async def add_rule(self, caller: Caller, fields: RuleFields) -> RuleView:
        """Add a rule, which applies to runs that end from now on. Raises ``InvalidRequest``,
        ``Refused`` when the account has the maximum, ``Forbidden``.
        """
        require_editor(caller, "Adding alert rules")
        rule_id = new_ulid()

        def work(tx: Transaction) -> RuleView:
            if len(tx.alerts.rules(caller.account_id)) >= MAX_RULES:
                raise Refused(
                    f"An account has at most {MAX_RULES} alert rules; remove one that is not used"
                )
            blank = _blank(rule_id, caller, tx.now)
            rule = validate_rule(tx, caller, fields, blank, mails=self.mails)
            tx.alerts.add_rule(rule)
            record(tx, caller, AuditAction.RULE_ADDED, rule.name, rule.kind.value)
            return _view(tx, rule)

        return await self._storage.write(work)

    async def addresses(self, caller: Caller) -> builtins.list[str]:
        """The confirmed mail addresses, sorted; with a mail server, a rule may name them."""
        found = await self._storage.read(lambda tx: mail_addresses(tx, caller.account_id))
        return sorted(found)

    async def change_rule(self, caller: Caller, rule_id: str, fields: RuleFields) -> RuleView:
        """Replace a rule. A rule that was disabled applies to runs that end from now on. Raises
        ``NotFound``, ``InvalidRequest``, ``Forbidden``.
        """
        require_editor(caller, "Changing alert rules")

        def work(tx: Transaction) -> RuleView:
            before = own_rule(tx, caller, rule_id, lock=True)
            since = before.since if before.enabled else tx.now
            blank = replace(before, since=since, updated_at=tx.now)
            after = validate_rule(tx, caller, fields, blank, mails=self.mails)
            tx.alerts.save_rule(after)
            record(tx, caller, AuditAction.RULE_CHANGED, after.name, after.kind.value)
            return _view(tx, after)

        return await self._storage.write(work)

    async def remove_rule(self, caller: Caller, rule_id: str) -> None:
        """Remove a rule; its alerts stay listed. Raises ``NotFound``, ``Forbidden``."""
        require_editor(caller, "Removing alert rules")

        def work(tx: Transaction) -> None:
            rule = own_rule(tx, caller, rule_id, lock=True)
            tx.alerts.delete_rule(rule.id)
            record(tx, caller, AuditAction.RULE_REMOVED, rule.name, rule.kind.value)

        await self._storage.write(work)

    async def preview(
        self, caller: Caller, fields: RuleFields, *, emails: tuple[str, ...] = ()
    ) -> RulePreview:
        """Evaluate a rule that is not stored for the last runs. ``emails``: the addresses of the
        stored rule that it changes. Raises ``InvalidRequest``.
        """

        def work(tx: Transaction) -> Rule:
            blank = replace(_blank("", caller, tx.now), emails=emails)
            return validate_rule(tx, caller, fields, blank, mails=self.mails)

        return await preview(self._storage, self._results, await self._storage.read(work))


def own_rule(tx: Transaction, caller: Caller, rule_id: str, *, lock: bool = False) -> Rule:
    """The caller's rule. Raises ``NotFound``, also for another account's rule."""
    rule = tx.alerts.lock_rule(rule_id) if lock else tx.alerts.rule(rule_id)
    if rule is None or rule.account_id != caller.account_id:
        raise NotFound("Alert rule does not exist")
    return rule


def _view(tx: Transaction, rule: Rule) -> RuleView:
    worker = tx.workers.get(rule.worker_id) if rule.worker_id else None
    task = tx.tasks.get(rule.task_id) if rule.task_id else None
    return RuleView(rule, worker.path if worker else "", task.title if task else "")


def _blank(rule_id: str, caller: Caller, now: int) -> Rule:
    return Rule(
        id=rule_id,
        account_id=caller.account_id,
        name="",
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
        since=now,
        created_at=now,
        updated_at=now,
    )
