"""All services of the domain, as the entrances of a server need them: built once, handed around."""

from __future__ import annotations

from dataclasses import dataclass

from fyke.contracts import Storage
from fyke.domain.accounts.audit import AuditLog
from fyke.domain.accounts.links import OneTimeLinks
from fyke.domain.accounts.profiles import Profiles
from fyke.domain.accounts.service import Accounts
from fyke.domain.accounts.sessions import Sessions
from fyke.domain.accounts.spending import Spending
from fyke.domain.accounts.users import Users
from fyke.domain.alerts.service import Alerts
from fyke.domain.billing.usage import UsageReports
from fyke.domain.callbacks.service import Callbacks
from fyke.domain.catalog.output_fields import OutputFields
from fyke.domain.catalog.removal import WorkerRemoval
from fyke.domain.catalog.service import Catalog
from fyke.domain.forms.service import RunForms
from fyke.domain.health import Health
from fyke.domain.installation.service import Installation
from fyke.domain.logs.reading import LogReading
from fyke.domain.logs.service import RunLogs
from fyke.domain.overview import Overview
from fyke.domain.queue.board import QueueBoard
from fyke.domain.queue.service import RunQueue
from fyke.domain.queue.stream import QueueStream
from fyke.domain.results.export.service import Exports
from fyke.domain.results.export.spool import Spool
from fyke.domain.results.service import RunResults
from fyke.domain.review.files import SubmissionFiles
from fyke.domain.review.service import Reviews
from fyke.domain.runs.bulk import RunBulk
from fyke.domain.runs.endings import RunEndings
from fyke.domain.runs.estimates import Estimates
from fyke.domain.runs.list_stream import ListStream
from fyke.domain.runs.lists import RunLists
from fyke.domain.runs.service import Runs
from fyke.domain.runs.sharing import Shares
from fyke.domain.runs.sites import RunSites
from fyke.domain.runs.stream import RunStreams
from fyke.domain.runs.subtask_reader import SubtaskReader
from fyke.domain.runs.usage import RunUsages
from fyke.domain.runs.waiting import WaitReasons
from fyke.domain.schedules.calendar import ScheduleCalendar
from fyke.domain.schedules.service import Schedules
from fyke.domain.secrets.service import WorkerSecrets
from fyke.domain.tasks.board import TaskBoard
from fyke.domain.tasks.service import Tasks
from fyke.domain.uploads.service import Uploads
from fyke.domain.webhooks.service import Webhooks
from fyke.domain.workers.builds import Builds
from fyke.domain.workers.history import VersionHistory
from fyke.domain.workers.run_options import DefaultRunOptions
from fyke.domain.workers.service import Workers


@dataclass(frozen=True, slots=True)
class Services:
    """What REST API and console speak to."""

    accounts: Accounts
    sessions: Sessions
    links: OneTimeLinks
    profiles: Profiles
    users: Users
    audit: AuditLog
    workers: Workers
    removal: WorkerRemoval
    run_options: DefaultRunOptions
    builds: Builds
    secrets: WorkerSecrets
    forms: RunForms
    history: VersionHistory
    output_fields: OutputFields
    catalog: Catalog
    tasks: Tasks
    schedules: Schedules
    task_board: TaskBoard
    calendar: ScheduleCalendar
    uploads: Uploads
    reviews: Reviews
    submission_files: SubmissionFiles
    runs: Runs
    lists: RunLists
    list_following: ListStream
    bulk: RunBulk
    waiting: WaitReasons
    queue: RunQueue
    board: QueueBoard
    queue_following: QueueStream
    usage: UsageReports
    spending: Spending
    estimates: Estimates
    overview: Overview
    health: Health
    callbacks: Callbacks
    webhooks: Webhooks
    alerts: Alerts
    installation: Installation
    results: RunResults
    exports: Exports
    logs: RunLogs
    log_pages: LogReading
    uses: RunUsages
    run_sites: RunSites
    parts: SubtaskReader
    endings: RunEndings
    shares: Shares
    spool: Spool
    following: RunStreams
    storage: Storage
