from __future__ import annotations

import pytest

from fyke.domain.results.export.columns import choose_columns
from fyke.domain.results.export.formats import FORMATS
from fyke.errors import InvalidRequest
from support.exports import headers, in_pages, rows_of

pytestmark = pytest.mark.anyio

ROWS = rows_of({"a": 1, "z": 1}, {"b": 1, "y": 1}, {"a": 2}, {"x": 1})


class Walk:
    """Counts how often the rows are read, and how many pages."""

    def __init__(self, rows=ROWS, page: int = 1) -> None:
        self.rows = rows
        self.page = page
        self.times = 0
        self.seen = 0

    async def __call__(self):
        self.times += 1
        async for page in in_pages(self.rows, self.page):
            self.seen += len(page)
            yield page


async def choose(name: str, known=(), wanted=(), walk=None):
    columns = await choose_columns(FORMATS[name], headers(*known), wanted, walk or Walk())
    return None if columns is None else [c.key for c in columns]


@pytest.mark.parametrize("name", ["csv", "html", "xlsx", "xls", "parquet"])
async def test_a_table_has_the_headers_and_then_the_other_keys(name: str):
    walk = Walk()
    assert await choose(name, ["b", "never"], walk=walk) == ["b", "never", "a", "z", "y", "x"]
    assert walk.times == 1


@pytest.mark.parametrize("name", ["json", "jsonl", "xml", "rss"])
async def test_other_formats_need_no_columns_and_read_no_rows(name: str):
    walk = Walk()
    assert await choose(name, ["b"], walk=walk) is None
    assert walk.times == 0


@pytest.mark.parametrize("name", list(FORMATS))
async def test_filtered_keys_are_in_their_order(name: str):
    walk = Walk()
    assert await choose(name, ["a", "b"], ["b", "a", "b", ""], walk) == ["b", "a"]
    assert walk.times == 0


async def test_keys_of_rows_are_found_and_unknown_ones_ignored():
    assert await choose("csv", ["a"], ["y", "nobody", "a"]) == ["y", "a"]


async def test_reading_stops_when_all_keys_are_found():
    walk = Walk()
    assert await choose("json", [], ["y", "a"], walk) == ["y", "a"]
    assert walk.seen == 2


async def test_a_filter_of_unknown_keys_only_selects_all_columns():
    assert await choose("json", ["a"], ["nobody"]) is None
    assert await choose("csv", ["a"], ["nobody"]) == ["a", "z", "b", "y", "x"]


async def test_labels_of_headers_are_kept():
    columns = await choose_columns(FORMATS["html"], headers("b"), ["z", "b"], Walk())
    assert [(c.key, c.label) for c in columns] == [("z", "z"), ("b", "B")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "most"), [("xls", 256), ("parquet", 1024), ("xlsx", 16_384), ("csv", 16_384)]
)
async def test_too_many_columns_are_refused_before_anything_is_written(name: str, most: int):
    walk = Walk(rows_of(*[{f"k{i}": 1} for i in range(most)]), page=500)
    assert len(await choose(name, walk=walk)) == most
    with pytest.raises(InvalidRequest, match=f"{most:,} columns.*filter_keys"):
        await choose(name, ["one more"], walk=walk)
    names = [f"k{i}" for i in range(most + 1)]
    nothing = Walk([])
    for call in (choose(name, names, walk=nothing), choose(name, names, names, nothing)):
        with pytest.raises(InvalidRequest):
            await call
    assert nothing.times == 0


async def test_a_run_with_too_many_keys_is_refused_early():
    walk = Walk(rows_of(*[{f"k{i}": 1} for i in range(2000)]))
    with pytest.raises(InvalidRequest):
        await choose("xls", walk=walk)
    assert walk.seen == 257


@pytest.mark.parametrize("known", [[], ["b"], ["b", 'a"'], [f"h{n}" for n in range(300)]])
@pytest.mark.parametrize("page", [1, 3, 100])
async def test_new_keys_are_found_in_any_block(known: list[str], page: int):
    values = [{f"k{n % 40}": n, 'a"': 1} for n in range(60)] + [{"": 1, "\u4e2d": 2, "b": 3}, {}]
    expected = list(dict.fromkeys([*known, *(key for value in values for key in value)]))
    walk = Walk(rows_of(*values), page)
    assert await choose("csv", known, walk=walk) == expected
    assert (walk.times, walk.seen) == (1, len(values))


@pytest.mark.parametrize(
    ("name", "limit", "others"),
    [
        *((name, 4 * 2**20, "json") for name in ("csv", "html", "xlsx", "xls")),
        ("parquet", 64 * 2**10, "csv, xlsx, html, json"),
    ],
)
async def test_keys_that_are_too_long_together_are_refused(name: str, limit: int, others: str):
    long = limit // 2
    rows = rows_of({"a" * long: 1}, {"b" * long: 1}, {"c": 1})
    most = f"{limit:,} characters.*filter_keys, or choose {others} or jsonl"
    with pytest.raises(InvalidRequest, match=most):
        await choose(name, walk=Walk(rows))
    with pytest.raises(InvalidRequest, match=most):
        await choose(name, ["a" * long, "b" * long, "c"], ["c", "b" * long, "a" * long])
    assert await choose(name, wanted=["b" * long, "c"], walk=Walk(rows)) == ["b" * long, "c"]
    assert await choose("jsonl", walk=Walk(rows)) is None
