"""Remembers which clients have read the status ``aborting`` of a run.

Some clients treat only ``aborting`` as final, others only ``aborted``. A client of the first kind
stops polling when it reads ``aborting``. So a client that reads the status again is of the second
kind, and gets ``aborted`` as soon as the Worker has stopped.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fyke.api.call import Call
from fyke.api.network import header

_LIMIT = 10_000  # readers; the oldest are dropped first


@dataclass(frozen=True, slots=True)
class AbortingReaders:
    """``grace``: milliseconds, see ``status_at``.

    Readers are stored in memory, so another server may send a client ``aborting`` once more.
    """

    grace: int
    _readers: dict[int, None] = field(default_factory=dict)

    def grace_for(self, call: Call, run_id: str) -> int:
        """The grace period for this client: 0 if it has read ``aborting``."""
        return 0 if _reader_id(call, run_id) in self._readers else self.grace

    def add(self, call: Call, run_id: str) -> None:
        """Record that the client is sent ``aborting``, or ``aborted`` after it."""
        if self.grace:
            self._readers[_reader_id(call, run_id)] = None
            if len(self._readers) > _LIMIT:
                del self._readers[next(iter(self._readers))]


def _reader_id(call: Call, run_id: str) -> int:
    """A hash of run and client: key, address and ``User-Agent``, which can be long."""
    agent = header(call.request.scope, b"user-agent")
    return hash((run_id, call.caller.key_id, call.visit.address, agent))
