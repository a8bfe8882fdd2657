"""Tokens of sessions and one-time links: created here, stored as digests."""

from __future__ import annotations

import hashlib
import secrets


def new_token() -> str:
    """Return 256 random bits as 43 characters that need no quoting in a URL or a cookie."""
    return secrets.token_urlsafe(32)


def token_digest(token: str) -> str:
    """Return the stored digest of a token: 64 lower-case hex digits."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
