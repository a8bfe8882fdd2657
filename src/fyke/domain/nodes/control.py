"""What the operator decides about nodes: whether they take attempts, and that they are forgotten.

A node learns of it with its next report, and a forgotten one at its next request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import structlog

from fyke.contracts.state import Storage, Transaction
from fyke.domain.accounts.audit import record
from fyke.domain.accounts.rights import require_editor, require_operator, require_owner
from fyke.domain.nodes.machines import (
    MachineAttempt,
    MachineFacts,
    Machines,
    MachineView,
    NodeView,
    attempts_on,
)
from fyke.domain.runs.attempts import Attempts
from fyke.domain.runs.placement import known_pools
from fyke.domain.runs.transitions import Rules
from fyke.errors import FykeError, InvalidRequest, NotFound, Refused
from fyke.kit.node_names import MAX_NAME
from fyke.model.account import Caller
from fyke.model.audit import AuditAction
from fyke.model.fleet import NO_ENGINE, FleetEngine
from fyke.model.node import NodeState
from fyke.model.node_registry import Node
from fyke.model.placement import PoolDemand
from fyke.model.runner import NODE_PLACE

MAX_DRAIN_SECONDS = 7 * 24 * 3600
MADE_BY_HAND = (
    "The node has joined with a token for one use, so no engine has made it, and none can replace "
    "it. Drain it, then start another one or restart it"
)
_ADVICE = "list the nodes to see their names"

log = structlog.get_logger()


class NodeControl:
    """The nodes, for the operator. All methods raise ``Forbidden``, and those with a name
    ``NotFound``.
    """

    def __init__(
        self,
        storage: Storage,
        attempts: Attempts,
        rules: Rules,
        fleet: FleetEngine = FleetEngine.STATIC,
    ) -> None:
        self.fleet = fleet
        self._storage = storage
        self._rules = rules
        self._attempts = attempts

    async def list(self, caller: Caller) -> list[NodeView]:
        """All nodes by name."""
        require_operator(caller, "Listing nodes")
        return await self._storage.read(lambda tx: MachineFacts(tx).nodes())

    async def machines(self, caller: Caller) -> Machines:
        """All nodes, and the machines of the installation itself."""
        require_operator(caller, "Listing nodes")
        return await self._storage.read(lambda tx: MachineFacts(tx).machines())

    async def demand(self, caller: Caller) -> Sequence[PoolDemand]:
        """What each known pool is asked for, by name."""
        require_operator(caller, "Reading the demand for nodes")

        def work(tx: Transaction) -> Sequence[PoolDemand]:
            asked = {demand.pool: demand for demand in tx.admission.demand()}
            pools = sorted({*known_pools(tx, self._rules), *asked})
            return [asked.get(pool, PoolDemand(pool)) for pool in pools]

        return await self._storage.read(work)

    async def get(self, caller: Caller, name: str) -> NodeView:
        require_operator(caller, "Reading a node")
        return await self._storage.read(lambda tx: _view(tx, _found(tx.nodes.get(name), name)))

    async def get_with_attempts(
        self, caller: Caller, name: str
    ) -> tuple[NodeView, Sequence[MachineAttempt]]:
        """A node, and the attempts that it has now."""
        require_operator(caller, "Reading a node")

        def work(tx: Transaction) -> tuple[NodeView, Sequence[MachineAttempt]]:
            node = _found(tx.nodes.get(name), name)
            return _view(tx, node), attempts_on(tx, caller, node.runner_id)

        return await self._storage.read(work)

    async def own_with_attempts(
        self, caller: Caller, runner_id: str
    ) -> tuple[MachineView, Sequence[MachineAttempt]]:
        """A machine of the installation itself, by the id of its runner. Raises ``NotFound``."""
        require_operator(caller, "Reading a machine")

        def work(tx: Transaction) -> tuple[MachineView, Sequence[MachineAttempt]]:
            machine = MachineFacts(tx).own(runner_id)
            if machine is None:
                raise NotFound
            return machine, attempts_on(tx, caller, runner_id)

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
        _check_seconds(seconds)
        return await self._change(
            caller, name, NodeState.DRAINING, AuditAction.NODE_DRAINED, seconds
        )

    async def replace(self, caller: Caller, name: str, seconds: int) -> NodeView:
        """Drain the node; when it has no attempt left, ``fyke fleet up`` lets the engine that runs
        it replace it. ``drain``, ``cordon`` and ``uncordon`` withdraw that. Raises
        ``InvalidRequest``, and ``Refused`` where no engine replaces this node.
        """
        _require_rights(caller, "Replacing a node")
        _check_seconds(seconds)
        if self.fleet is FleetEngine.STATIC:
            raise Refused(NO_ENGINE)
        return await self._change(
            caller, name, NodeState.DRAINING, AuditAction.NODE_DRAINED, seconds, replacing=True
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
        self,
        caller: Caller,
        name: str,
        state: NodeState,
        action: AuditAction,
        seconds: int = 0,
        *,
        replacing: bool = False,
    ) -> NodeView:
        is_draining = state is NodeState.DRAINING

        def work(tx: Transaction) -> NodeView:
            before = _found(tx.nodes.lock(name), name)
            if before.state is state and not is_draining:
                return _view(tx, before)
            if replacing and not before.ephemeral:
                raise Refused(MADE_BY_HAND)
            node = replace(
                before,
                state=state,
                state_by=caller.user_name,
                state_at=tx.now,
                reason=None,
                drain_until=tx.now + seconds * 1000 if is_draining else 0,
                replacing=replacing,
            )
            tx.nodes.change(node)
            detail = _within(seconds) if is_draining else ""
            record(tx, caller, action, name, f"{detail}, to replace it" if replacing else detail)
            return _view(tx, node)

        return await self._storage.write(work)


def _check_seconds(seconds: int) -> None:
    if not 0 <= seconds <= MAX_DRAIN_SECONDS:
        rule = f"must be 0 to {MAX_DRAIN_SECONDS}, which is 7 days"
        raise InvalidRequest(rule, field="seconds")


def _within(seconds: int) -> str:
    """The time of a drain in the largest unit of which it is a whole number."""
    if not seconds:
        return "at once"
    units = ("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1)
    unit, size = next((unit, size) for unit, size in units if seconds % size == 0)
    number = seconds // size
    return f"within {number} {unit}{'' if number == 1 else 's'}"


def _drop_runners(tx: Transaction, place: str) -> None:
    for runner in tx.runs.runners(0):
        if runner.place == place:
            tx.runs.drop_runner(runner.id)


def _require_rights(caller: Caller, action: str) -> None:
    require_operator(caller, action)
    require_editor(caller, action)


def _view(tx: Transaction, node: Node) -> NodeView:
    return MachineFacts(tx).node(node)


def _found(node: Node | None, name: str) -> Node:
    if node is None:
        raise NotFound(f'There is no node "{name[:MAX_NAME]}"; {_ADVICE}', details=[_ADVICE])
    return node
