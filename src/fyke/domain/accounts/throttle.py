"""The limits of failed sign-ins.

Failed attempts are counted three times: per network, per network and name, and per name for
networks that the user has never signed in from. An attacker elsewhere can use up only the last
count, which does not apply to networks that the user is known in: so others cannot lock a user out.
"""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict
from dataclasses import dataclass

from fyke.errors import RateLimited
from fyke.kit.clock import Clock

_MAX_KEYS = 20_000


@dataclass(frozen=True, slots=True)
class Allowance:
    """``free`` attempts at once, and then one more every ``seconds``."""

    free: int
    seconds: float


NETWORK_ALLOWANCE = Allowance(20, 15)
NAME_IN_NETWORK_ALLOWANCE = Allowance(6, 30)
NAME_ALLOWANCE = Allowance(60, 10)  # from all networks that the user has never signed in from
CODE_ALLOWANCE = Allowance(20, 60)  # a code has only a million values


class SignInAttempts:
    """Attempts per key under one allowance; in memory, for this process."""

    def __init__(self, allowance: Allowance, clock: Clock) -> None:
        self._allowance = allowance
        self._clock = clock
        # by key: the monotonic seconds at which the whole allowance is available again
        self._free_at: OrderedDict[str, float] = OrderedDict()

    def wait(self, key: str) -> float:
        """Seconds until this key may try again, 0 for now."""
        debt = self._free_at.get(key, 0.0) - self._clock.monotonic()
        return max(0.0, debt - (self._allowance.free - 1) * self._allowance.seconds)

    def take(self, key: str) -> None:
        """Count an attempt before its outcome is known, so that concurrent ones all count."""
        now = self._clock.monotonic()
        self._free_at[key] = max(now, self._free_at.get(key, now)) + self._allowance.seconds
        self._free_at.move_to_end(key)
        while len(self._free_at) > _MAX_KEYS:
            self._free_at.popitem(last=False)

    def refund(self, key: str) -> None:
        """Undo ``take`` for an attempt that succeeded."""
        if key in self._free_at:
            self._free_at[key] -= self._allowance.seconds

    def forget(self, key: str) -> None:
        """Forget all attempts of this key."""
        self._free_at.pop(key, None)


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
    rounded = max(1, math.ceil(seconds))
    if rounded < 120:
        when = f"{rounded} second{'' if rounded == 1 else 's'}"
    else:
        when = f"{math.ceil(rounded / 60)} minutes"
    return RateLimited(rounded, f"Too many attempts {scope}; try again in {when}")
