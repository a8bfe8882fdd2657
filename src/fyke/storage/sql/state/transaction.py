"""One transaction on the whole state.

On SQLite a writing transaction has exclusive access to the database. On PostgreSQL it runs as READ
COMMITTED: a caller whose decision depends on data that it reads first takes ``accounts.lock`` or
``runs.lock``, and all other writes are conditional. The lock order is: start key, run, its attempts
and subtasks, account, and last ``RunCounts``, daily usage and worker facts.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TypeVar

from sqlalchemy import Connection

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
from fyke.storage.sql.dialects import POSTGRES_NOW, is_sqlite, now_ms
from fyke.storage.sql.state.accounts import SqlAccounts
from fyke.storage.sql.state.alerts import SqlAlerts
from fyke.storage.sql.state.billing import SqlLedger, SqlUsage
from fyke.storage.sql.state.delayed_signals import DueSignal
from fyke.storage.sql.state.environment_archives import SqlEnvironmentArchives
from fyke.storage.sql.state.environments import SqlEnvironments
from fyke.storage.sql.state.installation import SqlInstallation
from fyke.storage.sql.state.metrics import SqlMetrics
from fyke.storage.sql.state.nodes import SqlNodes, SqlNodeTokens
from fyke.storage.sql.state.outbox import SqlOutbox, SqlReceivers
from fyke.storage.sql.state.preferences import SqlFavourites, SqlInputDefaults, SqlPreferences
from fyke.storage.sql.state.publishing import SqlSubmissions, SqlUploads
from fyke.storage.sql.state.runs.admission import SqlAdmission
from fyke.storage.sql.state.runs.browsers import SqlBrowsers
from fyke.storage.sql.state.runs.counts import RunCounts
from fyke.storage.sql.state.runs.last_pages import SqlLastPages
from fyke.storage.sql.state.runs.lists import SqlRunLists
from fyke.storage.sql.state.runs.page import SqlMarks, SqlSamples, SqlShares, SqlSites
from fyke.storage.sql.state.runs.progress import SqlProgress
from fyke.storage.sql.state.runs.starts import SqlQueue, SqlStartKeys
from fyke.storage.sql.state.runs.store import SqlRuns
from fyke.storage.sql.state.schedules import SqlSchedules
from fyke.storage.sql.state.second_factors import SqlSecondFactors
from fyke.storage.sql.state.secrets import SqlSecrets
from fyke.storage.sql.state.sessions import SqlAudit, SqlLinks, SqlSessions
from fyke.storage.sql.state.settings import SqlServers, SqlSettings
from fyke.storage.sql.state.tasks import SqlTasks
from fyke.storage.sql.state.traces import SqlTraces
from fyke.storage.sql.state.webhooks import SqlWebhooks
from fyke.storage.sql.state.workers import SqlWorkerFacts, SqlWorkers

S = TypeVar("S")

# These collect changes and write them at the end of the transaction, in this order.
_FLUSHED_LAST = ("_counts", "usage", "worker_facts")


def _store(make: Callable[[Connection], S]) -> cached_property[S]:
    """A store that is created on first use."""
    return cached_property(lambda tx: make(tx.connection))


class SqlTransaction:
    """``contracts.Transaction`` on a connection with an open transaction."""

    def __init__(
        self,
        connection: Connection,
        *,
        hiding: frozenset[str],
        clock: Callable[[], int] | None = None,
    ) -> None:
        self.connection = connection
        self._hiding = hiding
        self._clock = clock
        self._topics: dict[DueSignal, None] = {}

    accounts: cached_property[AccountStore] = _store(SqlAccounts)
    sessions: cached_property[SessionStore] = _store(SqlSessions)
    links: cached_property[LinkStore] = _store(SqlLinks)
    second_factors: cached_property[SecondFactorStore] = _store(SqlSecondFactors)
    preferences: cached_property[PreferencesStore] = _store(SqlPreferences)
    workers: cached_property[WorkerStore] = _store(SqlWorkers)
    worker_facts: cached_property[WorkerFactStore] = _store(SqlWorkerFacts)
    favourites: cached_property[FavouriteStore] = _store(SqlFavourites)
    input_defaults: cached_property[InputDefaultStore] = _store(SqlInputDefaults)
    secrets: cached_property[SecretStore] = _store(SqlSecrets)
    tasks: cached_property[TaskStore] = _store(SqlTasks)
    schedules: cached_property[ScheduleStore] = _store(SqlSchedules)
    samples: cached_property[SampleStore] = _store(SqlSamples)
    progress: cached_property[ProgressStore] = _store(SqlProgress)
    sites: cached_property[SiteStore] = _store(SqlSites)
    browsers: cached_property[BrowserStore] = _store(SqlBrowsers)
    marks: cached_property[MarkStore] = _store(SqlMarks)
    last_pages: cached_property[LastPageStore] = _store(SqlLastPages)
    shares: cached_property[ShareStore] = _store(SqlShares)
    start_keys: cached_property[StartKeyStore] = _store(SqlStartKeys)
    queue: cached_property[QueueStore] = _store(SqlQueue)
    admission: cached_property[AdmissionStore] = _store(SqlAdmission)
    servers: cached_property[ServerStore] = _store(SqlServers)
    settings: cached_property[SettingsStore] = _store(SqlSettings)
    nodes: cached_property[NodeStore] = _store(SqlNodes)
    node_tokens: cached_property[NodeTokenStore] = _store(SqlNodeTokens)
    ledger: cached_property[LedgerStore] = _store(SqlLedger)
    usage: cached_property[UsageStore] = _store(SqlUsage)
    outbox: cached_property[OutboxStore] = _store(SqlOutbox)
    submissions: cached_property[SubmissionStore] = _store(SqlSubmissions)
    uploads: cached_property[UploadStore] = _store(SqlUploads)
    receivers: cached_property[ReceiverStore] = _store(SqlReceivers)
    webhooks: cached_property[WebhookStore] = _store(SqlWebhooks)
    alerts: cached_property[AlertStore] = _store(SqlAlerts)
    installation: cached_property[InstallationStore] = _store(SqlInstallation)
    metrics: cached_property[MetricStore] = _store(SqlMetrics)
    traces: cached_property[TraceStore] = _store(SqlTraces)
    _counts: cached_property[RunCounts] = _store(RunCounts)

    audit: cached_property[AuditStore] = cached_property(
        lambda tx: SqlAudit(tx.connection, lambda: tx.now)
    )
    environments: cached_property[EnvironmentStore] = cached_property(
        lambda tx: SqlEnvironments(tx.connection, lambda: tx.now)
    )
    environment_archives: cached_property[EnvironmentArchiveStore] = cached_property(
        lambda tx: SqlEnvironmentArchives(tx.connection, lambda: tx.now)
    )
    runs: cached_property[RunStore] = cached_property(
        lambda tx: SqlRuns(
            tx.connection,
            counts=tx._counts,
            hiding=tx._hiding,
            now=lambda: tx.now,
            time_sql=tx._time_sql,
        )
    )
    run_lists: cached_property[RunListStore] = cached_property(
        lambda tx: SqlRunLists(tx.connection, tx._counts)
    )

    @cached_property
    def now(self) -> int:
        """Read once per transaction."""
        return self._clock() if self._clock else now_ms(self.connection)

    def _time_sql(self) -> tuple[str, tuple[int, ...]]:
        """The time as an SQL expression with its parameters; reads no clock over the network."""
        if "now" in vars(self) or self._clock or is_sqlite(self.connection):
            return "?", (self.now,)
        return POSTGRES_NOW, ()

    def notify(self, topic: str, after_ms: int = 0) -> None:
        self._topics[topic, after_ms] = None

    def finish(self) -> tuple[DueSignal, ...]:
        """Write the collected changes; return the topics to notify after the commit, each with the
        time in ms after it, without duplicates, in order.
        """
        created = vars(self)
        for name in _FLUSHED_LAST:
            if name in created:
                created[name].flush()
        return tuple(self._topics)
