"""Finds participants that should report regularly but have been silent for too long.

Only the standard library, and little of it: processes of root import this module. ``dataclasses``
would add 1.4 MiB to the root supervisor.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

GAP_SECONDS = 5.0


class _Term:
    """A term that ends ``silence`` seconds after ``since``, unless a report renews it."""

    __slots__ = ("silence", "since")

    def __init__(self, since: float, silence: float) -> None:
        self.since, self.silence = since, silence


class Watchdog(Generic[K]):
    """Uses a monotonic clock, and detects gaps between its own checks: after a gap, for example on
    a suspended machine, the participants may have been stopped as well, so every term starts again
    and none is found silent.
    """

    def __init__(
        self, *, gap: float = GAP_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``gap``: a longer pause between two checks, in seconds, counts as a gap."""
        self._gap = gap
        self._clock = clock
        self._terms: dict[K, _Term] = {}
        self._checked_at = clock()

    def watch(self, key: K, silence: float) -> None:
        """Begin a term of ``silence`` seconds for ``key``, which each report renews."""
        self._terms[key] = _Term(self._clock(), silence)

    def forget(self, key: K) -> None:
        """Stop watching ``key``."""
        self._terms.pop(key, None)

    def renew(self, key: K) -> None:
        """Renew the term of ``key``, if it is watched."""
        term = self._terms.get(key)
        if term is not None:
            term.since = self._clock()

    def silent_seconds(self, key: K) -> float:
        """Seconds since the term of ``key`` began or was renewed; 0 if it is not watched."""
        term = self._terms.get(key)
        return 0.0 if term is None else self._clock() - term.since

    def silent(self) -> list[K]:
        """The keys whose terms are over, in the order of ``watch``. Call it every second or so."""
        now = self._clock()
        if now - self._checked_at > self._gap:
            for term in self._terms.values():
                term.since = now
        self._checked_at = now
        return [key for key, term in self._terms.items() if now - term.since > term.silence]
