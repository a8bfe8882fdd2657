"""Measures how fast exports are written, and whether their memory use is constant.

    python bench/export.py [--rows 200000] [--formats csv,json,xlsx]

For each format: rows per second, the size of the file, and the growth of the process's peak memory
since the first row, with a tenth of the rows and with all.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import resource
import time
from collections.abc import AsyncIterator

from common import arguments, head, line

from fyke.domain.results.export.column_types import ColumnTypes
from fyke.domain.results.export.formats import FORMATS, write
from fyke.domain.results.export.meta import ExportMeta
from fyke.domain.results.headers import headers_from_rows
from fyke.model.results import Row, RowBlock

PAGE = 4096
RUN = "01KSFDS8XWTJME33C08XMCR6B9"


def make_row(position: int) -> Row:
    """A typical scraped product: seven members, about 250 bytes."""
    data = (
        f'{{"title":"Product number {position} in a \\"good\\" colour","price":{position % 997}.50,'
        f'"url":"https://shop.example/p/{position}?a=1&b=2","stock":{position % 50},'
        f'"available":{"true" if position % 3 else "false"},'
        f'"description":"Zwölf Boxkämpfer jagen Viktor über den Deich, Nummer {position}",'
        f'"seller":null}}'
    )
    return Row(RUN, position, "a", data.encode())


class Rows:
    """Blocks of rows, created on demand; ``seconds`` is the time for creating them."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.seconds = 0.0

    async def blocks(self) -> AsyncIterator[RowBlock]:
        for start in range(1, self._count + 1, PAGE):
            started = time.perf_counter()
            positions = range(start, min(start + PAGE, self._count + 1))
            block = RowBlock.of(positions, [make_row(n).data for n in positions])
            self.seconds += time.perf_counter() - started
            yield block


async def run(name: str, count: int) -> tuple[float, int]:
    """Seconds of writing alone, and the size of the file."""
    rows = Rows(count)
    started = time.perf_counter()
    columns = headers_from_rows([make_row(1)]) if FORMATS[name].max_columns else None
    if name == "parquet":
        types = ColumnTypes(columns or [])
        types.add(RowBlock.of([1], [make_row(1).data]))
        columns = types.headers()
    size = 0
    meta = ExportMeta(RUN, "Benchmark", 0)
    async for piece in write(FORMATS[name], columns, rows.blocks(), meta):
        size += len(piece)
    return time.perf_counter() - started - rows.seconds, size


def measure(name: str, count: int, answers: multiprocessing.SimpleQueue) -> None:
    asyncio.run(run(name, 1000))  # imports everything before the first measurement
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds, size = asyncio.run(run(name, count))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    answers.put((seconds, size, grown))


def measured(name: str, count: int) -> tuple[float, int, int]:
    """Run in a separate process, because peak memory never decreases."""
    context = multiprocessing.get_context("spawn")
    answers = context.SimpleQueue()
    process = context.Process(target=measure, args=(name, count, answers))
    process.start()
    answer = answers.get()
    process.join()
    return answer


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--formats", default="csv,json,xlsx")
    options = parser.parse_args()
    head("Exports, without the time for creating the rows")
    for name in options.formats.split(","):
        _, _, small = measured(name, options.rows // 10)
        seconds, size, grown = measured(name, options.rows)
        rate = options.rows / seconds
        text = (
            f"{rate:10,.0f} rows/s, {size / 1e6:.1f} MB, memory +{small / 1024:.1f} MiB for a "
            f"tenth, +{grown / 1024:.1f} MiB for all {options.rows:,} rows"
        )
        line(name, text, rate_per_s=rate, grown_mib=grown / 1024)


if __name__ == "__main__":
    main()
