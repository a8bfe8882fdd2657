"""One transaction over all of the state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from fyke.contracts.state.accounts import (
    AccountStore,
    AuditStore,
    FavouriteStore,
    InputDefaultStore,
    LedgerStore,
    LinkStore,
    PreferencesStore,
    SessionStore,
    UsageStore,
)
from fyke.contracts.state.callbacks import AlertStore, OutboxStore, ReceiverStore, WebhookStore
from fyke.contracts.state.runs import (
    AdmissionStore,
    InstallationStore,
    QueueStore,
    RunListStore,
    RunStore,
    SampleStore,
    ServerStore,
    ShareStore,
    SiteStore,
    StartKeyStore,
)
from fyke.contracts.state.workers import (
    ScheduleStore,
    SecretStore,
    SubmissionStore,
    TaskStore,
    UploadStore,
    WorkerFactStore,
    WorkerStore,
)

T = TypeVar("T")


class Transaction(Protocol):
    """One transaction over all of the state. Rings leave after the commit, never before."""

    @property
    def now(self) -> int:
        """Milliseconds since the epoch, the database's own clock where it is shared."""
        ...

    accounts: AccountStore
    sessions: SessionStore
    links: LinkStore
    preferences: PreferencesStore
    audit: AuditStore
    workers: WorkerStore
    worker_facts: WorkerFactStore
    favourites: FavouriteStore
    input_defaults: InputDefaultStore
    secrets: SecretStore
    tasks: TaskStore
    schedules: ScheduleStore
    runs: RunStore
    run_lists: RunListStore
    samples: SampleStore
    sites: SiteStore
    shares: ShareStore
    start_keys: StartKeyStore
    queue: QueueStore
    admission: AdmissionStore
    servers: ServerStore
    ledger: LedgerStore
    usage: UsageStore
    outbox: OutboxStore
    submissions: SubmissionStore
    uploads: UploadStore
    receivers: ReceiverStore
    webhooks: WebhookStore
    alerts: AlertStore
    installation: InstallationStore

    def notify(self, topic: str) -> None:
        """Ring the doorbell once the transaction has committed."""
        ...


class Storage(Protocol):
    """The state. ``work`` runs in a thread, may run more than once (a serialization conflict is
    retried), and so must have no effect outside the transaction.
    """

    async def read(self, work: Callable[[Transaction], T]) -> T: ...
    async def write(self, work: Callable[[Transaction], T]) -> T: ...
    async def close(self) -> None: ...
