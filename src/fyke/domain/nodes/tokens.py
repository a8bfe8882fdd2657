"""Tokens with which machines join as nodes: made by the operator, stored as digests.

A token ends with the fingerprint of the authority, so that a machine that joins can check to whom
it speaks before it sends anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from fyke.contracts.signals import NODES
from fyke.contracts.state import Storage, Transaction
from fyke.domain.accounts.audit import record
from fyke.domain.accounts.rights import require_operator, require_owner, require_user
from fyke.domain.accounts.tokens import new_token, token_digest
from fyke.domain.nodes.authority import NodeAuthority
from fyke.domain.nodes.rules import label_problems, matches, name_problem, pattern_problem
from fyke.errors import Forbidden, InvalidRequest, NotFound, Problem, Refused
from fyke.kit.certificates import fingerprint
from fyke.kit.ids import new_ulid
from fyke.model.account import Caller
from fyke.model.audit import AuditAction
from fyke.model.node_registry import NewNodeToken, NodeToken

MINUTE_MS = 60_000
MAX_MINUTES = 30 * 24 * 60
MAX_USES = 10_000
KEEP_MS = MAX_MINUTES * MINUTE_MS  # expired tokens are listed for so long
NO_POSTGRES = (
    "Nodes need PostgreSQL, and this installation uses SQLite: set database_url to a PostgreSQL "
    "database, see docs/how-to/postgresql.md"
)
UNKNOWN = (
    "This token is not one of this installation, or was made long ago; make another with fyke node "
    "token"
)
_ADVICE = "list the tokens to see their ids"
_TOKEN = re.compile(r"fyken_([A-Za-z0-9_-]{43})\.([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """What a new token shall allow; the fields are as in ``NodeToken``."""

    pool: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    name_pattern: str = ""
    uses: int = 1
    minutes: float = 60.0


class NodeTokens:
    """Makes, lists and revokes tokens. ``shared``: whether nodes can use the database, which is
    that of a server for several machines.
    """

    def __init__(self, storage: Storage, authority: NodeAuthority, *, shared: bool = True) -> None:
        self._storage = storage
        self._authority = authority
        self._shared = shared

    async def create(self, caller: Caller, request: TokenRequest) -> NewNodeToken:
        """Make a token. Raises ``Forbidden``, ``ConfirmationNeeded``, ``Refused`` where nodes
        cannot use the database, and ``InvalidRequest``: only a token that is bound to a pool can be
        used more than once.
        """
        _require_rights(caller, "Making a token for nodes")
        if problems := token_problems(request):
            raise InvalidRequest.of(problems)
        await self._storage.read(lambda tx: require_user(tx, caller, "Making a token for nodes"))
        if not self._shared:
            raise Refused(NO_POSTGRES)
        authority = await self._authority.ensure()
        secret = new_token()

        def work(tx: Transaction) -> NodeToken:
            require_user(tx, caller, "Making a token for nodes")
            tx.node_tokens.remove_expired(tx.now - KEEP_MS)
            token = NodeToken(
                id=new_ulid(),
                digest=token_digest(secret),
                pool=request.pool,
                labels=request.labels,
                name_pattern=request.name_pattern,
                uses=request.uses,
                expires_at=tx.now + round(request.minutes * MINUTE_MS),
                created_by=caller.user_name,
                created_at=tx.now,
            )
            tx.node_tokens.add(token)
            record(tx, caller, AuditAction.NODE_TOKEN_CREATED, token.id, _detail(request))
            tx.notify(NODES)
            return token

        token = await self._storage.write(work)
        return NewNodeToken(f"fyken_{secret}.{fingerprint(authority.certificate)}", token)

    async def list(self, caller: Caller) -> list[NodeToken]:
        """All tokens, the newest first; expired ones for 30 days. Raises ``Forbidden``."""
        _require_rights(caller, "Listing tokens for nodes")
        return await self._storage.read(lambda tx: tx.node_tokens.all())

    async def revoke(self, caller: Caller, token_id: str) -> None:
        """Revoke a token; nodes that have joined with it stay. Raises ``Forbidden``, ``NotFound``,
        and ``Refused`` for one that was revoked before.
        """
        _require_rights(caller, "Revoking a token for nodes")

        def work(tx: Transaction) -> None:
            if not tx.node_tokens.revoke(token_id, tx.now):
                if any(token.id == token_id for token in tx.node_tokens.all()):
                    raise Refused("This token was revoked already")
                raise NotFound(f"There is no such token; {_ADVICE}", details=[_ADVICE])
            record(tx, caller, AuditAction.NODE_TOKEN_REVOKED, token_id)

        await self._storage.write(work)


def parse_token(text: str) -> tuple[str, str]:
    """The secret part of a token, and the fingerprint of the authority. Raises
    ``InvalidRequest``.
    """
    found = _TOKEN.fullmatch(text)
    if found is None:
        raise InvalidRequest(
            "must be a whole token for nodes, which begins with fyken_", field="token",
            remedy="copy all of it",
        )  # fmt: skip
    return found[1], found[2]


def spend(tx: Transaction, text: str, name: str, pool: str, labels: Mapping[str, str]) -> NodeToken:
    """Use a token for a node with this name, pool and labels. Raises ``InvalidRequest``, and
    ``Forbidden`` when the token does not allow that.
    """
    secret, _ = parse_token(text)
    token = tx.node_tokens.by_digest(token_digest(secret))
    if token is None:
        raise Forbidden(UNKNOWN)
    refusal = _refusal(token, name, pool, labels)
    if refusal:
        raise Forbidden(refusal)
    if tx.node_tokens.use(token.digest, tx.now):
        return token
    if token.revoked_at:
        ending = "was revoked"
    elif token.expires_at <= tx.now:
        ending = "has expired"
    else:
        ending = f"was used up: {token.uses} of {token.uses}"
    raise Forbidden(f"This token {ending}; make another with fyke node token")


def _refusal(token: NodeToken, name: str, pool: str, labels: Mapping[str, str]) -> str:
    """Why a node may not join with a valid token; "" if it may."""
    if token.name_pattern and not matches(token.name_pattern, name):
        required = f"{token.name_pattern}, which this token requires"
        return f"The name {name} does not match {required}; choose one with --name"
    if token.pool and pool != token.pool:
        return f"This token is for the pool {token.pool} only"
    for label, value in token.labels.items():
        if labels.get(label) != value:
            return f"This token is for nodes with the label {label}={value} only"
    return ""


def needs_gateway(tx: Transaction) -> bool:
    """Whether there is a node, or a token with which one may join."""
    if tx.nodes.all():
        return True
    return any(token.is_valid(tx.now) for token in tx.node_tokens.all())


def _require_rights(caller: Caller, action: str) -> None:
    require_operator(caller, action)
    require_owner(caller, action)


def token_problems(request: TokenRequest) -> list[Problem]:
    """The rules that a request for a token does not keep."""
    found = label_problems("labels", request.labels)
    if request.pool and (problem := name_problem("pool", request.pool)):
        found.append(problem)
    if request.name_pattern and (problem := pattern_problem("names", request.name_pattern)):
        found.append(problem)
    if not 0 <= request.uses <= MAX_USES:
        found.append(Problem(f"must be 0 to {MAX_USES}; 0 means any number", "uses"))
    elif request.uses != 1 and not request.pool:
        found.append(Problem("must be 1 for a token without a pool", "uses", "name a pool"))
    if not 0 < request.minutes <= MAX_MINUTES:
        rule = f"must be more than 0 and at most {MAX_MINUTES}, which is 30 days"
        found.append(Problem(rule, "minutes"))
    return found


def _detail(request: TokenRequest) -> str:
    """The parts of a request that the audit log shows."""
    uses = f"{request.uses} uses" if request.uses else "any number of uses"
    parts = ["one use" if request.uses == 1 else uses, f"valid for {request.minutes / 60:g} h"]
    parts += [f"pool {request.pool}"] if request.pool else []
    parts += [f"names {request.name_pattern}"] if request.name_pattern else []
    parts += [f"{name}={value}" for name, value in sorted(request.labels.items())]
    return ", ".join(parts)
