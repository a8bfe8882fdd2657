"""Which clients have read that the status of a run is ``aborting``.

Some clients take only ``aborting`` for an end, others only ``aborted``. A client of the first kind
stops at the first ``aborting`` that it reads. So a client that reads the status again belongs to
the second kind, and is answered ``aborted`` as soon as the Worker has stopped.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fyke.api.call import Call
from fyke.api.network import header

_LIMIT = 10_000  # readers; the oldest are forgotten first


@dataclass(frozen=True, slots=True)
class AbortingReaders:
    """``grace``: milliseconds, see ``status_at``.

    The readers are in memory: at another server a client may read ``aborting`` once more.
    """

    grace: int
    _readers: dict[int, None] = field(default_factory=dict)

    def grace_for(self, call: Call, run_id: str) -> int:
        """The grace period for this client: 0 if it has read ``aborting``."""
        return 0 if _reader(call, run_id) in self._readers else self.grace

    def add(self, call: Call, run_id: str) -> None:
        """Note that the client reads ``aborting`` now."""
        if self.grace:
            self._readers[_reader(call, run_id)] = None
            if len(self._readers) > _LIMIT:
                del self._readers[next(iter(self._readers))]


def _reader(call: Call, run_id: str) -> int:
    """A client: key, address and program. As a hash, because a header can be long."""
    agent = header(call.request.scope, b"user-agent")
    return hash((run_id, call.caller.key_id, call.visit.address, agent))
