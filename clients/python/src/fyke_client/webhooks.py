"""Callbacks and webhooks: whether a message is from your Fyke."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any

TOLERANCE = 300  # seconds


class InvalidSignature(ValueError):
    """The message is not from the server that has this secret, or it is too old."""


def verify(
    secret: str, headers: Mapping[str, str], body: bytes, *, now: float | None = None
) -> dict[str, Any]:
    """Return the message in ``body`` (as received) if it was signed with ``secret``.

    ``secret`` begins with ``whsec_``: that of the account (``Fyke().account().webhook_secret``) for
    callbacks, its own for a webhook. The same message may arrive twice: keep each ``webhook-id``.
    Raises ``InvalidSignature``.
    """
    names = {name.lower(): value for name, value in headers.items()}
    try:
        message_id = names["webhook-id"]
        timestamp = names["webhook-timestamp"]
        signatures = names["webhook-signature"].split()
        age = abs((time.time() if now is None else now) - int(timestamp))
    except (KeyError, ValueError):
        raise InvalidSignature("the headers of a signed message are missing") from None
    if age > TOLERANCE:
        raise InvalidSignature("the message is too old, or from the future")
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        raise ValueError("the secret must be whsec_ and Base64") from None
    content = f"{message_id}.{timestamp}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
    if not any(hmac.compare_digest(expected.encode(), each.encode()) for each in signatures):
        raise InvalidSignature("the signature is not from your Fyke")
    message: dict[str, Any] = json.loads(body)
    return message
