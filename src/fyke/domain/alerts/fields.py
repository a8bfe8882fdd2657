"""Counts how many rows of a run lack a field, in a bounded number of rows.

When a run has more rows, evenly distributed parts of them are read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

import msgspec

from fyke.contracts.results import Results
from fyke.model.alert import FieldFacts
from fyke.model.results import Row

MAX_ROWS = 10_000  # of one run
MAX_BYTES = 64 * 2**20
PARTS = 20
FIRST_CHUNK = 16  # a row may have 8 MB; the size of later chunks follows the size of the rows
CHUNK_BYTES = 2**20
CHUNK_ROWS = 512

_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class FieldCount:
    """The number of rows that were read, and how many of them lack each of ``fields``."""

    def __init__(self, fields: Collection[str]) -> None:
        self.rows = 0
        self.missing = dict.fromkeys(fields, 0)

    def add(self, rows: Sequence[Row]) -> None:
        """Count rows. One that is not a JSON object lacks every field."""
        for row in rows:
            try:
                values = _decode(row.data)
            except msgspec.DecodeError:
                values = {}
            self.rows += 1
            for field in self.missing:
                if is_empty(values.get(field)):
                    self.missing[field] += 1


def is_empty(value: msgspec.Raw | None) -> bool:
    """Whether a field is absent, null, blank text, an empty list or an empty object."""
    text = bytes(value).strip() if value is not None else b""
    if not text or text == b"null":
        return True
    if text[:1] == b'"':
        return not str(msgspec.json.decode(text)).strip()
    return text[:1] in b"[{" and not text[1:-1].strip()


async def count_fields(
    results: Results,
    run_id: str,
    hidden: frozenset[str],
    fields: Collection[str],
    max_rows: int = MAX_ROWS,
) -> dict[str, FieldFacts]:
    """Count each field in at most ``max_rows`` visible rows of the run."""
    total = (await results.totals(run_id, hidden)).rows
    parts = 1 if total <= max_rows else PARTS
    count, bytes_left = FieldCount(fields), MAX_BYTES
    for part in range(parts):
        bytes_left = await _count_part(
            results, run_id, hidden, count,
            begin=total * part // parts, rows=max_rows // parts, bytes_left=bytes_left,
        )  # fmt: skip
    return {
        name: FieldFacts(count.rows, missing, max(total, count.rows))
        for name, missing in count.missing.items()
    }


async def _count_part(
    results: Results,
    run_id: str,
    hidden: frozenset[str],
    count: FieldCount,
    *,
    begin: int,
    rows: int,
    bytes_left: int,
) -> int:
    """Count ``rows`` visible rows from ``begin`` on; return the remaining number of bytes."""
    end, chunk = begin + rows, FIRST_CHUNK
    while begin < end and bytes_left > 0:
        page = await results.page(run_id, hidden, offset=begin, limit=min(chunk, end - begin))
        if not page:
            break
        await asyncio.to_thread(count.add, page)
        size = sum(len(row.data) for row in page)
        begin, bytes_left = begin + len(page), bytes_left - size
        chunk = max(1, min(CHUNK_BYTES * len(page) // max(1, size), chunk * 4, CHUNK_ROWS))
    return bytes_left
