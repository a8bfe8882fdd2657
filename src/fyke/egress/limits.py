"""What one attempt may hold open, and how long anything may take. Times in seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProxyLimits:
    links: int = 512  # connections of one attempt at once
    handshake_seconds: float = 15.0
    connect_seconds: float = 20.0  # to the target, all addresses together
    idle_seconds: float = 300.0  # without a byte either way
    goodbye_seconds: float = 2.0  # for the last words of a refusal
    trip_grace: float = 1.0  # for counted bytes to leave when the limit trips
    lookups_per_second: float = 20.0
    lookup_burst: float = 100.0
