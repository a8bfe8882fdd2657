"""How a machine becomes a node: with a token, its name, and a request for a certificate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from fyke.contracts.state import Storage, Transaction
from fyke.domain.accounts.audit_actions import MAX_ADDRESS_CHARS
from fyke.domain.accounts.tokens import token_digest
from fyke.domain.nodes.authority import NodeAuthority, NodeIdentity, certify_node
from fyke.domain.nodes.machines import is_connected
from fyke.domain.nodes.rules import label_problems, name_problem
from fyke.domain.nodes.tokens import UNKNOWN, parse_token, spend
from fyke.errors import Conflict, Forbidden, InvalidRequest, Problem
from fyke.kit.certificates import BadCertificate
from fyke.kit.clock import Clock
from fyke.kit.ids import new_ulid
from fyke.model.audit import AuditAction, NewAudit
from fyke.model.node_registry import Node, NodeToken
from fyke.model.placement import DEFAULT_POOL

SILENCE_MS = 60_000  # the name of a node that was made by an engine is free after that


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """What a machine sends. ``certificate_request`` is in PEM. ``replace``: it may take the name of
    a node that is connected.
    """

    token: str = field(repr=False)
    name: str
    pool: str
    labels: Mapping[str, str]
    certificate_request: str
    replace: bool = False


@dataclass(frozen=True, slots=True)
class JoinedNode:
    """A new node, with its certificate in PEM."""

    node: Node
    certificate: str


class NodeJoining:
    """Lets machines join."""

    def __init__(
        self,
        storage: Storage,
        authority: NodeAuthority,
        clock: Clock,
        default_pool: str = DEFAULT_POOL,
    ) -> None:
        self._default_pool = default_pool
        self._storage = storage
        self._authority = authority
        self._clock = clock

    async def join(self, request: JoinRequest, address: str) -> JoinedNode:
        """Add the node, or let the machine have the name of an earlier one, whose certificates are
        not valid any more. ``address`` is that of the machine.

        Raises ``InvalidRequest``; ``Forbidden`` when the token does not allow it; and ``Conflict``
        for the name of another node, which only a token for one use takes over, in the same pool,
        and while that node is connected only with ``replace``.
        """
        if problems := _problems(request):
            raise InvalidRequest.of(problems)
        digest = token_digest(parse_token(request.token)[0])
        authority = await self._authority.find()
        token = await self._storage.read(lambda tx: tx.node_tokens.by_digest(digest))
        if token is None or authority is None:
            raise Forbidden(UNKNOWN)
        identity = NodeIdentity(request.name, new_ulid())
        pool = request.pool or token.pool or self._default_pool
        try:  # before the token is used
            now = self._clock.now_ms() / 1000
            certificate = certify_node(authority, request.certificate_request, identity, now)
        except BadCertificate as error:
            raise InvalidRequest(f"The request for a certificate is refused: {error}") from error

        def work(tx: Transaction) -> Node:
            used = spend(tx, request.token, request.name, pool, request.labels)
            node, taken = _put(tx, identity, pool, request, used, address)
            _record(tx, node, used, address, taken)
            return node

        return JoinedNode(await self._storage.write(work), certificate)


def _put(
    tx: Transaction,
    identity: NodeIdentity,
    pool: str,
    request: JoinRequest,
    token: NodeToken,
    address: str,
) -> tuple[Node, str]:
    """The node, and the address of the connected node whose name it has taken over, else ""."""
    labels = request.labels
    node = Node(
        name=identity.name,
        pool=pool,
        labels=labels,
        region="",
        join_id=identity.join_id,
        ephemeral=token.uses != 1,
        joined_at=tx.now,
        address=address,
        seen_at=tx.now,
    )
    if tx.nodes.add(node):
        return node, ""
    before = tx.nodes.lock(node.name)
    if before is None:  # it was removed a moment ago
        raise Conflict(f"The node {node.name} was changed; try again")
    if before.pool != pool:
        raise Conflict(
            f"The node {node.name} is in the pool {before.pool}; join that pool, or choose another "
            "name, or let the installation forget the node first"
        )
    silent = before.ephemeral and before.seen_at < tx.now - SILENCE_MS
    if token.uses != 1 and not silent:
        raise Conflict(
            f"There is a node with the name {node.name}; choose another name, or use a token for "
            "one use, which takes over the name"
        )
    connected = is_connected(before, tx.now)
    if connected and not request.replace:
        number = tx.runs.active_by_runner().get(before.runner_id, 0)
        load = f" and has {number} attempt{'s' * (number > 1)}" if number else ""
        raise Conflict(
            f"The node {node.name} at {before.address} is connected{load}; choose another name "
            "with --name, or, to end that node and its attempts, take over its name with --replace"
        )
    # what was decided about the node stays: its state, its region. And a runner that is still there
    # has another epoch than the one that comes
    after = replace(
        before,
        labels=labels,
        join_id=node.join_id,
        ephemeral=node.ephemeral,
        joined_at=node.joined_at,
        address=address,
        seen_at=node.seen_at,
    )
    tx.nodes.change(after)
    return after, before.address if connected else ""


def _record(tx: Transaction, node: Node, token: NodeToken, address: str, taken: str) -> None:
    """``taken`` is the address of the connected node that it replaces, or ""."""
    operator = tx.accounts.operator()
    if operator is None:
        return
    tx.audit.add(
        NewAudit(
            account_id=operator.id,
            user_id="",
            user_name=token.created_by,  # who has made the token
            key_id="",
            session_id="",
            address=address[:MAX_ADDRESS_CHARS],
            action=AuditAction.NODE_JOINED,
            target=node.name,
            detail=f"pool {node.pool}, token {token.id}"
            + (f", replaces the connected node at {taken}" if taken else ""),
        )
    )


def _problems(request: JoinRequest) -> list[Problem]:
    found = label_problems("labels", request.labels)
    for member, name in (("name", request.name), ("pool", request.pool)):
        if (name or member == "name") and (problem := name_problem(member, name)):
            found.append(problem)
    return found
