"""Where the gateway of an installation listens."""

from __future__ import annotations

GATEWAY_PORT = 8110  # unless another one is set, or stands in an address
MAX_GATEWAYS = 16  # that an installation announces to its nodes
