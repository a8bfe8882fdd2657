"""The type of a column of a Parquet file."""

from __future__ import annotations

import threading

import pytest

from fyke.domain.results.export.column_types import ColumnTypes, all_exact, unchanged
from fyke.errors import Unavailable
from fyke.model.results import Header, RowBlock
from support.exports import block_of, headers, in_pages, rows_of

pytestmark = pytest.mark.anyio


def type_of(*tokens: str, page: int = 1) -> str:
    types = ColumnTypes(headers("v"))
    rows = rows_of(*(b'{"v":%s}' % token.encode() if token else b"{}" for token in tokens))
    for at in range(0, len(rows), page):
        types.add(block_of(rows[at : at + page]))
    return types.headers()[0].format


def test_a_zero_is_an_integer_beside_a_small_negative_fraction() -> None:
    types = ColumnTypes(headers("stock", "change"))
    types.add(block_of(rows_of(b'{"stock":0,"change":-0.25}', b'{"stock":1152921504606846976}')))
    assert [column.format for column in types.headers()] == ["int64", "double"]


@pytest.mark.parametrize("page", [1, 10])
@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ([], "text"),
        (["null", ""], "text"),
        (['"a"', "null", '"1"'], "text"),
        (["true", "", "false"], "boolean"),
        (["1", "-9223372036854775808", "9223372036854775807"], "int64"),
        (["1", "9223372036854775808"], "json"),
        (["-9223372036854775809"], "json"),
        (["1.5", "2", "-0", "1e3", "0.1"], "double"),
        (["1.50"], "double"),
        (["9007199254740992", "0.5"], "double"),
        (["9007199254740993", "0.5"], "json"),
        (["0.1000000000000000055"], "json"),
        (["1e300", "1.7976931348623157e308"], "double"),
        (["1e400"], "json"),
        (["1e-400"], "json"),
        (["1", "true"], "json"),
        (["1", '"1"'], "json"),
        (["true", '"1"'], "json"),
        (["1.5", '"a"'], "json"),
        (["[]"], "json"),
        (["{}", '"a"'], "json"),
    ],
)
def test_the_type_keeps_every_value(tokens: list[str], expected: str, page: int) -> None:
    assert type_of(*tokens, page=page) == expected


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        (["0.5", "1131.2857142857142"], True),
        (["0.50", "0.25"], True),
        (["0.30000000000000004"], True),
        (["0.300000000000000040"], True),
        (["0.5", "0.300000000000000041"], False),
        (["8.000000000000001", "8.000000000000003"], False),
        (["-1E3", "1e+3"], True),
    ],
)
def test_exact_numbers_are_read_again_from_their_float(numbers: list[str], expected: bool) -> None:
    assert all_exact(numbers) is expected


def test_columns_without_keys_have_no_types() -> None:
    types = ColumnTypes([])
    types.add(block_of(rows_of({"a": 1})))
    assert types.headers() == []


async def test_rows_that_follow_meanwhile_are_left_out() -> None:
    rows = rows_of(*({"v": n} for n in range(5)), {"v": "late"})
    types = ColumnTypes(headers("v"))
    types.add(block_of(rows[:4]))
    blocks = [block async for block in unchanged(in_pages(rows, 3), types, 4)]
    assert [block.positions for block in blocks] == [[1, 2, 3], [4]]


async def test_rows_are_compared_outside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []
    texts = RowBlock.texts

    class Noted(ColumnTypes):
        def add(self, block: RowBlock) -> None:
            threads.append(("add", threading.get_ident()))
            super().add(block)

        def headers(self) -> list[Header]:
            threads.append(("headers", threading.get_ident()))
            return super().headers()

    def noted_texts(block: RowBlock) -> list[bytes]:
        threads.append(("texts", threading.get_ident()))
        return texts(block)

    monkeypatch.setattr(RowBlock, "texts", noted_texts)
    types = Noted(headers("v"))
    types.add(block_of(rows_of({"v": 1})))
    blocks = unchanged(in_pages(rows_of({"v": 1}, {"v": 2}), 2), types, 1)
    assert [block.positions async for block in blocks] == [[1]]
    del threads[:2]  # before the rows are written
    assert {what for what, _ in threads} == {"add", "headers", "texts"}
    assert threading.get_ident() not in {thread for _, thread in threads}


async def test_a_value_of_another_type_ends_the_file() -> None:
    types = ColumnTypes(headers("v"))
    types.add(block_of(rows_of({"v": 1}, {"v": 2})))
    changed = rows_of({"v": 1}, {"v": "upserted"})
    with pytest.raises(Unavailable, match="Start the export again"):
        _ = [block async for block in unchanged(in_pages(changed, 1), types, 2)]
