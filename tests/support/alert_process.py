"""A server that is killed while it checks ended runs for alerts.

Arguments: URL of the state, URL of the results, number of its last write transaction.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from typing import TypeVar

from fyke.contracts.state import Transaction
from fyke.domain.alerts.monitor import AlertMonitor
from fyke.storage.sql.results.store import open_results
from fyke.storage.sql.state.storage import open_storage

T = TypeVar("T")


class Fatal:
    """A storage that kills its process during the write transaction number ``last``."""

    def __init__(self, url: str, last: int) -> None:
        self._inner = open_storage(url, durable=True, notify=str, hiding=frozenset())
        self._left = last

    async def read(self, work: Callable[[Transaction], T]) -> T:
        return await self._inner.read(work)

    async def write(self, work: Callable[[Transaction], T], *, urgent: bool = False) -> T:
        self._left -= 1

        def fatal(tx: Transaction) -> T:
            result = work(tx)
            if self._left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return await self._inner.write(fatal, urgent=urgent)

    async def close(self) -> None:
        await self._inner.close()


async def main(state: str, rows: str, last: int) -> None:
    results = open_results(rows, durable=False)
    await AlertMonitor(Fatal(state, last), results).process_pending()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
