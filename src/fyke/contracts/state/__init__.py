"""The state: ``Storage``, its ``Transaction``, and a store for each subject.

In all stores ``lock`` returns a record that no other transaction can change until this one ends. A
pair of a number and a list is the total count and one page. A write that returns a boolean is
conditional; False means that it changed nothing. Times are milliseconds since the epoch.
"""

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
    SecondFactorStore,
    SessionStore,
    UsageStore,
)
from fyke.contracts.state.callbacks import AlertStore, OutboxStore, ReceiverStore, WebhookStore
from fyke.contracts.state.metrics import MetricStore
from fyke.contracts.state.nodes import NodeStore, NodeTokenStore
from fyke.contracts.state.run_records import (
    BrowserStore,
    LastPageStore,
    MarkStore,
    ProgressStore,
    SampleStore,
    ShareStore,
    SiteStore,
)
from fyke.contracts.state.runs import (
    AdmissionStore,
    QueueStore,
    RunListStore,
    RunStore,
    StartKeyStore,
)
from fyke.contracts.state.settings import InstallationStore, ServerStore, SettingsStore
from fyke.contracts.state.traces import TraceStore
from fyke.contracts.state.workers import (
    EnvironmentArchiveStore,
    EnvironmentStore,
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
    """One transaction on the whole state. Signals are sent only after the commit."""

    @property
    def now(self) -> int:
        """Milliseconds since the epoch, by the clock of the database where it is shared."""
        ...

    accounts: AccountStore
    sessions: SessionStore
    links: LinkStore
    second_factors: SecondFactorStore
    preferences: PreferencesStore
    audit: AuditStore
    workers: WorkerStore
    worker_facts: WorkerFactStore
    environments: EnvironmentStore
    environment_archives: EnvironmentArchiveStore
    favourites: FavouriteStore
    input_defaults: InputDefaultStore
    secrets: SecretStore
    tasks: TaskStore
    schedules: ScheduleStore
    runs: RunStore
    run_lists: RunListStore
    samples: SampleStore
    progress: ProgressStore
    sites: SiteStore
    browsers: BrowserStore
    marks: MarkStore
    last_pages: LastPageStore
    shares: ShareStore
    start_keys: StartKeyStore
    queue: QueueStore
    admission: AdmissionStore
    servers: ServerStore
    settings: SettingsStore
    nodes: NodeStore
    node_tokens: NodeTokenStore
    ledger: LedgerStore
    usage: UsageStore
    outbox: OutboxStore
    submissions: SubmissionStore
    uploads: UploadStore
    receivers: ReceiverStore
    webhooks: WebhookStore
    alerts: AlertStore
    installation: InstallationStore
    metrics: MetricStore
    traces: TraceStore

    def notify(self, topic: str, after_ms: int = 0) -> None:
        """Signal the topic once the transaction has committed, or so long after that. The signal is
        lost when this process ends before.
        """
        ...


class Storage(Protocol):
    """The state. ``work`` runs in a thread, and again after a conflict, so it must have no effect
    outside the transaction. An ``urgent`` write does not wait for other writes of this process, if
    the database takes several at a time.
    """

    async def read(self, work: Callable[[Transaction], T]) -> T: ...
    async def write(self, work: Callable[[Transaction], T], *, urgent: bool = False) -> T: ...
    async def close(self) -> None: ...
