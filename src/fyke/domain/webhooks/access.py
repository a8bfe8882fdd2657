"""Whose endpoint it is, asked inside one transaction."""

from __future__ import annotations

from fyke.domain.accounts.model import Caller
from fyke.domain.contracts import Transaction
from fyke.domain.webhooks.model import Endpoint
from fyke.errors import NotFound


def own_endpoint(
    tx: Transaction, caller: Caller, endpoint_id: str, *, lock: bool = False
) -> Endpoint:
    """Raises ``NotFound``, also for another account's endpoint, in the same words."""
    found = tx.webhooks.lock(endpoint_id) if lock else tx.webhooks.get(endpoint_id)
    if found is None or found.account_id != caller.account_id:
        raise NotFound("Webhook does not exist")
    return found
