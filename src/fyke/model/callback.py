"""Deliveries in the outbox, their attempts, and their receivers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

PACE_MS = 125
"""The minimum time between two claims for one host. A second has room for 8 claims, and at most
``IN_FLIGHT`` earlier ones may be sent in it: never more than 10 requests a second, however slow the
name resolution and however many servers.
"""
CHAT_PACE_MS = 1000
"""The time between two messages of an account to chats of one host: so much each service takes of a
chat. So a flood waits in the future, and is not before the messages of other accounts.
"""
IN_FLIGHT = 2  # requests to one host at the same time, from all servers
KEPT_TRIES = 50  # the latest attempts of one delivery
HOST_KEPT_MS = 24 * 3600 * 1000  # how long a host without pending deliveries is stored


class DeliveryState(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"  # out of attempts, or the receiver answered 410 or is disabled
    SUPERSEDED = "superseded"  # it reports the start of a run that has ended meanwhile


class DeliveryKind(StrEnum):
    """What a delivery reports. The callback URL of a run and each endpoint get ``RUNNING`` and
    ``TERMINAL`` at most once.
    """

    RUNNING = "running"
    TERMINAL = "terminal"
    ALERT = "alert"


class HostStatus(StrEnum):
    """The result of the last attempt for a host; it decides how many slots it may use
    (``slots.py``).
    """

    GOOD = "good"
    NEW = "new"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message to one URL. Every attempt has the same ``id``, so receivers can drop repeats."""

    id: str
    account_id: str
    run_id: str  # "" for an alert about a start that was refused
    url: str
    payload: str
    state: DeliveryState
    tries: int  # attempts so far; a replay counts from 0
    next_at: int
    last_status: int  # HTTP status of the last attempt, 0 = no response
    last_error: str
    created_at: int
    ended_at: int
    kind: DeliveryKind = DeliveryKind.TERMINAL
    receiver: str = ""  # scheme://host:port
    claimed_until: int = 0  # until then a server has claimed it; 0 = not claimed
    endpoint_id: str = ""  # the webhook endpoint; "" = a callback URL
    event: str = ""  # of the webhook; "" for callbacks

    @property
    def host(self) -> str:
        """Host without the port. The rate limit is per host, across all accounts."""
        return host_of(self.receiver)


def host_of(receiver: str) -> str:
    """Return the host of ``scheme://host:port``; an IPv6 address keeps its brackets."""
    return receiver.partition("://")[2].rpartition(":")[0]


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery that this server sends, and the status of its host when it was claimed."""

    delivery: Delivery
    host_status: HostStatus


@dataclass(frozen=True, slots=True)
class DeliveryAttempt:
    """One attempt to deliver. ``status`` is 0 when there was no response; ``error`` states why."""

    delivery_id: str
    at: int  # ms since the epoch
    status: int
    error: str
    duration_ms: int
    reply: str = ""  # the beginning of the response body


@dataclass(frozen=True, slots=True)
class Receiver:
    """A receiver of an account and its health. Times in ms since the epoch, 0 = never."""

    account_id: str
    receiver: str  # scheme://host:port
    failing_since: int = 0  # first failure since the last success
    last_success_at: int = 0
    last_failure_at: int = 0
    disabled_at: int = 0  # 0 = enabled


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which deliveries to list. Empty members do not filter; newest first."""

    state: DeliveryState | None = None
    host: str = ""  # name or address, with or without :port
    endpoint_id: str = ""
