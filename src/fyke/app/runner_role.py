"""The runner role beside the stores of its installation: attempts, SDK service, rows, logs."""

from __future__ import annotations

import structlog

from fyke.app.cut_off import CutOff
from fyke.app.folder import place, write_private
from fyke.app.heartbeat import Heartbeat
from fyke.app.node_stores import node_stores
from fyke.app.runner import (
    drain_on_sigterm,
    make_runner,
    only_runner,
    open_sandbox,
    runner_disk,
    runner_size,
)
from fyke.app.runner_browsers import open_browsers
from fyke.app.runtime import Runtime, open_runtime
from fyke.contracts.signals import FOLLOWED, SignalReader
from fyke.contracts.state import Storage, Transaction
from fyke.domain.nodes.contact import IsCutOff, never_cut_off
from fyke.domain.nodes.service import NodeService, RunnerName
from fyke.domain.results.output_signals import OutputSignals
from fyke.domain.runs.isolation import RUNNER_SILENCE_MS
from fyke.egress.client import EgressClient
from fyke.kit.descriptors import raise_limit
from fyke.kit.ids import new_ulid
from fyke.model.placement import REGION_LABEL
from fyke.sandbox.warm import WarmSandboxes
from fyke.settings import Settings

log = structlog.get_logger()


async def serve_runner(settings: Settings, heartbeat: Heartbeat) -> None:
    """Run until SIGTERM and the end of the running attempts; a second SIGTERM stops them."""
    raise_limit()  # an attempt needs about a dozen descriptors
    with only_runner(settings):
        async with open_runtime(settings, reader=SignalReader.RUNNER, runner=True) as runtime:
            settings = runtime.settings
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
                    settings,
                    sandbox,
                    cpus=size.cpus,
                    memory_mb=size.memory_mb,
                    need_gateway=heartbeat.need_browser if heartbeat.supervised else None,
                ) as browser:
                    gateway = gateway_in_place(runtime, cut_off.is_cut_off)
                    deps = (settings, gateway, sandbox, egress, report, warm, browser)
                    region = settings.runner_labels.get(REGION_LABEL, "")
                    disk = runner_disk(settings)
                    runner = make_runner(
                        *deps, publishing=gateway.archives, disk=disk, region=region
                    )
                    drain_on_sigterm(runner, sandbox)
                    async with warm.kept():
                        await runner.run()
            finally:
                await egress.stop()


def node_name(settings: Settings) -> str:
    return settings.node_file.read_text().strip()


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


def gateway_in_place(runtime: Runtime, is_cut_off: IsCutOff = never_cut_off) -> NodeService:
    """The installation of a runner in this process, for a new start of it."""
    settings = runtime.settings
    output = OutputSignals(runtime.signals)
    runtime.signals.watch(FOLLOWED, output.followed)
    runtime.results.watch(output.stored)
    pool, labels = runtime.rules.own_pool, settings.runner_labels
    name = RunnerName(new_ulid(), node_name(settings), place(settings), pool, labels)
    return NodeService(name, node_stores(runtime), is_cut_off)
