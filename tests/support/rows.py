"""Rows for tests of the results on real databases."""

from __future__ import annotations

import json

from fyke.model.log import NewLogEntry
from fyke.model.results import PushedRow, Row
from fyke.storage.sql.results.store import SqlResults

NONE: frozenset[str] = frozenset()
RUN = "01RUN"


def plain(*values: object) -> list[PushedRow]:
    return [PushedRow(json.dumps({"n": value}).encode()) for value in values]


def upsert(data: bytes, value: str = "1", key: str = "id") -> PushedRow:
    return PushedRow(data, key, value)


def numbers(rows: list[Row]) -> list[object]:
    return [json.loads(row.data)["n"] for row in rows]


async def everything(results: SqlResults, run: str = RUN, hidden: frozenset[str] = NONE):
    """All visible rows, read in small steps."""
    rows: list[Row] = []
    while page := await results.rows_after(
        run, hidden, position=rows[-1].position if rows else 0, limit=97
    ):
        rows += page
    return rows


def lines(start: int, stop: int) -> list[NewLogEntry]:
    return [NewLogEntry(n % 4 + 1, f"g{n}", f"line {n}", 1_700_000_000_000 + n)
            for n in range(start, stop)]  # fmt: skip
