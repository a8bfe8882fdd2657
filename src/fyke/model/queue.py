"""What is held in the run queue."""

from __future__ import annotations

from dataclasses import dataclass

from fyke.reasons import Reason

MAX_ITEMS_PER_REQUEST = 100  # items of one request


@dataclass(frozen=True, slots=True)
class QueuedStart:
    """A start in the run queue. Activating or releasing it ends its wait permanently.

    ``number`` is its name outside, 1 and up, given when it is stored and never again; ``id`` is its
    name inside, which can be known before. ``input_json`` is the whole object with ``parameters``;
    ``reason`` says why it waits, or why it no longer does, beside its English sentence; None also
    for an item of an older release. Times in ms, 0 = not yet.
    """

    id: str
    account_id: str
    worker_id: str
    version: str
    input_json: str
    callback_url: str
    waiting: bool
    reason_text: str
    run_id: str  # once it was activated
    created_at: int
    ended_at: int
    number: int = 0
    reason: Reason | None = None
