"""One transaction over all of the state.

On SQLite a writing transaction has the database to itself. On PostgreSQL it runs as READ
COMMITTED, and whoever decides from what it has read first takes ``accounts.lock`` or
``runs.lock``; every other write is guarded by what it expects to find. The order is: the key of a
start, a run, then its attempts and subtasks, then the account. ``RunCounts``, then what was used
on a day and then the facts of workers come last.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TypeVar

from sqlalchemy import Connection

from fyke.contracts import (
    AccountStore,
    AdmissionStore,
    AlertStore,
    AuditStore,
    FavouriteStore,
    InputDefaultStore,
    InstallationStore,
    LedgerStore,
    LinkStore,
    OutboxStore,
    PreferencesStore,
    QueueStore,
    ReceiverStore,
    RunListStore,
    RunStore,
    SampleStore,
    ScheduleStore,
    SecretStore,
    ServerStore,
    SessionStore,
    ShareStore,
    SiteStore,
    StartKeyStore,
    SubmissionStore,
    TaskStore,
    UploadStore,
    UsageStore,
    WebhookStore,
    WorkerFactStore,
    WorkerStore,
)
from fyke.storage.sql.accounts import SqlAccounts
from fyke.storage.sql.admission import SqlAdmission
from fyke.storage.sql.alerts import SqlAlerts
from fyke.storage.sql.audit import SqlAudit
from fyke.storage.sql.counts import RunCounts
from fyke.storage.sql.dialects import now_ms
from fyke.storage.sql.input_defaults import SqlInputDefaults
from fyke.storage.sql.installation import SqlInstallation
from fyke.storage.sql.ledger import SqlLedger
from fyke.storage.sql.outbox import SqlOutbox
from fyke.storage.sql.people import SqlLinks, SqlPreferences, SqlSessions
from fyke.storage.sql.queue import SqlQueue
from fyke.storage.sql.receivers import SqlReceivers
from fyke.storage.sql.run_lists import SqlRunLists
from fyke.storage.sql.runs import SqlRuns
from fyke.storage.sql.samples import SqlSamples
from fyke.storage.sql.schedules import SqlSchedules
from fyke.storage.sql.secrets import SqlSecrets
from fyke.storage.sql.servers import SqlServers
from fyke.storage.sql.shares import SqlShares
from fyke.storage.sql.sites import SqlSites
from fyke.storage.sql.start_keys import SqlStartKeys
from fyke.storage.sql.submissions import SqlSubmissions
from fyke.storage.sql.tasks import SqlTasks
from fyke.storage.sql.uploads import SqlUploads
from fyke.storage.sql.usage import SqlUsage
from fyke.storage.sql.webhooks import SqlWebhooks
from fyke.storage.sql.worker_facts import SqlFavourites, SqlWorkerFacts
from fyke.storage.sql.workers import SqlWorkers

S = TypeVar("S")

# These collect what they are given and write it once, at the end of the transaction, in this order.
_WRITTEN_LAST = ("_counts", "usage", "worker_facts")


def _store(make: Callable[[Connection], S]) -> cached_property[S]:
    """A store that is built when the transaction first uses it."""
    return cached_property(lambda tx: make(tx.connection))


class SqlTransaction:
    """``contracts.Transaction`` on one connection that has begun."""

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
        self._topics: dict[str, None] = {}

    accounts: cached_property[AccountStore] = _store(SqlAccounts)
    sessions: cached_property[SessionStore] = _store(SqlSessions)
    links: cached_property[LinkStore] = _store(SqlLinks)
    preferences: cached_property[PreferencesStore] = _store(SqlPreferences)
    workers: cached_property[WorkerStore] = _store(SqlWorkers)
    worker_facts: cached_property[WorkerFactStore] = _store(SqlWorkerFacts)
    favourites: cached_property[FavouriteStore] = _store(SqlFavourites)
    input_defaults: cached_property[InputDefaultStore] = _store(SqlInputDefaults)
    secrets: cached_property[SecretStore] = _store(SqlSecrets)
    tasks: cached_property[TaskStore] = _store(SqlTasks)
    schedules: cached_property[ScheduleStore] = _store(SqlSchedules)
    samples: cached_property[SampleStore] = _store(SqlSamples)
    sites: cached_property[SiteStore] = _store(SqlSites)
    shares: cached_property[ShareStore] = _store(SqlShares)
    start_keys: cached_property[StartKeyStore] = _store(SqlStartKeys)
    queue: cached_property[QueueStore] = _store(SqlQueue)
    admission: cached_property[AdmissionStore] = _store(SqlAdmission)
    servers: cached_property[ServerStore] = _store(SqlServers)
    ledger: cached_property[LedgerStore] = _store(SqlLedger)
    usage: cached_property[UsageStore] = _store(SqlUsage)
    outbox: cached_property[OutboxStore] = _store(SqlOutbox)
    submissions: cached_property[SubmissionStore] = _store(SqlSubmissions)
    uploads: cached_property[UploadStore] = _store(SqlUploads)
    receivers: cached_property[ReceiverStore] = _store(SqlReceivers)
    webhooks: cached_property[WebhookStore] = _store(SqlWebhooks)
    alerts: cached_property[AlertStore] = _store(SqlAlerts)
    installation: cached_property[InstallationStore] = _store(SqlInstallation)
    _counts: cached_property[RunCounts] = _store(RunCounts)

    audit: cached_property[AuditStore] = cached_property(
        lambda tx: SqlAudit(tx.connection, lambda: tx.now)
    )
    runs: cached_property[RunStore] = cached_property(
        lambda tx: SqlRuns(tx.connection, counts=tx._counts, hiding=tx._hiding)
    )
    run_lists: cached_property[RunListStore] = cached_property(
        lambda tx: SqlRunLists(tx.connection, tx._counts)
    )

    @cached_property
    def now(self) -> int:
        """Asked for once, so that all of one transaction happens at one time."""
        return self._clock() if self._clock else now_ms(self.connection)

    def notify(self, topic: str) -> None:
        self._topics[topic] = None

    def finish(self) -> tuple[str, ...]:
        """Write what was collected, and return the topics to notify after the commit, each once,
        in order.
        """
        used = vars(self)
        for name in _WRITTEN_LAST:
            if name in used:
                used[name].flush()
        return tuple(self._topics)
