"""The composition root: the only module that names concrete classes and wires them.

Read it from below: ``serve_server``, ``serve_runner`` and ``serve_egress`` are the three roles
that ``fyke serve --role`` runs; ``prepare`` makes a data folder ready for all of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog
import uvicorn

from fyke.api.app import ApiConfig, ApiServices, build_app
from fyke.domain.accounts.service import Accounts
from fyke.domain.billing.pricing import Prices
from fyke.domain.callbacks.url import CallbackRules
from fyke.domain.catalog.service import Catalog
from fyke.domain.contracts import Doorbell, IsolationReport, Results, Sandbox, Transaction
from fyke.domain.logs.service import RunLogs
from fyke.domain.results.export.service import Exports
from fyke.domain.results.intake import Intake
from fyke.domain.results.service import RunResults
from fyke.domain.runs.attempts import Attempts
from fyke.domain.runs.outcome import HIDING
from fyke.domain.runs.service import Runs
from fyke.domain.runs.transitions import Rules
from fyke.domain.tasks.service import Tasks
from fyke.domain.workers.service import Workers
from fyke.egress.client import EgressClient
from fyke.egress.process import serve_egress as serve_egress_process
from fyke.engine.local import LocalEngine
from fyke.errors import Conflict
from fyke.kit.addresses import AddressRules
from fyke.kit.clock import SystemClock
from fyke.kit.ids import new_ulid
from fyke.kit.interfaces import own_addresses
from fyke.notify.http import HttpNotifier
from fyke.runner.attempt import Tools
from fyke.runner.bundles import BundleCache
from fyke.runner.loop import Identity, Runner
from fyke.sandbox.environment import UvEnvironments
from fyke.sandbox.launcher_client import LauncherClient
from fyke.sandbox.sandbox import BubblewrapSandbox
from fyke.sandbox.spawner import DirectSpawner
from fyke.settings import Settings
from fyke.storage.blobs.filesystem import FilesystemBlobs
from fyke.storage.doorbell.datagram import DatagramDoorbell
from fyke.storage.doorbell.postgres import PostgresDoorbell
from fyke.storage.sql.results.migrate import migrate_results
from fyke.storage.sql.results.store import open_results
from fyke.storage.sql.schema import migrate
from fyke.storage.sql.storage import SqlStorage, open_storage
from fyke.timers.callbacks import CallbackTimer
from fyke.timers.leases import LeaseTimer
from fyke.timers.loop import Timer, run_timers
from fyke.timers.retention import RetentionTimer

log = structlog.get_logger()

PERMISSIONS = {"open": 0o711, "shared": 0o755, "private": 0o700}


def sqlite_url(path: Path) -> str:
    """The address of a SQLite file for SQLAlchemy."""
    return f"sqlite:///{path.absolute()}"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where state and results live under these settings."""

    state: str
    results: str


def addresses(settings: Settings) -> Addresses:
    """Two SQLite files, or one PostgreSQL database for both."""
    if settings.database_url:
        return Addresses(settings.database_url, settings.database_url)
    return Addresses(sqlite_url(settings.home / "state.db"), sqlite_url(settings.home / "rows.db"))


# --- the data folder -------------------------------------------------------------------------


def make_home(settings: Settings) -> None:
    """Create the data folder and what is in it. Raises ``OSError`` when it cannot be written.

    The folder itself may be passed through, because a sandbox's own user mounts bundles,
    environments and its work folder from below it; everything with secrets in it may not be read.
    """
    for path, mode in (
        (settings.home, PERMISSIONS["open"]),
        (settings.home / "cache", PERMISSIONS["shared"]),
        (settings.bundles_dir, PERMISSIONS["shared"]),
        (settings.environments_dir, PERMISSIONS["shared"]),
        (settings.work_dir, PERMISSIONS["open"]),
        (settings.run_dir, PERMISSIONS["private"]),
        (settings.doorbell_dir, PERMISSIONS["private"]),
        (settings.blobs_dir, PERMISSIONS["private"]),
        (settings.scratch_dir, PERMISSIONS["private"]),
    ):
        path.mkdir(parents=True, exist_ok=True)
        # The launcher has made and owns the work folder where there is one.
        if path.stat().st_mode & 0o777 != mode and path.stat().st_uid == os.geteuid():
            path.chmod(mode)
    if not settings.secret_file.exists():
        write_private(settings.secret_file, secrets.token_hex(32))
    if not settings.node_file.exists():
        write_private(settings.node_file, new_ulid())


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
    part.replace(path)


def master_secret(settings: Settings) -> bytes:
    """The installation's secret: signs downloads, derives webhook secrets."""
    return bytes.fromhex(settings.secret_file.read_text().strip())


def migrate_all(settings: Settings) -> None:
    """Bring both schemas up to date, under a lock that servers starting together share."""
    where = addresses(settings)
    migrate(where.state)
    migrate_results(where.results)


async def bootstrap(settings: Settings) -> None:
    """Make the operator's account at the first start, and its local credential when missing."""
    async with open_state(settings) as storage:
        accounts = Accounts(storage, SystemClock())
        account, key = await accounts.bootstrap()
        if key is None and not settings.owner_key_file.exists():
            key = (await accounts.create_local_key(account.id)).key
        if key is not None:
            write_private(settings.owner_key_file, key)


async def owner_has_password(settings: Settings) -> bool:
    """Whether the operator's account has a user who can sign in from elsewhere."""
    async with open_state(settings) as storage:

        def work(tx: Transaction) -> bool:
            operator = tx.accounts.operator()
            users = tx.accounts.users(operator.id) if operator else []
            return any(user.password_hash for user in users)

        return await storage.read(work)


# --- parts that several roles share ----------------------------------------------------------


def open_doorbell(settings: Settings) -> Doorbell:
    """A datagram socket in the data folder, or LISTEN/NOTIFY where the state is shared."""
    if settings.database_url:
        return PostgresDoorbell(settings.database_url)
    return DatagramDoorbell(settings.doorbell_dir)


def hiding(settings: Settings) -> frozenset[str]:
    """The outcomes that hide the rows of their attempt."""
    return HIDING if settings.failed_rows == "hide" else frozenset()


@contextlib.asynccontextmanager
async def open_state(
    settings: Settings, doorbell: Doorbell | None = None
) -> AsyncIterator[SqlStorage]:
    """The state alone, for a short job."""
    storage = open_storage(
        addresses(settings).state,
        durable=settings.durability == "disk",
        ring=doorbell.ring if doorbell else lambda topic: None,
        hiding=hiding(settings),
    )
    try:
        yield storage
    finally:
        await storage.close()


@dataclass(frozen=True, slots=True)
class House:
    """What server and runner both stand on."""

    settings: Settings
    storage: SqlStorage
    results: Results
    blobs: FilesystemBlobs
    doorbell: Doorbell
    rules: Rules


@contextlib.asynccontextmanager
async def open_house(settings: Settings) -> AsyncIterator[House]:
    """Open state, results, blobs and doorbell, and close them again."""
    doorbell = open_doorbell(settings)
    async with open_state(settings, doorbell) as storage:
        results = open_results(addresses(settings).results, durable=settings.durability == "disk")
        try:
            yield House(
                settings=settings,
                storage=storage,
                results=results,
                blobs=FilesystemBlobs(settings.blobs_dir),
                doorbell=doorbell,
                rules=rules(settings),
            )
        finally:
            await results.close()


def rules(settings: Settings) -> Rules:
    """The installation's rules for runs, as plain values."""
    return Rules(
        prices=Prices(
            cpu_hour=settings.price_cpu_hour,
            memory_gb_hour=settings.price_memory_gb_hour,
            traffic_gb=settings.price_traffic_gb,
            traffic_quota=settings.traffic_quota,
        ),
        hiding=hiding(settings),
        max_subtasks=settings.max_subtasks,
        default_region=settings.default_region,
    )


# --- the server ------------------------------------------------------------------------------


async def serve_server(settings: Settings, listener: socket.socket) -> None:
    """REST and timers, until SIGTERM. Holds no run: killing it stops nothing that runs."""
    async with open_house(settings) as house:
        app = build_app(_api_services(house), _api_config(settings))
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            loop="none",
            http="httptools",
            ws="none",
            lifespan="off",
            timeout_graceful_shutdown=5,
        )
        timers = asyncio.create_task(run_timers(_timers(house)))
        try:
            await uvicorn.Server(config).serve(sockets=[listener])
        finally:
            timers.cancel()
            await asyncio.gather(timers, return_exceptions=True)


def _timers(house: House) -> list[Timer]:
    settings = house.settings
    notifier = HttpNotifier(AddressRules(settings.callback_allow, own_addresses()))
    runs = _runs(house)
    timers: list[Timer] = [
        LeaseTimer(Attempts(house.storage, house.results, house.rules)),
        CallbackTimer(
            house.storage, notifier, house.doorbell, SystemClock(), master_secret(settings)
        ),
    ]
    if settings.keep_days:
        timers.append(RetentionTimer(house.storage, runs, settings.keep_days))
    return timers


def _workers(house: House) -> Workers:
    return Workers(house.storage, house.blobs, SystemClock())


def _runs(house: House) -> Runs:
    return Runs(
        house.storage,
        house.results,
        _workers(house),
        house.doorbell,
        house.rules,
        CallbackRules(AddressRules(house.settings.callback_allow, own_addresses())),
    )


def _api_services(house: House) -> ApiServices:
    workers = _workers(house)
    results = RunResults(house.storage, house.results)
    return ApiServices(
        accounts=Accounts(house.storage, SystemClock()),
        workers=workers,
        catalog=Catalog(house.storage),
        tasks=Tasks(house.storage, workers),
        runs=_runs(house),
        results=results,
        exports=Exports(house.storage, results, SystemClock(), house.settings.scratch_dir),
        logs=RunLogs(house.storage, house.results),
        storage=house.storage,
    )


def _api_config(settings: Settings) -> ApiConfig:
    return ApiConfig(
        host=settings.host,
        public_url=settings.public_url,
        allowed_hosts=settings.allowed_hosts,
        trusted_proxies=settings.trusted_proxies,
        rate_limit=settings.rate_limit,
        download_seconds=settings.download_seconds,
        sync_wait_seconds=settings.sync_wait_seconds,
        require_callback_url=settings.require_callback_url,
        master_secret=master_secret(settings),
    )


# --- the runner ------------------------------------------------------------------------------


def open_sandbox(settings: Settings) -> BubblewrapSandbox:
    """Through the launcher where there is one (started as root), else directly."""
    if settings.launcher_socket.exists():
        return BubblewrapSandbox(settings.work_dir, LauncherClient(settings.launcher_socket))
    return BubblewrapSandbox(settings.work_dir, DirectSpawner(settings.work_dir))


def open_environments(settings: Settings) -> UvEnvironments:
    """Dependency environments of this machine."""
    return UvEnvironments(
        settings.environments_dir, settings.home / "cache" / "uv", seconds=settings.install_seconds
    )


def identity(settings: Settings) -> Identity:
    """Name and size of this runner; 0 in the settings means what the machine has."""
    return Identity(
        id=new_ulid(),
        node=settings.node_file.read_text().strip(),
        cpus=settings.runner_cpus or float(os.cpu_count() or 1),
        memory_mb=settings.runner_memory_mb or _machine_memory_mb() * 8 // 10,
        slots=settings.runner_slots,
    )


def _machine_memory_mb() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20


@contextlib.contextmanager
def only_runner(settings: Settings) -> Iterator[None]:
    """Hold the data folder's runner lock: its attempts belong to one process at a time."""
    with (settings.run_dir / "runner.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(f"Another runner is at work in {settings.home}") from None
        yield


async def serve_runner(settings: Settings) -> None:
    """Attempts, SDK service, rows and logs, until SIGTERM; a second SIGTERM ends them at once."""
    with only_runner(settings):
        async with open_house(settings) as house:
            egress = EgressClient(settings.egress_socket)
            await egress.start()
            sandbox = open_sandbox(settings)
            try:
                report = await sandbox.probe()
                log.info("isolation", level=report.level.value, reason=report.reason)
                runner = _runner(house, sandbox, egress, report)
                _drain_on_sigterm(runner)
                await runner.run()
            finally:
                await egress.stop()


def _runner(
    house: House, sandbox: Sandbox, egress: EgressClient, report: IsolationReport
) -> Runner:
    settings = house.settings
    intake = Intake(house.results, SystemClock())
    attempts = Attempts(house.storage, house.results, house.rules)
    tools = Tools(
        sandbox=sandbox,
        environments=open_environments(settings),
        egress=egress,
        intake=intake,
        attempts=attempts,
        bundles=BundleCache(house.blobs, settings.bundles_dir),
        isolation=report,
        unsafe=settings.unsafe,
        work_bytes=settings.work_mb * 2**20,
        regions=frozenset(settings.egress_upstreams),
    )
    runner = Runner(
        identity(settings),
        house.storage,
        LocalEngine(house.storage),
        house.doorbell,
        attempts,
        intake,
        tools,
    )
    egress.on_trip = runner.traffic_tripped
    return runner


def _drain_on_sigterm(runner: Runner) -> None:
    asked = 0

    def on_sigterm() -> None:
        nonlocal asked
        asked += 1
        runner.drain() if asked == 1 else runner.stop_all()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, on_sigterm)


# --- egress ----------------------------------------------------------------------------------


async def serve_egress(settings: Settings) -> None:
    """The proxy, until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    serving = asyncio.create_task(
        serve_egress_process(
            settings.egress_socket,
            AddressRules(settings.egress_allow, own_addresses()),
            settings.egress_upstreams,
        )
    )
    waiting = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
    for task in (serving, waiting):
        task.cancel()
    await asyncio.gather(serving, waiting, return_exceptions=True)
