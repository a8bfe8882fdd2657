"""Every door out of the domain, in reading order. The whole architecture stands on these pages.

* ``Storage`` and its ``Transaction``: state (accounts, workers, runs, leases, ledger, outbox).
* ``Results``: rows, headers and log lines, a store of its own, because a start must never wait
  behind a stream of rows.
* ``Blobs``: bundles by digest.
* ``Doorbell``: waking another process by event.
* ``Engine``: where and when attempts go.
* ``Environments``, ``Sandbox`` and ``Box``: the walls around one attempt.
* ``Egress``: the way out to the web for one attempt.
* ``Notifier``: one HTTP POST to a user's server.

An implementation is done when it passes the suite of its contract in ``tests/contract``.
Storage is synchronous inside a transaction and runs in a thread; everything else is async.
"""

from __future__ import annotations

from fyke.domain.contracts.alert_stores import AlertStore
from fyke.domain.contracts.callback_stores import OutboxStore, ReceiverStore, WebhookStore
from fyke.domain.contracts.carrying_out import (
    OTHER_SITES,
    Box,
    BoxExit,
    BoxLimits,
    BoxSpec,
    BoxUsage,
    Egress,
    Engine,
    Environment,
    EnvironmentFailed,
    Environments,
    Isolation,
    IsolationReport,
    Pass,
    Sandbox,
    SandboxFault,
    SiteTraffic,
    Traffic,
)
from fyke.domain.contracts.catalog_stores import FavouriteStore, WorkerFactStore
from fyke.domain.contracts.form_stores import InputDefaultStore
from fyke.domain.contracts.git import Fetched, Git, GitFailed
from fyke.domain.contracts.installation import InstallationProbe, InstallationStore
from fyke.domain.contracts.list_stores import RunListStore, UsageStore
from fyke.domain.contracts.notifier import Answer, Notifier, Prober, Step
from fyke.domain.contracts.owned_stores import (
    AccountStore,
    LedgerStore,
    ScheduleStore,
    TaskStore,
    WorkerStore,
)
from fyke.domain.contracts.people_stores import (
    AuditStore,
    LinkStore,
    PreferencesStore,
    SessionStore,
)
from fyke.domain.contracts.results import Blobs, Results
from fyke.domain.contracts.run_page_stores import SampleStore, ShareStore, SiteStore
from fyke.domain.contracts.run_stores import (
    AdmissionStore,
    Lease,
    QueueStore,
    Room,
    RunnerInfo,
    RunnerLoad,
    RunStore,
    ServerStore,
    StartKeyStore,
    Usage,
)
from fyke.domain.contracts.secret_stores import SecretStore
from fyke.domain.contracts.state import Storage, Transaction
from fyke.domain.contracts.submission_stores import SubmissionStore, UploadStore
from fyke.domain.contracts.waking import (
    ALERTS,
    OUTBOX,
    SCHEDULES,
    SERVERS,
    STOP,
    WORK,
    Doorbell,
    DoorbellEar,
    output_topic,
    run_topic,
    upload_topic,
)

__all__ = [
    "ALERTS",
    "OTHER_SITES",
    "OUTBOX",
    "SCHEDULES",
    "SERVERS",
    "STOP",
    "WORK",
    "AccountStore",
    "AdmissionStore",
    "AlertStore",
    "Answer",
    "AuditStore",
    "Blobs",
    "Box",
    "BoxExit",
    "BoxLimits",
    "BoxSpec",
    "BoxUsage",
    "Doorbell",
    "DoorbellEar",
    "Egress",
    "Engine",
    "Environment",
    "EnvironmentFailed",
    "Environments",
    "FavouriteStore",
    "Fetched",
    "Git",
    "GitFailed",
    "InputDefaultStore",
    "InstallationProbe",
    "InstallationStore",
    "Isolation",
    "IsolationReport",
    "Lease",
    "LedgerStore",
    "LinkStore",
    "Notifier",
    "OutboxStore",
    "Pass",
    "PreferencesStore",
    "Prober",
    "QueueStore",
    "ReceiverStore",
    "Results",
    "Room",
    "RunListStore",
    "RunStore",
    "RunnerInfo",
    "RunnerLoad",
    "SampleStore",
    "Sandbox",
    "SandboxFault",
    "ScheduleStore",
    "SecretStore",
    "ServerStore",
    "SessionStore",
    "ShareStore",
    "SiteStore",
    "SiteTraffic",
    "StartKeyStore",
    "Step",
    "Storage",
    "SubmissionStore",
    "TaskStore",
    "Traffic",
    "Transaction",
    "UploadStore",
    "Usage",
    "UsageStore",
    "WebhookStore",
    "WorkerFactStore",
    "WorkerStore",
    "output_topic",
    "run_topic",
    "upload_topic",
]
