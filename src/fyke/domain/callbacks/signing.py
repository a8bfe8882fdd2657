"""Signatures by the Standard Webhooks rules, so that receivers can verify with any library.

The secret of an account is derived from the installation's master secret: nothing is stored, and
it can be shown to its owner at any time. Receivers should refuse timestamps more than five
minutes away.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

PREFIX = "whsec_"


def secret_for(master: bytes, account_id: str) -> str:
    """Return the account's secret, ``whsec_`` and base64 of 32 bytes."""
    if not master:
        raise ValueError("the master secret is empty")
    # the label keeps it apart from everything else that is signed with the master secret
    derived = hmac.new(master, b"callback:" + account_id.encode(), hashlib.sha256).digest()
    return PREFIX + base64.b64encode(derived).decode()


def headers(
    secrets: str | Sequence[str], message_id: str, timestamp: int, body: bytes
) -> dict[str, str]:
    """Return the three headers for one message; ``timestamp`` in seconds since the epoch.

    With several secrets the message carries a signature of each, for the time of a rotation.
    """
    if isinstance(secrets, str):
        secrets = (secrets,)
    signatures = [_sign(secret, message_id, timestamp, body) for secret in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }


def _sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    if not key:
        raise ValueError("the signing secret is empty")
    content = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
