"""One transaction over all of the state.

On SQLite a writing transaction has the database to itself. On PostgreSQL it runs as READ
COMMITTED, and whoever decides from what it has read first takes ``accounts.lock`` or
``runs.lock``; every other write is guarded by what it expects to find. The order is: the key of a
start, a run, then its attempts and subtasks, then the account. ``RunCounts``, then what was used
on a day and then the facts of workers come last.
"""

from __future__ import annotations

from collections.abc import Callable

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


class SqlTransaction:
    """``contracts.Transaction`` on one connection that has begun."""

    def __init__(
        self,
        connection: Connection,
        *,
        hiding: frozenset[str],
        clock: Callable[[], int] | None = None,
    ) -> None:
        self._db = connection
        self._clock = clock
        self._now: int | None = None
        self._rings: dict[str, None] = {}
        self._counts = RunCounts(connection)
        self._facts = SqlWorkerFacts(connection)
        self.accounts: AccountStore = SqlAccounts(connection)
        self.sessions: SessionStore = SqlSessions(connection)
        self.links: LinkStore = SqlLinks(connection)
        self.preferences: PreferencesStore = SqlPreferences(connection)
        self.audit: AuditStore = SqlAudit(connection, lambda: self.now)
        self.workers: WorkerStore = SqlWorkers(connection)
        self.worker_facts: WorkerFactStore = self._facts
        self.favourites: FavouriteStore = SqlFavourites(connection)
        self.input_defaults: InputDefaultStore = SqlInputDefaults(connection)
        self.secrets: SecretStore = SqlSecrets(connection)
        self.tasks: TaskStore = SqlTasks(connection)
        self.schedules: ScheduleStore = SqlSchedules(connection)
        self.runs: RunStore = SqlRuns(connection, counts=self._counts, hiding=hiding)
        self.run_lists: RunListStore = SqlRunLists(connection, self._counts)
        self.samples: SampleStore = SqlSamples(connection)
        self.sites: SiteStore = SqlSites(connection)
        self.shares: ShareStore = SqlShares(connection)
        self.start_keys: StartKeyStore = SqlStartKeys(connection)
        self.queue: QueueStore = SqlQueue(connection)
        self.admission: AdmissionStore = SqlAdmission(connection)
        self.servers: ServerStore = SqlServers(connection)
        self.ledger: LedgerStore = SqlLedger(connection)
        self._usage = SqlUsage(connection)
        self.usage: UsageStore = self._usage
        self.submissions: SubmissionStore = SqlSubmissions(connection)
        self.uploads: UploadStore = SqlUploads(connection)
        self.outbox: OutboxStore = SqlOutbox(connection)
        self.receivers: ReceiverStore = SqlReceivers(connection)
        self.webhooks: WebhookStore = SqlWebhooks(connection)
        self.alerts: AlertStore = SqlAlerts(connection)
        self.installation: InstallationStore = SqlInstallation(connection)

    @property
    def now(self) -> int:
        """Asked for once, so that all of one transaction happens at one time."""
        if self._now is None:
            self._now = self._clock() if self._clock else now_ms(self._db)
        return self._now

    def notify(self, topic: str) -> None:
        self._rings[topic] = None

    def finish(self) -> tuple[str, ...]:
        """Write what was held back, and return what is to be rung after the commit, each topic
        once, in order.
        """
        self._counts.flush()
        self._usage.flush()
        self._facts.flush()
        return tuple(self._rings)
