"""The parts of a runner on any machine: sandboxes, environments, capacity, the runner itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fyke.app.egress_policy import own_policy
from fyke.app.find_links import find_links_folders
from fyke.app.folder_size import folder_size
from fyke.app.runner_browsers import connect
from fyke.contracts.egress import NO_BROWSER, Egress
from fyke.contracts.execution import IsolationReport
from fyke.contracts.node import EnvironmentPublishing, NodeGateway
from fyke.contracts.tools import ToolRunner
from fyke.domain.results.intake import Intake
from fyke.egress.client import EgressClient
from fyke.errors import Conflict
from fyke.kit.clock import SystemClock
from fyke.kit.file_lock import locked
from fyke.model.node import EgressPolicy
from fyke.reasons import ReasonCode
from fyke.runner.browser_dependencies import BrowserDependencies
from fyke.runner.bundles import BundleCache
from fyke.runner.dependencies import AttemptDependencies
from fyke.runner.disk import RunnerDisk
from fyke.runner.egress_rules import EgressRules
from fyke.runner.loop import Runner, RunnerSize
from fyke.runner.site_sharing import SiteSharing
from fyke.sandbox.factory import BubblewrapSandboxes
from fyke.sandbox.packages.environment import UvEnvironments
from fyke.sandbox.process.launcher_client import LauncherClient
from fyke.sandbox.process.spawner import DirectSpawner
from fyke.sandbox.tools.tool_paths import CACHES
from fyke.sandbox.warm import WarmSandboxes

if TYPE_CHECKING:
    from fyke.settings import Settings

CACHES_SECONDS = 20.0  # of measuring each cache; after it the size is a lower bound


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
    return own_policy(settings).has_upstream(settings.default_region)


def runner_size(settings: Settings) -> RunnerSize:
    """The capacity of this runner; 0 in the settings stands for the size of the machine."""
    return RunnerSize(
        cpus=settings.runner_cpus or float(os.cpu_count() or 1),
        memory_mb=settings.runner_memory_mb or _machine_memory_mb() * 8 // 10,
        slots=settings.runner_slots,
    )


def _machine_memory_mb() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20


def runner_disk(settings: Settings, *, refuses: bool = False) -> RunnerDisk:
    """The disk of the data folder; see ``RunnerDisk``. Of the caches only what its user can read is
    measured.
    """
    folders = (settings.bundles_dir, settings.environments_dir, settings.home / CACHES)

    def caches() -> int:
        sizes = (folder_size("", "", folder, CACHES_SECONDS) for folder in folders)
        return sum(size.bytes for size in sizes)

    floor = settings.disk_floor_mb * 2**20
    return RunnerDisk(settings.home, caches, floor=floor, refuses=refuses)


@contextlib.contextmanager
def only_runner(settings: Settings) -> Iterator[None]:
    """Hold the runner lock of the data folder: only one runner may use it at a time."""
    with locked(settings.run_dir / "runner.lock", wait=False) as free:
        if not free:
            raise Conflict(f"Another runner uses the data folder {settings.home}; stop it first")
        yield


def make_runner(
    settings: Settings,
    gateway: NodeGateway,
    sandbox: BubblewrapSandboxes,
    egress: Egress,
    report: IsolationReport,
    warm: WarmSandboxes | None = None,
    browser: BrowserDependencies | None = None,
    no_browser: str = NO_BROWSER,
    publishing: EnvironmentPublishing | None = None,
    disk: RunnerDisk | None = None,
    *,
    region: str = "",
) -> Runner:
    """Build a runner; the egress notifies it of reached limits and refusals, and the gateway
    of browsers of what their connections need. Attempts get their sandboxes from ``warm`` if given.
    ``no_browser`` says why there is none. ``publishing``: it packs environments for other machines.
    ``region`` is that of the machine itself, if it has one. ``disk`` is that of its data folder.
    """
    environments = open_environments(settings, sandbox.tools(egress))

    async def change_policy(policy: EgressPolicy) -> None:
        assert isinstance(egress, EgressClient)  # noqa: S101 - for mypy
        await egress.change(policy)
        default = policy.default_region
        environments.route(default, upstream=policy.has_upstream(default))

    is_changeable = isinstance(egress, EgressClient)  # not that of a local run
    sharing = None
    if isinstance(egress, EgressClient):
        sharing = SiteSharing(gateway, egress.share_sites)
        egress.on_pause = sharing.hurry
    deps = AttemptDependencies(
        gateway=gateway,
        sandbox=warm or sandbox,
        environments=environments,
        egress=egress,
        intake=Intake(gateway.rows, SystemClock()),
        bundles=BundleCache(gateway.files, settings.bundles_dir),
        isolation=report,
        unsafe=settings.unsafe,
        work_bytes=settings.work_mb * 2**20,
        egress_rules=EgressRules(
            own_policy(settings), change_policy if is_changeable else None, region=region
        ),
        browser=browser,
        no_browser=no_browser,
        publishing=publishing,
        disk=disk,
        site_sharing=sharing,
    )
    runner = Runner(runner_size(settings), deps)
    egress.on_trip = runner.traffic_tripped
    egress.on_refused = runner.connection_refused
    if browser is not None:
        connect(runner, browser)
    return runner


def drain_on_sigterm(
    runner: Runner,
    sandbox: BubblewrapSandboxes,
    code: ReasonCode = ReasonCode.PLATFORM_STOPPED,
) -> None:
    """Let the first SIGTERM drain the runner, and the second one stop its Workers, for the reason
    ``code``.
    """
    received = 0
    supervisor = os.getppid()

    def on_sigterm() -> None:
        nonlocal received
        received += 1
        runner.drain()
        # A supervisor that is gone does not wait for the runs.
        if received > 1 or os.getppid() != supervisor:
            runner.stop_all(code)
            sandbox.stop_waiting()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, on_sigterm)
