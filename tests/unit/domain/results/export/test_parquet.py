"""Parquet files, read with another library."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fyke.domain.results.export import parquet
from fyke.domain.results.export.meta import ExportMeta
from fyke.domain.results.export.parquet import ParquetWriter
from fyke.model.results import Header
from support.examples import examples
from support.exports import RUN, block_of, exported, rows_of
from support.parquet import read_table

pytestmark = pytest.mark.anyio


async def read(*values: dict[str, Any] | bytes) -> tuple[dict[str, type], list[dict[str, Any]]]:
    return read_table(await exported("parquet", rows_of(*values)))


async def test_each_type_has_a_column_of_its_own():
    types, rows = await read(
        {"i": -(2**63), "f": 1.5, "b": True, "t": "Zwölf\x00\U0001f600", "n": {"a": ["é"]}},
        {"i": 2**63 - 1, "f": 3, "b": False, "t": "", "n": []},
        {"i": None},
    )
    assert types == {"i": int, "f": float, "b": bool, "t": str, "n": str}
    assert rows == [
        {"i": -(2**63), "f": 1.5, "b": True, "t": "Zwölf\x00\U0001f600", "n": '{"a":["é"]}'},
        {"i": 2**63 - 1, "f": 3.0, "b": False, "t": "", "n": "[]"},
        dict.fromkeys("ifbtn"),
    ]


async def test_mixed_values_are_json_text():
    types, rows = await read(
        {"m": 1}, {"m": "1"}, b'{"m":1.50}', {"m": None}, {"m": False}, {"m": 'é"'}
    )
    assert types == {"m": str}
    assert [row["m"] for row in rows] == ["1", '"1"', "1.50", None, "false", '"é\\""']


@pytest.mark.parametrize("group", [1, 3, 8, 1000])
async def test_rows_are_sent_in_groups(monkeypatch: pytest.MonkeyPatch, group: int):
    monkeypatch.setattr(parquet, "_GROUP_ROWS", group)
    rows = rows_of(*({"i": n, "b": n % 3 == 0} if n % 7 else {"i": n} for n in range(50)))
    columns = [Header("", "i", "int64"), Header("", "b", "boolean")]
    writer = ParquetWriter(columns, ExportMeta(RUN, "", 0))
    pieces = [writer.head(), *(writer.page(block_of([row])) for row in rows)]
    assert sum(map(bool, pieces)) == 1 + 50 // group
    _, found = read_table(b"".join([*pieces, writer.tail()]))
    assert found == [{"i": n, "b": n % 3 == 0 if n % 7 else None} for n in range(50)]


@pytest.mark.parametrize(
    ("limit", "groups"), [("_GROUP_BYTES", 20), ("_GROUP_CELLS", 4), ("_GROUP_ROWS", 1)]
)
def test_groups_depend_on_the_rows_and_not_on_their_blocks(
    monkeypatch: pytest.MonkeyPatch, limit: str, groups: int
):
    monkeypatch.setattr(parquet, limit, 100)
    columns = [Header("", "t", "text"), *(Header("", f"n{n}", "json") for n in range(9))]
    rows = rows_of(*({"t": "x" * 60} for _ in range(40)))
    files, counts = set(), set()
    for size in (1, 3, 40):
        writer = ParquetWriter(columns, ExportMeta(RUN, "", 0))
        pages = [writer.page(block_of(rows[at : at + size])) for at in range(0, 40, size)]
        files.add(writer.head() + b"".join(pages) + writer.tail())
        counts.add(len(writer._groups))
    assert counts == {groups} and len(files) == 1


def test_the_description_of_the_groups_is_copied_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(parquet, "_GROUP_ROWS", 1)
    writer = ParquetWriter([Header("", "n" * 60_000, "text")], ExportMeta(RUN, "", 0))
    writer.page(block_of(rows_of(*({} for _ in range(50)))))
    tracemalloc.start()
    try:
        tail = writer.tail()
        assert tracemalloc.get_traced_memory()[1] < 1.2 * len(tail)
    finally:
        tracemalloc.stop()


def test_texts_of_all_lengths_and_unpaired_surrogates_are_written():
    texts = ["x" * n for n in (0, 1, 511, 512, 70_000)] + ["\ud800"]
    writer = ParquetWriter([Header("", "t", "text")], ExportMeta(RUN, "", 0))
    rows = rows_of(*(json.dumps({"t": text}).encode() for text in texts[:-1]))
    data = writer.head() + writer.page(block_of(rows)) + writer.tail()
    assert [row["t"] for row in read_table(data)[1]] == texts[:-1]
    assert parquet._texts(texts[-1:]) == b"\x01\x00\x00\x00?"


async def test_a_run_without_rows_keeps_its_columns():
    assert read_table(await exported("parquet", [], [Header("", "a", "int64")])) == ({"a": int}, [])


VALUE = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(-1e6, 1e6) | st.text()
ROWS = st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys("abc", VALUE)), max_size=30)


@examples(40, 400)
@given(ROWS.filter(any))
def test_every_value_can_be_read_again(values: list[dict[str, Any]]):
    rows = rows_of(*(json.dumps(value).encode() for value in values))
    types, found = read_table(asyncio.run(exported("parquet", rows)))
    for value, row in zip(values, found, strict=True):
        for key, kind in types.items():
            mixed = kind is str and not all(
                isinstance(other.get(key), str | None) for other in values
            )
            read = json.loads(row[key]) if mixed and row[key] is not None else row[key]
            assert read == value.get(key)
            assert read is None or kind in (str, float) or type(read) is type(value[key]) is kind
