"""DuckDB, polars, XlsxWriter and Python's csv on rows in a file: a program that runs in their
environment. ``python tables.py ROWS.jsonl FOLDER`` prints one JSON line for each figure.

Each work reads the file anew, as Fyke reads the rows of a run from its store.
"""

from __future__ import annotations

import csv
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import polars
import xlsxwriter

SHEET_ROWS = 200_000  # in one XLSX file


def works(rows: Path, folder: Path) -> dict[str, tuple[int, Callable[[], object]]]:
    """Works by name, each with how many rows at most it takes, or 0 for all."""
    table = f"read_json('{rows}', format = 'newline_delimited')"

    def duck(clauses: str) -> Callable[[], object]:
        return lambda: duckdb.sql(f"SELECT * FROM {table} {clauses} LIMIT 20").fetchall()

    def sorted_by(column: str) -> Callable[[], object]:
        return lambda: polars.scan_ndjson(rows).sort(column).head(20).collect()

    def duck_csv() -> None:
        duckdb.sql(f"COPY (SELECT * FROM {table}) TO '{folder / 'duckdb.csv'}' (HEADER)")

    def plain_csv() -> None:
        with rows.open() as lines, (folder / "plain.csv").open("w", newline="") as file:
            records = map(json.loads, lines)
            first = next(records)
            writer = csv.DictWriter(file, list(first))
            writer.writeheader()
            writer.writerow(first)
            writer.writerows(records)

    def sheet() -> None:
        with (
            rows.open() as lines,
            xlsxwriter.Workbook(folder / "a.xlsx", {"constant_memory": True}) as book,
        ):
            page = book.add_worksheet()
            for number, line in zip(range(SHEET_ROWS), lines, strict=False):
                page.write_row(number, 0, json.loads(line).values())

    cheap = polars.col("price") < 10
    return {
        "DuckDB: price": (0, duck("ORDER BY price")),
        "DuckDB: title": (0, duck("ORDER BY title")),
        "DuckDB: price:lt:10": (0, duck("WHERE price < 10")),
        "polars: price": (0, sorted_by("price")),
        "polars: title": (0, sorted_by("title")),
        "polars: price:lt:10": (0, lambda: polars.scan_ndjson(rows).filter(cheap).collect()),
        "DuckDB: csv": (0, duck_csv),
        "polars: csv": (0, lambda: polars.read_ndjson(rows).write_csv(folder / "polars.csv")),
        "Python csv: csv": (0, plain_csv),
        "XlsxWriter: xlsx": (SHEET_ROWS, sheet),
    }


def main() -> None:
    rows, folder = map(Path, sys.argv[1:])
    with rows.open() as lines:
        count = sum(1 for _ in lines)
    for name, (most, work) in works(rows, folder).items():
        started, cpu = time.perf_counter(), time.process_time()
        work()
        elapsed, cpu = time.perf_counter() - started, time.process_time() - cpu
        rate = min(count, most or count) / elapsed
        figure = {"elapsed_s": elapsed, "cpu_s": cpu, "rate_per_s": rate}
        print(json.dumps({"name": name, **figure}), flush=True)


if __name__ == "__main__":
    main()
