"""Every door out of the domain, in reading order. The whole architecture stands on these pages.

* ``Storage`` and its ``Transaction``: state (accounts, workers, runs, leases, ledger, outbox).
* ``Results``: rows, headers and log lines, a store of its own, because a start must never wait
  behind a stream of rows.
* ``Blobs``: bundles by digest.
* ``Signals``: waking another process by event.
* ``Engine``: where and when attempts go.
* ``Environments``, ``Sandboxes`` and ``Sandbox``: the walls around one attempt.
* ``Egress``: the way out to the web for one attempt.
* ``Notifier``: one HTTP POST to a user's server.

An implementation is done when it passes the suite of its contract in ``tests/contract``.
Storage is synchronous inside a transaction and runs in a thread; everything else is async.
"""

from __future__ import annotations

from fyke.contracts.alert_stores import AlertStore
from fyke.contracts.blobs import Blobs
from fyke.contracts.callback_stores import OutboxStore, ReceiverStore, WebhookStore
from fyke.contracts.catalog_stores import FavouriteStore, WorkerFactStore
from fyke.contracts.delivery import DeliveryStep, Notifier, Prober, ReceiverResponse
from fyke.contracts.egress import OTHER_SITES, Egress, EgressGrant, SiteTraffic, Traffic
from fyke.contracts.execution import (
    Engine,
    Environment,
    EnvironmentFailed,
    Environments,
    Isolation,
    IsolationReport,
    Sandbox,
    Sandboxes,
    SandboxExit,
    SandboxFault,
    SandboxLimits,
    SandboxSpec,
    SandboxUsage,
)
from fyke.contracts.form_stores import InputDefaultStore
from fyke.contracts.git import Fetched, Git, GitFailed
from fyke.contracts.installation import InstallationProbe, InstallationStore
from fyke.contracts.list_stores import RunListStore, UsageStore
from fyke.contracts.owned_stores import (
    AccountStore,
    LedgerStore,
    ScheduleStore,
    TaskStore,
    WorkerStore,
)
from fyke.contracts.people_stores import AuditStore, LinkStore, PreferencesStore, SessionStore
from fyke.contracts.results import Results
from fyke.contracts.run_page_stores import SampleStore, ShareStore, SiteStore
from fyke.contracts.run_stores import (
    AdmissionStore,
    AttemptUsage,
    Capacity,
    Lease,
    QueueStore,
    RunnerInfo,
    RunnerLoad,
    RunStore,
    ServerStore,
    StartKeyStore,
)
from fyke.contracts.secret_stores import SecretStore
from fyke.contracts.signals import (
    ALERTS,
    OUTBOX,
    SCHEDULES,
    SERVERS,
    STOP,
    WORK,
    Listener,
    Signals,
    output_topic,
    run_topic,
    upload_topic,
)
from fyke.contracts.state import Storage, Transaction
from fyke.contracts.submission_stores import SubmissionStore, UploadStore

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
    "AttemptUsage",
    "AuditStore",
    "Blobs",
    "Capacity",
    "DeliveryStep",
    "Egress",
    "EgressGrant",
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
    "Listener",
    "Notifier",
    "OutboxStore",
    "PreferencesStore",
    "Prober",
    "QueueStore",
    "ReceiverResponse",
    "ReceiverStore",
    "Results",
    "RunListStore",
    "RunStore",
    "RunnerInfo",
    "RunnerLoad",
    "SampleStore",
    "Sandbox",
    "SandboxExit",
    "SandboxFault",
    "SandboxLimits",
    "SandboxSpec",
    "SandboxUsage",
    "Sandboxes",
    "ScheduleStore",
    "SecretStore",
    "ServerStore",
    "SessionStore",
    "ShareStore",
    "Signals",
    "SiteStore",
    "SiteTraffic",
    "StartKeyStore",
    "Storage",
    "SubmissionStore",
    "TaskStore",
    "Traffic",
    "Transaction",
    "UploadStore",
    "UsageStore",
    "WebhookStore",
    "WorkerFactStore",
    "WorkerStore",
    "output_topic",
    "run_topic",
    "upload_topic",
]
