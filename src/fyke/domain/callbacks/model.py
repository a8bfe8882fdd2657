"""A callback on its way: one row of the outbox."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class DeliveryState(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"  # the schedule is used up, or the receiver said it is gone


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message to one URL. ``id`` is the same on every try, so receivers can drop repeats."""

    id: str
    account_id: str
    run_id: str
    url: str
    payload: str
    state: DeliveryState
    tries: int
    next_at: int
    last_status: int  # HTTP status of the last try, 0 when none came
    last_error: str
    created_at: int
    ended_at: int
