"""The secrets of an endpoint, derived from the installation's master secret and a random salt.

No signing secret is stored, so a copy of the database does not reveal one. A rotation sets a new
salt; messages are also signed with the old one for a day, so that receivers can switch without
losing a message.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

from fyke.domain.callbacks.signing import PREFIX
from fyke.model.webhook import Endpoint


def secret_of(master: bytes, endpoint_id: str, salt: str) -> str:
    """Return ``whsec_`` and base64 of 32 bytes. Raise ``ValueError`` without a master or salt."""
    if not master or not salt:
        raise ValueError("a secret needs the master secret and a salt")
    label = f"webhook:{endpoint_id}:{salt}".encode()
    derived = hmac.new(master, label, hashlib.sha256).digest()
    return PREFIX + base64.b64encode(derived).decode()


def signing_secrets(master: bytes, endpoint: Endpoint, now: int) -> tuple[str, ...]:
    """The secrets that sign at ``now`` (ms), the current one first."""
    salts = [endpoint.salt]
    if endpoint.old_salt and now < endpoint.old_until:
        salts.append(endpoint.old_salt)
    return tuple(secret_of(master, endpoint.id, salt) for salt in salts)
