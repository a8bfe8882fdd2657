"""The runner role: it runs attempts, serves the SDK, and stores rows and logs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import structlog

from fyke import __version__
from fyke.app.cut_off import CutOff
from fyke.app.find_links import find_links_folders
from fyke.app.folder import master_secret, write_private
from fyke.app.heartbeat import Heartbeat
from fyke.app.runner_browsers import connect, open_browsers
from fyke.app.runtime import Runtime, open_runtime
from fyke.contracts.egress import NO_BROWSER, Egress
from fyke.contracts.execution import IsolationReport
from fyke.contracts.signals import SignalReader
from fyke.contracts.state import Storage, Transaction
from fyke.contracts.tools import ToolRunner
from fyke.domain.nodes.service import NodeService, NodeStores, RunnerName, never_cut_off
from fyke.domain.results.intake import Intake
from fyke.domain.results.output_signals import OutputSignals
from fyke.domain.runs.isolation import RUNNER_SILENCE_MS
from fyke.egress.client import EgressClient
from fyke.errors import Conflict
from fyke.kit.clock import SystemClock
from fyke.kit.descriptors import raise_limit
from fyke.kit.file_lock import locked
from fyke.kit.ids import new_ulid
from fyke.kit.sealing import Sealer
from fyke.runner.attempt import AttemptDependencies
from fyke.runner.browser_dependencies import BrowserDependencies
from fyke.runner.bundles import BundleCache
from fyke.runner.loop import Runner, RunnerSize
from fyke.sandbox.factory import BubblewrapSandboxes
from fyke.sandbox.packages.environment import UvEnvironments
from fyke.sandbox.process.launcher_client import LauncherClient
from fyke.sandbox.process.spawner import DirectSpawner
from fyke.sandbox.warm import WarmSandboxes
from fyke.settings import Settings

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

log = structlog.get_logger()


def open_sandbox(settings: Settings) -> BubblewrapSandboxes:
    """Sandboxes of the launcher where Fyke was started as root, else started directly."""
    if settings.launcher:
        return BubblewrapSandboxes(settings.work_dir, LauncherClient(settings.launcher_socket))
    spawner = DirectSpawner(settings.work_dir, find_links=find_links_folders(os.environ))
    return BubblewrapSandboxes(settings.work_dir, spawner)


def open_environments(settings: Settings, tools: ToolRunner) -> UvEnvironments:
    """The environments of this machine; tools in sandboxes install them."""
    return UvEnvironments(
        settings.environments_dir,
        tools,
        seconds=settings.install_seconds,
        region=settings.default_region,
        upstream=has_upstream(settings),
    )


def has_upstream(settings: Settings) -> bool:
    """Whether traffic without a region goes through a proxy."""
    regions = {region.upper() for region in settings.egress_upstreams}
    return "*" in regions or settings.default_region.upper() in regions


def runner_size(settings: Settings) -> RunnerSize:
    """The capacity of this runner; 0 in the settings stands for the size of the machine."""
    return RunnerSize(
        cpus=settings.runner_cpus or float(os.cpu_count() or 1),
        memory_mb=settings.runner_memory_mb or _machine_memory_mb() * 8 // 10,
        slots=settings.runner_slots,
    )


def node_name(settings: Settings) -> str:
    return settings.node_file.read_text().strip()


def place(settings: Settings) -> str:
    """Return ``RunnerInfo.place`` of this data folder. A copied folder or machine has a different
    one.
    """
    folder = settings.home.stat()
    return f"{BOOT_ID.read_text().strip()}/{folder.st_dev}/{folder.st_ino}"


async def rename_copied_node(settings: Settings, storage: Storage) -> None:
    """Give this node a new name if a runner of this name is alive in another place: then the data
    folder or the machine is a copy.
    """
    name, own_place = node_name(settings), place(settings)

    def is_taken(tx: Transaction) -> bool:
        active = tx.runs.runners(tx.now - RUNNER_SILENCE_MS)
        return any(r.node == name and r.place not in ("", own_place) for r in active)

    if await storage.read(is_taken):
        new = new_ulid()
        write_private(settings.node_file, new)
        log.warning("node_renamed", node=new, copied_from=name)


def _machine_memory_mb() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20


@contextlib.contextmanager
def only_runner(settings: Settings) -> Iterator[None]:
    """Hold the runner lock of the data folder: only one runner may use it at a time."""
    with locked(settings.run_dir / "runner.lock", wait=False) as free:
        if not free:
            raise Conflict(f"Another runner uses the data folder {settings.home}; stop it first")
        yield


async def serve_runner(settings: Settings, heartbeat: Heartbeat) -> None:
    """Run until SIGTERM and the end of the running attempts; a second SIGTERM stops them."""
    raise_limit()  # an attempt needs about a dozen descriptors
    with only_runner(settings):
        async with open_runtime(settings, reader=SignalReader.RUNNER, runner=True) as runtime:
            heartbeat.watch_stores(runtime.store_paths)
            await rename_copied_node(settings, runtime.storage)
            egress = EgressClient(settings.egress_socket)
            await egress.start()
            sandbox = open_sandbox(settings)
            try:
                report = await sandbox.probe()
                log.info("isolation", level=report.level.value, reason=report.reason)
                cut_off = CutOff(settings.database_url, heartbeat.peer_store)
                warm = WarmSandboxes(sandbox, settings.warm_sandboxes, settings.warm_idle_seconds)
                size = runner_size(settings)
                async with open_browsers(
                    settings, sandbox, cpus=size.cpus, memory_mb=size.memory_mb
                ) as browser:
                    runner = make_runner(
                        runtime, sandbox, egress, report, cut_off.is_cut_off, warm, browser
                    )
                    _drain_on_sigterm(runner, sandbox)
                    async with warm.kept():
                        await runner.run()
            finally:
                await egress.stop()


def make_runner(
    runtime: Runtime,
    sandbox: BubblewrapSandboxes,
    egress: Egress,
    report: IsolationReport,
    is_cut_off: Callable[[int], Awaitable[bool]] = never_cut_off,
    warm: WarmSandboxes | None = None,
    browser: BrowserDependencies | None = None,
    no_browser: str = NO_BROWSER,
) -> Runner:
    """Build a runner; the egress notifies it of reached limits and refusals, and the gateway
    of browsers of what their connections need. Attempts get their sandboxes from ``warm`` if given.
    ``no_browser`` says why there is none.
    """
    settings = runtime.settings
    output_signals = OutputSignals(runtime.signals)
    runtime.results.watch(output_signals.stored)
    name = RunnerName(new_ulid(), node_name(settings), place(settings))
    gateway = NodeService(name, node_stores(runtime), is_cut_off)
    deps = AttemptDependencies(
        gateway=gateway,
        sandbox=warm or sandbox,
        environments=open_environments(settings, sandbox.tools(egress)),
        egress=egress,
        intake=Intake(gateway.rows, SystemClock()),
        bundles=BundleCache(gateway.files, settings.bundles_dir),
        isolation=report,
        unsafe=settings.unsafe,
        work_bytes=settings.work_mb * 2**20,
        regions=frozenset(region.upper() for region in settings.egress_upstreams),
        browser=browser,
        no_browser=no_browser,
    )
    runner = Runner(runner_size(settings), deps, release=__version__)
    egress.on_trip = runner.traffic_tripped
    egress.on_refused = runner.connection_refused
    if browser is not None:
        connect(runner, browser)
    return runner


def node_stores(runtime: Runtime) -> NodeStores:
    """What serves the runners of this installation."""
    return NodeStores(
        storage=runtime.storage,
        results=runtime.results,
        blobs=runtime.blobs,
        signals=runtime.signals,
        rules=runtime.rules,
        sealer=Sealer(master_secret(runtime.settings)),
        clock=SystemClock(),
        lease_seconds=runtime.settings.lease_seconds,
    )


def _drain_on_sigterm(runner: Runner, sandbox: BubblewrapSandboxes) -> None:
    received = 0
    supervisor = os.getppid()

    def on_sigterm() -> None:
        nonlocal received
        received += 1
        runner.drain()
        # A supervisor that is gone does not wait for the runs.
        if received > 1 or os.getppid() != supervisor:
            runner.stop_all()
            sandbox.stop_waiting()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, on_sigterm)
