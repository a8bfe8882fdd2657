"""The runner role of a node: it runs attempts for an installation on other machines."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import structlog

from fyke import __version__
from fyke.app.folder import write_private
from fyke.app.node_folder import (
    NodeFolder,
    keep_announced,
    keep_certificate,
    leave_folder,
    read_node,
)
from fyke.app.runner import (
    drain_on_sigterm,
    make_runner,
    only_runner,
    open_sandbox,
    runner_disk,
    runner_size,
)
from fyke.app.runner_browsers import open_browsers
from fyke.browser.view_client import ViewClient
from fyke.egress.client import EgressClient
from fyke.errors import FykeError, NodeEnded
from fyke.kit.certificates import CertifiedKey
from fyke.kit.clock import SystemClock
from fyke.kit.descriptors import raise_limit
from fyke.kit.ids import new_ulid
from fyke.link.files import RemoteFiles
from fyke.link.gateway import RemoteGateway
from fyke.link.node_link import LinkEnd, LinkEnded, NodeLink
from fyke.link.notices import NodeNotices
from fyke.model.gateway import MAX_GATEWAYS
from fyke.model.placement import REGION_LABEL
from fyke.reasons import ReasonCode
from fyke.runner.loop import Runner
from fyke.sandbox.warm import WarmSandboxes

if TYPE_CHECKING:
    from fyke.settings import Settings

STOP_SECONDS = 8.0  # for Workers of a node that has ended; one has 5 s after SIGTERM
LEAVE_SECONDS = 5.0
IDLE_LOOK_SECONDS = 5.0  # between two looks whether it is connected
_REMEDIES = {
    LinkEnd.SUPERSEDED: (
        "if this machine is a copy, delete its node.json and join with another name; if not, stop "
        "the other one and start this one again"
    ),
    LinkEnd.UNKNOWN: "to join again, delete node.json and use fyke node join with a new token",
    LinkEnd.OUTDATED: "install the release of the installation",
}

log = structlog.get_logger()


async def serve_node(
    settings: Settings, need_browser: Callable[[bool], None] | None = None
) -> None:
    """Run attempts of the installation until SIGTERM and the end of the running ones; a second
    SIGTERM stops them. Then leave the installation, with the setting ``node_leave``. Raise
    ``NodeEnded`` when the installation does not serve this node any more; its attempts have been
    stopped. Raise it also after ``node_idle_minutes`` without an attempt, when the node has left.
    """
    raise_limit()
    with only_runner(settings):
        node = read_node(settings.home)
        write_private(settings.node_file, node.name)
        egress = EgressClient(settings.egress_socket)
        await egress.start()
        sandbox = open_sandbox(settings)
        try:
            report = await sandbox.probe()
            log.info("isolation", level=report.level.value, reason=report.reason)
            warm = WarmSandboxes(sandbox, settings.warm_sandboxes, settings.warm_idle_seconds)
            size = runner_size(settings)
            async with open_browsers(
                settings,
                sandbox,
                cpus=size.cpus,
                memory_mb=size.memory_mb,
                need_gateway=need_browser,
            ) as browser:
                notices = NodeNotices()
                link = _link(settings, node, notices)
                gateway = RemoteGateway(link, notices, RemoteFiles(link), SystemClock())
                deps = (settings, gateway, sandbox, egress, report, warm, browser)
                disk = runner_disk(settings, refuses=True)
                region = node.labels.get(REGION_LABEL, "")
                runner = make_runner(*deps, disk=disk, region=region)
                drain_on_sigterm(runner, sandbox, ReasonCode.NODE_DRAINED)
                async with warm.kept():
                    idle_seconds = settings.node_idle_minutes * 60
                    await _run(runner, link, lambda: _leave(settings, gateway), idle_seconds)
        finally:
            await egress.stop()


def _link(settings: Settings, node: NodeFolder, notices: NodeNotices) -> NodeLink:
    views = ViewClient(settings.browser_view_socket, settings.node_file)
    kept = node.own

    def keep(own: CertifiedKey) -> None:
        nonlocal kept
        keep_certificate(settings.home, own, kept)
        kept = own

    return NodeLink(
        node.addresses(),
        node.authority,
        node.own,
        release=__version__,
        runner_id=new_ulid(),
        on_notice=notices.receive,
        on_certificate=keep,
        on_connected=notices.connected,
        find_views=lambda _node, _attempt_id: views,
        on_gateways=lambda gateways: keep_announced(settings.home, gateways),
        # at random, so that nodes are spread over the gateways
        first=random.randrange(MAX_GATEWAYS),  # noqa: S311 - no secret
    )


async def _run(
    runner: Runner, link: NodeLink, leave: Callable[[], Awaitable[None]], idle_seconds: float
) -> None:
    """Run until the runner has drained, then ``leave``; or until the link has ended for good. It
    drains by itself when it was idle for this time; with 0 it never does.
    """
    linking = asyncio.create_task(link.run())
    running = asyncio.create_task(_run_when_connected(runner, link))
    idling = asyncio.create_task(_drain_when_idle(runner, link, idle_seconds))
    try:
        await asyncio.wait({running, linking}, return_when=asyncio.FIRST_COMPLETED)
        if not linking.done():
            running.result()
            await leave()
            if idling.done():
                raise NodeEnded(f"The node had no attempt for {idle_seconds:g} s", was_idle=True)
            return
        ended: LinkEnded = linking.result()
        runner.drain()
        runner.stop_all()
        # their ends cannot be recorded any more, so nothing else is waited for
        await asyncio.wait({running}, timeout=STOP_SECONDS)
        raise NodeEnded(f"{ended.text}; {_REMEDIES[ended.end]}")
    finally:
        tasks = (linking, running, idling)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _drain_when_idle(runner: Runner, link: NodeLink, seconds: float) -> None:
    """Idle is only a node that is connected: after an outage it may have an attempt in a moment."""
    if not seconds:
        await asyncio.Event().wait()
    connected_since = time.monotonic()
    while True:
        if not link.connected.is_set():
            connected_since = time.monotonic()
        left = seconds - min(runner.idle_seconds, time.monotonic() - connected_since)
        if left <= 0:
            break
        await asyncio.sleep(min(left, IDLE_LOOK_SECONDS))
    log.info("node_is_idle", seconds=seconds)
    runner.drain()


async def _leave(settings: Settings, gateway: RemoteGateway) -> None:
    """Let the installation forget this node, if it is to. A node that cannot say so is forgotten a
    day later.
    """
    if not settings.node_leave:
        return
    try:
        async with asyncio.timeout(LEAVE_SECONDS):
            await gateway.leave(forget=True)
    except (FykeError, TimeoutError) as error:
        log.warning("node_has_not_left", problem=str(error) or "no answer in time")
    else:
        leave_folder(settings.home)
        log.info("node_left")


async def _run_when_connected(runner: Runner, link: NodeLink) -> None:
    """Run as soon as there is a connection; return if the runner is to stop before."""
    waiters = [asyncio.create_task(link.connected.wait()), asyncio.create_task(runner.draining())]
    try:
        await asyncio.wait(waiters, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for waiter in waiters:
            waiter.cancel()
    if link.connected.is_set():
        await runner.run()
