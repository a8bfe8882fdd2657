"""A link that shows one run to anyone without an account, and the token in it.

The token is the share's id and a signature over it. The id alone gives no access, and a token only
as long as its row in the database allows: until it expires, is revoked, or its run is deleted.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

from fyke.kit.ids import is_ulid

_SIGNATURE_BYTES = 24


def token_of(master: bytes, share_id: str) -> str:
    """The token for the link, 59 characters that need no escaping in an address."""
    return f"{share_id}-{_signature(master, share_id)}"


def share_id_in(master: bytes, token: str) -> str | None:
    """The share that the token names; None when it was not signed here."""
    share_id, _, signature = token.partition("-")
    if not is_ulid(share_id):
        return None
    expected = _signature(master, share_id)
    same = hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace"))
    return share_id if same else None


def _signature(master: bytes, share_id: str) -> str:
    if not master:
        raise ValueError("the master secret is empty")
    # the label keeps it apart from everything else that is signed with the master secret
    digest = hmac.new(master, b"share:" + share_id.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest[:_SIGNATURE_BYTES]).decode()
