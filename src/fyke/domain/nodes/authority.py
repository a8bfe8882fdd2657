"""The certificate authority of an installation, which certifies its nodes and gateways.

It is made with the first token for a node. Its certificate, and its key sealed with ``secret.key``,
are one fact of the installation. After ``secret.key`` was replaced the key cannot be opened; then
a new authority is made, and all nodes have to join again.
"""

from __future__ import annotations

import json

from fyke.contracts.state import Storage, Transaction
from fyke.kit.certificates import DAY_SECONDS, CertifiedKey, new_authority
from fyke.kit.clock import Clock
from fyke.kit.sealing import Sealer, UnsealError

FACT = "node_authority"
LIFE_SECONDS = 10 * 365 * DAY_SECONDS
NAME = "Fyke nodes"
_LOCATION = ("node-authority", "", "key")


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
