"""What the operator decides about nodes: whether they take attempts, and that they are forgotten.

A node learns of it with its next report, and a forgotten one at its next request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import structlog

from fyke.contracts.state import Storage, Transaction
from fyke.domain.accounts.audit import record
from fyke.domain.accounts.rights import require_editor, require_operator, require_owner
from fyke.domain.nodes.rules import MAX_NAME
from fyke.domain.runs.attempts import Attempts
from fyke.domain.runs.isolation import RUNNER_SILENCE_MS
from fyke.errors import FykeError, InvalidRequest, NotFound
from fyke.model.account import Caller
from fyke.model.audit import AuditAction
from fyke.model.node import NodeState
from fyke.model.node_registry import Node
from fyke.model.runner import NODE_PLACE

MAX_DRAIN_SECONDS = 7 * 24 * 3600
_ADVICE = "list the nodes to see their names"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node as the operator sees it: ``connected`` if it has reported lately, and with how many
    active ``attempts``.
    """

    node: Node
    connected: bool
    attempts: int


class NodeControl:
    """The nodes, for the operator. All methods raise ``Forbidden``, and those with a name
    ``NotFound``.
    """

    def __init__(self, storage: Storage, attempts: Attempts) -> None:
        self._storage = storage
        self._attempts = attempts

    async def list(self, caller: Caller) -> list[NodeView]:
        """All nodes by name."""
        require_operator(caller, "Listing nodes")

        def work(tx: Transaction) -> list[NodeView]:
            active = tx.runs.active_by_runner()
            return [_view(tx, node, active) for node in tx.nodes.all()]

        return await self._storage.read(work)

    async def get(self, caller: Caller, name: str) -> NodeView:
        require_operator(caller, "Reading a node")

        def work(tx: Transaction) -> NodeView:
            return _view(tx, _found(tx.nodes.get(name), name), tx.runs.active_by_runner())

        return await self._storage.read(work)

    async def cordon(self, caller: Caller, name: str) -> NodeView:
        """Let the node take no more attempts; it continues those that it has, also when it was
        draining. Repeated: no effect.
        """
        _require_rights(caller, "Cordoning a node")
        return await self._change(caller, name, NodeState.CORDONED, AuditAction.NODE_CORDONED)

    async def uncordon(self, caller: Caller, name: str) -> NodeView:
        """Let the node take attempts again. Repeated: no effect."""
        _require_rights(caller, "Uncordoning a node")
        return await self._change(caller, name, NodeState.READY, AuditAction.NODE_UNCORDONED)

    async def drain(self, caller: Caller, name: str, seconds: int) -> NodeView:
        """Let the node take no more attempts, and stop those that it still has after this time.
        Repeated: the time begins again. Raises ``InvalidRequest``.
        """
        _require_rights(caller, "Draining a node")
        if not 0 <= seconds <= MAX_DRAIN_SECONDS:
            rule = f"must be 0 to {MAX_DRAIN_SECONDS}, which is 7 days"
            raise InvalidRequest(rule, field="seconds")
        return await self._change(
            caller, name, NodeState.DRAINING, AuditAction.NODE_DRAINED, seconds
        )

    async def forget(self, caller: Caller, name: str) -> None:
        """Remove the node at once. Its certificates are not valid any more; attempts that it still
        has are ended as lost. Those that cannot be ended now end with their lease.
        """
        require_operator(caller, "Forgetting a node")
        require_owner(caller, "Forgetting a node")

        def work(tx: Transaction) -> None:
            node = _found(tx.nodes.lock(name), name)
            tx.nodes.remove(name)
            record(tx, caller, AuditAction.NODE_FORGOTTEN, name, f"pool {node.pool}")

        await self._storage.write(work)
        try:
            await self._attempts.end_of_place(NODE_PLACE + name)
            await self._storage.write(lambda tx: _drop_runners(tx, NODE_PLACE + name))
        except FykeError as error:  # the node is forgotten nevertheless
            log.warning("attempts_of_forgotten_node_not_ended", node=name, error=str(error))

    async def _change(
        self, caller: Caller, name: str, state: NodeState, action: AuditAction, seconds: int = 0
    ) -> NodeView:
        is_draining = state is NodeState.DRAINING

        def work(tx: Transaction) -> NodeView:
            before = _found(tx.nodes.lock(name), name)
            if before.state is state and not is_draining:
                return _view(tx, before, tx.runs.active_by_runner())
            node = replace(
                before,
                state=state,
                state_by=caller.user_name,
                state_at=tx.now,
                reason=None,
                drain_until=tx.now + seconds * 1000 if is_draining else 0,
            )
            tx.nodes.change(node)
            record(tx, caller, action, name, f"within {seconds} s" if is_draining else "")
            return _view(tx, node, tx.runs.active_by_runner())

        return await self._storage.write(work)


def _drop_runners(tx: Transaction, place: str) -> None:
    for runner in tx.runs.runners(0):
        if runner.place == place:
            tx.runs.drop_runner(runner.id)


def _require_rights(caller: Caller, action: str) -> None:
    require_operator(caller, action)
    require_editor(caller, action)


def _view(tx: Transaction, node: Node, active: Mapping[str, int]) -> NodeView:
    connected = node.seen_at > 0 and tx.now - node.seen_at <= RUNNER_SILENCE_MS
    return NodeView(node, connected, active.get(node.runner_id, 0))


def _found(node: Node | None, name: str) -> Node:
    if node is None:
        raise NotFound(f'There is no node "{name[:MAX_NAME]}"; {_ADVICE}', details=[_ADVICE])
    return node
