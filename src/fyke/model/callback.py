"""A callback on its way: one row of the outbox, its tries, and how its receiver behaves."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

PACE_MS = 125
"""Between two claims for one host. At most 8 fit into a second, and at most ``IN_FLIGHT`` that were
claimed before it may leave in it: never more than 10 requests a second, however slow a name is
resolved and however many servers send.
"""
IN_FLIGHT = 2  # to one host at once, over all servers
KEPT_TRIES = 50  # of one delivery, the latest
HOST_KEPT_MS = 24 * 3600 * 1000  # what is known of a host that nothing waits for


class DeliveryState(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"  # the schedule is used up, the receiver said it is gone, or is switched off
    SUPERSEDED = "superseded"  # it told that the run is running, and the run has ended


class DeliveryKind(StrEnum):
    """What a message tells. Of each run at most one of the first two to its callback URL, and one
    to each endpoint.
    """

    RUNNING = "running"
    TERMINAL = "terminal"
    ALERT = "alert"


class HostStatus(StrEnum):
    """How the last try at a host went; says how many places it may take (``places.py``)."""

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
    claimed_until: int = 0  # a server has it in hand until then; 0 = nobody has
    endpoint_id: str = ""  # of the account's endpoint that it is for; empty = a callback URL
    event: str = ""  # what an endpoint asked to be told; empty for callbacks

    @property
    def host(self) -> str:
        """Name or address without the port: what is never flooded, whoever asks for it."""
        return host_of(self.receiver)


def host_of(receiver: str) -> str:
    """Return the host of ``scheme://host:port``; an IPv6 address keeps its brackets."""
    return receiver.partition("://")[2].rpartition(":")[0]


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery that is ours to send, and the standing of its host when we took it."""

    delivery: Delivery
    standing: HostStatus


@dataclass(frozen=True, slots=True)
class DeliveryAttempt:
    """One try at a delivery. ``status`` is 0 when no answer came, then ``error`` says why."""

    delivery_id: str
    at: int  # ms since the epoch
    status: int
    error: str
    duration_ms: int
    reply: str = ""  # how the body of the answer begins


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
