"""The memory of an export does not grow with its rows; measured in separate processes."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fyke.model.results import AttemptBatch, PushedRow
from fyke.storage.sql.results.migrate import migrate_results
from fyke.storage.sql.results.store import open_results
from support import export_process

MIB = 2**20
MILLION = 1_000_000
LARGE, SLIM = "01KSFDS8XWTJME33C08XMCR6A1", "01KSFDS8XWTJME33C08XMCR6A2"


def product(n: int) -> bytes:
    return (
        f'{{"title":"Product number {n}","price":{n % 997}.50,"url":"https://shop.example/p/{n}",'
        f'"stock":{n % 50},"available":{"true" if n % 3 else "false"},"seller":{{"id":{n % 7}}},'
        f'"description":"Zwölf Boxkämpfer jagen Viktor über den Deich, Nummer {n}"}}'
    ).encode()


def tiny(n: int) -> bytes:
    return b'{"n":%d}' % n


def database(folder: Path, runs: dict[str, tuple[int, Any]], small: int = 8000) -> str:
    """A results database with runs of these numbers of rows, and one of ``small``."""
    url = f"sqlite:///{folder / 'rows.db'}"
    migrate_results(url)

    async def fill() -> None:
        store = open_results(url, durable=False)
        for run, (count, make) in {export_process.SMALL: (small, product), **runs}.items():
            await store.open_attempt(run, f"A{run}")
            for start in range(1, count + 1, 2000):
                rows = [PushedRow(make(n)) for n in range(start, min(start + 2000, count + 1))]
                await store.commit([AttemptBatch(run, f"A{run}", rows)])
        await store.close()

    asyncio.run(fill())
    return url


def export(url: str, run: str, name: str, sort: str = "") -> dict[str, Any]:
    command = [sys.executable, export_process.__file__, url, run, name, *([sort] if sort else [])]
    completed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=1200)
    figures: dict[str, Any] = json.loads(completed.stdout)
    return figures


@pytest.fixture(scope="module")
def small_database(tmp_path_factory: pytest.TempPathFactory) -> str:
    return database(tmp_path_factory.mktemp("exports"), {LARGE: (20_000, product)}, 4000)


@pytest.mark.parametrize(
    ("name", "sort"),
    [("csv", ""), ("html", ""), ("xlsx", ""), ("xls", ""), ("parquet", ""), ("jsonl", "-price")],
)
def test_five_times_the_rows_use_no_more_memory(small_database: str, name: str, sort: str) -> None:
    figures = export(small_database, LARGE, name, sort)
    assert figures["bytes"] > (MIB // 32 if name == "parquet" else MIB // 2)
    # as objects in memory, the rows would take 50; blocks that are read ahead are 8 to 17 MiB, and
    # parquet keeps a group of rows
    assert figures["grown"] < (32 if name == "parquet" else 24) * MIB


@pytest.fixture(scope="module")
def million(tmp_path_factory: pytest.TempPathFactory) -> str:
    return database(
        tmp_path_factory.mktemp("million"), {LARGE: (MILLION, product), SLIM: (MILLION, tiny)}
    )


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("name", "sort"),
    [
        ("csv", ""),
        ("json", ""),
        ("jsonl", ""),
        ("xlsx", ""),
        ("xml", ""),
        ("html", ""),
        ("rss", ""),
        ("parquet", ""),
        ("csv", "-price"),
        ("jsonl", "title"),
    ],
)
def test_a_million_rows_use_at_most_64_mib(million: str, name: str, sort: str) -> None:
    figures = export(million, LARGE, name, sort)
    print(figures)
    assert figures["bytes"] > MILLION * (1 if name == "parquet" else 10)
    assert figures["grown"] <= 64 * MIB


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_million_small_rows_fit_into_an_xls_of_sixteen_sheets(million: str) -> None:
    figures = export(million, SLIM, "xls")
    print(figures)
    assert figures["grown"] <= 64 * MIB
