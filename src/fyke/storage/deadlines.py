"""How long statements may take on PostgreSQL, by kind.

A statement has two deadlines. The server ends it after ``statement`` seconds, and the connection
can be used again. The client closes a connection on which nothing has arrived for ``silence``
seconds: a proxy, a pooler or a suspended server may take what is sent and never answer, which TCP
does not notice. See ``fyke.storage.postgres``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Deadline:
    """Time limits in seconds. ``lock`` is the longest wait for one lock."""

    statement: float
    silence: float
    lock: float = 5

    def sql(self, scope: str) -> str:
        """Statements that set the limits for a ``SESSION`` or a transaction (``LOCAL``)."""
        return "; ".join(
            f"SET {scope} {name} = {round(seconds * 1000)}"
            for name, seconds in (
                ("statement_timeout", self.statement),
                ("lock_timeout", self.lock),
                ("idle_in_transaction_session_timeout", max(IDLE_SECONDS, self.lock)),
            )
        )


# The locks of a client that is gone or frozen are released within 10 seconds.
IDLE_SECONDS = 8.0

REQUEST = Deadline(6, 8)  # what a request, a timer or a runner reads and writes of the state
BATCH = Deadline(8, 10)  # one commit of rows and logs, one step of a deletion
PAGE = Deadline(60, 10)  # one page of rows or logs, also for exports; a large one takes time
SIGNAL = Deadline(5, 5)  # LISTEN and NOTIFY
REVISION = Deadline(1, 2)  # whether runs are unchanged; else the request is answered without it
MAINTENANCE = Deadline(3600, 3610, lock=60)  # migrations, fyke db check

# A lost connection is replaced and the work is retried, unless this many seconds have passed: then
# the caller has waited long enough, and gets ``Unavailable``.
RETRY_SECONDS = 5.0
