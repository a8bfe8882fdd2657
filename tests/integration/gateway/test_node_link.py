"""The link of a node to real gateways: it connects again, renews, and ends when it must."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fyke.domain.nodes.authority import NodeAuthority, NodeIdentity, certify_node
from fyke.domain.nodes.presence import NodePresence
from fyke.domain.nodes.tokens import TokenRequest
from fyke.errors import OutcomeUnknown, Unavailable
from fyke.gateway.node_session import NodeSessions
from fyke.gateway.node_signals import NodeSignals
from fyke.kit.certificates import CertifiedKey, expiry_of, new_request
from fyke.kit.clock import SystemClock
from fyke.kit.sealing import Sealer
from fyke.link import node_link
from fyke.link.check import check_node
from fyke.link.join import JoinedInstallation, join
from fyke.link.node_link import LinkEnd, NodeLink
from fyke.wire.nodes import (
    ALPN,
    KnownNode,
    ListAttempts,
    RenewCertificate,
    UnknownNode,
    WorkWaits,
    encode,
)
from support.app import open_app
from support.egress import until
from support.gateways import Gateway, open_gateway
from support.scripted_gateway import ScriptedGateway

pytestmark = pytest.mark.anyio


class GatedPresence(NodePresence):
    """Renews only while ``gate`` is open."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.gate = asyncio.Event()
        self.gate.set()
        self.renewals = 0

    async def renew(self, identity: NodeIdentity, request: str) -> str:
        self.renewals += 1
        await self.gate.wait()
        return await super().renew(identity, request)


class Place:
    """A gateway, and a node that has joined."""

    def __init__(self, gateway: Gateway, presence: GatedPresence, sessions: NodeSessions) -> None:
        self.gateway = gateway
        self.presence = presence
        self.sessions = sessions
        self.node: JoinedInstallation | None = None
        self.tasks: list[asyncio.Task[Any]] = []
        self.notices: list[Any] = []
        self.certificates: list[CertifiedKey] = []

    def link(
        self,
        runner_id: str = "R1",
        *gateways: tuple[str, int],
        own: CertifiedKey | None = None,
        on_gateways: Callable[[Sequence[str]], Sequence[tuple[str, int]]] | None = None,
    ) -> tuple[NodeLink, asyncio.Task[Any]]:
        assert self.node is not None
        link = NodeLink(
            gateways or (self.gateway.address,),
            self.node.authority,
            own or self.node.own,
            release="1.2.3",
            runner_id=runner_id,
            on_notice=self.notices.append,
            on_certificate=self.certificates.append,
            on_gateways=on_gateways,
        )
        task = asyncio.create_task(link.run())
        self.tasks.append(task)
        return link, task


@pytest.fixture
async def place(tmp_path: Path, templates: Path) -> AsyncIterator[Place]:
    async with open_app(tmp_path, templates) as app:
        authority = NodeAuthority(app.storage, Sealer(b"master"), SystemClock())
        presence = GatedPresence(app.storage, authority, SystemClock(), "G1")
        runner = ScriptedGateway()
        signals = NodeSignals(runner.listen)
        sessions = NodeSessions(presence, "1.2.3", lambda _: runner, SystemClock(), signals)
        async with open_gateway(app.storage, {ALPN: sessions.accept}) as gateway:
            place = Place(gateway, presence, sessions)
            caller = replace(app.owner, local=True)
            token = await gateway.tokens.create(caller, TokenRequest())
            place.node = await join(gateway.address, token.text, "n1", "", {})
            yield place
            for task in place.tasks:
                task.cancel()
            ended = await asyncio.gather(*place.tasks, return_exceptions=True)
            for error in ended:
                assert not isinstance(error, Exception), error
            sessions.close()


@contextmanager
def closed_port() -> Iterator[tuple[str, int]]:
    with socket.socket() as bound:  # not listening, so it refuses
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()


async def test_a_node_connects_renews_and_is_notified(place: Place) -> None:
    link, _ = place.link()
    await link.connected.wait()
    assert (link.epoch, link.problem) == (1, "")
    await until(lambda: bool(place.certificates))
    assert expiry_of(place.certificates[0].certificate) > time.time() + 86_000
    assert await link.ask(ListAttempts()) == []
    [session] = place.sessions._open
    session.requests.notify(encode(WorkWaits()))
    session.requests.notify(b"of a later release")
    session.requests.notify(encode(WorkWaits()))
    await until(lambda: place.notices == [WorkWaits(), WorkWaits()])


async def test_it_connects_again_with_its_epoch_and_the_renewed_certificate(place: Place) -> None:
    link, task = place.link()
    await until(lambda: bool(place.certificates))
    for _ in range(3):
        place.sessions.close()
        await until(lambda: not link.connected.is_set())
        await link.connected.wait()
    assert link.epoch == 1 and not task.done()
    assert place.presence.renewals == 1  # it is not due again


async def test_what_was_asked_when_the_connection_ended_is_in_doubt(place: Place) -> None:
    link, _ = place.link()
    await until(lambda: bool(place.certificates))
    place.presence.gate.clear()
    asked = asyncio.create_task(link.ask(RenewCertificate(new_request().certificate)))
    await until(lambda: place.presence.renewals == 2)
    place.sessions.close()
    with pytest.raises(OutcomeUnknown, match="The connection to the gateway has ended"):
        await asked
    place.presence.gate.set()


async def test_without_a_connection_nothing_is_asked(place: Place) -> None:
    with closed_port() as nowhere:
        link, _ = place.link("R1", nowhere)
        with pytest.raises(Unavailable, match="has not connected yet"):
            await link.ask(ListAttempts())
        await until(lambda: "No connection to 127.0.0.1" in link.problem)
        with pytest.raises(Unavailable, match="No connection to 127"):
            await link.ask(ListAttempts())


async def test_the_next_gateway_is_tried(place: Place) -> None:
    with ExitStack() as stack:
        nowhere = [stack.enter_context(closed_port()) for _ in range(2)]
        link, task = place.link("R1", *nowhere, place.gateway.address)
        await link.connected.wait()
    assert (link.epoch, task.done()) == (1, False)


async def test_a_gateway_that_does_not_answer_is_left_early_while_there_are_others(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_link, "QUICK_SECONDS", 0.05)
    monkeypatch.setattr(node_link, "CONNECT_SECONDS", 3600.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # nothing accepts
        link, _ = place.link("R1", silent.getsockname(), place.gateway.address)
        async with asyncio.timeout(60):
            await link.connected.wait()
        silent.setblocking(False)
        silent.accept()[0].close()  # it was tried first
    assert link.connections == 1


async def test_announced_gateways_are_tried_from_the_next_connection_on(place: Place) -> None:
    announced: list[Sequence[str]] = []

    def keep(gateways: Sequence[str]) -> list[tuple[str, int]]:
        announced.append(gateways)
        return [nowhere]

    with closed_port() as nowhere:
        link, _ = place.link("R1", place.gateway.address, on_gateways=keep)
        await link.connected.wait()
        link.announced(("a", "b"))
        assert announced == [("a", "b")] and link.connected.is_set()
        place.sessions.close()
        await until(lambda: f"No connection to 127.0.0.1:{nowhere[1]}" in link.problem)


async def test_a_gateway_that_has_answered_is_tried_before_others(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.setblocking(False)
        gateways = [silent.getsockname(), place.gateway.address]
        link, _ = place.link("R1", place.gateway.address, on_gateways=lambda _: gateways)
        await link.connected.wait()
        link.announced(("a",))
        place.sessions.close()
        await until(lambda: link.connections == 2)
        with pytest.raises(BlockingIOError):
            silent.accept()


async def test_announced_gateways_that_cannot_be_kept_change_nothing(place: Place) -> None:
    def fail(_: Sequence[str]) -> list[tuple[str, int]]:
        raise OSError("full")

    link, _ = place.link("R1", on_gateways=fail)
    await link.connected.wait()
    link.announced(("a",))
    place.sessions.close()
    await until(lambda: link.connections == 2)


async def test_a_cancelled_link_ends_its_connection_and_its_renewal(place: Place) -> None:
    place.presence.gate.clear()
    before = asyncio.all_tasks()
    link, task = place.link()
    await until(lambda: place.presence.renewals == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    left = [repr(one) for one in asyncio.all_tasks() - before]
    assert not [one for one in left if "NodeLink" in one]
    assert not link.connected.is_set()
    with pytest.raises(Unavailable):
        await link.ask(ListAttempts())
    place.presence.gate.set()
    await until(lambda: not place.sessions._open)


async def test_a_superseded_node_does_not_connect_again(place: Place) -> None:
    first, task = place.link("R1")
    await first.connected.wait()
    second, _ = place.link("R2")
    await second.connected.wait()
    ended = await task
    assert ended.end is LinkEnd.SUPERSEDED and "127.0.0.1" in ended.text
    assert second.epoch == 2 and second.connected.is_set()


async def test_a_check_beside_a_connected_node_leaves_it_its_name(place: Place) -> None:
    assert place.node is not None
    link, _ = place.link()
    await until(lambda: bool(place.certificates))
    address, authority, own = place.gateway.address, place.node.authority, place.node.own
    assert isinstance(await check_node(address, authority, own), KnownNode)
    assert link.epoch == 1 and link.connected.is_set() and await link.ask(ListAttempts()) == []
    await place.gateway.storage.write(lambda tx: tx.nodes.remove("n1"))
    assert await check_node(address, authority, own) == UnknownNode()
    with closed_port() as closed, pytest.raises(Unavailable, match="No connection to 127"):
        await check_node(closed, authority, own)


async def test_a_forgotten_node_does_not_connect_again(place: Place) -> None:
    link, task = place.link()
    await link.connected.wait()
    await place.gateway.storage.write(lambda tx: tx.nodes.remove("n1"))
    place.sessions.close()
    assert (await task).end is LinkEnd.UNKNOWN


async def test_a_node_of_another_release_does_not_connect_again(
    place: Place, monkeypatch: Any
) -> None:
    monkeypatch.setattr(node_link, "PROTOCOLS", (7, 8))
    _, task = place.link()
    ended = await task
    assert ended.end is LinkEnd.OUTDATED and "1.2.3 of the gateway" in ended.text


async def test_an_expired_certificate_is_named_and_tried_again(place: Place) -> None:
    request = new_request()
    identity = NodeIdentity("n1", "01J")
    expired = certify_node(
        place.gateway.authority, request.certificate, identity, time.time() - 2 * 86_400
    )
    link, task = place.link("R1", own=CertifiedKey(expired, request.key))
    await until(lambda: "certificate has expired" in link.problem)
    assert not task.done()


async def test_a_certificate_that_grew_old_in_a_suspended_machine_is_renewed_at_the_connect(
    place: Place, monkeypatch: Any
) -> None:
    link, _ = place.link()
    await until(lambda: bool(place.certificates))
    expiry = time.time() + 7 * 3600
    monkeypatch.setattr(node_link, "expiry_of", lambda _: expiry)
    place.sessions.close()
    await until(lambda: len(place.certificates) == 2)
    assert link.connected.is_set() and place.presence.renewals == 2


async def test_a_renewal_that_fails_is_tried_again(place: Place, monkeypatch: Any) -> None:
    monkeypatch.setattr(node_link, "RENEW_AGAIN_SECONDS", 0.0)
    faults = [Unavailable("not now"), OSError("the disk is full")]
    renew = place.presence.renew

    async def failing(identity: NodeIdentity, request: str) -> str:
        if faults:
            raise faults.pop()
        return await renew(identity, request)

    monkeypatch.setattr(place.presence, "renew", failing)
    link, _ = place.link()
    await until(lambda: bool(place.certificates))
    assert faults == [] and link.connected.is_set()
