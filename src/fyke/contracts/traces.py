"""Where traces are sent to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fyke.model.trace import TraceSpan


class SpanExporter(Protocol):
    """Sends spans to a collector."""

    async def send(self, spans: Sequence[TraceSpan]) -> str:
        """Send them once, in some seconds at most. Return why that has failed, "" if it has not;
        raise nothing.
        """
        ...

    def close(self) -> None: ...
