"""A process that changes a state database: ``lease URL RUNNER``, ``migrate URL`` or
``convert URL CHAIN``.

It prints ``ready``, waits for a line, does its work, and prints the result as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from fyke.model.runner import Capacity
from fyke.storage.sql.state.schema import convert, migrate
from fyke.storage.sql.state.storage import open_storage


async def lease_all(url: str, runner: str) -> list[tuple[str, int]]:
    """Lease three at a time until there is nothing left."""
    storage = open_storage(url, durable=False, notify=str, hiding=frozenset())
    leased: list[tuple[str, int]] = []
    while True:
        leases = await storage.write(lambda tx: tx.runs.lease(runner, Capacity(3, 10_000, 9), 100))
        if not leases:
            break
        leased += [(lease.run.id, lease.subtask.ordinal) for lease in leases]
    await storage.close()
    return leased


def main() -> None:
    print("ready", flush=True)
    sys.stdin.readline()
    if sys.argv[1] == "lease":
        print(json.dumps(asyncio.run(lease_all(*sys.argv[2:]))))
    elif sys.argv[1] == "convert":
        print(json.dumps(convert(sys.argv[2], Path(sys.argv[3])).current))
    else:
        print(json.dumps(migrate(sys.argv[2]).current))


main()
