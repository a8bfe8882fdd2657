"""Nodes that connect: epochs, copies of a machine, forgotten nodes, renewed certificates."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from fyke.domain.nodes.authority import FACT, NodeAuthority, NodeIdentity, identity_of
from fyke.domain.nodes.presence import FORGOTTEN, NodeGreeting, NodePresence, SupersededBy
from fyke.errors import Forbidden, InvalidRequest
from fyke.kit.certificates import expiry_of, new_request
from fyke.kit.clock import ManualClock
from fyke.kit.ids import new_ulid
from fyke.kit.sealing import Sealer
from fyke.model.node_registry import Node
from support.statements import executed

pytestmark = pytest.mark.anyio
State = Any

FIRST = NodeGreeting("R1", 0, "1.2.3", "192.0.2.1")


@pytest.fixture
async def authority(state: State) -> NodeAuthority:
    authority = NodeAuthority(state, Sealer(b"master"), ManualClock())
    await authority.ensure()
    return authority


@pytest.fixture
def presence(state: State, authority: NodeAuthority) -> NodePresence:
    return NodePresence(state, authority, ManualClock(), "G1")


@pytest.fixture
async def node(state: State) -> Node:
    node = Node(f"n-{new_ulid().lower()}", "eu", {}, "", new_ulid(), False, 1)
    await state.write(lambda tx: tx.nodes.add(node))
    return node


def identity(node: Node) -> NodeIdentity:
    return NodeIdentity(node.name, node.join_id)


async def test_a_connected_node_is_noted(state: State, presence: NodePresence, node: Node) -> None:
    now = await state.read(lambda tx: tx.now)
    found = await presence.greet(identity(node), FIRST)
    assert isinstance(found, Node) and found.seen_at >= now
    assert found == replace(
        node, epoch=1, runner_id="R1", gateway_id="G1", address="192.0.2.1", release="1.2.3",
        seen_at=found.seen_at,
    )  # fmt: skip
    assert await state.read(lambda tx: tx.nodes.get(node.name)) == found


async def test_a_runner_that_connects_again_keeps_its_epoch(
    presence: NodePresence, node: Node
) -> None:
    for epoch in (0, 0, 1):  # also when the first answer was lost
        found = await presence.greet(identity(node), replace(FIRST, epoch=epoch))
        assert isinstance(found, Node) and found.epoch == 1


async def test_the_later_of_two_copies_has_the_name(presence: NodePresence, node: Node) -> None:
    await presence.greet(identity(node), FIRST)
    copy = NodeGreeting("R2", 0, "1.2.3", "192.0.2.2")
    found = await presence.greet(identity(node), copy)
    assert isinstance(found, Node) and found.epoch == 2
    refused = await presence.greet(identity(node), replace(FIRST, epoch=1))
    assert refused == SupersededBy("192.0.2.2", found.seen_at)
    again = await presence.greet(identity(node), replace(copy, epoch=2))
    assert isinstance(again, Node) and again.epoch == 2
    restarted = await presence.greet(identity(node), replace(FIRST, runner_id="R3"))
    assert isinstance(restarted, Node) and restarted.epoch == 3


@pytest.mark.parametrize("stored", ["", "R0", "R1"])
async def test_a_runner_goes_on_after_the_database_was_restored(
    state: State, presence: NodePresence, node: Node, stored: str
) -> None:
    await state.write(lambda tx: tx.nodes.change(replace(node, epoch=3, runner_id=stored)))
    living = replace(FIRST, epoch=7)
    found = await presence.greet(identity(node), living)
    assert isinstance(found, Node) and (found.epoch, found.runner_id) == (8, "R1")
    again = await presence.greet(identity(node), replace(FIRST, epoch=8))
    assert isinstance(again, Node) and again.epoch == 8
    # its answer was lost: it says what it knows
    again = await presence.greet(identity(node), living)
    assert isinstance(again, Node) and again.epoch == 8
    other = await presence.greet(identity(node), replace(living, runner_id="R2"))
    assert isinstance(other, SupersededBy)


@pytest.mark.parametrize("epoch", [-1, 2**53 + 1, 2**70])
async def test_epochs_have_a_limit(presence: NodePresence, node: Node, epoch: int) -> None:
    with pytest.raises(InvalidRequest, match="epoch"):
        await presence.greet(identity(node), replace(FIRST, epoch=epoch))
    found = await presence.greet(identity(node), replace(FIRST, epoch=2**53))
    assert isinstance(found, Node)


@pytest.mark.parametrize("text", ["", "x" * 65, "a b", "a\0", "ä"])
@pytest.mark.parametrize("member", ["runner_id", "release"])
async def test_texts_of_a_runner_have_a_limit(
    presence: NodePresence, node: Node, member: str, text: str
) -> None:
    with pytest.raises(InvalidRequest, match=member):
        await presence.greet(identity(node), replace(FIRST, **{member: text}))


async def test_copies_that_connect_together_get_different_epochs(
    presence: NodePresence, node: Node
) -> None:
    greetings = [replace(FIRST, runner_id=f"R{n}") for n in range(5)]
    found = await asyncio.gather(*(presence.greet(identity(node), one) for one in greetings))
    epochs = [one.epoch for one in found if isinstance(one, Node)]
    assert sorted(epochs) == [1, 2, 3, 4, 5]


async def test_forgotten_nodes_and_earlier_joins_are_refused(
    state: State, presence: NodePresence, node: Node
) -> None:
    request = new_request().certificate
    await state.write(lambda tx: tx.nodes.change(replace(node, join_id="J2")))
    other = NodeIdentity(f"x-{node.name}", node.join_id)
    for who in (identity(node), other):
        with pytest.raises(Forbidden, match=FORGOTTEN.split(",")[0]):
            await presence.greet(who, FIRST)
        with pytest.raises(Forbidden):
            await presence.renew(who, request)
    await state.write(lambda tx: tx.nodes.remove(node.name))
    with pytest.raises(Forbidden):
        await presence.greet(NodeIdentity(node.name, "J2"), FIRST)
    stored = await state.read(lambda tx: tx.nodes.get(node.name))
    assert stored is None


async def test_a_greeted_node_is_noted_as_seen_until_another_has_its_name(
    state: State, presence: NodePresence, node: Node
) -> None:
    greeted = await presence.greet(identity(node), FIRST)
    assert isinstance(greeted, Node)
    await state.write(lambda tx: tx.nodes.change(replace(greeted, seen_at=1, region="de")))
    await presence.check(greeted)
    await presence.note_seen(greeted)
    seen = await state.read(lambda tx: tx.nodes.get(node.name))
    assert seen.seen_at >= greeted.seen_at and seen.region == "de"
    for changes in ({"join_id": "J2"}, {"runner_id": "R2", "address": "192.0.2.9"}):
        other = replace(seen, **changes)
        await state.write(lambda tx, other=other: tx.nodes.change(other))
        for call in (presence.check, presence.note_seen):
            with pytest.raises(Forbidden):
                await call(greeted)
        assert await state.read(lambda tx: tx.nodes.get(node.name)) == other
    await state.write(lambda tx: tx.nodes.remove(node.name))
    for call in (presence.check, presence.note_seen):
        with pytest.raises(Forbidden):
            await call(greeted)


async def test_nodes_that_are_checked_together_share_a_read(
    state: State, presence: NodePresence, node: Node
) -> None:
    greeted = await presence.greet(identity(node), FIRST)
    assert isinstance(greeted, Node)
    others = [replace(greeted, name=f"{node.name}{number}") for number in range(20)]
    for other in others[:-1]:
        await state.write(lambda tx, other=other: tx.nodes.add(other))
    for call in (presence.check, presence.note_seen):
        with executed() as statements:
            results = await asyncio.gather(*map(call, (*others, greeted)), return_exceptions=True)
        assert [type(result) for result in results] == [*[type(None)] * 19, Forbidden, type(None)]
        selects = [text for text, _ in statements if text.startswith("SELECT nodes.")]
        assert len(selects) == 1


async def test_a_certificate_is_renewed_for_the_same_join(
    state: State, presence: NodePresence, node: Node
) -> None:
    certificate = await presence.renew(identity(node), new_request().certificate)
    loaded = x509.load_pem_x509_certificate(certificate.encode())
    assert identity_of(loaded.public_bytes(Encoding.DER)) == identity(node)
    assert expiry_of(certificate) == ManualClock().now_ms() // 1000 + 86_400
    with pytest.raises(InvalidRequest, match="request for a certificate is refused"):
        await presence.renew(identity(node), "no request")


async def test_without_an_authority_nothing_is_renewed(
    state: State, presence: NodePresence, node: Node
) -> None:
    await state.write(lambda tx: tx.installation.replace(FACT, '{"certificate": "", "key": ""}'))
    with pytest.raises(Forbidden):
        await presence.renew(identity(node), new_request().certificate)
