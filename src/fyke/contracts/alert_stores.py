"""Alert rules, runs that wait to be looked at, and alerts."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from fyke.model.alert import Alert, AlertCheck, AlertFilter, PastRuns, Rule
from fyke.model.run import Run


class AlertStore(Protocol):
    """All of it, by account; every question costs the same however many runs there were."""

    def add_rule(self, rule: Rule) -> None: ...
    def rule(self, rule_id: str) -> Rule | None: ...
    def lock_rule(self, rule_id: str) -> Rule | None:
        """As ``rule``, and nobody else changes it until this transaction ends."""
        ...

    def rules(self, account_id: str) -> list[Rule]:
        """Oldest first."""
        ...

    def rules_for(self, run: Run) -> list[Rule]:
        """Those that are on and look at runs like this one, whatever their ``since``."""
        ...

    def save_rule(self, rule: Rule) -> None:
        """Whoever does holds ``lock_rule``."""
        ...

    def delete_rule(self, rule_id: str) -> None: ...

    def add_check(self, run: Run) -> None:
        """Let the run be looked at; what is added first is looked at first."""
        ...

    def next_check(self, now: int) -> AlertCheck | None:
        """The oldest that may be tried."""
        ...

    def next_check_at(self) -> int | None:
        """When the next one may be tried; None when there is none."""
        ...

    def lock_check(self, seq: int) -> AlertCheck | None:
        """None when it is gone; else nobody else has it until this transaction ends."""
        ...

    def postpone_check(self, seq: int, tries: int, not_before: int) -> None: ...
    def drop_check(self, seq: int) -> None: ...

    def usual(self, run: Run, *, of_task: bool, limit: int) -> list[PastRuns]:
        """The last succeeded runs of the account that finished before ``run``, newest first: of
        its worker, or of its task.
        """
        ...

    def last_ended(self, account_id: str, worker_id: str, task_id: str, limit: int) -> list[Run]:
        """Newest first; of a task, of a worker, or of all when both are empty."""
        ...

    def used(self, rule: Rule, first: int, last: int) -> tuple[int, int]:
        """Micros and bytes of what the rule looks at, from day ``first`` (20261101) to ``last``."""
        ...

    def claim_month(self, rule_id: str, month: str) -> bool:
        """Whether the rule may tell of this month (YYYY-MM): once, to whoever asks first."""
        ...

    def add_alert(self, alert: Alert) -> bool:
        """False when the rule has one for this run already."""
        ...

    def alert(self, alert_id: str) -> Alert | None: ...
    def alerts(
        self, account_id: str, wanted: AlertFilter, *, offset: int, limit: int
    ) -> tuple[int, list[Alert]]:
        """Total count, and one page, newest first."""
        ...

    def unread(self, account_id: str, most: int) -> int:
        """How many are unread, counted up to ``most``."""
        ...

    def mark_read(self, account_id: str, alert_ids: Collection[str] | None, at: int) -> int:
        """None = all of them; return how many were unread."""
        ...

    def forget_alerts(self, before: int, limit: int) -> int:
        """Remove those raised before that, at most ``limit``; return how many."""
        ...
