"""The outbox, its receivers, webhook endpoints, and alerts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from fyke.model.alert import Alert, AlertCheck, AlertFilter, PreviousRun, Rule
from fyke.model.callback import (
    Claim,
    Delivery,
    DeliveryAttempt,
    DeliveryFilter,
    DeliveryKind,
    HostStatus,
    Receiver,
)
from fyke.model.run import Run
from fyke.model.task import Task
from fyke.model.webhook import Endpoint, WebhookEvent


class OutboxStore(Protocol):
    """Deliveries, their attempts, and the rate of requests to each host."""

    def add(self, delivery: Delivery) -> None: ...
    def claim(self, now: int, free: dict[HostStatus, int], claim_until: int) -> list[Claim]:
        """Claim due deliveries, at most one for each host, until ``claim_until``, so that no other
        server sends them at the same time.

        Skipped are hosts whose last claim is less than ``PACE_MS`` ago, hosts with ``IN_FLIGHT``
        open requests of all servers, hosts without a slot in ``free`` (see ``slots.py``), and the
        terminal call of a run whose running call to the same endpoint or callback URL is pending.
        """
        ...

    def next_due(self, now: int, free: dict[HostStatus, int]) -> int | None:
        """When the next delivery can be claimed; None when there is none, or when a request must
        end first.
        """
        ...

    def get(self, delivery_id: str) -> Delivery | None: ...
    def lock(self, delivery_id: str) -> Delivery | None:
        """Like ``get``, but lock it."""
        ...

    def lock_running(self, run_id: str, endpoint_id: str = "") -> Delivery | None:
        """The pending running call of a run to an endpoint, or to its callback URL, locked."""
        ...

    def has_call(self, run_id: str, kind: DeliveryKind, endpoint_id: str = "") -> bool:
        """Whether the run has such a call to the endpoint or callback URL, in any state."""
        ...

    def latest_of(self, account_id: str, endpoint_id: str) -> Delivery | None:
        """The delivery to the account's endpoint that was added last, in any state."""
        ...

    def save(self, delivery: Delivery) -> None:
        """Write the members that may change. The caller has locked it."""
        ...

    def fail_pending(self, account_id: str, receiver: str, reason: str, at: int) -> int:
        """Fail the unclaimed pending deliveries to a receiver; return how many."""
        ...

    def fail_pending_of(self, endpoint_id: str, reason: str, at: int) -> int:
        """Fail the unclaimed pending deliveries to an endpoint; return how many."""
        ...

    def hold_pending_of(self, endpoint_id: str, until: int, at: int) -> int:
        """Postpone the unclaimed pending deliveries to an endpoint that are due before ``until``;
        return how many.
        """
        ...

    def redirect(self, endpoint_id: str, url: str, receiver: str, at: int) -> int:
        """Change the address of the unclaimed pending deliveries to an endpoint and make them due
        at once; return how many.
        """
        ...

    def next_tries(self, endpoint_ids: Collection[str]) -> dict[str, int]:
        """When the next delivery to each endpoint is due; endpoints without one are left out."""
        ...

    def set_host_status(self, host: str, status: HostStatus) -> None: ...
    def remove_idle_hosts(self, idle_since: int) -> int:
        """Remove hosts with neither pending deliveries nor requests since ``idle_since``; return
        how many.
        """
        ...

    def pull_in(self, now: int, latest: Sequence[int]) -> int:
        """Make pending deliveries due whose time is later than any wait explains, because the clock
        was set back. ``latest``: the latest plausible time, by number of tries. An untried one
        to an endpoint may wait longer, if it was added in time. Return how many.
        """
        ...

    def add_try(self, attempt: DeliveryAttempt) -> None:
        """Add an attempt, and remove all but the latest ``KEPT_TRIES`` of its delivery."""
        ...

    def tries_of(
        self, delivery_ids: Collection[str], limit: int | None = None
    ) -> dict[str, list[DeliveryAttempt]]:
        """The attempts by delivery id, oldest first, at most ``limit`` of all; deliveries without
        attempts are left out.
        """
        ...

    def of_run(self, run_id: str, limit: int | None = None) -> list[Delivery]:
        """The deliveries of a run, oldest first, at most ``limit``."""
        ...

    def page(
        self, account_id: str, filter: DeliveryFilter, *, offset: int, limit: int
    ) -> tuple[int, list[Delivery]]:
        """Total count, and one page, newest first."""
        ...

    def remove_without_run(self, before: int, limit: int) -> int:
        """Remove at most ``limit`` deliveries without a run that were added before ``before``;
        return how many. Others are removed with their run.
        """
        ...


class ReceiverStore(Protocol):
    """The receivers of each account, and their health."""

    def get(self, account_id: str, receiver: str) -> Receiver | None: ...
    def lock(self, account_id: str, receiver: str) -> Receiver:
        """Like ``get``, but lock it; add it when it is new."""
        ...

    def save(self, receiver: Receiver) -> None: ...
    def of_account(self, account_id: str) -> list[Receiver]: ...


class WebhookStore(Protocol):
    """The endpoints of each account."""

    def add(self, endpoint: Endpoint) -> None:
        """Add an endpoint; raise ``Conflict`` when the account has one with this name."""
        ...

    def get(self, endpoint_id: str) -> Endpoint | None: ...
    def lock(self, endpoint_id: str) -> Endpoint | None:
        """Like ``get``, but lock it."""
        ...

    def of_account(self, account_id: str) -> list[Endpoint]:
        """The endpoints of an account, sorted by name."""
        ...

    def listening(self, account_id: str, event: WebhookEvent) -> list[Endpoint]:
        """The endpoints that are enabled and subscribed to ``event``."""
        ...

    def save(self, endpoint: Endpoint) -> None:
        """Write the members that its owner can change. The caller has locked it. Raise ``Conflict``
        when another endpoint of the account has its name.
        """
        ...

    def note_try(self, endpoint_id: str, attempt: DeliveryAttempt, *, accepted: bool) -> None:
        """Record the latest attempt; ``accepted``: the response was a 2xx."""
        ...

    def delete(self, endpoint_id: str) -> bool:
        """Delete the endpoint; False when there is none."""
        ...


class AlertStore(Protocol):
    """Alert rules, checks of ended runs that are still to be made, and alerts. The cost of each
    query is independent of the number of past runs.
    """

    def add_rule(self, rule: Rule) -> None: ...
    def rule(self, rule_id: str) -> Rule | None: ...
    def lock_rule(self, rule_id: str) -> Rule | None:
        """Like ``rule``, but lock it."""
        ...

    def rules(self, account_id: str) -> list[Rule]:
        """The rules of an account, oldest first."""
        ...

    def rules_for(self, of: Run | Task) -> list[Rule]:
        """The enabled rules that apply to the run, or to each run of the task, regardless of
        ``since``, oldest first.
        """
        ...

    def save_rule(self, rule: Rule) -> None:
        """Write all members. The caller has locked it."""
        ...

    def delete_rule(self, rule_id: str) -> None: ...

    def add_check(self, run: Run) -> None:
        """Add a check of the run to the end of the queue."""
        ...

    def next_check(self, now: int) -> AlertCheck | None:
        """The oldest check whose ``not_before`` has passed."""
        ...

    def next_check_at(self) -> int | None:
        """The smallest ``not_before``; None when there is no check."""
        ...

    def lock_check(self, seq: int) -> AlertCheck | None:
        """The check, locked; None when it was removed."""
        ...

    def postpone_check(self, seq: int, tries: int, not_before: int) -> None: ...
    def drop_check(self, seq: int) -> None: ...

    def previous_runs(self, run: Run, *, of_task: bool, limit: int) -> list[PreviousRun]:
        """The last succeeded runs of the same worker and account, or of the same task, that ended
        before ``run``, newest first.
        """
        ...

    def last_ended(self, account_id: str, worker_id: str, task_id: str, limit: int) -> list[Run]:
        """The last ended runs, newest first; of a task, of a worker, or of all when both are ""."""
        ...

    def usage_of(self, rule: Rule, first: int, last: int) -> tuple[int, int]:
        """Cost (micros) and traffic (bytes) in the scope of the rule, from day ``first`` (20261101)
        to ``last``.
        """
        ...

    def claim_month(self, rule_id: str, month: str) -> bool:
        """Claim the alert of a rule for a month (YYYY-MM); True for the first call only."""
        ...

    def add_alert(self, alert: Alert) -> bool:
        """Add an alert; False when the rule already has one for this run."""
        ...

    def has_refusal(self, rule: Rule, task_id: str, after: int) -> bool:
        """Whether the rule has raised an alert about a refused start of the task after ``after``
        (ms).
        """
        ...

    def alert(self, alert_id: str) -> Alert | None: ...
    def alerts(
        self, account_id: str, filter: AlertFilter, *, offset: int, limit: int
    ) -> tuple[int, list[Alert]]:
        """Total count, and one page, newest first."""
        ...

    def count_unread(self, account_id: str, limit: int) -> int:
        """The number of unread alerts, counted up to ``limit``."""
        ...

    def mark_read(self, account_id: str, alert_ids: Collection[str] | None, at: int) -> int:
        """Mark these alerts, or all (None); return how many were unread."""
        ...

    def remove_alerts(self, before: int, limit: int) -> int:
        """Remove at most ``limit`` alerts raised before ``before``; return how many."""
        ...
