"""Measures run detail and result pages with PostgreSQL, over 32 connections.

    python bench/reads_postgresql.py [--rows 200000] [--seconds 2] [--rounds 3]

Like ``reads.py``, with a PostgreSQL server of its own, which is started for this and shares the
cores. CPU microseconds are those of Fyke's server process. There is no limit: compare with the same
names of ``reads.py``.
"""

from __future__ import annotations

import sys

from common import head, platform_up
from reads import CONNECTIONS, options_of, report, targets

from support.postgres import running_postgres

NAMES = ("run/detail", "page of 10 rows, anywhere")


def main() -> int:
    options = options_of(__doc__)
    head("REST reads with PostgreSQL")
    with running_postgres(fsync=True) as server:
        with server.admin() as connection:
            connection.execute("CREATE DATABASE fyke")
        with platform_up(database_url=server.url("fyke")) as (running, api):
            found = targets(running, api, options.rows, (0, 0))
            report([each for each in found if each.name.startswith(NAMES)], options,
                   CONNECTIONS, options.rounds)  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
