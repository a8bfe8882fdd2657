"""The gateway role: the only way from nodes to the installation."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import structlog

from fyke import __version__
from fyke.app.cut_off import CutOff
from fyke.app.folder import master_secret
from fyke.app.heartbeat import Heartbeat
from fyke.app.node_stores import node_stores
from fyke.app.runtime import Runtime, open_runtime
from fyke.app.serving import until_stopped
from fyke.contracts.node import ServedNode
from fyke.contracts.signals import FOLLOWED, WORK_FOR, SignalReader
from fyke.domain.nodes.authority import NodeAuthority, NodeIdentity, certify_gateway
from fyke.domain.nodes.contact import IsCutOff, StateContact, count_servers, never_cut_off
from fyke.domain.nodes.file_places import FilePlaces
from fyke.domain.nodes.joining import NodeJoining
from fyke.domain.nodes.presence import NodePresence
from fyke.domain.nodes.service import NodeService, RunnerName
from fyke.domain.nodes.shared_commits import SharedCommits
from fyke.domain.nodes.shared_reports import SharedReports
from fyke.domain.nodes.tokens import NO_POSTGRES
from fyke.domain.results.output_signals import OutputSignals
from fyke.domain.runs.attempts import Attempts
from fyke.domain.runs.environment_archives import EnvironmentArchives
from fyke.errors import FykeError, Refused, Unavailable
from fyke.gateway.file_session import FileSessions
from fyke.gateway.file_urls import FileSigner, FileUrls, NodeFileAccess
from fyke.gateway.join_session import JoinSessions
from fyke.gateway.listener import TlsListener
from fyke.gateway.node_session import NodeSessions
from fyke.gateway.node_signals import NodeSignals
from fyke.gateway.viewer_sessions import ViewerSessions
from fyke.kit.clock import SystemClock
from fyke.kit.hostports import join_host_port, parse_address
from fyke.kit.sealing import Sealer
from fyke.kit.tls import server_context
from fyke.model.node_registry import Node
from fyke.model.runner import NODE_PLACE
from fyke.settings import Settings
from fyke.storage.sql.dialects import normalise_url
from fyke.wire import node_join, node_views, nodes

BACKLOG = 1024
COUNT_SECONDS = 15.0
_ANYWHERE = "192.0.2.1"  # an address that is no machine's, beyond every network

log = structlog.get_logger()


async def serve_gateway(settings: Settings, heartbeat: Heartbeat) -> None:
    """Serve nodes until SIGTERM. Raise ``Refused`` with SQLite, and ``Unavailable``."""
    if not settings.database_url:
        raise Refused(NO_POSTGRES)
    async with open_runtime(settings, reader=SignalReader.RUNNER) as runtime:
        heartbeat.watch_stores(runtime.store_paths)
        cut_off = CutOff(settings.database_url, heartbeat.peer_store)
        await until_stopped(_serve(runtime, cut_off.is_cut_off))


async def _serve(runtime: Runtime, is_cut_off: IsCutOff) -> None:
    async with listening(runtime, is_cut_off) as (host, port):
        log.info("gateway_listens", host=host, port=port)
        await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def listening(
    runtime: Runtime, is_cut_off: IsCutOff = never_cut_off
) -> AsyncIterator[tuple[str, int]]:
    """Accept nodes, and machines that join, while the context is open; yield the address.
    ``is_cut_off`` is that of ``StateContact``.
    """
    settings, storage, clock = runtime.settings, runtime.storage, SystemClock()
    master = master_secret(settings)
    authority = NodeAuthority(storage, Sealer(master), clock)
    known = await authority.ensure()
    joining = NodeJoining(storage, authority, clock, settings.default_pool)
    joins = JoinSessions(joining, known.certificate)
    sock = _listen(settings)
    address: tuple[str, int] = sock.getsockname()[:2]
    reached_at = join_host_port(await asyncio.to_thread(own_host, settings), address[1])
    presence = NodePresence(storage, authority, clock, reached_at)
    opening = _Opening(runtime, master, is_cut_off)
    signals = NodeSignals(runtime.signals.listen, opening.find_stopping)
    opening.stores = replace(opening.stores, left=signals.left)
    runtime.signals.watch(WORK_FOR, signals.wanted)
    sessions = NodeSessions(
        presence,
        __version__,
        opening.gateway,
        clock,
        signals,
        open_files=opening.files,
        find_contact=opening.contact.state,
    )
    archives = EnvironmentArchives(storage, runtime.blobs, "")
    files = FileSessions(runtime.blobs, opening.signer, clock, archives.drop)
    viewers = ViewerSessions(sessions.views_of)
    accept = {
        node_join.ALPN: joins.accept,
        nodes.ALPN: sessions.accept,
        node_views.ALPN: viewers.accept,
        nodes.FILES_ALPN: files.accept,
    }
    own = certify_gateway(known, clock.now_ms() / 1000)
    listener = TlsListener(sock, server_context(known.certificate, own, [*accept]), accept)
    listener.start()
    counting = asyncio.create_task(opening.count_servers())
    try:
        yield address
    finally:
        counting.cancel()
        listener.close()
        joins.close()
        viewers.close()
        sessions.close()
        files.close()
        await asyncio.sleep(0)  # the listener closes its socket


class _Opening:
    """What the gateway has for each node that connects."""

    def __init__(self, runtime: Runtime, master: bytes, is_cut_off: IsCutOff) -> None:
        output = OutputSignals(runtime.signals)
        runtime.signals.watch(FOLLOWED, output.followed)
        runtime.results.watch(output.stored)
        self._runtime = runtime
        commits = SharedCommits(runtime.results)
        stores = node_stores(runtime)
        attempts = Attempts(stores.storage, stores.results, stores.rules, stores.sample_times)
        reports = SharedReports(attempts, stores.lease_ms)
        self.stores = replace(stores, commit=commits.commit, report=reports.report)
        self._is_cut_off = is_cut_off
        self.signer = FileSigner(master)
        self._urls = FileUrls(runtime.blobs, self.signer, SystemClock())
        self.contact = StateContact(is_cut_off)

    def gateway(self, node: Node) -> ServedNode:
        """The operations of a node, for its current runner."""
        place = f"{NODE_PLACE}{node.name}"
        name = RunnerName(node.runner_id, node.name, place, join_id=node.join_id)
        return NodeService(name, self.stores, self._is_cut_off, joined=True)

    def files(self, node: Node) -> NodeFileAccess:
        """The files of a node, for its current runner."""
        runtime = self._runtime
        places = FilePlaces(runtime.storage, runtime.blobs, node.runner_id)
        return NodeFileAccess(places, self._urls, NodeIdentity(node.name, node.join_id))

    async def find_stopping(self) -> frozenset[str]:
        """The runners that have attempts of runs which are being stopped."""
        return await self._runtime.storage.read(lambda tx: tx.runs.runners_to_stop())

    async def count_servers(self) -> None:
        """Count the servers now and then, until cancelled."""
        while True:
            with contextlib.suppress(Unavailable):
                self.contact.servers = await self._runtime.storage.read(count_servers)
            await asyncio.sleep(COUNT_SECONDS)


def own_host(settings: Settings) -> str:
    """The address at which servers on other machines reach this gateway: that of the setting, or
    the one with which this machine reaches the database, or with which it leaves its network if the
    database is on this machine.
    """
    if settings.gateway_host not in ("0.0.0.0", "::"):  # noqa: S104 - any address of this machine
        return settings.gateway_host
    for destination in _destinations(settings.database_url):
        with contextlib.suppress(ValueError, OSError):
            found = _source_address(*parse_address(destination, 5432))
            if not ipaddress.ip_address(found).is_loopback:
                return found
    return "127.0.0.1"


def _destinations(database_url: str) -> Iterator[str]:
    with contextlib.suppress(FykeError, ValueError):
        yield _database(database_url)
    yield _ANYWHERE


def _database(url: str) -> str:
    """The host of the database, as it is written; empty if it is reached by a socket file."""
    parsed = normalise_url(url)
    named = parsed.query.get("host", "")
    if parsed.host:
        return join_host_port(parsed.host, parsed.port or 5432)
    return ("".join(named[:1]) if isinstance(named, tuple) else named).split(",")[0]


def _source_address(host: str, port: int) -> str:
    """The address of this machine for connections with another one; nothing is sent."""
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind) as probe:
        probe.connect(address)
        return str(probe.getsockname()[0])


def _listen(settings: Settings) -> socket.socket:
    """Raise ``Unavailable``, with the setting to change."""
    host, port = settings.gateway_host, settings.gateway_port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        sock = socket.create_server(
            (host, port), family=family, backlog=BACKLOG, dualstack_ipv6=host == "::"
        )
    except OSError as error:
        reason = error.strerror or error
        raise Unavailable(
            f"The gateway cannot listen on {host}, port {port}: {reason}; set gateway_host or "
            "gateway_port to another value, or end the program that uses the port"
        ) from error
    sock.setblocking(False)
    return sock
