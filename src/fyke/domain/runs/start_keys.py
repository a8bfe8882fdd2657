"""What makes a repeated start the same start: the caller's own key, and what it came with.

A start that carries a key writes it in the transaction that writes the run. So of many starts with
one key exactly one takes place, whichever server they reach and whenever that is killed, and a
start that is refused leaves no key behind.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fyke.contracts.state import Transaction
from fyke.errors import Conflict
from fyke.model.account import Caller
from fyke.model.run import StartRecord

KEPT_MS = 24 * 3600 * 1000
HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"  # the header of an answer about an earlier start


class StartKind(StrEnum):
    """What a start has made."""

    RUN = "run"
    QUEUE_ITEM = "queue_item"


@dataclass(slots=True)
class StartKey:
    """``text`` is from the caller; ``digest`` identifies the request. A start with the key sets
    ``replayed`` when it found an earlier start and created nothing new.
    """

    text: str
    digest: str
    replayed: bool = False


def known(tx: Transaction, caller: Caller, key: StartKey, made: StartKind) -> str | None:
    """The id of what an earlier start with this key has made, None when there was none.

    Raises ``Conflict`` when it was another request.
    """
    record = tx.start_keys.get(caller.account_id, key.text)
    if record is None or record.expires_at <= tx.now:
        return None
    if (record.digest, record.made) != (key.digest, made.value):
        raise Conflict(
            f"{HEADER} was used for another request less than 24 hours ago; "
            "use a new key for every new start"
        )
    return record.ref


def claim(tx: Transaction, caller: Caller, key: StartKey, made: StartKind, ref: str) -> str | None:
    """Record that this transaction creates ``ref`` under the key, and return None; or return the
    result of ``known`` when another request was faster. Must come before every other write and
    lock of a start, so that locks are always taken in the order key, account.
    """
    record = StartRecord(
        account_id=caller.account_id,
        key=key.text,
        digest=key.digest,
        made=made.value,
        ref=ref,
        expires_at=tx.now + KEPT_MS,
    )
    return None if tx.start_keys.claim(record, tx.now) else known(tx, caller, key, made)


def start_is_gone() -> Conflict:
    """For a key whose run has been deleted since: it must not quietly start another one."""
    return Conflict(f"The run that this {HEADER} has started was deleted; use a new key")
