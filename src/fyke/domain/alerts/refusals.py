"""Alerts about planned starts that were refused.

They are written in the transaction that records the refusal, so each is raised once, even when a
server is killed. A rule raises one alert for a series of refusals. The series ends when a run
starts, and when the schedule is switched on again or gets other times.
"""

from __future__ import annotations

from fyke.contracts.state import Transaction
from fyke.domain.alerts.outbox import raise_alert
from fyke.domain.callbacks.current_mail import CurrentMail
from fyke.errors import FykeError
from fyke.kit.ids import new_ulid
from fyke.model.alert import Alert, RuleKind
from fyke.model.schedule import Schedule
from fyke.model.task import Task
from fyke.reasons import Reason, ReasonCode, sentence

MAX_REASON = 500


class RefusedStarts:
    """``mail`` is the mail server. Until it is known, mail waits in the outbox."""

    def __init__(self, mail: CurrentMail | None = None) -> None:
        self._mail = mail or CurrentMail()

    def report(self, tx: Transaction, schedule: Schedule, error: FykeError) -> None:
        """Raise the alerts of the rules that report failed runs of the task. The transaction has
        changed the schedule, which other servers therefore cannot do before its end.
        """
        task = tx.tasks.get(schedule.task_id)
        if task is None:
            return
        reason = _reason(task, error)
        mails = self._mail.exists() or not self._mail.known()
        since = _start_of_series(tx, schedule)
        notified: set[str] = set()
        for rule in tx.alerts.rules_for(task):
            if rule.kind is not RuleKind.FAILED or rule.reasons or rule.since > tx.now:
                continue
            if tx.alerts.has_refusal(rule, task.id, since):
                continue
            alert = Alert(
                id=new_ulid(),
                account_id=rule.account_id,
                rule_id=rule.id,
                rule_name=rule.name,
                kind=rule.kind,
                run_id="",
                worker_id=task.worker_id,
                task_id=task.id,
                sentence=sentence(reason),
                at=tx.now,
                reason=reason,
            )
            raise_alert(tx, rule, alert, None, mails=mails, notified=notified)


def _start_of_series(tx: Transaction, schedule: Schedule) -> int:
    last = tx.schedules.last_started(schedule.task_id)
    return max(schedule.anchor_at, last.at if last else 0)


def _reason(task: Task, error: FykeError) -> Reason:
    params = dict(error.reason.params) if error.reason else {}
    params |= {"task": task.title, "reason": error.message[:MAX_REASON]}
    if error.reason:
        params["reason_code"] = error.reason.code.value
    return Reason(ReasonCode.START_REFUSED, params)
