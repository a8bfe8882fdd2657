"""Callbacks on their way, their receivers, webhook endpoints, and alerts."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from fyke.model.alert import Alert, AlertCheck, AlertFilter, PastRuns, Rule
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
    """Callbacks on their way, their tries, and the pace of each host."""

    def add(self, delivery: Delivery) -> None: ...
    def claim(self, now: int, free: dict[HostStatus, int], claim_until: int) -> list[Claim]:
        """Take some pending deliveries that are due, at most one for each host, and hold them
        until ``claim_until``, so that no other server sends them at the same time.

        Passed over are hosts that were claimed for less than ``PACE_MS`` ago or have ``IN_FLIGHT``
        on their way, those without a place in ``free`` (see ``places.py``), and terminal calls
        whose run has a pending running call for the same endpoint (or callback URL). All of this
        holds over all servers.
        """
        ...

    def next_due(self, now: int, free: dict[HostStatus, int]) -> int | None:
        """When ``claim`` would find something; None when only the end of what is on its way can
        make a difference.
        """
        ...

    def get(self, delivery_id: str) -> Delivery | None: ...
    def lock(self, delivery_id: str) -> Delivery | None:
        """As ``get``, and nobody else changes it until this transaction ends."""
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
        """Write what can change; whoever does holds ``lock``."""
        ...

    def fail_pending(self, account_id: str, receiver: str, reason: str, at: int) -> int:
        """Give up what waits for a receiver and is not on its way; return how many."""
        ...

    def fail_pending_of(self, endpoint_id: str, reason: str, at: int) -> int:
        """The same for what waits for an endpoint."""
        ...

    def redirect(self, endpoint_id: str, url: str, receiver: str, at: int) -> int:
        """Give what waits for an endpoint and is not on its way another address, where it is tried
        at once; say how many.
        """
        ...

    def next_of(self, endpoint_ids: Collection[str]) -> dict[str, int]:
        """When each of the endpoints is tried next; those that nothing waits for are left out."""
        ...

    def set_standing(self, host: str, standing: HostStatus) -> None: ...
    def forget_hosts(self, idle_since: int) -> int:
        """Remove hosts that nothing waits for and nothing was sent to since; return how many."""
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
        """As ``get``, made when it is new, and nobody else changes it until this transaction
        ends.
        """
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
        """As ``get``, and nobody else changes it until this transaction ends."""
        ...

    def of_account(self, account_id: str) -> list[Endpoint]:
        """By name."""
        ...

    def listening(self, account_id: str, event: WebhookEvent) -> list[Endpoint]:
        """Those that are on and asked to be told of ``event``."""
        ...

    def save(self, endpoint: Endpoint) -> None:
        """Write what its owner can change; whoever does holds ``lock``. Raise ``Conflict``."""
        ...

    def note_try(self, endpoint_id: str, tried: DeliveryAttempt, *, taken: bool) -> None:
        """Remember the latest try; ``taken`` says whether the answer was a 2xx."""
        ...

    def delete(self, endpoint_id: str) -> bool:
        """False when it was gone."""
        ...


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
