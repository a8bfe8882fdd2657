"""Idempotency keys: a repeated start with the same key and request is the same start.

The key is written in the transaction that writes the run. So of many starts with one key exactly
one creates a run, on any number of servers and even when one is killed; a refused start stores no
key.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fyke.contracts.state import Transaction
from fyke.errors import Conflict
from fyke.model.account import Caller
from fyke.model.run import StartRecord

VALID_MS = 24 * 3600 * 1000
HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"  # header of a response about an earlier start


class StartKind(StrEnum):
    """The kind of object that a start has created."""

    RUN = "run"
    QUEUE_ITEM = "queue_item"
    TASK = "task"


@dataclass(slots=True)
class StartKey:
    """``text`` is from the caller; ``digest`` identifies the request. A start sets ``replayed``
    when it has returned an earlier start and created nothing.
    """

    text: str
    digest: str
    replayed: bool = False


def earlier_start(tx: Transaction, caller: Caller, key: StartKey, kind: StartKind) -> str | None:
    """The id of the object that an earlier start with this key created, or None. Raises
    ``Conflict`` when it was another request.
    """
    record = tx.start_keys.get(caller.account_id, key.text)
    if record is None or record.expires_at <= tx.now:
        return None
    if (record.digest, record.made) != (key.digest, kind.value):
        raise Conflict(
            f"{HEADER} was used for another request less than 24 hours ago; "
            "use a new key for every new start"
        )
    return record.ref


def claim(tx: Transaction, caller: Caller, key: StartKey, kind: StartKind, ref: str) -> str | None:
    """Record that this transaction creates ``ref`` under the key, and return None; or return the
    result of ``earlier_start`` when another request was faster. Must come before every other write
    and lock of a start, so that locks are always taken in the order key, account.
    """
    record = StartRecord(
        account_id=caller.account_id,
        key=key.text,
        digest=key.digest,
        made=kind.value,
        ref=ref,
        expires_at=tx.now + VALID_MS,
    )
    return None if tx.start_keys.claim(record, tx.now) else earlier_start(tx, caller, key, kind)


def start_was_deleted() -> Conflict:
    """The error for a key whose run was deleted: it must not start another run."""
    return Conflict(f"The run that this {HEADER} has started was deleted; use a new key")
