"""A delivery in the outbox, its tries, and the state of its receiver."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

PACE_MS = 125
"""Between two claims for one host. At most 8 claims fit into a second, and at most ``IN_FLIGHT``
earlier ones may be sent in it: never more than 10 requests a second, however slowly a name is
resolved and however many servers send.
"""
IN_FLIGHT = 2  # to one host at once, across all servers
KEPT_TRIES = 50  # of one delivery, the latest
HOST_KEPT_MS = 24 * 3600 * 1000  # facts about a host without waiting deliveries


class DeliveryState(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"  # no try is left, or the receiver answered "gone" or is switched off
    SUPERSEDED = "superseded"  # it said that the run is running, and the run has ended


class DeliveryKind(StrEnum):
    """What a message is about. The callback URL of a run gets each of the first two at most once,
    and so does each endpoint.
    """

    RUNNING = "running"
    TERMINAL = "terminal"
    ALERT = "alert"


class HostStatus(StrEnum):
    """The result of the last try at a host; decides how many slots it may use (``slots.py``)."""

    GOOD = "good"
    NEW = "new"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message to one URL. ``id`` is the same on every try, so receivers can drop repeats."""

    id: str
    account_id: str
    run_id: str
    url: str
    payload: str
    state: DeliveryState
    tries: int  # of the present schedule; a replay begins a new one
    next_at: int
    last_status: int  # HTTP status of the last try, 0 when none came
    last_error: str
    created_at: int
    ended_at: int
    kind: DeliveryKind = DeliveryKind.TERMINAL
    receiver: str = ""  # scheme://host:port
    claimed_until: int = 0  # until when a server sends it; 0 = not claimed
    endpoint_id: str = ""  # of the account's endpoint that it is for; empty = a callback URL
    event: str = ""  # that an endpoint subscribed to; empty for callbacks

    @property
    def host(self) -> str:
        """Name or address without the port: the unit of the rate limit, for all accounts."""
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
    """One try at a delivery. ``status`` is 0 when there was no response; ``error`` says why."""

    delivery_id: str
    at: int  # ms since the epoch
    status: int
    error: str
    duration_ms: int
    reply: str = ""  # the beginning of the response body


@dataclass(frozen=True, slots=True)
class Receiver:
    """An account's receiver and how it behaves. Times in ms since the epoch, 0 = never."""

    account_id: str
    receiver: str  # scheme://host:port
    failing_since: int = 0  # first failure since the last success
    last_success_at: int = 0
    last_failure_at: int = 0
    disabled_at: int = 0  # 0 = it is used


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which deliveries to list. Empty members do not filter; newest first."""

    state: DeliveryState | None = None
    host: str = ""  # host name or address, with or without :port
    endpoint_id: str = ""
