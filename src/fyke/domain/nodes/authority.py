"""The certificate authority of an installation, which certifies its nodes and gateways.

It is made with the first token for a node. Its certificate, and its key sealed with ``secret.key``,
are one fact of the installation. After ``secret.key`` was replaced the key cannot be opened; then
a new authority is made, and all nodes have to join again.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fyke.kit.certificates import (
    DAY_SECONDS,
    CertifiedKey,
    new_authority,
    new_request,
    new_server,
    sign_client,
    uri_of,
)
from fyke.kit.clock import Clock
from fyke.kit.sealing import Sealer, UnsealError
from fyke.model.node import GATEWAY_HOST

if TYPE_CHECKING:  # a node, which only reads identities, has no state
    from fyke.contracts.state import Storage, Transaction

FACT = "node_authority"
LIFE_SECONDS = 10 * 365 * DAY_SECONDS
NAME = "Fyke nodes"
NODE_SECONDS = DAY_SECONDS
GATEWAY_SECONDS = 365 * DAY_SECONDS  # a gateway makes another one at every start
_LOCATION = ("node-authority", "", "key")
SERVER_SECONDS = DAY_SECONDS  # a server makes another one for each connection
_SERVER = "fyke:server"
_IDENTITY = re.compile(r"fyke:node:([a-z0-9.-]+):([0-9A-Z]+)")


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """What the certificate of a node says: its name, and the join that it comes from."""

    name: str
    join_id: str


def certify_node(authority: CertifiedKey, request: str, identity: NodeIdentity, now: float) -> str:
    """The certificate of a node for the key of a request. Raise ``BadCertificate``."""
    uri = f"fyke:node:{identity.name}:{identity.join_id}"
    return sign_client(authority, request, uri, now, NODE_SECONDS)


def identity_of(der: bytes) -> NodeIdentity | None:
    """The identity in a certificate of this authority; None if it is not one of a node. Raise
    ``BadCertificate``.
    """
    found = _IDENTITY.fullmatch(uri_of(der))
    return NodeIdentity(found[1], found[2]) if found else None


def certify_server(authority: CertifiedKey, now: float) -> CertifiedKey:
    """A key for a server that connects to gateways, with its certificate."""
    asked = new_request()
    certificate = sign_client(authority, asked.certificate, _SERVER, now, SERVER_SECONDS)
    return CertifiedKey(certificate, asked.key)


def is_server(der: bytes) -> bool:
    """Whether a certificate of this authority is one of a server. Raise ``BadCertificate``."""
    return uri_of(der) == _SERVER


def certify_gateway(authority: CertifiedKey, now: float) -> CertifiedKey:
    """A key for a gateway, with its certificate."""
    return new_server(authority, GATEWAY_HOST, now, GATEWAY_SECONDS)


class NodeAuthority:
    """Finds the authority, or makes it."""

    def __init__(self, storage: Storage, sealer: Sealer, clock: Clock) -> None:
        self._storage = storage
        self._sealer = sealer
        self._clock = clock

    async def find(self) -> CertifiedKey | None:
        """The authority; None before it is made, and when its key cannot be opened."""
        return self._opened(await self._storage.read(_stored))

    async def ensure(self) -> CertifiedKey:
        """The authority; it is made if there is none that can be used."""
        known = await self._storage.read(_stored)
        authority = self._opened(known)
        if authority is not None:
            return authority
        made = new_authority(NAME, self._clock.now_ms() / 1000, LIFE_SECONDS)
        sealed = self._sealer.seal(_LOCATION, made.key)
        value = json.dumps({"certificate": made.certificate, "key": sealed})

        def work(tx: Transaction) -> str | None:
            if known is not None:
                tx.installation.exchange(FACT, known, value)
            return tx.installation.settle(FACT, value)

        # another server may have made one meanwhile
        return self._opened(await self._storage.write(work)) or made

    def _opened(self, stored: str | None) -> CertifiedKey | None:
        if stored is None:
            return None
        parts = json.loads(stored)
        try:
            return CertifiedKey(parts["certificate"], self._sealer.open(_LOCATION, parts["key"]))
        except UnsealError:
            return None


def _stored(tx: Transaction) -> str | None:
    return tx.installation.fact(FACT)
