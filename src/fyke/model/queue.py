"""Items of the run queue."""

from __future__ import annotations

from dataclasses import dataclass

from fyke.reasons import Reason

MAX_ITEMS_PER_REQUEST = 100  # items of one request


@dataclass(frozen=True, slots=True)
class QueuedStart:
    """A start in the run queue. Activating or releasing it ends its wait permanently.

    ``number`` (1 and up) is its public id, assigned when it is stored and never reused; ``id`` is
    internal and exists before. ``input_json`` is the whole object with ``parameters``. ``reason``
    says why it waits or no longer does, ``reason_text`` the same in English; items of older
    releases have no ``reason``. Times in ms, 0 = not yet.
    """

    id: str
    account_id: str
    worker_id: str
    version: str
    input_json: str
    callback_url: str
    waiting: bool
    reason_text: str
    run_id: str  # "" until it is activated
    created_at: int
    ended_at: int
    number: int = 0
    reason: Reason | None = None
