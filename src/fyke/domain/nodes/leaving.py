"""Nodes that stop. Those that engines make, and that end for good, are forgotten without the
operator.

A node that joined with a token for one use is not among them: the operator has named that machine,
and what was decided about it, such as that it is cordoned, has to stay.
"""

from __future__ import annotations

from dataclasses import replace

from fyke.contracts.state import Storage, Transaction
from fyke.domain.nodes.authority import NODE_SECONDS
from fyke.errors import Conflict
from fyke.model.audit import AuditAction, NewAudit
from fyke.model.node_registry import Node

SILENCE_MS = int(NODE_SECONDS * 1000)  # its certificate has expired, so it cannot come back
ONLY_BY_OPERATOR = (
    "The node has joined with a token for one use; only fyke node forget removes its name"
)


def note_stopped(tx: Transaction, name: str, runner_id: str) -> None:
    """No gateway has the node any more if this is its runner: it is not called connected until it
    is seen to be silent.
    """
    node = tx.nodes.lock(name)
    if node is not None and node.runner_id == runner_id:
        tx.nodes.change(replace(node, gateway_id=""))


def forget_itself(tx: Transaction, name: str, runner_id: str) -> None:
    """Remove the node if this is its runner; otherwise its name belongs to another one by now, or
    is removed already. Raise ``Conflict``.
    """
    node = tx.nodes.lock(name)
    if node is None or node.runner_id != runner_id:
        return
    if not node.ephemeral:
        raise Conflict(ONLY_BY_OPERATOR)
    _remove(tx, node, "it has left")


async def forget_silent(storage: Storage) -> int:
    """Remove the nodes of engines that have been silent for a day; return how many."""

    def work(tx: Transaction) -> int:
        before = tx.now - SILENCE_MS
        silent = [node for node in tx.nodes.all() if node.ephemeral and node.seen_at < before]
        locked = [tx.nodes.lock(node.name) for node in silent]
        found = [node for node in locked if node is not None and node.seen_at < before]
        for node in found:
            _remove(tx, node, "silent for a day")
        return len(found)

    return await storage.write(work)


def _remove(tx: Transaction, node: Node, why: str) -> None:
    tx.nodes.remove(node.name)
    operator = tx.accounts.operator()
    if operator is None:
        return
    tx.audit.add(
        NewAudit(
            account_id=operator.id,
            user_id="",
            user_name=f"node {node.name}",
            key_id="",
            session_id="",
            address=node.address,
            action=AuditAction.NODE_FORGOTTEN,
            target=node.name,
            detail=f"pool {node.pool}, {why}",
        )
    )
