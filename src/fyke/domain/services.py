"""All services of the domain and how they depend on each other, for the server and its tests.

The composition root passes ``Foundations``: contracts (see ``fyke.contracts``) and plain values.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from fyke.contracts.blobs import Blobs
from fyke.contracts.browser_view import BrowserViews, NodeViews
from fyke.contracts.delivery import Mailer, Prober
from fyke.contracts.git import Git
from fyke.contracts.inline import InlineStores
from fyke.contracts.installation import InstallationProbe
from fyke.contracts.parsing import ParserPool
from fyke.contracts.results import Results
from fyke.contracts.revisions import RunRevisions
from fyke.contracts.signals import Signals
from fyke.contracts.state import Storage
from fyke.domain.accounts.audit import AuditLog
from fyke.domain.accounts.codes import CodeCheck
from fyke.domain.accounts.confirmation import Confirmations, OwnPassword
from fyke.domain.accounts.link_issuers import LinkIssuers
from fyke.domain.accounts.links import OneTimeLinks
from fyke.domain.accounts.mail_addresses import MailAddresses
from fyke.domain.accounts.passwords import Passwords
from fyke.domain.accounts.profiles import Profiles
from fyke.domain.accounts.refusals import Refusals
from fyke.domain.accounts.second_factor import SecondFactors
from fyke.domain.accounts.service import Accounts
from fyke.domain.accounts.sessions import Sessions
from fyke.domain.accounts.spending import Spending
from fyke.domain.accounts.users import Users
from fyke.domain.alerts.service import Alerts
from fyke.domain.billing.usage import UsageReports
from fyke.domain.callbacks.allowed import AllowedCallbacks
from fyke.domain.callbacks.current_mail import CurrentMail
from fyke.domain.callbacks.mail import InstallationMail
from fyke.domain.callbacks.service import Callbacks
from fyke.domain.callbacks.url import CallbackRules
from fyke.domain.catalog.categories import Categories
from fyke.domain.catalog.output_fields import OutputFields
from fyke.domain.catalog.removal import WorkerRemoval
from fyke.domain.catalog.service import Catalog
from fyke.domain.finder import Finder
from fyke.domain.forms.service import RunForms
from fyke.domain.health import Health
from fyke.domain.installation.metrics import InstallationMetrics
from fyke.domain.installation.service import Installation
from fyke.domain.logs.reading import LogReader
from fyke.domain.logs.service import RunLogs
from fyke.domain.nodes.authority import NodeAuthority
from fyke.domain.nodes.control import NodeControl
from fyke.domain.nodes.tokens import NodeTokens
from fyke.domain.overview import Overview
from fyke.domain.queue.board import QueueBoard
from fyke.domain.queue.service import RunQueue
from fyke.domain.queue.stream import QueueStream
from fyke.domain.results.export.service import Exports
from fyke.domain.results.export.spool import Spool
from fyke.domain.results.service import RunResults
from fyke.domain.review.files import SubmissionFiles
from fyke.domain.review.service import Reviews
from fyke.domain.runs.attempts import Attempts
from fyke.domain.runs.browser_reports import RunBrowsers
from fyke.domain.runs.browser_views import RunBrowserViews
from fyke.domain.runs.bulk import RunBulk
from fyke.domain.runs.diagnosis import Diagnoses
from fyke.domain.runs.endings import RunEndings
from fyke.domain.runs.estimates import Estimates
from fyke.domain.runs.input_secrets import InputSecretFinder
from fyke.domain.runs.last_pages import LastPages
from fyke.domain.runs.list_stream import ListStream
from fyke.domain.runs.lists import RunLists
from fyke.domain.runs.progress import RunProgress
from fyke.domain.runs.recent import RecentRuns
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
from fyke.domain.secrets.service import WorkerSecrets
from fyke.domain.tasks.board import TaskBoard
from fyke.domain.tasks.service import Tasks
from fyke.domain.uploads.service import Uploads
from fyke.domain.webhooks.service import Webhooks
from fyke.domain.workers.builds import Builds
from fyke.domain.workers.description import WorkerDescriptions
from fyke.domain.workers.history import VersionHistory
from fyke.domain.workers.icons import Icons
from fyke.domain.workers.promotion import Promotions
from fyke.domain.workers.run_options import DefaultRunOptions
from fyke.domain.workers.service import Workers
from fyke.kit.clock import Clock
from fyke.kit.sealing import Sealer
from fyke.model.account import Plan
from fyke.model.fleet import FleetEngine


@dataclass(frozen=True, slots=True)
class Foundations:
    """The dependencies of all services. ``scratch`` is a folder for data that does not fit into
    memory; ``hooks`` checks the addresses of webhooks; ``mail`` is the mail
    server; ``review``: whether versions of other accounts than the operator's need one;
    ``schema_by_slug``: whether the schema of a private worker can be read by slug without a key.
    ``inline``: the stores for reads in the event loop, None where every read waits; there,
    ``revisions`` of runs may be known without a read. ``browser_views``: None where live views are
    switched off; ``node_views``: those of nodes. ``keep_pages_ms``: how long last pages are kept, 0
    without a limit. ``gateway``: the address at which machines join as nodes, "" where nodes cannot
    use the database; ``fleet``: which engine runs them. ``links``: the address of the console, for
    links in messages.
    """

    storage: Storage
    results: Results
    blobs: Blobs
    parsers: ParserPool
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
    schema_by_slug: bool = True
    mail: CurrentMail = field(default_factory=CurrentMail)
    mailer: Mailer | None = None
    inline: InlineStores | None = None
    revisions: RunRevisions | None = None
    browser_views: BrowserViews | None = None
    node_views: NodeViews | None = None
    keep_pages_ms: int = 0
    gateway: str = ""
    links: str = ""
    fleet: FleetEngine = FleetEngine.STATIC


class InlineServices:
    """The services whose reads are polled, over stores that are read in the event loop: their reads
    may raise ``NotInline``.
    """

    def __init__(self, foundations: Foundations, stores: InlineStores) -> None:
        state, rows = stores.state, stores.rows
        self.stores = stores
        self.accounts = Accounts(state, foundations.clock)
        self.results = RunResults(state, rows, foundations.scratch)
        self.runs = Runs(
            state,
            rows,
            foundations.workers,
            foundations.signals,
            foundations.rules,
            foundations.hooks,
        )


class Services:
    """The services that the REST API and the console call; built once."""

    def __init__(self, foundations: Foundations) -> None:  # noqa: PLR0915 - one line for each service
        storage, rules, clock = foundations.storage, foundations.rules, foundations.clock
        self.storage = storage
        self.parsers = foundations.parsers
        self.workers = foundations.workers
        self.runs = foundations.runs
        stores = foundations.inline
        self.inline = None if stores is None else InlineServices(foundations, stores)
        self.revisions = foundations.revisions
        self.accounts = Accounts(
            storage,
            clock,
            default_plan=foundations.default_plan,
            rate_limit=foundations.rate_limit,
            inline=None if stores is None else stores.state,
        )
        sealer = Sealer(foundations.master_secret)
        codes = CodeCheck(storage, clock, sealer)
        own_password = OwnPassword(storage, clock, foundations.passwords)
        self.sessions = Sessions(storage, clock, foundations.passwords, codes)
        self.confirmations = Confirmations(storage, own_password, codes, self.sessions)
        self.second_factors = SecondFactors(storage, codes, self.sessions)
        self.results = RunResults(storage, foundations.results, foundations.scratch)
        self.log_pages = LogReader(storage, foundations.results)
        self.lists = RunLists(storage, foundations.results, rules)
        self.finder = Finder(storage, self.lists)
        self.progress = RunProgress(storage)
        self.recent_runs = RecentRuns(storage)
        self.waiting = WaitReasons(storage, rules)
        self.queue = RunQueue(storage, foundations.runs, rules.prices)
        self.board = QueueBoard(storage, self.queue, self.waiting, self.lists)
        self.run_sites = RunSites(storage)
        self.run_browsers = RunBrowsers(storage, foundations.keep_pages_ms)
        self.last_pages = LastPages(storage, foundations.blobs)
        self.browser_views = RunBrowserViews(
            storage, foundations.browser_views, foundations.node_views
        )
        self.links = OneTimeLinks(storage, foundations.passwords, codes, self.sessions)
        self.profiles = Profiles(storage, own_password, foundations.passwords, self.sessions)
        self.mail_addresses = MailAddresses(storage, clock, sealer, foundations.mailer)
        self.users = Users(storage, self.accounts, self.sessions)
        self.audit = AuditLog(storage)
        self.refusals = Refusals(storage, clock)
        self.icons = Icons(
            storage, foundations.blobs, foundations.parsers, self.workers.require_place
        )
        self.descriptions = WorkerDescriptions(storage, by_slug=foundations.schema_by_slug)
        self.removal = WorkerRemoval(storage, rules)
        self.run_options = DefaultRunOptions(storage)
        self.builds = Builds(storage)
        self.secrets = WorkerSecrets(storage, sealer)
        self.input_secrets = InputSecretFinder(storage, foundations.parsers)
        self.forms = RunForms(storage, rules, foundations.parsers, self.input_secrets)
        self.history = VersionHistory(storage, foundations.blobs, foundations.parsers)
        self.promotions = Promotions(
            storage, self.history, foundations.parsers, foundations.workers.prepares
        )
        self.output_fields = OutputFields(storage, self.results)
        self.catalog = Catalog(storage, foundations.categories, priced=rules.prices.any())
        self.tasks = Tasks(storage, self.workers, rules)
        self.schedules = Schedules(storage)
        self.task_board = TaskBoard(storage, rules)
        self.calendar = ScheduleCalendar(storage)
        self.uploads = Uploads(
            storage,
            foundations.blobs,
            foundations.parsers,
            self.workers,
            self.runs,
            foundations.git,
            foundations.signals,
        )
        self.reviews = Reviews(storage, self.runs, required=foundations.review)
        self.submission_files = SubmissionFiles(foundations.blobs, foundations.parsers)
        self.list_stream = ListStream(self.lists, foundations.signals)
        self.bulk = RunBulk(self.runs, self.lists)
        self.queue_stream = QueueStream(self.board, self.queue)
        self.usage = UsageReports(storage)
        self.spending = Spending(storage, rules.prices)
        self.estimates = Estimates(storage, rules)
        self.overview = Overview(storage)
        self.health = foundations.health
        self.callbacks = Callbacks(storage)
        self.allowed_callbacks = AllowedCallbacks(
            storage, foundations.hooks, lambda: foundations.probe.egress_report().callbacks_allowed
        )
        self.mail = InstallationMail(
            storage, foundations.mail, foundations.hooks, sealer, foundations.mailer, clock
        )
        self.webhooks = Webhooks(
            storage,
            foundations.hooks,
            foundations.prober,
            clock,
            foundations.master_secret,
            foundations.links,
        )
        self.alerts = Alerts(storage, foundations.results, mail=foundations.mail)
        self.installation = Installation(storage, foundations.probe, foundations.health, clock)
        self.metrics = InstallationMetrics(storage, rules, clock)
        self.gateway = foundations.gateway
        attempts = Attempts(storage, foundations.results, rules)
        self.nodes = NodeControl(storage, attempts, rules, foundations.fleet)
        authority = NodeAuthority(storage, sealer, clock)
        self.node_tokens = NodeTokens(storage, authority, shared=bool(foundations.gateway))
        self.exports = Exports(storage, self.results, clock, foundations.scratch)
        self.logs = RunLogs(storage, foundations.results)
        self.uses = RunUsages(storage, rules)
        self.parts = SubtaskReader(storage)
        self.endings = RunEndings(storage, self.log_pages, self.run_sites)
        self.diagnoses = Diagnoses(
            storage,
            inputs=self.input_secrets,
            runs=self.runs,
            endings=self.endings,
            results=self.results,
            waiting=self.waiting,
            usages=self.uses,
            sites=self.run_sites,
            browsers=self.run_browsers,
            pages=self.last_pages,
            subtasks=self.parts,
            logs=self.logs,
            log_pages=self.log_pages,
        )
        self.shares = Shares(storage, foundations.master_secret)
        self.link_issuers = LinkIssuers(storage)
        self.spool = foundations.spool
        self.run_streams = RunStreams(storage, foundations.results, self.runs, foundations.signals)
