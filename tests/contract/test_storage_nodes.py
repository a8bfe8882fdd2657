"""The contract of nodes, and of the tokens to join with."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from fyke.contracts.state import Transaction
from fyke.kit.ids import new_ulid
from fyke.model.node import NodeState
from fyke.model.node_registry import Node, NodeToken
from fyke.reasons import Reason, ReasonCode

pytestmark = pytest.mark.anyio
State = Any

AT = 1_700_000_000_000


def a_node(**changes: Any) -> Node:
    node = Node(f"n-{new_ulid().lower()}", "eu", {"gpu": "no", "b": "c"}, "de", "J1", True, AT)
    return replace(node, **changes)


def a_token(**changes: Any) -> NodeToken:
    token = NodeToken(new_ulid(), new_ulid(), "eu", {"a": "b"}, "n-*", 1, AT + 10, "ada", AT)
    return replace(token, **changes)


async def test_a_node_is_stored_changed_and_removed(state: State) -> None:
    node = a_node()
    assert await state.read(lambda tx: tx.nodes.get(node.name)) is None
    assert await state.write(lambda tx: tx.nodes.add(node))
    assert not await state.write(lambda tx: tx.nodes.add(replace(node, pool="us")))
    assert await state.read(lambda tx: tx.nodes.get(node.name)) == node
    changed = replace(
        node, pool="us", labels={}, region="", join_id="J2", ephemeral=False, joined_at=AT + 1,
        state=NodeState.DRAINING, state_by="ada", state_at=AT + 2,
        reason=Reason.of(ReasonCode.PLATFORM_STOPPED), drain_until=AT + 3, epoch=4, runner_id="r",
        gateway_id="g", address="192.0.2.1", release="1.2.3", seen_at=AT + 5,
    )  # fmt: skip
    await state.write(lambda tx: tx.nodes.change(changed))
    assert await state.write(lambda tx: tx.nodes.lock(node.name)) == changed
    assert changed in await state.read(lambda tx: tx.nodes.all())
    assert await state.write(lambda tx: tx.nodes.remove(node.name))
    assert not await state.write(lambda tx: tx.nodes.remove(node.name))
    assert await state.write(lambda tx: tx.nodes.lock(node.name)) is None


async def test_nodes_are_listed_by_name(state: State) -> None:
    nodes = [a_node(name=f"{letter}-{new_ulid().lower()}") for letter in "bca"]
    await state.write(lambda tx: [tx.nodes.add(node) for node in nodes])
    names = [node.name for node in await state.read(lambda tx: tx.nodes.all())]
    assert names == sorted(names) and {node.name for node in nodes} <= {*names}


async def test_several_nodes_are_read_locked_and_noted_at_once(state: State) -> None:
    first, second, other = (a_node() for _ in range(3))
    await state.write(lambda tx: [tx.nodes.add(node) for node in (first, second, other)])
    names = [second.name, first.name, "unknown", "\0"]
    found = {first.name: first, second.name: second}
    assert await state.read(lambda tx: tx.nodes.named(names)) == found
    assert await state.write(lambda tx: tx.nodes.lock_named(names)) == found
    await state.write(lambda tx: tx.nodes.note_seen([first.name, second.name], AT + 7))
    seen = await state.read(lambda tx: tx.nodes.named([first.name, second.name, other.name]))
    assert seen == {
        first.name: replace(first, seen_at=AT + 7),
        second.name: replace(second, seen_at=AT + 7),
        other.name: other,
    }
    await state.write(lambda tx: tx.nodes.note_seen([], AT + 9))
    assert await state.read(lambda tx: tx.nodes.named([])) == {}


async def use(state: State, token: NodeToken, now: int = AT) -> bool:
    found: bool = await state.write(lambda tx: tx.node_tokens.use(token.digest, now))
    return found


async def test_a_token_is_read_by_its_digest(state: State) -> None:
    token = a_token()
    await state.write(lambda tx: tx.node_tokens.add(token))
    assert await state.read(lambda tx: tx.node_tokens.by_digest(token.digest)) == token
    assert await state.read(lambda tx: tx.node_tokens.by_digest(new_ulid())) is None
    newer = a_token(created_at=AT + 1)
    await state.write(lambda tx: tx.node_tokens.add(newer))
    listed = await state.read(lambda tx: tx.node_tokens.all())
    assert [one for one in listed if one in (token, newer)] == [newer, token]


@pytest.mark.parametrize(("uses", "expected"), [(1, 1), (3, 3), (0, 6)])
async def test_a_token_is_used_as_often_as_it_allows(
    state: State, uses: int, expected: int
) -> None:
    token = a_token(uses=uses)
    await state.write(lambda tx: tx.node_tokens.add(token))
    found = await asyncio.gather(*(use(state, token) for _ in range(6)))
    assert found.count(True) == expected
    stored = await state.read(lambda tx: tx.node_tokens.by_digest(token.digest))
    assert stored.used == expected


async def test_expired_revoked_and_unknown_tokens_are_not_used(state: State) -> None:
    token, unlimited = a_token(), a_token(uses=0)

    def add(tx: Transaction) -> None:
        for one in (token, unlimited):
            tx.node_tokens.add(one)

    await state.write(add)
    assert not await use(state, token, AT + 10)
    assert not await use(state, a_token())
    assert await state.write(lambda tx: tx.node_tokens.revoke(unlimited.id, AT + 1))
    assert not await state.write(lambda tx: tx.node_tokens.revoke(unlimited.id, AT + 2))
    assert not await state.write(lambda tx: tx.node_tokens.revoke(new_ulid(), AT + 2))
    assert not await use(state, unlimited)
    assert await use(state, token, AT + 9)


async def test_expired_tokens_are_removed(state: State) -> None:
    expired, valid = a_token(expires_at=AT - 1), a_token(expires_at=AT)
    await state.write(lambda tx: [tx.node_tokens.add(one) for one in (expired, valid)])
    assert await state.write(lambda tx: tx.node_tokens.remove_expired(AT)) >= 1
    assert await state.read(lambda tx: tx.node_tokens.by_digest(expired.digest)) is None
    assert await state.read(lambda tx: tx.node_tokens.by_digest(valid.digest)) == valid
