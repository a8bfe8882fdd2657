from __future__ import annotations

import os
import re
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import get_args

import pytest

from fyke.domain.results.export.formats import (
    FORMATS,
    file_name,
    parse_format,
    readable_name,
    write,
)
from fyke.domain.results.export.meta import ExportMeta
from fyke.domain.results.export.xls import XlsBook
from fyke.errors import InvalidRequest, Unavailable
from fyke.model.formats import FormatName
from fyke.model.results import RowBlock
from support.exports import RUN, exported, headers, in_pages, rows_of

pytestmark = pytest.mark.anyio

META = ExportMeta(RUN, "Prices", 0)
TYPES = ("int64", "text", "double")


def test_there_are_the_eight_formats_of_the_contract_and_parquet():
    assert list(FORMATS) == ["csv", "json", "jsonl", "xlsx", "xls", "xml", "html", "rss", "parquet"]
    assert list(FORMATS) == list(get_args(FormatName))
    assert all(name == item.name == item.suffix for name, item in FORMATS.items())
    assert all("/" in item.content_type for item in FORMATS.values())


@pytest.mark.parametrize("name", [None, "", "csv", "CSV", " Csv "])
def test_csv_is_the_default_and_case_does_not_matter(name: str | None):
    assert parse_format(name) is FORMATS["csv"]


def test_an_unknown_format_is_refused_with_the_list():
    with pytest.raises(
        InvalidRequest, match="csv, json, jsonl, xlsx, xls, xml, html, rss, parquet"
    ):
        parse_format("pdf")


@pytest.mark.parametrize("name", list(FORMATS))
def test_file_names_are_unique_and_have_the_extension_of_the_format(name: str):
    made = file_name(FORMATS[name])
    uuid = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    assert re.fullmatch(rf"exported_result_{name}_{uuid}\.{name}", made)
    assert file_name(FORMATS[name]) != made


def test_a_readable_name_has_the_time_of_the_zone_and_is_allowed():
    at = datetime(2026, 11, 27, 4, 7, tzinfo=UTC)
    zone = timezone(timedelta(hours=1))
    name = readable_name("big-rows", round(at.timestamp() * 1000), zone)
    assert name == "big-rows_2026-11-27_0507"
    assert file_name(FORMATS["csv"], name) == f"{name}.csv"
    longest = readable_name("a" * 63, 0, UTC)
    assert file_name(FORMATS["csv"], longest) == f"{longest}.csv"


@pytest.mark.parametrize(
    "name",
    [
        "价格-2026",
        "価格表",
        "がぎ",
        "हिन्दी",
        "prix_été",
        "书" * 80,
        "é" * 100,
        "𠀀" * 60,
        "a" * 100,
    ],
)
def test_a_file_name_may_be_of_any_script(name: str):
    assert file_name(FORMATS["csv"], name) == f"{name}.csv"


@pytest.mark.parametrize(
    "name",
    [
        "../书",
        "书/a",
        "书\\a",
        "书:a",
        "书\n",
        "书\u202e",
        "书\x00",
        "书\u00a0a",
        "书\ta",
        "书\ud800",
        "-书",
        ".书",
        "😀",
        "书?",
        "\u0301",
    ],
)
def test_a_file_name_that_not_every_system_can_store_is_refused(name: str):
    with pytest.raises(InvalidRequest, match="must begin with a letter or digit"):
        file_name(FORMATS["csv"], name)


@pytest.mark.parametrize("name", ["书" * 81, "a" * 101, "𠀀" * 61, "я" * 101])
def test_a_file_name_that_is_too_long_is_refused(name: str):
    with pytest.raises(InvalidRequest, match="at most 100 characters and 240 bytes in UTF-8"):
        file_name(FORMATS["csv"], name)


@pytest.mark.parametrize("name", ["my prices", " my prices ", "my prices.csv", "my prices .csv "])
def test_a_file_name_may_contain_spaces_but_not_around_it(name: str):
    assert file_name(FORMATS["csv"], name) == "my prices.csv"


@pytest.mark.parametrize("name", list(FORMATS))
async def test_every_format_writes_a_run_without_rows(name: str):
    assert isinstance(await exported(name, []), bytes)


async def many(count: int) -> AsyncIterator[RowBlock]:
    text = "x" * 600
    for start in range(0, count, 1000):
        positions = range(start + 1, start + 1001)
        texts = [b'{"i":%d,"t":"%s %d","f":1.5}' % (n, text.encode(), n) for n in positions]
        yield RowBlock.of(positions, texts)


async def peak_of(name: str, count: int) -> int:
    columns = headers("i", "t", "f")
    if name == "parquet":
        columns = [replace(c, format=t) for c, t in zip(columns, TYPES, strict=True)]
    tracemalloc.start()
    try:
        size = 0
        async for piece in write(FORMATS[name], columns, many(count), META):
            size += len(piece)
        assert size > 0
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["csv", "json", "jsonl", "html", "xml", "rss", "xlsx", "xls"])
async def test_memory_does_not_grow_with_the_rows(name: str):
    await peak_of(name, 1000)
    small = await peak_of(name, 1_000)
    # 4 MB of text; threads of other tests may add to one peak, but not to each
    large = min([await peak_of(name, 6_000) for _ in range(3)])
    assert large < small * 1.2 + 2**20


@pytest.mark.long
@pytest.mark.parametrize("name", list(FORMATS))
async def test_memory_does_not_grow_with_a_hundred_thousand_rows(name: str):
    await peak_of(name, 1000)
    few = 20_000 if name == "parquet" else 5_000  # more than one group of rows
    small, large = await peak_of(name, few), await peak_of(name, 100_000)
    assert large < small * 1.2 + 2**20 and large < 40 * 2**20


async def test_text_formats_are_sent_page_by_page():
    came = 0

    async def counted() -> AsyncIterator[RowBlock]:
        nonlocal came
        async for page in in_pages(rows_of(*[{"i": i} for i in range(10)]), 1):
            came += 1
            yield page

    stream = write(FORMATS["csv"], headers("i"), counted(), META)
    pieces = [await anext(stream), await anext(stream)]
    assert (pieces, came) == ([b"i\r\n", b"0\r\n"], 1)
    await stream.aclose()


async def test_the_temporary_file_of_a_workbook_is_removed(tmp_path):
    rows = rows_of(*[{"t": os.urandom(200).hex()} for _ in range(2000)])
    stream = write(FORMATS["xls"], headers("t"), in_pages(rows, 500), META, scratch=tmp_path)
    first = await anext(stream)
    assert first[:2] == b"\xd0\xcf" and len(first) == 256 * 1024
    assert len(list(tmp_path.iterdir())) == 1
    await stream.aclose()  # the client has disconnected
    assert list(tmp_path.iterdir()) == []


async def test_a_workbook_without_disk_space_is_refused_before_the_first_chunk(
    tmp_path, monkeypatch
):
    def add(book, block) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(XlsBook, "add", add)
    stream = write(FORMATS["xls"], headers("a"), in_pages(rows_of({})), META, scratch=tmp_path)
    with pytest.raises(Unavailable, match=r"No space left .* choose a format such as csv"):
        await anext(stream)
    assert list(tmp_path.iterdir()) == []


async def test_only_an_xls_needs_a_folder(tmp_path):
    missing = tmp_path / "missing"  # a full disk, or one without inodes, refuses a new folder alike
    for name in FORMATS:
        stream = write(FORMATS[name], headers("a"), in_pages(rows_of({})), META, scratch=missing)
        if name == "xls":
            with pytest.raises(Unavailable, match=r"could not be written: .* choose a format such"):
                await anext(stream)
        else:
            assert b"".join([piece async for piece in stream])


async def test_a_workbook_that_cannot_be_saved_is_refused(tmp_path, monkeypatch):
    def full(book) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(XlsBook, "save", full)
    stream = write(FORMATS["xls"], headers("a"), in_pages(rows_of({})), META, scratch=tmp_path)
    with pytest.raises(Unavailable, match="No space left on device"):
        await anext(stream)
    assert list(tmp_path.iterdir()) == []
