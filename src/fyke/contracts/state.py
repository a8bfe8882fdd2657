"""One transaction over all of the state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from fyke.contracts.alert_stores import AlertStore
from fyke.contracts.callback_stores import OutboxStore, ReceiverStore, WebhookStore
from fyke.contracts.catalog_stores import FavouriteStore, WorkerFactStore
from fyke.contracts.form_stores import InputDefaultStore
from fyke.contracts.installation import InstallationStore
from fyke.contracts.list_stores import RunListStore, UsageStore
from fyke.contracts.owned_stores import (
    AccountStore,
    LedgerStore,
    ScheduleStore,
    TaskStore,
    WorkerStore,
)
from fyke.contracts.people_stores import AuditStore, LinkStore, PreferencesStore, SessionStore
from fyke.contracts.run_page_stores import SampleStore, ShareStore, SiteStore
from fyke.contracts.run_stores import (
    AdmissionStore,
    QueueStore,
    RunStore,
    ServerStore,
    StartKeyStore,
)
from fyke.contracts.secret_stores import SecretStore
from fyke.contracts.submission_stores import SubmissionStore, UploadStore

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
