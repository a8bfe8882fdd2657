"""Makes callbacks due that wait for a time which the clock reaches much too late."""

from __future__ import annotations

import structlog

from fyke.contracts.state import Storage, Transaction
from fyke.domain.callbacks.schedule import longest_waits
from fyke.timers.callbacks import CLAIM_MS

log = structlog.get_logger()


class CallbackTimeTimer:
    """After the clock was set back, each callback would wait for its old time: days for a step of
    days. A pass makes those due whose time is later than any wait or claim explains.
    """

    seconds = 30.0

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def tick(self) -> None:
        def work(tx: Transaction) -> int:
            waits = (max(CLAIM_MS, round(seconds * 1000)) for seconds in longest_waits())
            return tx.outbox.pull_in(tx.now, [tx.now + wait for wait in waits])

        if count := await self._storage.write(work):
            log.warning("callbacks_made_due", count=count, reason="the clock was set back")
