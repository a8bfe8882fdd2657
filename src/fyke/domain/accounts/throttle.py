"""The limits of failed sign-ins.

Failed tries are counted three times: per network, per network and name, and per name for networks
that the user has never signed in from. Only the last count can be used up by attackers, and it does
not apply to networks that the user is known in: so no user is locked out by others.
"""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict
from dataclasses import dataclass

from fyke.errors import RateLimited
from fyke.kit.clock import Clock

_REMEMBERED = 20_000


@dataclass(frozen=True, slots=True)
class Allowance:
    """``free`` tries at once, and then one more every ``seconds``."""

    free: int
    seconds: float


OF_NETWORK = Allowance(20, 15)
OF_NAME_IN_NETWORK = Allowance(6, 30)
OF_NAME_FROM_STRANGERS = Allowance(60, 10)


class SignInAttempts:
    """Tries per key under one allowance; in memory, for this process."""

    def __init__(self, allowance: Allowance, clock: Clock) -> None:
        self._allowance = allowance
        self._clock = clock
        self._paid: OrderedDict[str, float] = OrderedDict()  # key to when all is forgotten

    def wait(self, key: str) -> float:
        """Seconds until this key may try again, 0 for now."""
        debt = self._paid.get(key, 0.0) - self._clock.monotonic()
        return max(0.0, debt - (self._allowance.free - 1) * self._allowance.seconds)

    def take(self, key: str) -> None:
        """Count a try before it is known how it ends, so that many at once count as many."""
        now = self._clock.monotonic()
        self._paid[key] = max(now, self._paid.get(key, now)) + self._allowance.seconds
        self._paid.move_to_end(key)
        while len(self._paid) > _REMEMBERED:
            self._paid.popitem(last=False)

    def give_back(self, key: str) -> None:
        """Do not count a try that succeeded."""
        if key in self._paid:
            self._paid[key] -= self._allowance.seconds

    def forget(self, key: str) -> None:
        """Forget all tries of this key."""
        self._paid.pop(key, None)


def network_of(address: str) -> str:
    """The network of one subscriber: an IPv4 address or an IPv6 /64."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 6:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return address


def refuse(seconds: float, scope: str) -> RateLimited:
    """The error with the time of the next allowed attempt."""
    whole = max(1, math.ceil(seconds))
    if whole < 120:
        when = f"{whole} second{'' if whole == 1 else 's'}"
    else:
        when = f"{math.ceil(whole / 60)} minutes"
    return RateLimited(whole, f"Too many tries {scope}; try again in {when}")
