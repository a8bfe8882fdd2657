"""How the services of the domain hang together, in one place for the server and for its tests.

Whoever composes brings ``Foundations``: the doors out (see ``contracts``) and plain values. Which
service needs which other one is a matter of the domain, and said here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from fyke.contracts import Blobs, Git, InstallationProbe, Prober, Results, Signals, Storage
from fyke.domain.accounts.audit import AuditLog
from fyke.domain.accounts.links import OneTimeLinks
from fyke.domain.accounts.passwords import Passwords
from fyke.domain.accounts.profiles import Profiles
from fyke.domain.accounts.service import Accounts
from fyke.domain.accounts.sessions import Sessions
from fyke.domain.accounts.spending import Spending
from fyke.domain.accounts.users import Users
from fyke.domain.alerts.service import Alerts
from fyke.domain.billing.usage import UsageReports
from fyke.domain.callbacks.service import Callbacks
from fyke.domain.callbacks.url import CallbackRules
from fyke.domain.catalog.categories import Categories
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
from fyke.domain.runs.transitions import Rules
from fyke.domain.runs.usage import RunUsages
from fyke.domain.runs.waiting import WaitReasons
from fyke.domain.schedules.calendar import ScheduleCalendar
from fyke.domain.schedules.service import Schedules
from fyke.domain.secrets.sealing import Sealer
from fyke.domain.secrets.service import WorkerSecrets
from fyke.domain.services import Services
from fyke.domain.tasks.board import TaskBoard
from fyke.domain.tasks.service import Tasks
from fyke.domain.uploads.service import Uploads
from fyke.domain.webhooks.service import Webhooks
from fyke.domain.workers.builds import Builds
from fyke.domain.workers.history import VersionHistory
from fyke.domain.workers.run_options import DefaultRunOptions
from fyke.domain.workers.service import Workers
from fyke.kit.clock import Clock
from fyke.model.account import Plan


@dataclass(frozen=True, slots=True)
class Foundations:
    """What all services stand on. ``scratch`` is a folder for what does not fit into memory;
    ``hooks`` says which addresses webhooks may go to; ``mails``: whether alerts can be sent as
    mail; ``review``: whether versions of others than the operator wait for one.
    """

    storage: Storage
    results: Results
    blobs: Blobs
    workers: Workers
    runs: Runs
    signals: Signals
    git: Git
    prober: Prober
    probe: InstallationProbe
    health: Health
    spool: Spool
    rules: Rules
    clock: Clock
    master_secret: bytes
    scratch: Path
    hooks: CallbackRules
    passwords: Passwords = field(default_factory=Passwords)
    categories: Categories = field(default_factory=Categories)
    default_plan: Plan = Plan.FREE
    rate_limit: int = 0
    review: bool = True
    mails: bool = False


def build_services(on: Foundations) -> Services:
    """Every service there is."""
    storage, rules, clock = on.storage, on.rules, on.clock
    workers, runs = on.workers, on.runs
    rows = RunResults(storage, on.results, on.scratch)
    log_pages = LogReading(storage, on.results)
    lists, waiting = RunLists(storage, on.results, rules), WaitReasons(storage)
    queue = RunQueue(storage, runs, rules.prices)
    board = QueueBoard(storage, queue, waiting, lists)
    run_sites = RunSites(storage)
    accounts = Accounts(storage, clock, default_plan=on.default_plan, rate_limit=on.rate_limit)
    sessions = Sessions(storage, clock, on.passwords)
    return Services(
        accounts=accounts,
        sessions=sessions,
        links=OneTimeLinks(storage, on.passwords, sessions),
        profiles=Profiles(storage, clock, on.passwords, sessions),
        users=Users(storage, accounts, sessions),
        audit=AuditLog(storage),
        workers=workers,
        removal=WorkerRemoval(storage, rules),
        run_options=DefaultRunOptions(storage),
        builds=Builds(storage),
        secrets=WorkerSecrets(storage, Sealer(on.master_secret)),
        forms=RunForms(storage, rules),
        history=VersionHistory(storage, on.blobs),
        output_fields=OutputFields(storage, rows),
        catalog=Catalog(storage, on.categories, priced=rules.prices.any()),
        tasks=Tasks(storage, workers),
        schedules=Schedules(storage),
        task_board=TaskBoard(storage),
        calendar=ScheduleCalendar(storage),
        uploads=Uploads(storage, on.blobs, workers, runs, on.git, on.signals),
        reviews=Reviews(storage, runs, required=on.review),
        submission_files=SubmissionFiles(on.blobs),
        runs=runs,
        lists=lists,
        list_following=ListStream(lists, on.signals),
        bulk=RunBulk(runs, lists),
        waiting=waiting,
        queue=queue,
        board=board,
        queue_following=QueueStream(board, queue),
        usage=UsageReports(storage),
        spending=Spending(storage, rules.prices),
        estimates=Estimates(storage, rules),
        overview=Overview(storage),
        health=on.health,
        callbacks=Callbacks(storage),
        webhooks=Webhooks(storage, on.hooks, on.prober, clock, on.master_secret),
        alerts=Alerts(storage, on.results, mails=on.mails),
        installation=Installation(storage, on.probe, on.health, clock),
        results=rows,
        exports=Exports(storage, rows, clock, on.scratch),
        logs=RunLogs(storage, on.results),
        log_pages=log_pages,
        uses=RunUsages(storage, rules),
        run_sites=run_sites,
        parts=SubtaskReader(storage),
        endings=RunEndings(log_pages, run_sites),
        shares=Shares(storage, on.master_secret),
        spool=on.spool,
        following=RunStreams(storage, on.results, runs, on.signals),
        storage=storage,
    )
