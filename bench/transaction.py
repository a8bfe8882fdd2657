"""Measures what building the stores of a transaction costs, without its statements.

    python bench/transaction.py [--times 2000]

Microseconds of CPU, the best of seven rounds, on a SQLite file: a transaction that uses no store,
and one that asks for the stores of ``run/detail``. No statement is sent.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from common import arguments, head, line

from fyke.storage.sql.dialects import for_reading, make_engine
from fyke.storage.sql.state.schema import migrate
from fyke.storage.sql.state.transaction import SqlTransaction

ROUNDS = 7
STORES = ("runs", "workers", "accounts", "worker_facts")


def micros(work: Callable[[], None], times: int) -> float:
    """Microseconds of CPU for one call, the best of some rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.process_time()
        for _ in range(times):
            work()
        best = min(best, (time.process_time() - started) / times)
    return best * 1e6


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--times", type=int, default=2000, help="transactions in a round")
    times: int = parser.parse_args().times
    head("Stores of a transaction")
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'state.db'}"
        migrate(url)
        engine = for_reading(make_engine(url, durable=True, reading=True))
        with engine.connect() as connection, connection.begin():

            def unused() -> None:
                SqlTransaction(connection, hiding=frozenset()).finish()

            def used() -> None:
                tx = SqlTransaction(connection, hiding=frozenset())
                for store in STORES:
                    getattr(tx, store)
                tx.finish()

            for name, work in (("no store used", unused), (", ".join(STORES), used)):
                figure = micros(work, times)
                line(name, f"{figure:.1f} us of CPU", cpu_us=figure)
        engine.dispose()


if __name__ == "__main__":
    main()
