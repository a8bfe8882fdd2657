"""Sessions of machines that join: small and few messages, for a short time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fyke.errors import Forbidden, Unavailable
from fyke.gateway import join_session
from fyke.gateway.listener import Peer
from fyke.kit.stream_requests import RequestFailed, StreamLost, StreamRequests
from fyke.kit.tls import unverified_context
from fyke.link.connect import connect
from fyke.wire import node_join
from fyke.wire.node_join import JoinNode, ShowAuthority
from fyke.wire.nodes import decode_error, encode
from support.app import open_app
from support.egress import until
from support.gateways import Gateway, open_gateway

pytestmark = pytest.mark.anyio


@pytest.fixture
async def gateway(tmp_path: Path, templates: Path) -> AsyncIterator[Gateway]:
    async with open_app(tmp_path, templates) as app, open_gateway(app.storage) as gateway:
        yield gateway


async def refuse(body: bytes) -> bytes:
    raise AssertionError(body)


def ignore(_news: object) -> None:
    return


async def stranger(gateway: Gateway) -> tuple[StreamRequests, list[str]]:
    losses: list[str] = []
    requests = StreamRequests(refuse, ignore, losses.append, lambda _: b"")
    await connect(gateway.address, unverified_context([node_join.ALPN]), requests)
    return requests, losses


async def test_a_stranger_sends_small_messages_only(gateway: Gateway) -> None:
    requests, _ = await stranger(gateway)
    with pytest.raises(StreamLost):
        await requests.ask(bytes(node_join.MAX_MESSAGE + 1))
    requests, _ = await stranger(gateway)
    with pytest.raises(RequestFailed) as failed:
        await requests.ask(bytes(node_join.MAX_MESSAGE))
    assert decode_error(failed.value.body).message == "The message is not one of this protocol"
    requests.stream.close("done")


async def test_a_stranger_stays_for_a_short_time(gateway: Gateway, monkeypatch: Any) -> None:
    monkeypatch.setattr(join_session, "SESSION_SECONDS", 0.05)
    requests, losses = await stranger(gateway)
    await until(lambda: bool(losses))
    with pytest.raises(StreamLost):
        await requests.ask(encode(ShowAuthority()))


@pytest.mark.parametrize("limit", ["MAX_SESSIONS", "MAX_OF_ADDRESS"])
async def test_few_strangers_are_served_at_a_time(
    gateway: Gateway, monkeypatch: Any, limit: str
) -> None:
    monkeypatch.setattr(join_session, limit, 2)
    first, second = await stranger(gateway), await stranger(gateway)
    await until(lambda: len(gateway.sessions._open) == 2)
    third, losses = await stranger(gateway)
    await until(lambda: bool(losses))
    with pytest.raises(StreamLost):
        await third.ask(encode(ShowAuthority()))
    first[0].stream.close("done")
    await until(lambda: len(gateway.sessions._open) == 1)
    fourth, _ = await stranger(gateway)
    await fourth.ask(encode(ShowAuthority()))
    for requests in (second[0], fourth):
        requests.stream.close("done")


async def test_others_are_served_while_one_address_has_too_many(
    gateway: Gateway, monkeypatch: Any
) -> None:
    monkeypatch.setattr(join_session, "MAX_OF_ADDRESS", 1)
    sessions = gateway.sessions
    assert sessions.accept(Peer("2001:db8::1", None)) is not None
    assert sessions.accept(Peer("2001:db8::2", None)) is None
    assert sessions.accept(Peer("2001:db8:0:1::1", None)) is not None


async def test_a_stranger_sends_one_request(gateway: Gateway) -> None:
    requests, losses = await stranger(gateway)
    await requests.ask(encode(ShowAuthority()))
    await until(lambda: bool(losses))  # the connection ends with the answer
    requests, losses = await stranger(gateway)
    found = await asyncio.gather(
        *(requests.ask(encode(ShowAuthority())) for _ in range(2)), return_exceptions=True
    )
    assert isinstance(found[1], StreamLost)


async def test_a_session_counts_until_its_request_is_answered(
    gateway: Gateway, monkeypatch: Any
) -> None:
    entered, gate = asyncio.Event(), asyncio.Event()

    async def slow(*_: object) -> None:
        entered.set()
        await gate.wait()
        raise Forbidden("no")

    monkeypatch.setattr(gateway.sessions.joining, "join", slow)
    requests, _ = await stranger(gateway)
    asked = asyncio.create_task(requests.ask(encode(JoinNode("t", "n1", "", {}, ""))))
    await entered.wait()
    [session] = gateway.sessions._open
    requests.stream.close("gone")
    with pytest.raises(StreamLost):
        await asked
    await until(lambda: session._is_lost)
    assert gateway.sessions._open == {session}
    gate.set()
    await until(lambda: not gateway.sessions._open)


async def test_other_protocols_are_not_served(gateway: Gateway) -> None:
    context = unverified_context(["http/1.1"])
    requests = StreamRequests(refuse, ignore, ignore, lambda _: b"")
    with pytest.raises(Unavailable):
        await connect(gateway.address, context, requests)
