"""A node over a real gateway on loopback, whose installation answers what a test has set."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fyke.contracts.blobs import Blobs
from fyke.contracts.node import ServedNode
from fyke.domain.nodes.authority import NodeAuthority, NodeIdentity, identity_of
from fyke.domain.nodes.presence import NodePresence
from fyke.domain.runs.last_pages import page_blob
from fyke.errors import InvalidRequest, StaleLease
from fyke.gateway.file_session import FileSessions
from fyke.gateway.file_urls import FileSigner, FileUrls, NodeFileAccess
from fyke.gateway.node_session import NodeSessions
from fyke.gateway.node_signals import NodeSignals
from fyke.gateway.viewer_sessions import ViewerSessions
from fyke.kit.certificates import CertifiedKey
from fyke.kit.clock import SystemClock
from fyke.kit.sealing import Sealer
from fyke.link.files import RemoteFiles
from fyke.link.gateway import RemoteGateway
from fyke.link.join import JoinedInstallation, join
from fyke.link.node_link import NodeLink
from fyke.link.notices import NodeNotices
from fyke.model.last_page import PageFileKind
from fyke.model.node import ContactState, EnvironmentPlace
from fyke.model.node_registry import Node
from fyke.model.run import AttemptKey
from fyke.model.runner import RunnerInfo
from fyke.relay.serving import FindViews, no_views
from fyke.storage.blobs.filesystem import FilesystemBlobs
from fyke.wire.node_views import ALPN as VIEWS_ALPN
from fyke.wire.nodes import ALPN, FILES_ALPN
from support.app import App
from support.egress import until
from support.gateways import Gateway, a_token, open_gateway
from support.scripted_gateway import ScriptedGateway

OWN = AttemptKey("A1", "R1", 0, "1", 7)
SIZE = RunnerInfo("", "", "full", "", cpus=8.0, memory_mb=4096, heartbeat_at=0)
MASTER = b"master"


class ScriptedPlaces:
    """``NodeFilePlaces`` with the bundles of ``owners``, and room for every page of an attempt."""

    def __init__(self, owners: Mapping[AttemptKey | str, str]) -> None:
        self.owners = owners
        self.environments: dict[AttemptKey | str, EnvironmentPlace] = {}

    async def bundle(self, owner: AttemptKey | str, digest: str) -> str:
        if owner not in self.owners:
            raise StaleLease
        if self.owners[owner] != digest:
            raise InvalidRequest("must be that of the version", field="digest")
        return f"bundles/{digest}"

    async def environment(self, owner: AttemptKey | str, keys: Sequence[str]) -> EnvironmentPlace:
        if owner not in self.owners:
            raise StaleLease
        return self.environments.get(owner, EnvironmentPlace())

    async def page(
        self, key: AttemptKey, sizes: Mapping[PageFileKind, int]
    ) -> Mapping[PageFileKind, str]:
        return {kind: page_blob(key.id, kind) for kind in sizes}


@dataclass
class RemoteNode:
    """A gateway, and a node that is connected to it. ``state`` is what the gateway says of its
    contact with the state.
    """

    app: App
    gateway: Gateway
    sessions: NodeSessions
    file_sessions: FileSessions
    blobs: Blobs
    places: ScriptedPlaces
    runner: ScriptedGateway
    joined: JoinedInstallation
    state: ContactState = ContactState.ANSWERED
    asked: int = 0
    certificates: list[CertifiedKey] = field(default_factory=list)
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)

    @property
    def identity(self) -> NodeIdentity:
        identity = identity_of(ssl.PEM_cert_to_DER_cert(self.joined.own.certificate))
        assert identity is not None
        return identity

    @property
    def signer(self) -> FileSigner:
        return self.file_sessions.signer

    async def contact(self) -> ContactState:
        self.asked += 1
        return self.state

    def connect(
        self,
        runner_id: str = "R1",
        *gateways: tuple[str, int],
        joined: JoinedInstallation | None = None,
        find_views: FindViews = no_views,
    ) -> tuple[RemoteGateway, NodeLink]:
        """A node that connects now: the first one, or the one that has ``joined``."""
        notices = NodeNotices()
        joined = joined or self.joined
        link = NodeLink(
            gateways or (self.gateway.address,),
            joined.authority,
            joined.own,
            release="1.2.3",
            runner_id=runner_id,
            on_notice=notices.receive,
            on_certificate=self.certificates.append,
            on_connected=notices.connected,
            find_views=find_views,
        )
        self.tasks.append(asyncio.create_task(link.run()))
        return RemoteGateway(link, notices, RemoteFiles(link), SystemClock()), link

    async def connected(self, find_views: FindViews = no_views) -> tuple[RemoteGateway, NodeLink]:
        """A node that has connected, renewed its certificate and registered, with the attempt
        ``OWN``.
        """
        remote, link = self.connect(find_views=find_views)
        await until(lambda: bool(self.certificates))
        await remote.register(SIZE)
        self.runner.answers["active"] = [OWN]
        await remote.active()
        return remote, link

    async def join(self, name: str) -> JoinedInstallation:
        token = await a_token(self.app, self.gateway)
        return await join(self.gateway.address, token, name, "", {})


@asynccontextmanager
async def open_remote(
    app: App,
    folder: Path,
    blobs: Blobs | None = None,
    serve: Callable[[Node], ServedNode] | None = None,
) -> AsyncIterator[Any]:
    """A gateway for nodes and their files, by default with blobs in ``folder``. ``serve`` gives the
    operations of a node, instead of those that a test has set.
    """
    clock = SystemClock()
    authority = NodeAuthority(app.storage, Sealer(MASTER), clock)
    presence = NodePresence(app.storage, authority, clock, "G1")
    runner, places = ScriptedGateway(), ScriptedPlaces({})
    blobs = blobs or FilesystemBlobs(folder, durable=False)
    signer = FileSigner(MASTER)
    urls = FileUrls(blobs, signer, clock)

    def open_files(node: Node) -> NodeFileAccess:
        return NodeFileAccess(places, urls, NodeIdentity(node.name, node.join_id))

    sessions = NodeSessions(
        presence,
        "1.2.3",
        serve or (lambda _: runner),
        clock,
        NodeSignals(runner.listen),
        open_files=open_files,
        find_contact=lambda: place.contact(),
    )
    files = FileSessions(blobs, signer, clock)
    viewers = ViewerSessions(sessions.views_of)
    accept = {ALPN: sessions.accept, FILES_ALPN: files.accept, VIEWS_ALPN: viewers.accept}
    async with open_gateway(app.storage, accept) as gateway:
        joined = JoinedInstallation(*[None] * 3)  # type: ignore[arg-type]
        place = RemoteNode(app, gateway, sessions, files, blobs, places, runner, joined)
        place.joined = await place.join("n1")
        yield place
        for task in place.tasks:
            task.cancel()
        for task in place.tasks:
            with suppress(asyncio.CancelledError):
                await task
        viewers.close()
        sessions.close()
        files.close()
