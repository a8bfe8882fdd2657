"""Nodes that connect: which runner has the name now, and renewed certificates.

A certificate is valid for the join that it comes from. Of several runners with one name the latest
has it: a runner that comes for the first time raises the epoch, and one that had the name before,
and has it no longer, is superseded. So two copies of one machine do not replace each other without
end. A runner with a later epoch than the database was connected before the database was restored
from a backup; it is as a new one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fyke.contracts.state import Storage, Transaction
from fyke.domain.nodes.authority import NodeAuthority, NodeIdentity, certify_node
from fyke.domain.nodes.rules import is_short
from fyke.errors import Forbidden, InvalidRequest
from fyke.kit.certificates import BadCertificate
from fyke.kit.clock import Clock
from fyke.kit.shared_calls import SharedCalls
from fyke.model.node_registry import Node

MAX_SHARED = 256  # nodes of one statement
MAX_EPOCH = 2**53  # of a node that says its epoch
FORGOTTEN = "This installation has forgotten the node, or it has joined again; join again"


@dataclass(frozen=True, slots=True)
class NodeGreeting:
    """A node as it introduces itself. ``epoch`` is the one that its runner was given before, 0 for
    a runner that connects for the first time.
    """

    runner_id: str
    epoch: int
    release: str
    address: str


@dataclass(frozen=True, slots=True)
class SupersededBy:
    """The machine that has the name now; ``seen_at`` is when it was last seen, in ms."""

    address: str
    seen_at: int


class NodePresence:
    """Answers nodes that connect."""

    def __init__(
        self, storage: Storage, authority: NodeAuthority, clock: Clock, gateway_id: str
    ) -> None:
        self._storage = storage
        self._authority = authority
        self._clock = clock
        self._gateway_id = gateway_id
        # nodes that ask at the same time share a statement
        self._rows = SharedCalls(self._read, most=MAX_SHARED, for_all=Exception)
        self._seen = SharedCalls(self._note, most=MAX_SHARED, for_all=Exception)

    async def greet(self, identity: NodeIdentity, greeting: NodeGreeting) -> Node | SupersededBy:
        """Note that a node is connected to this gateway. Raises ``Forbidden`` for one that is not
        known, and ``InvalidRequest``. Repeated: the same answer.
        """
        if not 0 <= greeting.epoch <= MAX_EPOCH:
            raise InvalidRequest(f"must be 0 to {MAX_EPOCH}", field="epoch")
        for field, text in (("runner_id", greeting.runner_id), ("release", greeting.release)):
            if not is_short(text):
                rule = "must have 1 to 64 letters, digits or . + _ -"
                raise InvalidRequest(rule, field=field)

        def work(tx: Transaction) -> Node | SupersededBy:
            before = _known(tx, identity)
            is_later = greeting.epoch > before.epoch
            is_new = is_later or before.runner_id != greeting.runner_id
            if is_new and greeting.epoch and not is_later:
                return SupersededBy(before.address, before.seen_at)
            node = replace(
                before,
                epoch=max(before.epoch, greeting.epoch) + is_new,
                runner_id=greeting.runner_id,
                gateway_id=self._gateway_id,
                address=greeting.address,
                release=greeting.release,
                seen_at=tx.now,
            )
            tx.nodes.change(node)
            return node

        return await self._storage.write(work)

    async def find(self, identity: NodeIdentity) -> Node:
        """The row of a node. Raises ``Forbidden`` for one that is not known."""
        return await self._storage.read(
            lambda tx: _check(tx.nodes.get(identity.name), identity.join_id)
        )

    async def check(self, node: Node) -> None:
        """Raise ``Forbidden`` when the name of a greeted node belongs to another join or runner
        now, or is removed. The row is read after the call.
        """
        check_runner(await self._rows.ask(node), node.join_id, node.runner_id)

    async def _read(self, nodes: Sequence[Node]) -> list[Node | None]:
        names = {node.name for node in nodes}
        found = await self._storage.read(lambda tx: tx.nodes.named(names))
        return [found.get(node.name) for node in nodes]

    async def note_seen(self, node: Node) -> None:
        """Note that a greeted node is there. Raises ``Forbidden`` as ``check`` does."""
        check_runner(await self._seen.ask(node), node.join_id, node.runner_id)

    async def _note(self, nodes: Sequence[Node]) -> list[Node | None]:
        names = {node.name for node in nodes}

        def work(tx: Transaction) -> dict[str, Node]:
            found = tx.nodes.lock_named(names)
            tx.nodes.note_seen(
                {node.name for node in nodes if _is_still(found.get(node.name), node)}, tx.now
            )
            return found

        found = await self._storage.write(work)
        return [found.get(node.name) for node in nodes]

    async def renew(self, identity: NodeIdentity, request: str) -> str:
        """A new certificate for the key of a request. Raises ``Forbidden`` for a node that is not
        known, and ``InvalidRequest``.
        """
        authority = await self._authority.find()
        if authority is None:
            raise Forbidden(FORGOTTEN)
        try:
            now = self._clock.now_ms() / 1000
            certificate = certify_node(authority, request, identity, now)
        except BadCertificate as error:
            raise InvalidRequest(f"The request for a certificate is refused: {error}") from error
        await self._storage.read(lambda tx: _check(tx.nodes.get(identity.name), identity.join_id))
        return certificate


def _known(tx: Transaction, identity: NodeIdentity) -> Node:
    return _check(tx.nodes.lock(identity.name), identity.join_id)


def _check(node: Node | None, join_id: str) -> Node:
    if node is None or node.join_id != join_id:
        raise Forbidden(FORGOTTEN)
    return node


def _is_still(row: Node | None, node: Node) -> bool:
    """Whether the row of a greeted node is that of its runner."""
    return row is not None and (row.join_id, row.runner_id) == (node.join_id, node.runner_id)


def check_runner(row: Node | None, join_id: str, runner_id: str) -> None:
    """Raise ``Forbidden`` if the row of a greeted node is not that of its join and runner."""
    current = _check(row, join_id)
    if current.runner_id != runner_id:
        raise Forbidden(f"Another machine has the name of the node: {current.address}")
