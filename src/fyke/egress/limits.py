"""The limits of one attempt's connections. Times in seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProxyLimits:
    connections: int = 512  # open at once
    handshake_seconds: float = 15.0
    connect_seconds: float = 20.0  # to the target, for all addresses together
    idle_seconds: float = 300.0  # without a byte in either direction; not to the browser
    goodbye_seconds: float = 2.0  # for the client to read a refusal
    trip_grace: float = 1.0  # to send the counted bytes after the traffic limit is reached
    lookups_per_second: float = 20.0
    lookup_burst: float = 100.0
