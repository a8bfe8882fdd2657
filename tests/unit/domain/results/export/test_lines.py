from __future__ import annotations

import json

import pytest

from support.exports import block_of, exported, headers, rows_of

pytestmark = pytest.mark.anyio

RAW = [
    b'{"n":1234567890123456789012345678901234567890,"f":1.50,"e":1E5}',
    '{"t":"=1+1 \\"q\\" \\n é","o":{"b":[1.10]},"n":null}'.encode(),
    b"{}",
]


async def test_json_is_one_array_of_the_stored_bytes():
    data = await exported("json", rows_of(*RAW))
    assert data == b"[\n" + b",\n".join(RAW) + b"\n]\n"
    assert json.loads(data) == [json.loads(raw) for raw in RAW]


async def test_json_without_rows_is_an_empty_array():
    assert json.loads(await exported("json", [])) == []


async def test_pages_are_joined_without_gaps():
    rows = rows_of(*[b'{"i":%d}' % i for i in range(7)])
    files = {await exported("json", rows, page=size) for size in (1, 2, 3, 7, 100)}
    assert len(files) == 1


async def test_jsonl_is_one_stored_object_per_line():
    assert await exported("jsonl", rows_of(*RAW)) == b"".join(raw + b"\n" for raw in RAW)
    assert await exported("jsonl", []) == b""


async def test_selected_members_are_in_order_with_their_digits():
    data = await exported("jsonl", rows_of(*RAW), headers("f", "o", "n"))
    assert data.splitlines() == [
        b'{"f":1.50,"n":1234567890123456789012345678901234567890}',
        b'{"o":{"b":[1.10]},"n":null}',
        b"{}",
    ]
    assert json.loads(await exported("json", rows_of(*RAW), headers("n")))[2] == {}


async def test_keys_are_escaped():
    key = 'a"\\\n\x01é'
    data = await exported("json", rows_of({key: 1}), headers(key, "\ud800"))
    assert json.loads(data) == [{key: 1}]


async def test_an_empty_page_changes_nothing():
    from fyke.domain.results.export.lines import JsonWriter
    from fyke.domain.results.export.meta import ExportMeta

    writer = JsonWriter(None, ExportMeta("", "", 0))
    pages = [block_of(rows) for rows in ([], rows_of({"a": 1}), [])]
    pieces = [writer.head(), *map(writer.page, pages)]
    assert json.loads(b"".join([*pieces, writer.tail()])) == [{"a": 1}]
