"""Callbacks and webhooks: whether a message is from your Fyke."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from fyke_client.errors import InvalidSignature

TOLERANCE = 300  # seconds


def verify_webhook(
    secret: str | Sequence[str],
    headers: Mapping[str, str],
    body: bytes,
    *,
    tolerance: float = TOLERANCE,
    now: float | None = None,
) -> dict[str, Any]:
    """Return the message in ``body`` (as received) if it was signed with ``secret``.

    ``secret`` begins with ``whsec_``: that of the account (``Fyke().account().webhook_secret``) for
    callbacks, its own for a webhook. Of several, such as an old and a new one, any may have signed
    it. The same message may arrive twice: keep each ``webhook-id``. ``tolerance``: seconds that its
    time may differ from ``now``. Raises ``InvalidSignature``, and ``ValueError`` for an unusable
    secret.
    """
    keys = [_key_of(each) for each in ([secret] if isinstance(secret, str) else secret)]
    if not keys:
        raise ValueError("there is no secret to verify messages with")
    names = {name.lower(): value for name, value in headers.items()}
    try:
        message_id = names["webhook-id"]
        timestamp = names["webhook-timestamp"]
        signatures = names["webhook-signature"].split()
        age = abs((time.time() if now is None else now) - int(timestamp))
    except (KeyError, ValueError):
        raise InvalidSignature("the headers of a signed message are missing") from None
    if age > tolerance:
        raise InvalidSignature("the message is too old, or from the future")
    content = f"{message_id}.{timestamp}.".encode() + body
    expected = [
        b"v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256)) for key in keys
    ]
    if not any(hmac.compare_digest(one, each.encode()) for one in expected for each in signatures):
        raise InvalidSignature("the signature is not from your Fyke")
    message: dict[str, Any] = json.loads(body)
    return message


def _key_of(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:  # also for characters beyond ASCII
        key = b""
    if not key:  # anyone can sign with an empty one
        raise ValueError("the secret must be whsec_ and Base64")
    return key
