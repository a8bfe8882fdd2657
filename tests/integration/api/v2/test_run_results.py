"""Rows of a run on v2: pages, and links to files with all rows, on each path of a run."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fyke.model.results import Header
from support.api import Api, fails
from support.app import App

pytestmark = pytest.mark.anyio

RUNS = "/api/v2/worker-runs"
CUSTOM = {"urls": [{"url": "https://a.example"}]}
HEADERS = [Header("Address", "url", "text"), Header("Price", "price", "number")]
ROWS: list[dict[str, Any]] = [
    {"url": f"https://a.example/{n}", "price": n + 0.5, "tags": ["x", n]} for n in range(25)
]
FORMATS = ["csv", "json", "jsonl", "xlsx", "xls", "xml", "html", "rss", "parquet"]


@pytest.fixture
async def run(app: App, api: Api) -> str:
    """The newest run, with 25 rows and two declared columns."""
    await app.publish()
    answer = await api.post("/api/v2/workers/owner~reader/runs", {"input": CUSTOM})
    await app.execute(ROWS, headers=HEADERS)
    return str(answer.json()["data"]["run_slug"])


def places(run: str, suffix: str = "/result") -> list[str]:
    return [
        f"{RUNS}/{run}{suffix}",
        f"{RUNS}/last{suffix}",
        f"/api/v2/workers/owner~reader/runs/last{suffix}",
        f"/api/v2/workers/owner%2Freader/runs/last{suffix}",
        f"/api/v2/workers/runs/last{suffix}",
    ]


def exports(run: str) -> list[str]:
    return [f"{RUNS}/{run}/result/export", *places(run, "/export")[1:]]


async def page(api: Api, path: str) -> dict[str, Any]:
    answer = await api.get(path)
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()["data"]
    return content


async def test_every_operation_returns_a_page_with_all_fields_of_the_contract(
    api: Api, run: str
) -> None:
    for path in places(run):
        shown = await page(api, f"{path}?offset=2&limit=10")
        ids = [row.pop("__coreclaw_data_id__") for row in shown["list"]]
        assert len(set(ids)) == 10
        assert shown == {
            "count": 25,
            "headers": [
                {"label": "Address", "key": "url", "format": "text"},
                {"label": "Price", "key": "price", "format": "number"},
            ],
            "list": ROWS[10:20],
            "page_index": 2,
            "page_size": 10,
        }


async def test_pages_are_numbered_from_one(api: Api, run: str) -> None:
    for query, first, count, index, size in (
        ("", 0, 20, 1, 20),
        ("?offset=0", 0, 20, 1, 20),
        ("?offset=1&limit=100", 0, 25, 1, 100),
        ("?offset=2", 20, 5, 2, 20),
        ("?limit=1000000", 0, 25, 1, 100),
        ("?offset=3", 0, 0, 3, 20),
        ("?offset=999999999999", 0, 0, 10**9, 20),
        ("?offset=2&offset=1", 20, 5, 2, 20),
    ):
        shown = await page(api, f"{RUNS}/{run}/result{query}")
        urls = [row["url"] for row in ROWS[first : first + count]]
        assert [row["url"] for row in shown["list"]] == urls
        assert (shown["count"], shown["page_index"], shown["page_size"]) == (25, index, size)


async def test_a_page_out_of_range_is_refused(api: Api, run: str) -> None:
    for query, word in (
        ("offset=-1", "offset must be a page number"),
        ("offset=first", "offset must be an integer"),
        ("offset=", "offset must be an integer"),
        ("limit=0", "limit must be 1 to 100"),
        ("limit=-20", "limit must be 1 to 100"),
        ("limit=20.5", "limit must be an integer"),
    ):
        for path in places(run):
            fails(await api.get(f"{path}?{query}"), 422, 11000, word)


@pytest.mark.slow
async def test_every_format_is_a_file_at_an_absolute_link_without_a_key(api: Api, run: str) -> None:
    for name in FORMATS:
        for path in exports(run)[:3]:
            data = await page(api, f"{path}?format={name.upper()}")
            assert set(data) - {"notes"} == {"download_url"}
            url = data["download_url"]
            assert url.startswith("http://127.0.0.1:8100/files/")
            assert url.endswith(f".{name}")
            file = await api.send("GET", url, key=None)
            assert file.status_code == 200
            assert len(file.content) > 500


async def test_the_defaults_are_csv_and_all_columns(api: Api, run: str) -> None:
    for query in ("", "?format=", "?format=csv", "?filter_keys="):
        for path in exports(run):
            url = (await page(api, path + query))["download_url"]
            lines = (await api.send("GET", url, key=None)).text.splitlines()
            assert lines[:2] == ["url,price,tags", 'https://a.example/0,0.5,"[""x"",0]"']
            assert len(lines) == 26


async def test_keys_are_separated_by_commas_or_repeated(api: Api, run: str) -> None:
    expected = [{"price": row["price"], "tags": row["tags"]} for row in ROWS]
    for keys in ("price,tags", "price&filter_keys=tags", "price%2Ctags"):
        path = f"{RUNS}/{run}/result/export?format=jsonl&filter_keys={keys}"
        lines = (await api.send("GET", (await page(api, path))["download_url"], key=None)).text
        assert [json.loads(line) for line in lines.splitlines()] == expected


async def test_csv_may_be_guarded_and_have_a_byte_order_mark(api: Api, run: str) -> None:
    url = (await page(api, f"{RUNS}/{run}/result/export?bom=true&safe=1"))["download_url"]
    assert (await api.send("GET", url, key=None)).content.startswith(b"\xef\xbb\xbfurl,")


async def test_an_unknown_format_is_refused_with_the_eight_formats(api: Api, run: str) -> None:
    words = "format must be one of csv, json, jsonl, xlsx, xls, xml, html, rss"
    for name in ("pdf", "xlsxx", "csv,json", "..", "JSON5"):
        for path in exports(run):
            fails(await api.get(f"{path}?format={name}"), 422, 11000, words)


async def test_too_many_keys_are_refused(api: Api, run: str) -> None:
    keys = ",".join(f"{n:0100}" for n in range(100))
    answer = await api.get(f"{RUNS}/{run}/result/export", params={"filter_keys": keys})
    fails(answer, 400, 11000, "filter_keys must have at most 8000 characters")
