"""Callbacks to be sent, their receivers, webhook endpoints, and alerts."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from fyke.model.alert import Alert, AlertCheck, AlertFilter, PreviousRun, Rule
from fyke.model.callback import (
    Claim,
    Delivery,
    DeliveryAttempt,
    DeliveryFilter,
    HostStatus,
    Receiver,
)
from fyke.model.run import Run
from fyke.model.webhook import Endpoint, WebhookEvent


class OutboxStore(Protocol):
    """Callbacks to be sent, their attempts, and the pace of each host."""

    def add(self, delivery: Delivery) -> None: ...
    def claim(self, now: int, free: dict[HostStatus, int], claim_until: int) -> list[Claim]:
        """Claim pending deliveries that are due, at most one for each host, until
        ``claim_until``, so that no other server sends them at the same time.

        Skipped are hosts that were claimed for less than ``PACE_MS`` ago or have ``IN_FLIGHT``
        requests open, those without a place in ``free`` (see ``places.py``), and terminal calls
        whose run has a pending running call for the same endpoint (or callback URL), counted over
        all servers.
        """
        ...

    def next_due(self, now: int, free: dict[HostStatus, int]) -> int | None:
        """When ``claim`` would find something; None when only the end of an open request can
        change that.
        """
        ...

    def get(self, delivery_id: str) -> Delivery | None: ...
    def lock(self, delivery_id: str) -> Delivery | None:
        """As ``get``, locked."""
        ...

    def lock_running(self, run_id: str, endpoint_id: str = "") -> Delivery | None:
        """The run's running call while it is pending, locked: to its callback URL, or to an
        endpoint.
        """
        ...

    def has_terminal(self, run_id: str, endpoint_id: str = "") -> bool:
        """Whether the run has a terminal call there, in any state."""
        ...

    def save(self, delivery: Delivery) -> None:
        """Write what can change. The caller has locked it."""
        ...

    def fail_pending(self, account_id: str, receiver: str, reason: str, at: int) -> int:
        """Fail what waits for a receiver and is not being sent; return how many."""
        ...

    def fail_pending_of(self, endpoint_id: str, reason: str, at: int) -> int:
        """The same for what waits for an endpoint."""
        ...

    def redirect(self, endpoint_id: str, url: str, receiver: str, at: int) -> int:
        """Give what waits for an endpoint and is not being sent another address, where it is due
        at once; return how many.
        """
        ...

    def next_tries(self, endpoint_ids: Collection[str]) -> dict[str, int]:
        """When each of the endpoints is tried next; those without one waiting are left out."""
        ...

    def set_host_status(self, host: str, status: HostStatus) -> None: ...
    def remove_idle_hosts(self, idle_since: int) -> int:
        """Remove hosts without a waiting delivery that were not sent to since; return how many."""
        ...

    def add_try(self, tried: DeliveryAttempt) -> None:
        """Keeps the latest ``KEPT_TRIES`` of each delivery."""
        ...

    def tries_of(self, delivery_ids: Collection[str]) -> dict[str, list[DeliveryAttempt]]:
        """By delivery, oldest first; deliveries without one are left out."""
        ...

    def of_run(self, run_id: str) -> list[Delivery]:
        """Oldest first."""
        ...

    def page(
        self, account_id: str, wanted: DeliveryFilter, *, offset: int, limit: int
    ) -> tuple[int, list[Delivery]]:
        """Total count, and one page, newest first."""
        ...


class ReceiverStore(Protocol):
    """How the receivers of each account behave."""

    def get(self, account_id: str, receiver: str) -> Receiver | None: ...
    def lock(self, account_id: str, receiver: str) -> Receiver:
        """As ``get``, locked, and added when it is new."""
        ...

    def save(self, receiver: Receiver) -> None: ...
    def of_account(self, account_id: str) -> list[Receiver]: ...


class WebhookStore(Protocol):
    """The endpoints of each account."""

    def add(self, endpoint: Endpoint) -> None:
        """Raise ``Conflict`` when the account has one of this name."""
        ...

    def get(self, endpoint_id: str) -> Endpoint | None: ...
    def lock(self, endpoint_id: str) -> Endpoint | None:
        """As ``get``, locked."""
        ...

    def of_account(self, account_id: str) -> list[Endpoint]:
        """By name."""
        ...

    def listening(self, account_id: str, event: WebhookEvent) -> list[Endpoint]:
        """Those that are enabled and subscribed to ``event``."""
        ...

    def save(self, endpoint: Endpoint) -> None:
        """Write what its owner can change. The caller has locked it. Raise ``Conflict`` when
        another endpoint of the account has its name.
        """
        ...

    def note_try(self, endpoint_id: str, tried: DeliveryAttempt, *, taken: bool) -> None:
        """Remember the latest try; ``taken`` says whether the answer was a 2xx."""
        ...

    def delete(self, endpoint_id: str) -> bool:
        """False when it was gone."""
        ...


class AlertStore(Protocol):
    """Alert rules, ended runs that no rule has looked at yet, and alerts. Each question costs the
    same however many runs there were.
    """

    def add_rule(self, rule: Rule) -> None: ...
    def rule(self, rule_id: str) -> Rule | None: ...
    def lock_rule(self, rule_id: str) -> Rule | None:
        """As ``rule``, locked."""
        ...

    def rules(self, account_id: str) -> list[Rule]:
        """Oldest first."""
        ...

    def rules_for(self, run: Run) -> list[Rule]:
        """Those that are on and look at runs like this one, whatever their ``since``."""
        ...

    def save_rule(self, rule: Rule) -> None:
        """The caller has locked it."""
        ...

    def delete_rule(self, rule_id: str) -> None: ...

    def add_check(self, run: Run) -> None:
        """Queue the run to be looked at, in the order of adding."""
        ...

    def next_check(self, now: int) -> AlertCheck | None:
        """The oldest that may be tried."""
        ...

    def next_check_at(self) -> int | None:
        """When the next one may be tried; None when there is none."""
        ...

    def lock_check(self, seq: int) -> AlertCheck | None:
        """Locked; None when it is gone."""
        ...

    def postpone_check(self, seq: int, tries: int, not_before: int) -> None: ...
    def drop_check(self, seq: int) -> None: ...

    def usual(self, run: Run, *, of_task: bool, limit: int) -> list[PreviousRun]:
        """The last succeeded runs of the account that finished before ``run``, newest first: of
        its worker, or of its task.
        """
        ...

    def last_ended(self, account_id: str, worker_id: str, task_id: str, limit: int) -> list[Run]:
        """Newest first; of a task, of a worker, or of all when both are empty."""
        ...

    def usage_of(self, rule: Rule, first: int, last: int) -> tuple[int, int]:
        """Micros and bytes of what the rule looks at, from day ``first`` (20261101) to ``last``."""
        ...

    def claim_month(self, rule_id: str, month: str) -> bool:
        """True once for each month (YYYY-MM) of a rule: the first caller sends its alert."""
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

    def remove_alerts(self, before: int, limit: int) -> int:
        """Remove those raised before that, at most ``limit``; return how many."""
        ...
