"""Evaluates runs that have ended: each once, in their order, even when a server is killed.

A check is written with the end of the run. It is deleted in the transaction that writes the
alerts, so a server that dies in between leaves it for the next one; of two servers that evaluate
the same run one finds it deleted. Rows are read outside of any transaction, because that may take
seconds; when the rules were changed in the meantime, the run is evaluated again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from fyke.contracts.results import Results
from fyke.contracts.state import Storage, Transaction
from fyke.domain.alerts.evaluate import KINDS_WITH_HISTORY, Facts, RuleMatch, evaluate
from fyke.domain.alerts.fields import count_fields
from fyke.domain.alerts.months import month_usage
from fyke.domain.alerts.outbox import raise_alert
from fyke.domain.callbacks.current_mail import CurrentMail
from fyke.errors import Unavailable
from fyke.kit.ids import new_ulid
from fyke.model.alert import (
    KEPT_MS,
    MAX_PREVIOUS_RUNS,
    Alert,
    AlertCheck,
    FieldFacts,
    Rule,
    RuleKind,
)
from fyke.model.run import Run, RunState

log = structlog.get_logger()

MAX_TRIES = 5  # evaluations of one run that may fail before its check is dropped
RETRY_MS = 30_000
MAIL_WAIT_MS = 5_000  # until the mail server is looked for again
FORGET_BATCH = 1000


@dataclass(frozen=True, slots=True)
class _Case:
    """A run with a pending check, and the rules for it."""

    check: AlertCheck
    run: Run
    rules: list[Rule]
    hidden: frozenset[str]


class AlertMonitor:
    """Evaluates the rules for ended runs. ``mail`` is the mail server; without one, rules send no
    mail. Until it is known, runs that rules with addresses check are left for later.
    """

    def __init__(
        self, storage: Storage, results: Results, *, mail: CurrentMail | None = None
    ) -> None:
        self._storage = storage
        self._results = results
        self._mail = mail or CurrentMail()

    async def process_pending(self) -> float | None:
        """Process all pending checks; return the seconds until the next retry, None when no check
        is left. Raises ``Unavailable``.
        """
        while (case := await self._storage.read(_next_case)) is not None:
            if isinstance(case, AlertCheck):
                await self._drop(case)
                continue
            if not self._mail.known() and any(rule.emails for rule in case.rules):
                await self._leave(case.check)
                continue
            try:
                await self._evaluate(case)
            except Unavailable:
                raise
            except Exception:
                log.exception("alert_check_failed", run=case.run.id)
                await self._postpone(case.check)
        return await self._storage.read(_seconds_to_retry)

    async def remove_old(self) -> int:
        """Remove old alerts, and messages of those without a run; return how many alerts."""

        def work(tx: Transaction) -> int:
            tx.outbox.remove_without_run(tx.now - KEPT_MS, FORGET_BATCH)
            return tx.alerts.remove_alerts(tx.now - KEPT_MS, FORGET_BATCH)

        return await self._storage.write(work)

    async def _evaluate(self, case: _Case) -> None:
        fields = await self._fields(case)

        def work(tx: Transaction) -> list[Alert]:
            if tx.alerts.lock_check(case.check.seq) is None:
                return []  # another server was faster, or the run was deleted
            if _rules(tx, case.run) != case.rules:
                return []  # still pending, and evaluated again with the current rules
            tx.alerts.drop_check(case.check.seq)
            return _raise_alerts(tx, case, fields, mails=self._mail.exists())

        for alert in await self._storage.write(work):
            log.info("alert", rule=alert.rule_id, run=alert.run_id, kind=alert.kind.value)

    async def _fields(self, case: _Case) -> Mapping[str, FieldFacts]:
        names = {rule.field for rule in case.rules if rule.kind is RuleKind.MISSING_FIELD}
        if not names or case.run.state is not RunState.SUCCEEDED:
            return {}
        return await count_fields(self._results, case.run.id, case.hidden, names)

    async def _drop(self, check: AlertCheck) -> None:
        await self._storage.write(lambda tx: tx.alerts.drop_check(check.seq))

    async def _leave(self, check: AlertCheck) -> None:
        await self._storage.write(
            lambda tx: tx.alerts.postpone_check(check.seq, check.tries, tx.now + MAIL_WAIT_MS)
        )

    async def _postpone(self, check: AlertCheck) -> None:
        def work(tx: Transaction) -> None:
            if check.tries + 1 >= MAX_TRIES:
                tx.alerts.drop_check(check.seq)
            else:
                tx.alerts.postpone_check(check.seq, check.tries + 1, tx.now + RETRY_MS)

        await self._storage.write(work)


def facts_of(tx: Transaction, rule: Rule, run: Run, fields: Mapping[str, FieldFacts]) -> Facts:
    """The facts that are needed to evaluate ``rule`` for ``run``."""
    if rule.kind in KINDS_WITH_HISTORY:
        return Facts(
            previous_runs=tx.alerts.previous_runs(
                run, of_task=bool(rule.task_id), limit=MAX_PREVIOUS_RUNS
            )
        )
    if rule.kind is RuleKind.MISSING_FIELD:
        return Facts(field=fields.get(rule.field))
    if rule.kind is RuleKind.BUDGET:
        return Facts(month=month_usage(tx, rule, run.finished_at))
    return Facts()


def _next_case(tx: Transaction) -> _Case | AlertCheck | None:
    """The next run with its rules; only the ``AlertCheck`` when no rule applies to it any more."""
    check = tx.alerts.next_check(tx.now)
    if check is None:
        return None
    run = tx.runs.get(check.run_id)
    rules = _rules(tx, run) if run is not None else []
    if run is None or not rules:
        return check
    return _Case(check, run, rules, tx.runs.hidden_attempts(run.id))


def _rules(tx: Transaction, run: Run) -> list[Rule]:
    return [rule for rule in tx.alerts.rules_for(run) if rule.since <= run.finished_at]


def _raise_alerts(
    tx: Transaction, case: _Case, fields: Mapping[str, FieldFacts], *, mails: bool
) -> list[Alert]:
    alerts = []
    # failures first: a chat gets one alert of them, which that of a budget does not replace
    for rule in sorted(case.rules, key=lambda rule: rule.kind is not RuleKind.FAILED):
        facts = facts_of(tx, rule, case.run, fields)
        match = evaluate(rule, case.run, facts)
        if match is None:
            continue
        if facts.month is not None and not tx.alerts.claim_month(rule.id, facts.month.month):
            continue  # a budget raises one alert a month
        alert = _alert(rule, case.run, match, tx.now)
        if raise_alert(tx, rule, alert, case.run, mails=mails):
            alerts.append(alert)
    return alerts


def _alert(rule: Rule, run: Run, match: RuleMatch, now: int) -> Alert:
    return Alert(
        id=new_ulid(),
        account_id=rule.account_id,
        rule_id=rule.id,
        rule_name=rule.name,
        kind=rule.kind,
        run_id=run.id,
        worker_id=run.worker_id,
        task_id=run.task_id,
        sentence=match.sentence,
        at=now,
        reason=match.reason,
    )


def _seconds_to_retry(tx: Transaction) -> float | None:
    at = tx.alerts.next_check_at()
    return None if at is None else max(0, at - tx.now) / 1000
