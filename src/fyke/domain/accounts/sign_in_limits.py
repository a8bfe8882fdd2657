"""Counts attempts to sign in, and refuses further ones after too many failures."""

from __future__ import annotations

from dataclasses import dataclass

from fyke.contracts.state import Storage, Transaction
from fyke.domain.accounts.throttle import (
    CODE_ALLOWANCE,
    NAME_ALLOWANCE,
    NAME_IN_NETWORK_ALLOWANCE,
    NETWORK_ALLOWANCE,
    Allowance,
    SignInAttempts,
    network_of,
    refuse,
)
from fyke.kit.clock import Clock


@dataclass(frozen=True, slots=True)
class Limits:
    """The allowances of a network, of a name in it, and of a name in all unknown networks."""

    network: Allowance
    name_in_network: Allowance
    name: Allowance


PASSWORD_LIMITS = Limits(NETWORK_ALLOWANCE, NAME_IN_NETWORK_ALLOWANCE, NAME_ALLOWANCE)
CODE_LIMITS = Limits(NETWORK_ALLOWANCE, NAME_IN_NETWORK_ALLOWANCE, CODE_ALLOWANCE)


@dataclass(frozen=True, slots=True)
class Counted:
    """The keys that an attempt was counted under; ``name`` is empty for a known network."""

    network: str
    name_in_network: str
    name: str


class SignInLimits:
    """The attempts of one kind, in memory, for this process."""

    def __init__(self, storage: Storage, clock: Clock, limits: Limits) -> None:
        self._storage = storage
        self._by_network = SignInAttempts(limits.network, clock)
        self._by_name_and_network = SignInAttempts(limits.name_in_network, clock)
        self._by_name = SignInAttempts(limits.name, clock)

    async def admit(self, name: str, address: str) -> Counted:
        """Count this attempt. Raises ``RateLimited`` after too many."""
        network = network_of(address)
        name_in_network = f"{name}@{network}"
        for tries, key, scope in (
            (self._by_network, network, "from this address"),
            (self._by_name_and_network, name_in_network, "for this user"),
        ):
            if wait := tries.wait(key):
                raise refuse(wait, scope)
        counted_name = name
        if wait := self._by_name.wait(name):
            if not await self._storage.read(lambda tx: _is_known_in(tx, name, network)):
                raise refuse(wait, "for this user")
            counted_name = ""
        self._by_network.take(network)
        self._by_name_and_network.take(name_in_network)
        if counted_name:
            self._by_name.take(counted_name)
        return Counted(network, name_in_network, counted_name)

    def refund(self, counted: Counted) -> None:
        """Undo ``admit`` for an attempt that succeeded."""
        self._by_network.refund(counted.network)
        self._by_name_and_network.forget(counted.name_in_network)
        self._by_name.refund(counted.name)


def _is_known_in(tx: Transaction, name: str, network: str) -> bool:
    """Whether this user has a stored session from this network."""
    user = tx.accounts.user_by_name(name)
    if user is None:
        return False
    return any(network_of(s.address) == network for s in tx.sessions.of_user(user.id))
