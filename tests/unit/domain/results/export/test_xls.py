from __future__ import annotations

import struct

import pytest

from fyke.domain.results.export import xls
from support.books import written
from support.exports import block_of, exported, headers, rows_of
from support.workbooks import read_xls

pytestmark = pytest.mark.anyio


async def test_xls_texts_of_every_length_are_continued_in_other_records(monkeypatch):
    monkeypatch.setattr(xls, "_REMEMBERED_TEXTS", 3)
    texts = [c * n for n in (*range(4100, 4120), *range(8200, 8240), 30_000) for c in "xü✓"]
    texts += ["a", "b", "c", "d", "a", "b", "😀" * 5000]
    data = await exported("xls", rows_of(*[{"t": text} for text in texts]))
    sheet = read_xls(data)["Results"]
    assert [sheet[row, 0] for row in range(1, len(texts) + 1)] == texts


async def test_an_xls_stores_a_repeated_text_once():
    data = await exported("xls", rows_of(*[{"t": f"text {n % 3}"} for n in range(500)]))
    assert data.count(b"text 1") == 1


def test_a_header_is_stored_once_in_an_xls_of_many_sheets(tmp_path):
    blocks = [block_of(rows_of(*[{"i": i} for i in range(60)]))]
    columns = headers("i", "k" * 10_000)
    assert len(written("xls", columns, blocks, tmp_path, sheet_rows=3)) < 2 * 10_000 + 50_000


@pytest.mark.slow
async def test_an_xls_of_many_rows_goes_through_its_temporary_file():
    rows = [b'{"i":%d,"t":"x"}' % i for i in range(2500)]
    sheet = read_xls(await exported("xls", rows_of(*rows)))["Results"]
    assert [sheet[r, 0] for r in range(1, 2501)] == list(range(2500))


async def test_an_xls_is_a_compound_file_with_one_biff8_stream():
    data = await exported("xls", rows_of({"a": 1}))
    assert data[:8] == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    assert struct.unpack_from("<HHH", data, 512) == (0x0809, 16, 0x0600)
