"""Builds the REST application from services and plain values, without storage or settings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from fyke import __version__, errors
from fyke.api.agents import AgentRoute, Agents
from fyke.api.auth import AccessControl
from fyke.api.docs.document import COMPLETE, Document, Documents
from fyke.api.docs.operations import DocsRoutes
from fyke.api.downloads import Downloads
from fyke.api.errors import Refusal, on_fyke_error, on_http_exception, on_refusal
from fyke.api.exporting import ExportLinks
from fyke.api.files import FileRoutes, Links
from fyke.api.fyke import accounts as fyke_accounts
from fyke.api.fyke import alerts as fyke_alerts
from fyke.api.fyke import callbacks as fyke_callbacks
from fyke.api.fyke import caps as fyke_caps
from fyke.api.fyke import estimates as fyke_estimates
from fyke.api.fyke import forms as fyke_forms
from fyke.api.fyke import installation as fyke_installation
from fyke.api.fyke import last_pages as fyke_last_pages
from fyke.api.fyke import mail as fyke_mail
from fyke.api.fyke import nodes as fyke_nodes
from fyke.api.fyke import overview as fyke_overview
from fyke.api.fyke import profile as fyke_profile
from fyke.api.fyke import reviews as fyke_reviews
from fyke.api.fyke import run_diagnosis as fyke_run_diagnosis
from fyke.api.fyke import run_lists as fyke_run_lists
from fyke.api.fyke import run_logs as fyke_run_logs
from fyke.api.fyke import run_picture as fyke_run_picture
from fyke.api.fyke import runs as fyke_runs
from fyke.api.fyke import schedules as fyke_schedules
from fyke.api.fyke import secrets as fyke_secrets
from fyke.api.fyke import tasks as fyke_tasks
from fyke.api.fyke import uploads as fyke_uploads
from fyke.api.fyke import usage as fyke_usage
from fyke.api.fyke import users as fyke_users
from fyke.api.fyke import versions as fyke_versions
from fyke.api.fyke import webhooks as fyke_webhooks
from fyke.api.fyke import workers as fyke_workers
from fyke.api.health import HealthRoutes
from fyke.api.hot.path import HotPath
from fyke.api.hot.reads import hot_reads, revised_reads
from fyke.api.hot.route import HotRead
from fyke.api.metrics import MetricsRoutes, TokenRoute
from fyke.api.network import Network, header
from fyke.api.original_console import IconRoutes, OriginalConsoleRoutes
from fyke.api.ratelimit import RateShare, TokenBuckets
from fyke.api.request_meter import RequestMeter
from fyke.api.serving import Operation, mount, operations_of
from fyke.api.sync import SyncAnswers
from fyke.api.transport import Transport, hsts_header
from fyke.api.v1 import account, catalog, results, runs, starts
from fyke.api.v2 import account as v2_account
from fyke.api.v2 import catalog as v2_catalog
from fyke.api.v2 import events as v2_events
from fyke.api.v2 import queue as v2_queue
from fyke.api.v2 import results as v2_results
from fyke.api.v2 import runs as v2_runs
from fyke.api.v2 import starts as v2_starts
from fyke.api.v2 import tasks as v2_tasks
from fyke.api.v2 import versions as v2_versions
from fyke.api.v2.aborting_readers import AbortingReaders
from fyke.api.v2.run_selector import RunSelector
from fyke.domain.callbacks.signing import secret_for
from fyke.domain.services import Services
from fyke.kit.clock import Clock, SystemClock

_ABOUT = """\
Start runs of web-scraping Workers, watch them, and fetch their rows.

Version 2 (`/api/v2`) and version 1 (`/api/v1` and three public paths) are compatible with existing
clients; `/api/fyke` is specific to this server. Send the key as `Authorization: Bearer KEY` or in
the header `api-key`. Every JSON answer is an envelope with `code`, which is 0 for success, and
`message`; operations that answer files or streams describe them. Every answer has the header
`X-Request-Id`, the id of the request in the server's log. Limits: 100,000 characters for a string,
1 MiB for a body, 10 MiB for one with the input of a run, 64 KiB for the head of a request.
"""

REFUSED_LINES = 20  # log lines a minute about refused requests of an address


@dataclass(frozen=True, slots=True)
class ApiConfig:
    """Plain values; times in seconds.

    ``rate_limit``: requests per second, 0 for no limit. ``rate_burst``: requests at once, twice
    ``rate_limit`` by default. ``guesses``: invalid keys that an address may send at once, then
    ``guesses_per_minute``. ``hsts``: ``strict-transport-security`` of answers over https.
    ``metrics_token`` opens the metrics, "" for no token; ``server`` is the name of this process in
    them.
    """

    master_secret: bytes
    host: str = "127.0.0.1"
    public_url: str = ""
    allowed_hosts: Iterable[str] = ()
    trusted_proxies: Iterable[str] = ()
    hsts: str = ""
    rate_limit: float = 60
    rate_burst: int | None = None
    guesses: int = 60
    guesses_per_minute: float = 10
    download_seconds: int = 900
    sync_wait_seconds: float = 300
    abort_grace_seconds: float = 30
    require_callback_url: bool = False
    metrics_token: str = field(default="", repr=False)
    server: str = ""


class Pages(Protocol):
    """The interface of the console that the REST API needs."""

    def has(self, path: str) -> bool: ...
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...


class RestApi(Starlette):
    """The application with its operations and OpenAPI documents."""

    def __init__(self, documents: Documents, operations: Sequence[Operation]) -> None:
        super().__init__(
            exception_handlers={
                errors.FykeError: on_fyke_error,
                Refusal: on_refusal,
                HTTPException: on_http_exception,
            }
        )
        self.router.redirect_slashes = False
        self.documents = documents
        self.operations = operations
        self.hot_path: HotPath | None = None  # for ``HotProtocol``
        self.access: AccessControl | None = None  # for further routes

    def openapi(self) -> Document:
        """The complete OpenAPI document; must not be modified."""
        return self.documents.of(COMPLETE)


def build_app(
    services: Services,
    config: ApiConfig,
    clock: Clock | None = None,
    share: RateShare | None = None,
) -> RestApi:
    """The REST API as one ASGI application.

    ``share``: this server's share of the rate limits, by default all of them.
    """
    clock = clock or SystemClock()
    meter = RequestMeter()
    metrics = MetricsRoutes(services.metrics, meter, config.server)
    operations = [
        operation
        for routes in (*_routes(services, config, clock), metrics)
        for operation in operations_of(routes)
    ]
    documents = Documents("Fyke", __version__, _ABOUT, operations)
    operations += operations_of(DocsRoutes(documents))
    app = RestApi(documents, operations)
    network = Network(
        bound_host=config.host,
        public_url=config.public_url,
        allowed_hosts=config.allowed_hosts,
        trusted_proxies=config.trusted_proxies,
    )
    refused_lines = TokenBuckets(REFUSED_LINES / 60, REFUSED_LINES, clock)
    app.add_middleware(
        Transport, network=network, refused_lines=refused_lines, meter=meter, hsts=config.hsts
    )
    if config.metrics_token:
        app.router.routes.append(TokenRoute(metrics, config.metrics_token))
    access = _access(services, config, clock, share)
    app.access = access
    mount(app, operations, access)
    reads: list[HotRead] = []
    if services.inline is not None:
        reads = hot_reads(services.inline, _grace(config))
    elif services.revisions is not None:
        reads = revised_reads(services.runs, services.revisions)
    if reads:
        hsts = hsts_header(config.hsts)
        app.hot_path = HotPath(reads, operations, network, access, hsts, meter)
    return app


def add_agents(app: RestApi, agents: Agents) -> None:
    """Let ``agents`` answer ``/mcp``."""
    if app.access is not None:
        app.router.routes.append(AgentRoute(agents, app.access))


def add_pages(app: Starlette, pages: Pages) -> None:
    """Let ``pages`` answer paths outside ``/api`` that no operation has.

    If the path is not a page either, a client that does not accept HTML gets the JSON error.
    """
    app.router.default = _pages_or(app.router.default, pages)


def _pages_or(not_found: ASGIApp, pages: Pages) -> ASGIApp:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        below_api = f"{path}/".startswith("/api/")
        accepts_html = "text/html" in (header(scope, b"accept") or "")
        use_pages = not below_api and (accepts_html or pages.has(path))
        await (pages if use_pages else not_found)(scope, receive, send)

    return answer


def _access(
    services: Services, config: ApiConfig, clock: Clock, share: RateShare | None
) -> AccessControl:
    burst = config.rate_burst or max(1, int(config.rate_limit * 2))
    return AccessControl(
        services.accounts,
        requests=TokenBuckets(config.rate_limit, burst, clock, share),
        guesses=TokenBuckets(config.guesses_per_minute / 60, config.guesses, clock, share),
        refusals=services.refusals,
    )


def _routes(services: Services, config: ApiConfig, clock: Clock) -> list[object]:
    """The route objects of all operations except the documents."""
    links = Links(config.master_secret, config.download_seconds)
    return [
        catalog.CatalogRoutes(services.catalog, services.descriptions),
        starts.StartRoutes(
            services.runs,
            services.workers,
            _sync_answers(services, config),
            clock,
            require_callback_url=config.require_callback_url,
        ),
        runs.RunRoutes(services.runs, services.workers, services.logs, links),
        results.ResultRoutes(services.results, ExportLinks(services.exports, links)),
        account.AccountRoutes(services.accounts),
        *_routes_v2(services, config, clock, links),
        fyke_secrets.SecretRoutes(services.secrets),
        fyke_alerts.AlertRoutes(services.alerts),
        fyke_accounts.AccountRoutes(services.accounts, partial(secret_for, config.master_secret)),
        fyke_users.UserRoutes(services.users, services.second_factors),
        *_worker_routes(services),
        FileRoutes(
            services.exports,
            services.logs,
            links,
            services.link_issuers,
            Downloads(services.spool),
        ),
        fyke_callbacks.CallbackRoutes(services.callbacks),
        fyke_webhooks.WebhookRoutes(services.webhooks),
        fyke_schedules.ScheduleRoutes(services.schedules, services.calendar),
        fyke_tasks.TaskBoardRoutes(services.tasks, services.task_board),
        HealthRoutes(services.health),
        fyke_profile.ProfileRoutes(services.sessions, services.profiles, services.audit),
        fyke_installation.InstallationRoutes(services.installation, services.allowed_callbacks),
        fyke_mail.MailRoutes(services.mail),
        fyke_nodes.NodeRoutes(services.nodes, services.node_tokens, services.gateway),
        fyke_usage.UsageRoutes(services.usage),
        fyke_caps.CapRoutes(services.spending),
        fyke_estimates.EstimateRoutes(services.estimates, services.run_options),
        fyke_overview.OverviewRoutes(services.overview, services.board, services.health),
        *_routes_of_runs(services),
    ]


def _routes_of_runs(services: Services) -> list[object]:
    """The route objects of runs and lists of runs."""
    return [
        fyke_run_lists.RunListRoutes(services.lists, services.bulk),
        fyke_runs.RunRoutes(
            services.runs,
            services.endings,
            services.results,
            services.waiting,
            services.uses,
            services.parts,
            services.run_sites,
            services.run_browsers,
            services.input_secrets,
            services.progress,
        ),
        fyke_last_pages.LastPageRoutes(services.last_pages),
        fyke_run_picture.RunPictureRoutes(services.browser_views),
        fyke_run_diagnosis.RunDiagnosisRoutes(services.diagnoses, services.input_secrets),
        fyke_runs.ShareRoutes(services.shares),
        fyke_run_logs.RunLogRoutes(services.logs, services.log_pages),
    ]


def _sync_answers(services: Services, config: ApiConfig) -> SyncAnswers:
    seconds = config.sync_wait_seconds
    return SyncAnswers(services.runs, services.results, services.inline, seconds)


def _routes_v2(services: Services, config: ApiConfig, clock: Clock, links: Links) -> list[object]:
    """The route objects of API v2."""
    grace = _grace(config)
    selector = RunSelector(services.runs, services.workers)
    start_answers = v2_starts.StartAnswers(_sync_answers(services, config), clock, grace)
    aborting = AbortingReaders(grace)
    return [
        v2_account.AccountRoutes(services.accounts),
        v2_catalog.CatalogRoutes(services.catalog, services.workers, services.descriptions),
        v2_versions.VersionRoutes(services.workers),
        v2_starts.StartRoutes(services.runs, selector, start_answers),
        v2_runs.RunRoutes(
            services.runs,
            services.workers,
            services.logs,
            links,
            aborting,
            selector,
        ),
        v2_events.EventRoutes(services.runs, services.run_streams, services.accounts, aborting),
        v2_queue.QueueRoutes(services.queue),
        v2_results.ResultRoutes(services.results, ExportLinks(services.exports, links), selector),
        v2_tasks.TaskRoutes(services.tasks, services.runs, services.workers, start_answers),
    ]


def _grace(config: ApiConfig) -> int:
    """The grace period of ``status_at`` in milliseconds."""
    return round(config.abort_grace_seconds * 1000)


def _worker_routes(services: Services) -> list[object]:
    """The route objects of workers, their forms and versions, uploads and reviews."""
    return [
        fyke_workers.WorkerRoutes(
            services.workers,
            services.catalog,
            services.overview,
            services.removal,
            services.output_fields,
            services.builds,
        ),
        OriginalConsoleRoutes(services.workers, services.icons),
        IconRoutes(services.icons),
        fyke_forms.FormRoutes(services.forms),
        fyke_versions.VersionRoutes(services.workers, services.history, services.promotions),
        fyke_uploads.UploadRoutes(services.uploads),
        fyke_reviews.ReviewRoutes(services.reviews),
    ]
