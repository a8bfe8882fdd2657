"""Joining: by the right gateway only, and as the token allows."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from fyke.domain.nodes.authority import NodeIdentity, certify_gateway, identity_of
from fyke.errors import Conflict, Forbidden, FykeError, InvalidRequest, Unavailable
from fyke.gateway.listener import Peer
from fyke.kit.certificates import new_authority
from fyke.kit.stream_requests import RequestFailed, StreamLost, StreamRequests
from fyke.kit.tls import client_context, unverified_context
from fyke.link.connect import connect
from fyke.link.join import JoinedInstallation, join
from fyke.model.audit import AuditAction
from fyke.model.node import NodeState
from fyke.model.node_registry import Node
from fyke.reasons import Reason, ReasonCode
from fyke.wire import node_join
from fyke.wire.node_join import AuthorityShown, JoinNode, ShowAuthority, decode_request
from fyke.wire.nodes import decode_error, encode
from support.app import App, open_app
from support.egress import until
from support.gateways import Gateway, a_token, listening, open_gateway

pytestmark = pytest.mark.anyio


@pytest.fixture
async def app(tmp_path: Path, templates: Path) -> AsyncIterator[App]:
    async with open_app(tmp_path, templates) as app:
        yield app


@pytest.fixture
async def gateway(app: App) -> AsyncIterator[Gateway]:
    async with open_gateway(app.storage) as gateway:
        yield gateway


async def joined(
    gateway: Gateway, token: str, name: str = "n1", pool: str = "", **labels: str
) -> JoinedInstallation:
    return await join(gateway.address, token, name, pool, labels)


async def node_of(gateway: Gateway, name: str = "n1") -> Node | None:
    return await gateway.storage.read(lambda tx: tx.nodes.get(name))


def der(pem: str) -> bytes:
    return x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)


# --- what joining does -------------------------------------------------------------------------


async def test_a_machine_joins_and_is_known_by_its_certificate(app: App) -> None:
    peers: list[Peer] = []

    def accept(peer: Peer) -> asyncio.Protocol:
        peers.append(peer)
        return asyncio.Protocol()

    async with open_gateway(app.storage, {"fyke-node/1": accept}) as gateway:
        token = await a_token(app, gateway, pool="eu", labels={"gpu": "no"})
        found = await joined(gateway, token, pool="eu", gpu="no", rack="1")
        assert (found.answer.name, found.answer.pool) == ("n1", "eu")
        assert found.authority == gateway.authority.certificate
        node = await node_of(gateway)
        assert node is not None and node.labels == {"gpu": "no", "rack": "1"}
        assert (node.pool, node.ephemeral, node.epoch) == ("eu", False, 0)
        assert node.address == "127.0.0.1" and node.joined_at
        context = client_context(found.authority, found.own, ["fyke-node/1"])
        requests = StreamRequests(refuse, ignore, ignore, lambda _: b"")
        await connect(gateway.address, context, requests)
        await until(lambda: bool(peers))
        requests.stream.close("done")
        [peer] = peers
        assert peer.certificate is not None
        assert identity_of(peer.certificate) == NodeIdentity("n1", node.join_id)


async def test_the_audit_log_says_who_made_the_token(app: App, gateway: Gateway) -> None:
    await joined(gateway, await a_token(app, gateway))
    account = app.owner.account_id
    entries = await app.storage.read(
        lambda tx: tx.audit.page(account, before=0, limit=1, action="")
    )
    assert (entries[0].action, entries[0].target) == (AuditAction.NODE_JOINED, "n1")
    assert entries[0].detail.startswith("pool default, token ")
    assert (entries[0].user_name, entries[0].address) == (app.owner.user_name, "127.0.0.1")


# --- which tokens and names --------------------------------------------------------------------


async def test_a_token_is_used_once(app: App, gateway: Gateway) -> None:
    token = await a_token(app, gateway)
    found = await asyncio.gather(
        *(joined(gateway, token, f"n{n}") for n in range(4)), return_exceptions=True
    )
    refused = [error for error in found if isinstance(error, BaseException)]
    assert len(refused) == 3
    assert {str(error) for error in refused} == {
        "This token was used up: 1 of 1; make another with fyke node token"
    }
    assert len(await app.storage.read(lambda tx: tx.nodes.all())) == 1


@pytest.mark.parametrize(
    ("options", "name", "pool", "message"),
    [
        ({"pool": "eu"}, "n1", "us", "This token is for the pool eu only"),
        (
            {"name_pattern": "g-*"},
            "n1",
            "",
            "The name n1 does not match g-*, which this token requires; choose one with --name",
        ),
        ({"labels": {"a": "b"}}, "n1", "", "This token is for nodes with the label a=b only"),
        (
            {"minutes": 1e-7},
            "n1",
            "",
            "This token has expired; make another with fyke node token",
        ),
    ],
)
async def test_a_token_allows_what_it_was_made_for(
    app: App, gateway: Gateway, options: dict[str, Any], name: str, pool: str, message: str
) -> None:
    token = await a_token(app, gateway, **options)
    with pytest.raises(Forbidden) as refused:
        await joined(gateway, token, name, pool)
    assert refused.value.message == message
    assert await node_of(gateway, name) is None


async def test_a_node_gets_the_pool_of_its_token(app: App, gateway: Gateway) -> None:
    found = await joined(gateway, await a_token(app, gateway, pool="eu"))
    assert found.answer.pool == "eu"


async def test_a_name_is_taken_over_with_a_token_for_one_use_only(
    app: App, gateway: Gateway
) -> None:
    await joined(gateway, await a_token(app, gateway))
    before = await node_of(gateway)
    assert before is not None
    running = replace(
        before,
        region="de",
        state=NodeState.DRAINING,
        state_by="ada",
        state_at=5,
        reason=Reason(ReasonCode.ABORTED),
        drain_until=9,
        epoch=7,
        runner_id="R7",
    )
    await app.storage.write(lambda tx: tx.nodes.change(running))
    many = await a_token(app, gateway, pool="default", uses=0)
    with pytest.raises(Conflict, match="There is a node with the name n1"):
        await joined(gateway, many)
    assert await node_of(gateway) == running
    await joined(gateway, many, "n2")  # the refused one is not counted
    await joined(gateway, await a_token(app, gateway))
    after = await node_of(gateway)
    assert after is not None and after.join_id != before.join_id
    # what was decided about the node, and which runner it has, is as before
    same = replace(after, join_id=before.join_id, joined_at=before.joined_at, seen_at=0)
    assert same == replace(running, seen_at=0)


async def test_the_name_of_a_connected_node_is_taken_over_only_if_asked(
    app: App, gateway: Gateway
) -> None:
    await joined(gateway, await a_token(app, gateway))
    node = await node_of(gateway)
    assert node is not None
    connected = replace(node, seen_at=node.joined_at + 1, gateway_id="h:1", runner_id="R1")
    await app.storage.write(lambda tx: tx.nodes.change(connected))
    token = await a_token(app, gateway)
    with pytest.raises(Conflict, match=r"The node n1 at 127\.0\.0\.1 is connected; .* --replace"):
        await joined(gateway, token)
    assert await node_of(gateway) == connected
    await join(gateway.address, token, "n1", "", {}, replace=True)  # the token is not used up
    after = await node_of(gateway)
    assert after is not None and after.join_id != node.join_id
    account = app.owner.account_id
    [entry] = await app.storage.read(
        lambda tx: tx.audit.page(account, before=0, limit=1, action="")
    )
    assert entry.detail.endswith("replaces the connected node at 127.0.0.1")


@pytest.mark.parametrize("change", [{"gateway_id": ""}, {"seen_at": -60_000}])
async def test_the_name_of_a_node_that_was_stopped_or_lost_is_free(
    app: App, gateway: Gateway, change: dict[str, Any]
) -> None:
    await joined(gateway, await a_token(app, gateway))
    node = await node_of(gateway)
    assert node is not None
    seen = node.joined_at + change.get("seen_at", 1)
    gone = {"joined_at": min(node.joined_at, seen - 1), "gateway_id": "h:1"} | change
    await app.storage.write(lambda tx: tx.nodes.change(replace(node, **gone | {"seen_at": seen})))
    await joined(gateway, await a_token(app, gateway))
    after = await node_of(gateway)
    assert after is not None and after.join_id != node.join_id


async def test_a_name_is_not_taken_over_from_another_pool(app: App, gateway: Gateway) -> None:
    await joined(gateway, await a_token(app, gateway), pool="eu")
    before = await node_of(gateway)
    token = await a_token(app, gateway)
    for pool in ("us", ""):
        with pytest.raises(Conflict, match="The node n1 is in the pool eu; join that pool"):
            await joined(gateway, token, pool=pool)
        assert await node_of(gateway) == before
    await joined(gateway, token, pool="eu", rack="2")
    after = await node_of(gateway)
    assert before is not None and after is not None
    assert after.join_id != before.join_id and after.labels == {"rack": "2"}


async def test_a_silent_node_of_an_engine_is_replaced_in_its_pool(
    app: App, gateway: Gateway
) -> None:
    eu = await a_token(app, gateway, pool="eu", uses=0)
    us = await a_token(app, gateway, pool="us", uses=0)
    await joined(gateway, eu)
    with pytest.raises(Conflict):
        await joined(gateway, eu)
    node = await node_of(gateway)
    assert node is not None and node.ephemeral
    await app.storage.write(
        lambda tx: tx.nodes.change(replace(node, seen_at=node.seen_at - 60_001))
    )
    with pytest.raises(Conflict):
        await joined(gateway, us)
    await joined(gateway, eu)
    after = await node_of(gateway)
    assert after is not None and after.join_id != node.join_id


@pytest.mark.parametrize(
    ("name", "pool", "labels", "field"),
    [
        ("", "", {}, "name"),
        ("N1", "", {}, "name"),
        ("n1", "E U", {}, "pool"),
        ("n1", "", {"A": "b"}, "labels"),
    ],
)
async def test_names_are_checked_before_the_token_is_used(
    app: App, gateway: Gateway, name: str, pool: str, labels: dict[str, str], field: str
) -> None:
    token = await a_token(app, gateway)
    with pytest.raises(InvalidRequest, match=field):
        await joined(gateway, token, name, pool, **labels)
    await joined(gateway, token)


# --- who answers -------------------------------------------------------------------------------


async def refuse(body: bytes) -> bytes:
    raise AssertionError(body)


def ignore(_news: object) -> None:
    return


class Impostor:
    """A gateway of another authority, which shows ``authority`` to those who ask."""

    def __init__(self, authority: str) -> None:
        self.authority = authority
        self.received: list[bytes] = []

    def accept(self, _peer: Peer) -> asyncio.Protocol:
        return StreamRequests(self.serve, ignore, ignore, lambda _: b"").stream

    async def serve(self, body: bytes) -> bytes:
        self.received.append(body)
        return encode(AuthorityShown(self.authority))


@pytest.mark.parametrize(
    ("shows_the_real_one", "error", "message"),
    [
        (False, Forbidden, "is a gateway of another installation than the token"),
        (True, Unavailable, "is not a gateway of this installation"),
    ],
)
async def test_an_impostor_receives_no_token(
    app: App,
    gateway: Gateway,
    shows_the_real_one: bool,
    error: type[FykeError],
    message: str,
) -> None:
    token = await a_token(app, gateway)
    other = new_authority("Fyke nodes", time.time(), 3600)
    impostor = Impostor((gateway.authority if shows_the_real_one else other).certificate)
    accept = {node_join.ALPN: impostor.accept}
    async with listening(other.certificate, certify_gateway(other, time.time()), accept) as address:
        with pytest.raises(error, match=message):
            await join(address, token, "n1", "", {})
    assert impostor.received == [encode(ShowAuthority())]
    await joined(gateway, token)  # it was not used


async def test_addresses_without_a_gateway_are_named() -> None:
    token = "fyken_" + "a" * 43 + "." + "b" * 43
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = closed.getsockname()
    refused = f"No connection to 127.0.0.1:{address[1]}: Connection refused$"
    with pytest.raises(Unavailable, match=refused):
        await join(address, token, "n1", "", {})


async def test_a_server_that_is_no_gateway_is_named_with_the_way_out() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        address = server.sockets[0].getsockname()
        with pytest.raises(Unavailable) as refused:
            await join(address, "fyken_" + "a" * 43 + "." + "b" * 43, "n1", "", {})
    assert refused.value.message == (
        f"127.0.0.1:{address[1]} answers, but is no gateway (the port of the console?); use the "
        "address that fyke node token prints"
    )


async def test_a_certificate_of_another_authority_is_refused(
    gateway: Gateway, tmp_path: Path
) -> None:
    other = new_authority("Fyke nodes", time.time(), 3600)
    own = certify_gateway(other, time.time())
    context = unverified_context([node_join.ALPN])
    chain = tmp_path / "chain.pem"
    chain.write_text(own.certificate + own.key)
    context.load_cert_chain(chain)
    requests = StreamRequests(refuse, ignore, ignore, lambda _: b"")
    with pytest.raises((StreamLost, Unavailable)):
        await connect(gateway.address, context, requests)
        await requests.ask(encode(ShowAuthority()))


# --- limits for strangers ----------------------------------------------------------------------


async def test_a_request_that_is_no_certificate_request_does_not_use_the_token(
    app: App, gateway: Gateway
) -> None:
    token = await a_token(app, gateway)
    context = client_context(gateway.authority.certificate, None, [node_join.ALPN])
    requests = StreamRequests(refuse, ignore, ignore, lambda _: b"")
    await connect(gateway.address, context, requests)
    with pytest.raises(RequestFailed) as failed:
        await requests.ask(encode(JoinNode(token, "n1", "", {}, "no request")))
    requests.stream.close("done")
    assert "certificate is refused: the request cannot be read" in str(
        decode_error(failed.value.body)
    )
    await joined(gateway, token)


def test_tokens_are_in_no_representation() -> None:
    request = JoinNode("fyken_secret", "n1", "", {}, "")
    assert "secret" not in repr(request) and decode_request(encode(request)) == request
