"""Nodes of engines that have ended without a word."""

from __future__ import annotations

from typing import Any

import pytest

from fyke.contracts.state import Transaction
from fyke.domain.nodes.leaving import SILENCE_MS, forget_silent
from fyke.model.node_registry import Node
from fyke.timers.nodes import SilentNodeTimer

pytestmark = pytest.mark.anyio
State = Any


async def test_silent_nodes_of_engines_are_forgotten_after_a_day(state: State) -> None:
    def work(tx: Transaction) -> None:
        for name, ephemeral, age in (("a", True, 1), ("b", True, 0), ("c", False, 1)):
            seen_at = tx.now - age * (SILENCE_MS + 1)
            tx.nodes.add(Node(name, "eu", {}, "", "J1", ephemeral, 1, seen_at=seen_at))

    await state.write(work)
    assert await forget_silent(state) >= 1  # and those of earlier tests
    assert await forget_silent(state) == 0
    left = {node.name for node in await state.read(lambda tx: tx.nodes.all())}
    assert left & {"a", "b", "c"} == {"b", "c"}


async def test_the_timer_forgets_them(state: State) -> None:
    def work(tx: Transaction) -> None:
        tx.nodes.add(Node("d", "eu", {}, "", "J1", True, 1, seen_at=tx.now - SILENCE_MS - 1))

    await state.write(work)
    await SilentNodeTimer(state).tick()
    assert await state.read(lambda tx: tx.nodes.get("d")) is None
