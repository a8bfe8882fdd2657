"""Filtering, sorting and paging rows over the API, in both versions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fyke.model.results import Header
from support.api import Api, fails
from support.app import App

pytestmark = pytest.mark.anyio

ROWS: list[dict[str, Any]] = [
    {"title": f"T{n}", "price": n * 7 % 10, "seller": {"name": "abc"[n % 3], "city": None}}
    for n in range(30)
]


async def v1(api: Api, run: str, **query: Any) -> Any:
    return await api.ok("/api/v1/run/result/list", {"run_slug": run, "page_size": 100, **query})


async def v2(api: Api, run: str, path: str = "", **query: Any) -> Any:
    params = {"limit": 100, **query}
    answer = await api.get(path or f"/api/v2/worker-runs/{run}/result", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


@pytest.fixture
async def run(app: App, run_slug: str) -> str:
    await app.execute(ROWS)
    return run_slug


def titles(data: Any) -> list[str]:
    return [row["title"] for row in data["list"]]


async def test_both_versions_select_the_same_rows(api: Api, run: str) -> None:
    expected = [r["title"] for r in sorted(ROWS, key=lambda r: -r["price"]) if r["price"] >= 5]
    query = {"sort": "-price", "fields": "title"}
    first = await v1(api, run, filter=["price:ge:5", "seller.name:ne:z"], **query)
    second = await v2(api, run, filter=["price:ge:5", "seller.name:ne:z"], **query)
    assert titles(first) == titles(second) == expected
    assert first == second
    assert first["count"] == len(expected)
    assert list(first["list"][0]) == ["title", "__coreclaw_data_id__"]
    assert first["headers"] == [{"label": "title", "key": "title", "format": "text"}]


@pytest.mark.parametrize(
    "path", ["/api/v2/worker-runs/last/result", "/api/v2/workers/runs/last/result"]
)
async def test_the_newest_run_can_also_be_queried(api: Api, run: str, path: str) -> None:
    data = await v2(api, run, path, filter="price:eq:3", clean="true", flatten="1")
    assert {row["seller.name"] for row in data["list"]} == {"a"} or data["count"] == 3
    assert all(
        "seller.city" not in row and "__coreclaw_data_id__" not in row for row in data["list"]
    )


async def test_rows_can_be_walked_in_each_version(api: Api, run: str) -> None:
    for ask in (v1, v2):
        walked: list[str] = []
        cursor: str | None = "*"
        size = {"page_size": 7} if ask is v1 else {"limit": 7}
        while cursor:
            data = await ask(api, run, sort="price", cursor=cursor, **size)
            assert list(data)[-1] == "next_cursor"
            walked += titles(data)
            cursor = data["next_cursor"]
        assert walked == [r["title"] for r in sorted(ROWS, key=lambda r: r["price"])]


async def test_without_query_parameters_the_answer_is_unchanged(api: Api, run: str) -> None:
    body = {"run_slug": run, "page_size": 2}
    plain = await api.post("/api/v1/run/result/list", body)
    empty = {"fields": "", "sort": "", "filter": [], "cursor": "", "clean": False, "flatten": None}
    assert (await api.post("/api/v1/run/result/list", {**body, **empty})).content == plain.content
    assert list(plain.json()["data"]) == ["count", "headers", "list", "page_index", "page_size"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"filter": "price"}, "filter must be field:operator:value"),
        ({"filter": "price:about:3"}, "operators are eq"),
        ({"sort": "a,b"}, "sort must name one field"),
        ({"sort": "-"}, "sort must name a field"),
        ({"fields": "a..b"}, "fields: 'a..b' is not a field name"),
        ({"cursor": "nonsense"}, "cursor must be the next_cursor"),
        ({"clean": "perhaps"}, "clean must be true or false"),
        ({"cursor": "*", "offset": 3}, "cursor replaces the page number"),
    ],
)
async def test_invalid_parameters_are_refused_by_name(
    api: Api, run: str, query: dict[str, Any], words: str
) -> None:
    answer = await api.get(f"/api/v2/worker-runs/{run}/result", params=query)
    fails(answer, 422, 11000, words)
    assert words in answer.json()["message"]
    body = {"run_slug": run, **query}
    fails(await api.post("/api/v1/run/result/list", body), 400, 4000, words)
    if "cursor" not in query:
        path = f"/api/v2/worker-runs/{run}/result/export"
        fails(await api.get(path, params=query), 422, 11000, words)


async def test_a_run_of_another_account_is_not_found_for_any_query(
    app: App, api: Api, run: str
) -> None:
    for query in ({"sort": "price"}, {"cursor": "*"}, {"filter": "price:eq:1"}):
        path = f"/api/v2/worker-runs/{run}/result"
        fails(await api.get(path, params=query, key=app.other_key), 404, 70001)


async def test_a_page_after_the_end_is_empty_with_the_same_count(api: Api, run: str) -> None:
    data = await v2(api, run, sort="price", filter="price:lt:5", offset=1000)
    assert (data["list"], data["count"], data["page_index"]) == ([], 15, 1000)
    assert (await v2(api, run, sort="price", limit=1_000_000))["page_size"] == 100


@pytest.mark.parametrize("version", [1, 2])
async def test_an_export_accepts_the_same_queries(api: Api, run: str, version: int) -> None:
    query = {"sort": "-title", "filter": "price:eq:3", "flatten": True, "clean": True}
    if version == 1:
        body = {"run_slug": run, "format": "jsonl", **query}
        data = await api.ok("/api/v1/run/result/export", body)
    else:
        params = {"format": "jsonl", **query}
        answer = await api.get(f"/api/v2/worker-runs/{run}/result/export", params=params)
        data = answer.json()["data"]
    text = (await api.send("GET", data["download_url"], key=None)).text
    rows = [json.loads(line) for line in text.splitlines()]
    chosen = [row for row in ROWS if row["price"] == 3]
    assert rows == [
        {"title": r["title"], "price": 3, "seller.name": r["seller"]["name"]}
        for r in sorted(chosen, key=lambda r: r["title"], reverse=True)
    ]


async def test_columns_of_an_export_follow_the_form(api: Api, app: App, run_slug: str) -> None:
    headers = [Header("Title", "title", "text"), Header("Seller", "seller", "object")]
    await app.execute(ROWS, headers=headers)
    query = {"format": "csv", "flatten": True, "fields": "price,seller", "sort": "title"}
    data = await api.ok("/api/v1/run/result/export", {"run_slug": run_slug, **query})
    text = (await api.send("GET", data["download_url"], key=None)).text
    assert text.splitlines()[0] == "price,seller.name,seller.city"
    assert text.splitlines()[1] == "0,a,"


async def test_a_query_too_long_for_a_link_is_refused(api: Api, run: str) -> None:
    body = {"run_slug": run, "filter": ["a:ne:" + "x" * 990] * 9}
    fails(await api.post("/api/v1/run/result/export", body), 400, 4000, "8000 characters")


async def test_xls_notes_its_limits_and_refuses_too_many_columns(
    app: App, api: Api, run_slug: str
) -> None:
    await app.execute([{f"c{n}": n for n in range(257)}])
    body = {"run_slug": run_slug, "format": "xls"}
    refused = await api.post("/api/v1/run/result/export", body)
    fails(refused, 400, 4000, "256 columns")
    assert "choose csv, xlsx, html, parquet, json or jsonl" in refused.text
    narrow = await api.ok("/api/v1/run/result/export", {**body, "filter_keys": ["c1", "c2"]})
    assert "a sheet has at most 65,536 rows" in narrow["notes"][0]
