"""Regions, lists of workers and the detail of a worker, with complete answers."""

from __future__ import annotations

from typing import Any

import pytest

from fyke.model.worker import Worker
from fyke.wire import v1
from fyke.wire.v2 import workers as answers
from support.answers import reads_as
from support.api import Api, fails
from support.app import SCHEMA, App

pytestmark = pytest.mark.anyio

WORKERS = "/api/v2/workers"
STORE = "/api/v2/store"
NOWHERE = "01HFXXXXXXXXXXXXXXXXXXXXXX"
BAD_KEY = "scraper_api_" + "0" * 26


def data_of(model: Any, answer: Any) -> Any:
    reads_as(model, answer)
    return answer.json()["data"]


def item(worker: Worker) -> dict[str, Any]:
    return {
        "slug": worker.id,
        "title": worker.title,
        "description": worker.description,
        "name": worker.name,
        "username": worker.owner,
        "path": f"{worker.owner}~{worker.name}",
    }


def listed(*workers: Worker, count: int | None = None, page: int = 1, size: int = 20) -> Any:
    items = [item(worker) for worker in workers]
    return {
        "scraper": items,
        "list": items,
        "count": len(items) if count is None else count,
        "page_index": page,
        "page_size": size,
    }


# --- regions -------------------------------------------------------------------------------


@pytest.mark.common_app
@pytest.mark.parametrize("query", ["", "?language=en", "?language=zh", "?language=klingon"])
async def test_the_regions_are_listed(api: Api, query: str) -> None:
    answer = await api.get(f"/api/v2/proxy/region{query}", key=None)
    regions = data_of(v1.Regions, answer)
    assert list(regions) == ["list"]
    assert {"code": "US", "name": "United States"} in regions["list"]
    assert len(regions["list"]) == 249


# --- lists ---------------------------------------------------------------------------------


async def test_the_store_is_public_and_paged(app: App, api: Api) -> None:
    workers = [await app.publish(name) for name in ("one", "two", "three")]
    hidden = await app.publish("hidden", public=False)
    newest = [workers[2], workers[1], workers[0]]
    for key in (None, BAD_KEY, app.other_key):
        answer = await api.get(STORE, key=key)
        assert data_of(answers.CatalogPage, answer) == listed(*newest)
    own_catalog = data_of(answers.CatalogPage, await api.get(STORE))
    assert own_catalog == listed(hidden, *newest)
    first = await api.get(f"{STORE}?limit=2", key=None)
    assert first.json()["data"] == listed(*newest[:2], count=3, size=2)
    for offset in ("0", "1"):
        same = await api.get(f"{STORE}?limit=2&offset={offset}", key=None)
        assert same.json()["data"] == first.json()["data"]
    second = await api.get(f"{STORE}?limit=2&offset=2", key=None)
    assert second.json()["data"] == listed(newest[2], count=3, page=2, size=2)
    beyond = await api.get(f"{STORE}?limit=2&offset=9", key=None)
    assert beyond.json()["data"] == listed(count=3, page=9, size=2)
    clamped = await api.get(f"{STORE}?limit=1000000", key=None)
    assert clamped.json()["data"] == listed(*newest, size=100)


async def test_a_keyword_matches_slug_path_and_title(app: App, api: Api) -> None:
    worker, other = await app.publish("prices"), await app.publish("books")
    for keyword in (worker.id, "owner/prices", "owner~prices", "PRICES", " the prices "):
        answer = await api.get(STORE, key=None, params={"keyword": keyword})
        assert answer.json()["data"] == listed(worker), keyword
    everything = await api.get(STORE, key=None, params={"keyword": "  "})
    assert everything.json()["data"] == listed(other, worker)
    nothing = await api.get(STORE, key=None, params={"keyword": "%"})
    assert nothing.json()["data"] == listed()


async def test_the_workers_of_the_account_are_listed(app: App, api: Api) -> None:
    public, private = await app.publish("one"), await app.publish("two", public=False)
    foreign = await app.publish("three", caller=app.other)
    bare = await app.publish("bare")
    await app.withdraw(bare, "v1.0.1")
    page = data_of(answers.CatalogPage, await api.get(WORKERS))
    assert page == listed(bare, private, public)
    theirs = await api.get(WORKERS, key=app.other_key)
    assert theirs.json()["data"] == listed(foreign)
    matching = await api.get(f"{WORKERS}?keyword=owner~one&limit=5")
    assert matching.json()["data"] == listed(public, size=5)
    fails(await api.get(WORKERS, key=None), 401, 12001)
    fails(await api.get(WORKERS, key=BAD_KEY), 401, 12002)


@pytest.mark.common_app
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=-1", "limit"),
        ("limit=ten", "limit"),
        ("offset=-1", "offset"),
        ("offset=x", "offset"),
    ],
)
async def test_pages_out_of_range_are_refused_or_empty(api: Api, query: str, field: str) -> None:
    for path in (STORE, WORKERS):
        body = fails(await api.get(f"{path}?{query}"), 422, 11000, field)
        assert body["details"][0].startswith(field)


# --- one worker ----------------------------------------------------------------------------


def detail_of(worker: Worker) -> dict[str, Any]:
    system = {
        "cpus": 0.125,
        "memory": 512,
        "memory_bytes": 512,
        "max_total_charge": 0,
        "max_total_traffic": 0,
        "execute_limit_time_seconds": 1800,
        "proxy_region": "",
    }
    return item(worker) | {
        "version": "v1.0.1",
        "readme": "",
        "parameters": {"system": system, "custom": SCHEMA},
    }


@pytest.mark.parametrize("form", ["{id}", "owner~reader", "owner%7Ereader", "owner/reader",
                                  "owner%2Freader"])  # fmt: skip
async def test_a_worker_is_found_by_every_form_of_reference(app: App, api: Api, form: str) -> None:
    worker = await app.publish()
    path = f"{WORKERS}/{form.format(id=worker.id)}"
    assert data_of(answers.WorkerContract, await api.get(path)) == detail_of(worker)
    schema = await api.get(f"{path}/input-schema", key=None)
    assert data_of(answers.WorkerInputSchema, schema) == {
        "input_schema": SCHEMA,
        "properties": SCHEMA["properties"],
    }
    page = await api.get(f"{path}/internal", key=BAD_KEY)
    assert data_of(answers.WorkerPublicPage, page) == item(worker) | {
        "version": "v1.0.1",
        "categories": [],
        "icon": "",
    }


async def test_the_schema_is_returned_exactly_as_published(app: App, api: Api) -> None:
    properties = [{"name": "n", "type": "integer", "default": 2**70}]
    worker = await app.publish(schema={"properties": properties, "zz": 1, "a": [None]})
    answer = await api.get(f"{WORKERS}/{worker.id}/input-schema", key=None)
    assert str(2**70) in answer.text
    assert list(answer.json()["data"]["input_schema"]) == ["properties", "zz", "a"]


async def test_a_private_worker_of_another_account_is_not_found(app: App, api: Api) -> None:
    worker = await app.publish(public=False)
    for ref in (worker.id, "owner~reader"):
        for tail in ("", "/input-schema", "/internal"):
            path = f"{WORKERS}/{ref}{tail}"
            assert (await api.get(path)).status_code == 200
            foreign = fails(await api.get(path, key=app.other_key), 404, 50001)
            nowhere = await api.get(f"{WORKERS}/{NOWHERE}{tail}", key=app.other_key)
            assert foreign | {"request_id": ""} == nowhere.json() | {"request_id": ""}
            if ref != worker.id:  # test_private_workers.py tests the slug
                fails(await api.get(path, key=None), *((404, 50001) if tail else (401, 12001)))


@pytest.mark.common_app
@pytest.mark.parametrize("ref", [NOWHERE, "owner~nothing", "reader", "a~b~c", "x" * 500])
async def test_an_unknown_worker_is_not_found(app: App, api: Api, ref: str) -> None:
    await app.publish()
    for tail in ("/input-schema", "/internal"):
        fails(await api.get(f"{WORKERS}/{ref}{tail}", key=None), 404, 50001)


async def test_a_worker_without_a_version_is_reported(app: App, api: Api) -> None:
    worker = await app.publish()
    await app.withdraw(worker, "v1.0.1")
    for tail in ("", "/input-schema"):
        fails(await api.get(f"{WORKERS}/{worker.id}{tail}"), 400, 50003, "no version is published")
    page = await api.get(f"{WORKERS}/{worker.id}/internal", key=None)
    assert page.json()["data"]["version"] == ""
