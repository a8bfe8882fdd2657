"""The server role: REST API, console and timers. Stopping it stops no run."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import urlsplit

import uvicorn

from fyke.api.app import ApiConfig, add_agents, add_pages, build_app
from fyke.api.protocol import LimitedProtocol
from fyke.api.ratelimit import RateShare
from fyke.app.agents import LazyAgents
from fyke.app.folder import master_secret, place
from fyke.app.following import SettingsTimer
from fyke.app.git import open_git
from fyke.app.health import ProxyProbe, disk
from fyke.app.heartbeat import Heartbeat
from fyke.app.outgoing import Outgoing, links_of, open_outgoing
from fyke.app.probe import ServerProbe
from fyke.app.runtime import Runtime, open_runtime
from fyke.app.services import callback_rules, make_runs, make_workers, own_names, password_words
from fyke.app.traces import open_exporter
from fyke.browser.view_client import ViewClient
from fyke.console.api_client import ApiClient
from fyke.console.app import ConsoleConfig
from fyke.console.compose import build_console
from fyke.contracts.git import Git
from fyke.contracts.signals import SignalReader
from fyke.domain.accounts.passwords import Passwords
from fyke.domain.alerts.monitor import AlertMonitor
from fyke.domain.alerts.refusals import RefusedStarts
from fyke.domain.callbacks.current_mail import CurrentMail
from fyke.domain.callbacks.slots import AT_ONCE
from fyke.domain.callbacks.url import CallbackRules
from fyke.domain.catalog.categories import DEFAULT, Categories
from fyke.domain.health import Health
from fyke.domain.nodes.authority import NodeAuthority, certify_server
from fyke.domain.results.export.spool import Spool, remove_folders_of_ended_processes
from fyke.domain.runs.attempts import Attempts
from fyke.domain.runs.service import Runs
from fyke.domain.schedules.firing import Firing
from fyke.domain.services import Foundations, Services
from fyke.errors import Unavailable
from fyke.kit.certificates import CertifiedKey
from fyke.kit.clock import SystemClock
from fyke.kit.descriptors import raise_limit
from fyke.kit.hostports import join_host_port
from fyke.kit.sealing import Sealer
from fyke.link.gateway_views import GatewayViews
from fyke.model.account import Plan
from fyke.model.fleet import FleetEngine
from fyke.settings import Settings
from fyke.timers.access import AccessTimer
from fyke.timers.alerts import AlertTimer
from fyke.timers.callback_hosts import CallbackHostTimer
from fyke.timers.callback_times import CallbackTimeTimer
from fyke.timers.callbacks import CallbackTimer
from fyke.timers.gateway import GatewayTimer
from fyke.timers.last_pages import DAY_MS, LastPageTimer
from fyke.timers.leases import LeaseTimer
from fyke.timers.loop import Timer, TimerBoard, run_timers
from fyke.timers.nodes import SilentNodeTimer
from fyke.timers.retention import RetentionTimer
from fyke.timers.schedules import ScheduleTimer
from fyke.timers.sealing import SealTimer
from fyke.timers.servers import ServerTimer
from fyke.timers.start_keys import StartKeyTimer
from fyke.timers.traces import TraceTimer
from fyke.timers.uploads import UploadTimer


async def serve_server(settings: Settings, listener: socket.socket, heartbeat: Heartbeat) -> None:
    """Serve on ``listener`` until SIGTERM."""
    async with open_runtime(settings, reader=SignalReader.SERVER) as runtime:
        settings = runtime.settings
        heartbeat.watch_stores(runtime.store_paths)
        with contextlib.closing(own_names()) as names:
            rules = callback_rules(settings, names)
            with open_outgoing(settings, rules) as outgoing:
                async with open_git(settings) as git:
                    await _serve(runtime, git, rules, outgoing, listener, heartbeat)


async def _serve(
    runtime: Runtime,
    git: Git,
    rules: CallbackRules,
    outgoing: Outgoing,
    listener: socket.socket,
    heartbeat: Heartbeat,
) -> None:
    settings = runtime.settings
    spool = _spool(settings)
    await asyncio.to_thread(remove_folders_of_ended_processes, settings.downloads_dir)
    share, timer_board = RateShare(), TimerBoard()
    node_views = GatewayViews(lambda: _credentials(runtime))
    foundations = _foundations(runtime, git, rules, spool, outgoing, timer_board, heartbeat)
    foundations = replace(foundations, node_views=node_views)
    inline, revisions = await runtime.inline(), await runtime.storage.revisions()
    services = Services(replace(foundations, inline=inline, revisions=revisions))
    app = build_app(services, _api_config(settings, heartbeat.name), share=share)
    api = ApiClient(app, app.openapi)
    add_pages(app, build_console(services, _console_config(settings), api, share=share))
    agents = LazyAgents(app)
    add_agents(app, agents)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # api/network.py decides which proxies are trusted
        date_header=False,
        loop="none",
        http=LimitedProtocol,
        ws="none",
        lifespan="off",
        timeout_graceful_shutdown=5,
    )
    exporter = open_exporter(settings, heartbeat.name)
    traces = [] if exporter is None else [TraceTimer(runtime.storage, exporter)]
    follower = await _follower(runtime, rules, outgoing)
    async with _server_timers(runtime, share, heartbeat, follower) as server_timers:
        all_timers = [*_timers(runtime, services, outgoing), follower, *server_timers, *traces]
        timers = asyncio.create_task(run_timers(all_timers, timer_board))
        try:
            await uvicorn.Server(config).serve(sockets=[listener])
        finally:
            timers.cancel()
            await asyncio.gather(timers, return_exceptions=True)
            await agents.close()
            if exporter is not None:
                exporter.close()
            await services.browser_views.close()
            node_views.close()
            await services.uploads.close()
            await spool.close()


async def _follower(runtime: Runtime, rules: CallbackRules, outgoing: Outgoing) -> SettingsTimer:
    timer = SettingsTimer(
        runtime.storage,
        runtime.signals,
        runtime.settings,
        rules,
        runtime.settings_version,
        outgoing.mail,
    )
    with contextlib.suppress(Unavailable):  # the timer tries again
        await timer.follow()
    return timer


@contextlib.asynccontextmanager
async def _server_timers(
    runtime: Runtime, share: RateShare, heartbeat: Heartbeat, follower: SettingsTimer
) -> AsyncIterator[list[Timer]]:
    """Register this server among those of its database, which share the rate limits; yield its
    timer, and those for nodes. A single server on SQLite needs none."""
    if not runtime.settings.database_url and runtime.settings.servers == 1:
        yield []
        return
    timer = ServerTimer(
        runtime.storage,
        runtime.signals,
        share.counted,
        place=place(runtime.settings),
        settings_version=lambda: follower.used,
    )
    with contextlib.suppress(Unavailable):  # the timer tries again
        await timer.join()
    more: list[Timer] = []
    if runtime.settings.database_url:
        more = [
            GatewayTimer(runtime.storage, runtime.signals, heartbeat.need_gateway),
            SilentNodeTimer(runtime.storage),
        ]
    try:
        yield [timer, *more]
    finally:
        with contextlib.suppress(Unavailable):  # the other servers notice by its missed heartbeats
            await timer.leave()


def _timers(runtime: Runtime, services: Services, outgoing: Outgoing) -> list[Timer]:
    settings = runtime.settings
    monitor = AlertMonitor(runtime.storage, runtime.results, mail=outgoing.mail)
    timers: list[Timer] = [
        LeaseTimer(
            Attempts(runtime.storage, runtime.results, runtime.rules),
            settings.lease_seconds,
            SystemClock(),
        ),
        StartKeyTimer(runtime.storage),
        AccessTimer(runtime.storage, settings.keep_days),
        CallbackHostTimer(runtime.storage),
        CallbackTimeTimer(runtime.storage),
        ScheduleTimer(
            _firing(runtime, services.runs, outgoing.mail), runtime.signals, SystemClock()
        ),
        CallbackTimer(
            runtime.storage,
            outgoing.notifier,
            runtime.signals,
            SystemClock(),
            master_secret(settings),
            at_once=min(AT_ONCE, _max_open_files() // 2),
            links=links_of(settings),
        ),
        AlertTimer(monitor, runtime.signals, SystemClock()),
        UploadTimer(services.uploads),
        LastPageTimer(services.last_pages, settings.browser_keep_days),
        SealTimer(
            runtime.storage, runtime.results, settings.seal_rows, settings.seal_after_seconds
        ),
    ]
    if settings.keep_days:
        timers.append(RetentionTimer(runtime.storage, services.runs, settings.keep_days))
    return timers


def _firing(runtime: Runtime, runs: Runs, mail: CurrentMail) -> Firing:
    pause_after = runtime.settings.schedule_failures
    report = RefusedStarts(mail).report
    return Firing(runtime.storage, runs, SystemClock(), pause_after, report)


def _max_open_files() -> int:
    """Raise the limit of open files as far as allowed and return it."""
    limit = raise_limit()
    return AT_ONCE * 2 if limit == resource.RLIM_INFINITY else limit


def _foundations(
    runtime: Runtime,
    git: Git,
    rules: CallbackRules,
    spool: Spool,
    outgoing: Outgoing,
    timer_board: TimerBoard,
    heartbeat: Heartbeat,
) -> Foundations:
    """The dependencies of the services."""
    settings, probe = runtime.settings, ServerProbe(runtime, timer_board, SystemClock())
    return Foundations(
        storage=runtime.storage,
        results=runtime.results,
        blobs=runtime.blobs,
        parsers=runtime.parsers,
        workers=make_workers(runtime),
        runs=make_runs(runtime, rules),
        signals=runtime.signals,
        git=git,
        prober=outgoing.prober,
        probe=probe,
        health=_health(runtime, heartbeat, probe),
        spool=spool,
        rules=runtime.rules,
        clock=SystemClock(),
        master_secret=master_secret(settings),
        scratch=settings.scratch_dir,
        hooks=rules,
        passwords=Passwords(words=password_words(settings)),
        categories=Categories(settings.categories or DEFAULT),
        default_plan=Plan(settings.default_plan),
        rate_limit=settings.rate_limit,
        review=settings.review == "required",
        schema_by_slug=settings.schema_by_slug,
        mail=outgoing.mail,
        mailer=outgoing.mailer,
        keep_pages_ms=settings.browser_keep_days * DAY_MS,
        browser_views=(
            ViewClient(settings.browser_view_socket, settings.node_file)
            if settings.browser_live
            else None
        ),
        gateway=gateway_address(settings),
        links=links_of(settings),
        fleet=FleetEngine(settings.fleet),
    )


async def _credentials(runtime: Runtime) -> tuple[str, CertifiedKey]:
    """The certificate of the authority for nodes, and one for this server. Raise ``Unavailable``
    when there is no authority.
    """
    sealer, clock = Sealer(master_secret(runtime.settings)), SystemClock()
    authority = await NodeAuthority(runtime.storage, sealer, clock).find()
    if authority is None:
        raise Unavailable("This installation has no authority for nodes")
    return authority.certificate, certify_server(authority, clock.now_ms() / 1000)


def gateway_address(settings: Settings) -> str:
    """``host:port`` at which machines join as nodes, as far as the settings say; "" with SQLite,
    which nodes cannot use.
    """
    if not settings.database_url:
        return ""
    host = settings.gateway_host
    if host in ("0.0.0.0", "::"):  # noqa: S104 - any address of this machine
        host = urlsplit(settings.public_url).hostname or socket.gethostname()
    return join_host_port(host, settings.gateway_port)


def _spool(settings: Settings) -> Spool:
    """Space for downloads, which leave twice as much disk free as a new run requires."""
    return Spool(
        settings.downloads_dir,
        limit_bytes=settings.download_mb * 2**20,
        floor_bytes=settings.disk_floor_mb * 2 * 2**20,
        keep_seconds=settings.download_seconds,
    )


def _health(runtime: Runtime, heartbeat: Heartbeat, probe: ServerProbe) -> Health:
    settings = runtime.settings
    return Health(
        runtime.storage,
        lambda: disk(settings),
        ProxyProbe(settings.egress_upstreams),
        heartbeat.processes,
        probe.database,
    )


def _console_config(settings: Settings) -> ConsoleConfig:
    return ConsoleConfig(
        master_secret=master_secret(settings),
        rate_limit=settings.rate_limit,
        data_folder=str(settings.home),
    )


def _api_config(settings: Settings, role: str) -> ApiConfig:
    return ApiConfig(
        host=settings.host,
        public_url=settings.public_url,
        allowed_hosts=settings.allowed_hosts,
        trusted_proxies=settings.trusted_proxies,
        hsts=settings.hsts,
        rate_limit=settings.rate_limit,
        download_seconds=settings.download_seconds,
        sync_wait_seconds=settings.sync_wait_seconds,
        abort_grace_seconds=settings.abort_grace_seconds,
        require_callback_url=settings.require_callback_url,
        master_secret=master_secret(settings),
        metrics_token=settings.metrics_token.get_secret_value(),
        server=role,
    )
