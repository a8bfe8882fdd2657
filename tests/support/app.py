"""The real services over a real SQLite database in a temporary folder, and a stand-in runner.

The runner here leases and ends attempts through the same services as the real one; only the
Worker's process is missing, so that the API can be tested without a sandbox.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import ssl
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache, cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import structlog
from argon2 import PasswordHasher
from starlette import routing

from fyke.api.app import ApiConfig, add_pages, build_app
from fyke.app.runtime import Runtime
from fyke.app.runtime import rules as rules_of
from fyke.browser.view_client import ViewClient
from fyke.console.api_client import ApiClient
from fyke.console.app import Console, ConsoleConfig
from fyke.console.compose import build_console
from fyke.contracts.blobs import Blobs
from fyke.contracts.git import Git
from fyke.contracts.inline import InlineStores
from fyke.contracts.parsing import ParserPool
from fyke.contracts.signals import output_topic
from fyke.domain.accounts.passwords import Passwords
from fyke.domain.accounts.service import Accounts
from fyke.domain.callbacks.url import CallbackRules
from fyke.domain.health import Health
from fyke.domain.results.export.spool import Spool
from fyke.domain.runs.attempts import Attempts
from fyke.domain.runs.last_pages import LastPages
from fyke.domain.runs.outcome import HIDING
from fyke.domain.runs.service import Runs
from fyke.domain.runs.transitions import Rules
from fyke.domain.services import Foundations, Services
from fyke.domain.workers.service import Workers
from fyke.kit.addresses import AddressRules
from fyke.kit.clock import SystemClock
from fyke.kit.mail_servers import parse_server
from fyke.model.account import Caller
from fyke.model.attempt import AttemptEnd
from fyke.model.billing import Prices
from fyke.model.browser import ANY_BROWSER
from fyke.model.fleet import FleetEngine
from fyke.model.health import Disk, ProxyReport
from fyke.model.log import NewLogEntry
from fyke.model.results import AttemptBatch, Header, PushedRow
from fyke.model.run import End, Outcome
from fyke.model.runner import AttemptUsage, Capacity, Lease, RunnerInfo
from fyke.model.worker import VersionState, Worker
from fyke.notify.http import HttpNotifier
from fyke.parsing.pools import ThreadPool
from fyke.reasons import Detail, Reason
from fyke.settings import Settings
from fyke.storage.blobs.filesystem import FilesystemBlobs
from fyke.storage.signals.datagram import DatagramSignals
from fyke.storage.sql.results.store import SqlResults
from fyke.storage.sql.state.storage import SqlStorage, open_storage
from support.git_sandboxes import sandboxed_git
from support.installation import FixedProbe
from support.mail_servers import using
from support.prepared import rows_in, state_in
from support.projects import python_project
from support.stores import sqlite_stores

# compile each path once for all applications, and format log lines cheaply: each request has one
routing.compile_path = cache(routing.compile_path)
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        structlog.processors.KeyValueRenderer(["level", "event"]),
    ]
)

SECRET = bytes(range(32))
KEYS = "keys.json"  # beside the prepared databases: account to key
RUNNER = "01HFRUNNER0000000000000000"
MACHINE = "node"  # on which it is
SCHEMA: dict[str, Any] = {
    "description": "Pages to read",
    "b": "urls",
    "properties": [
        {"name": "urls", "type": "array", "editor": "requestList", "required": True},
        {"name": "max_results", "type": "integer", "editor": "number"},
    ],
}


def fast_passwords() -> Passwords:
    """Full-strength hashes would add minutes to the suite."""
    return Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


DISK = Disk(free=80 * 2**30, total=100 * 2**30, floor=2**30)


async def _proxies() -> list[ProxyReport]:
    return [ProxyReport("US", "proxy.example:1080", 12, "")]


@cache
def tls_context() -> ssl.SSLContext:
    """The system's authorities, read once for all tests."""
    return ssl.create_default_context()


def make_templates(folder: Path) -> Path:
    """Write the databases that tests copy, with the operator's account and a second one."""
    for name, data in _templates().items():
        (folder / name).write_bytes(data)
    return folder


@cache
def _templates() -> dict[str, bytes]:
    """The files by name, made once for all tests."""
    with TemporaryDirectory() as place, ThreadPoolExecutor(1) as thread:
        folder = Path(place)
        state_in(folder)
        rows_in(folder)
        # in a thread, because the caller's thread may already run an event loop
        keys = thread.submit(asyncio.run, _fill(folder)).result()
        (folder / KEYS).write_text(json.dumps(keys))
        return {name: (folder / name).read_bytes() for name in ("state.db", "rows.db", KEYS)}


async def _fill(folder: Path) -> dict[str, str]:
    url = f"sqlite:///{folder / 'state.db'}"
    storage = open_storage(url, durable=False, notify=lambda topic: None, hiding=HIDING)
    try:
        return await _first_accounts(Accounts(storage, SystemClock()))
    finally:
        await storage.close()


async def _first_accounts(accounts: Accounts) -> dict[str, str]:
    _, owner_key = await accounts.bootstrap()
    assert owner_key is not None
    owner = await accounts.authenticate(owner_key)
    _, other_key = await accounts.add_account(owner, "other")
    return {"owner": owner_key, "other": other_key.key}


_DOCUMENTS: dict[str, Any] = {}  # the same for every application; building one takes a second


class LateConsole:
    """The console of ``app``, built on first use, because most tests request no page."""

    def __init__(self, services: Services, app: Any) -> None:
        self._services, self._app = services, app

    @cached_property
    def _console(self) -> Console:
        return build_console(
            self._services,
            ConsoleConfig(SECRET, rate_limit=0, data_folder="/srv/fyke"),
            ApiClient(self._app, self._app.openapi),
        )

    @property
    def pages(self) -> Any:
        return self._console.pages

    def has(self, path: str) -> bool:
        return self._console.has(path)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._console(scope, receive, send)


@dataclass
class App:
    """The services behind the API, with the keys of the owner and of a second account."""

    storage: SqlStorage
    results: SqlResults
    blobs: Blobs
    services: Services
    attempts: Attempts
    signals: DatagramSignals
    owner: Caller
    owner_key: str
    other: Caller
    other_key: str

    def asgi(self, **config: Any) -> Any:
        values: dict[str, Any] = {"master_secret": SECRET, "rate_limit": 0} | config
        app = build_app(self.services, ApiConfig(**values))
        app.documents._documents = _DOCUMENTS
        app.state.console = LateConsole(self.services, app)
        add_pages(app, app.state.console)
        return app

    def runtime(self, settings: Settings) -> Runtime:
        """What a role with these settings has of this application."""
        return Runtime(
            settings=settings,
            storage=self.storage,
            results=self.results,
            blobs=self.blobs,
            parsers=ThreadPool(),
            signals=self.signals,
            rules=rules_of(settings),
            store_paths=(),
        )

    async def publish(
        self,
        name: str = "reader",
        *,
        caller: Caller | None = None,
        public: bool = True,
        schema: dict[str, Any] | None = None,
        main: str = "print('hello')\n",
        output: list[dict[str, Any]] | None = None,
        browser: str = "",
    ) -> Worker:
        """``browser``: the declared need of one, "" = nothing is declared."""
        files = {"fyke.json": json.dumps({"browser": browser})} if browser else {}
        data = python_project(
            main, schema=SCHEMA if schema is None else schema, output=output, **files
        )
        worker, _, _ = await self.services.workers.publish(
            caller or self.owner, data, name=name, title=f"The {name}", public=public
        )
        return worker

    async def withdraw(self, worker: Worker, number: str) -> None:
        state = VersionState.WITHDRAWN
        await self.storage.write(lambda tx: tx.workers.set_version_state(worker.id, number, state))

    async def register_runner(
        self, trouble: Detail | None = None, *, browsers: int = 0, **browser: Any
    ) -> None:
        """Register a healthy runner that can execute every run, or one with ``trouble``; one
        without a browser unless ``browsers`` is set. ``browser`` are further members about it.
        """

        def work(tx: Any) -> None:
            runner = RunnerInfo(RUNNER, MACHINE, "full", "", 8, 8192, tx.now, trouble=trouble)
            tx.runs.put_runner(replace(runner, browsers=browsers, **browser))

        await self.storage.write(work)

    async def lease(self) -> list[Lease]:
        room = Capacity(
            cpus=1000, memory_mb=10**7, slots=1000, browser_ready=True, offer=ANY_BROWSER
        )

        def work(tx: Any) -> list[Lease]:
            leases: list[Lease] = tx.runs.lease(RUNNER, room, tx.now + 60_000, node=MACHINE)
            return leases

        return await self.storage.write(work)

    async def begin(self) -> list[Lease]:
        """Lease and start all waiting subtasks."""
        leases = await self.lease()
        for lease in leases:
            await self.results.open_attempt(lease.run.id, lease.attempt.id)
            await self.attempts.started(lease.attempt.key, RUNNER, MACHINE)
        return leases

    async def push(
        self,
        lease: Lease,
        rows: Sequence[dict[str, Any] | bytes],
        headers: list[Header] | None = None,
        log: Sequence[str] = (),
    ) -> None:
        data = [
            r if isinstance(r, bytes) else json.dumps(r, separators=(",", ":")).encode()
            for r in rows
        ]
        lines = [
            NewLogEntry(2, lease.attempt.number, text, 1_700_000_000_000 + at)
            for at, text in enumerate(log)
        ]
        batch = AttemptBatch(
            lease.run.id, lease.attempt.id, [PushedRow(d) for d in data], headers, lines
        )
        assert await self.results.commit([batch]) == [True]
        self.signals.notify(output_topic(lease.run.id))

    async def end(
        self,
        lease: Lease,
        outcome: Outcome = Outcome.SUCCEEDED,
        message: str = "",
        reason: Reason | None = None,
        usage: AttemptUsage | None = None,
    ) -> None:
        end = End(outcome, message, reason)
        usage = usage or AttemptUsage(traffic_bytes=2048, busy_ms=5)
        await self.attempts.ended(lease.attempt.key, AttemptEnd(end, usage), actor="runner")

    async def execute(
        self,
        rows: Sequence[dict[str, Any] | bytes] = (),
        outcome: Outcome = Outcome.SUCCEEDED,
        message: str = "",
        headers: list[Header] | None = None,
        log: Sequence[str] = (),
        reason: Reason | None = None,
    ) -> None:
        """Execute all waiting subtasks to their end; the first one pushes the rows."""
        for index, lease in enumerate(await self.begin()):
            if index == 0:
                await self.push(lease, rows, headers, log)
            await self.end(lease, outcome, message, reason)


async def _inline(storage: SqlStorage, results: SqlResults) -> InlineStores | None:
    state, rows = await storage.inline(), await results.inline()
    return InlineStores(state, rows) if state and rows else None


@asynccontextmanager
async def open_app(
    folder: Path,
    templates: Path | None,
    *,
    prices: Prices | None = None,
    max_subtasks: int = 1000,
    state_url: str = "",
    review: bool = False,
    schema_by_slug: bool = True,
    git: Git | None = None,
    parsers: ParserPool | None = None,
    traces: bool = False,
    receivers: CallbackRules | None = None,
) -> AsyncIterator[App]:
    """``templates``: the databases to copy, or None to open the store of an earlier call again,
    with the keys in ``folder``. ``state_url``: a migrated database, instead of a new one in
    ``folder``. ``review``: versions of accounts other than the operator's wait for review.
    ``parsers``: threads by default. ``traces``: runs get one. ``receivers``: the rules for
    callbacks and webhooks; by default, webhooks may call this machine.
    """
    parsers = parsers or ThreadPool()
    if templates is not None:
        for name in ("state.db", "rows.db", KEYS):
            shutil.copy(templates / name, folder / name)
    signals = DatagramSignals(folder / "signals")
    rules = Rules(
        prices=prices or Prices(Decimal(0), Decimal(0), Decimal(0), False),
        hiding=HIDING,
        max_subtasks=max_subtasks,
        default_region="",
        browser_cpus=1.0,
        browser_memory_max_mb=8192,
        browser_memory_mb=1024,
    )
    clock = SystemClock()
    blobs = FilesystemBlobs(folder / "blobs", durable=False)
    spool = Spool(folder / "downloads", limit_bytes=2**30, floor_bytes=0, keep_seconds=900)
    hooks = receivers or CallbackRules(AddressRules(["127.0.0.0/8"]))
    notifier = HttpNotifier(hooks, context=tls_context())
    with sqlite_stores(folder, signals.notify) as (state, results):
        storage = state
        keys = json.loads((folder / KEYS).read_text())
        if state_url:
            storage = open_storage(state_url, durable=False, notify=signals.notify, hiding=HIDING)
            if templates is not None:
                keys = await _first_accounts(Accounts(storage, clock))
                (folder / KEYS).write_text(json.dumps(keys))
        workers = Workers(storage, blobs, parsers, clock, review=review)
        callbacks = receivers or CallbackRules(AddressRules(()))
        pages = LastPages(storage, blobs)
        runs = Runs(
            storage, results, workers, signals, rules, callbacks, last_pages=pages, traces=traces
        )
        services = Services(
            Foundations(
                storage=storage,
                results=results,
                blobs=blobs,
                parsers=parsers,
                workers=workers,
                runs=runs,
                signals=signals,
                git=git or sandboxed_git(AddressRules()),
                prober=notifier,
                probe=FixedProbe(rules.prices),
                health=Health(storage, lambda: DISK, _proxies),
                spool=spool,
                rules=rules,
                clock=clock,
                master_secret=SECRET,
                scratch=folder,
                hooks=hooks,
                keep_pages_ms=7 * 24 * 3_600_000,
                gateway="127.0.0.1:8110",
                fleet=FleetEngine.KUBERNETES,
                passwords=fast_passwords(),
                review=review,
                schema_by_slug=schema_by_slug,
                mail=using(parse_server("smtp://mail.example")),
                inline=await _inline(storage, results),
                revisions=await storage.revisions(),
                browser_views=ViewClient(folder / "browser-view.sock", folder / "node"),
            )
        )
        try:
            yield App(
                storage=storage,
                results=results,
                blobs=blobs,
                services=services,
                attempts=Attempts(storage, results, rules),
                signals=signals,
                owner=await services.accounts.authenticate(keys["owner"]),
                owner_key=keys["owner"],
                other=await services.accounts.authenticate(keys["other"]),
                other_key=keys["other"],
            )
        finally:
            signals.close()
            notifier.close()
            await services.browser_views.close()
            await services.uploads.close()
            await spool.close()
            await results.close()
            await state.close()
            await storage.close()
