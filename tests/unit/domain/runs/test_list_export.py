"""The list of runs as CSV."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator
from dataclasses import fields

from fyke.domain.runs.list_export import COLUMNS, runs_csv
from fyke.domain.runs.lists import RunRow
from fyke.model.run_list import RunLine
from support import records

RUN = records.run("a", "w", err_msg="=1+1")
LINE = RunLine(**{item.name: getattr(RUN, item.name, "") for item in fields(RunLine) if item.init})
ROW = RunRow(LINE, None, "", "@sum", 3, 1_500_000, 20, RUN.created_at + 2_500)


async def pages() -> AsyncIterator[list[RunRow]]:
    yield [ROW]
    yield [ROW]


async def table(*, priced: bool) -> list[dict[str, str]]:
    lines = b"".join([part async for part in runs_csv(pages(), priced=priced)]).decode("utf-8-sig")
    return list(csv.DictReader(lines.splitlines()))


async def test_each_run_is_a_line_and_texts_are_no_formulas() -> None:
    first, second = await table(priced=True)
    assert first == second and tuple(first) == COLUMNS
    assert (first["run"], first["results"], first["usage_usd"]) == (RUN.id, "3", "1.500000")
    assert (first["error"], first["parameters"]) == ("'=1+1", "'@sum")
    assert first["worker"] == "w", "of a worker that was deleted, the id"


async def test_without_prices_there_is_no_column_of_costs() -> None:
    [first, _] = await table(priced=False)
    assert tuple(first) == tuple(name for name in COLUMNS if name != "usage_usd")
    assert first["traffic_bytes"] == "20"
