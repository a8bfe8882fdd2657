"""The catalog over the API: statistics, favourites, and changes between versions."""

from __future__ import annotations

import pytest

from fyke.model.run import Outcome
from fyke.wire.fyke import changes, workers
from fyke.wire.fyke import versions as wire
from support.answers import data_as
from support.api import Api, fails, start_body
from support.app import App
from support.console_workers import add_versions

pytestmark = pytest.mark.anyio

WORKER = "/api/fyke/workers/owner~shop-prices"


@pytest.mark.slow
async def test_the_catalog_is_listed_with_statistics(app: App, api: Api) -> None:
    await add_versions(app)
    worker = await app.publish("reader")
    for outcome in (Outcome.SUCCEEDED, Outcome.TIMEOUT, Outcome.RUNNER_LOST):
        await api.ok("/api/v1/scraper/run", start_body(worker.id))
        await app.execute([{"a": 1}], outcome)
    catalog = data_as(workers.CatalogList, await api.get("/api/fyke/catalog"))
    first = catalog["list"][0]
    assert (first["path"], first["runs"], first["rated_runs"]) == ("owner/reader", 3, 2)
    assert first["success_rate"] == 0.5 and first["last_ok_at"] > 1_700_000_000
    assert catalog["list"][1]["success_rate"] is None
    assert {"number": 5, "name": "Places and maps", "count": 1} in catalog["categories"]
    page = data_as(
        workers.CatalogList,
        await api.get("/api/fyke/catalog?category=3&order=name&page_size=1&page_index=2"),
    )
    assert (page["count"], page["list"]) == (1, [])
    near = data_as(workers.CatalogList, await api.get("/api/fyke/catalog?search=shop+pricse"))
    assert [proposal["path"] for proposal in near["proposals"]] == ["owner/shop-prices"]
    fails(await api.get("/api/fyke/catalog?order=best"), 400, 4000, "order")
    fails(await api.get(f"/api/fyke/catalog?search={'x' * 501}"), 400, 4000, "search")


async def test_favourites_belong_to_the_user_of_the_key(app: App, api: Api) -> None:
    worker = await app.publish("reader")
    hidden = await app.publish("hidden", public=False)
    at = "/api/fyke/favourites"
    marked = data_as(workers.CatalogItem, await api.send("PUT", f"{at}/{worker.id}"))
    assert marked["favourite"] is True
    data_as(workers.CatalogItem, await api.send("PUT", f"{at}/owner~hidden"))
    listed = data_as(workers.FavouriteList, await api.get(at))["list"]
    assert [item["path"] for item in listed] == ["owner/hidden", "owner/reader"]
    other = app.other_key
    assert data_as(workers.FavouriteList, await api.get(at, key=other))["list"] == []
    fails(await api.send("PUT", f"{at}/{hidden.id}", key=other), 404, 50001)
    data_as(workers.CatalogItem, await api.send("DELETE", f"{at}/{worker.id}"))
    await app.services.removal.delete(app.owner, hidden.id)
    assert data_as(workers.FavouriteList, await api.get(at))["list"] == []


async def test_a_page_is_changed_field_by_field(app: App, api: Api) -> None:
    await app.publish("reader")
    at = "/api/fyke/workers/owner~reader"
    changed = data_as(
        workers.CatalogItem,
        await api.send("PATCH", at, json={"description": "New", "categories": [7, 3]}),
    )
    assert (changed["title"], changed["description"]) == ("The reader", "New")
    assert changed["categories"] == [7, 3]
    fails(await api.send("PATCH", at, json={"categories": ["7"]}), 400, 4000, "categories")
    fails(await api.send("PATCH", at, json={"icon": "javascript:x"}), 400, 4000, "icon")
    fails(await api.send("PATCH", at, json={"title": "x"}, key=app.other_key), 401, 4010)


async def test_versions_are_compared_and_only_owners_see_files(app: App, api: Api) -> None:
    await add_versions(app)
    path = f"{WORKER}/compare?before=v1.0.1&after=v1.0.3"
    comparison = data_as(changes.ComparedVersions, await api.get(path))
    assert [change["text"] for change in comparison["schema_changes"]] == [
        "Input field max_results changed its default from 20 to 50",
        "Input field currency was added (string)",
        "Column price was added (number)",
    ]
    files = {file["path"]: file["change"] for file in comparison["files"]}
    assert files["CHANGELOG.md"] == "added" and files["main.py"] == "changed"
    seen = data_as(changes.ComparedVersions, await api.get(path, key=app.other_key))
    assert seen["files"] is None and seen["schema_changes"] == comparison["schema_changes"]
    fails(await api.get(f"{WORKER}/compare?before=v1&after=v1.0.3"), 400, 4000, "v1")
    fails(await api.get(f"{WORKER}/compare?before=v1.0.1"), 400, 4000, "after")


async def test_the_changelog_and_the_columns_are_read(app: App, api: Api) -> None:
    await add_versions(app)
    log = data_as(changes.WorkerChangelog, await api.get(f"{WORKER}/changelog"))
    assert log["text"].startswith("# Changes")
    assert [(step["version"], step["first"]) for step in log["steps"]] == [
        ("v1.0.3", False), ("v1.0.2", False), ("v1.0.1", True),
    ]  # fmt: skip
    columns = data_as(workers.OutputColumnList, await api.get(f"{WORKER}/output-fields"))
    assert [column["key"] for column in columns["list"]] == ["url", "title", "price"]
    assert columns["run_slug"] == "" and not any(column["seen"] for column in columns["list"])


async def test_a_deprecated_version_is_started_only_by_its_number(app: App, api: Api) -> None:
    worker = await app.publish("reader")
    await app.publish("reader", main="print('second')\n")
    at = "/api/fyke/workers/owner~reader/versions"
    deprecated = data_as(
        wire.VersionItem,
        await api.post(f"{at}/v1.0.2/deprecate", {"reason": " it is\n slow "}),
    )
    assert (deprecated["state"], deprecated["notice"]) == ("deprecated", "it is slow")
    body = start_body(worker.id)
    latest = (await api.ok("/api/v1/scraper/run", body))["run_slug"]
    run_slug = (await api.ok("/api/v1/scraper/run", body | {"version": "v1.0.2"}))["run_slug"]
    versions = [
        (await app.services.runs.get(app.owner, run)).run.version for run in (latest, run_slug)
    ]
    assert versions == ["v1.0.1", "v1.0.2"]
    await api.ok(f"{at}/v1.0.2/withdraw", {"reason": "it leaks"})
    refused = await api.post("/api/v1/scraper/run", body | {"version": "v1.0.2"})
    fails(refused, 400, 50003, "it leaks")
    fails(await api.post(f"{at}/v1.0.1/deprecate", {"reason": "x" * 501}), 400, 4000, "reason")


async def test_a_version_becomes_the_current_one_and_has_a_tag(app: App, api: Api) -> None:
    await add_versions(app)
    at = f"{WORKER}/versions"
    preview = data_as(changes.PromotionPreview, await api.get(f"{at}/v1.0.2/promotion"))
    assert (preview["before"], preview["after"], preview["tasks"]) == ("v1.0.3", "v1.0.2", [])
    assert preview["schema_changes"]
    await api.ok(f"{at}/v1.0.2/promote", {})
    await api.ok(f"{at}/v1.0.3/tag", {"tag": "beta"})
    entries = data_as(wire.VersionList, await api.get(at))["list"]
    assert [(entry["version"], entry["latest"], entry["tags"]) for entry in entries] == [
        ("v1.0.3", False, ["beta"]), ("v1.0.2", True, []), ("v1.0.1", False, []),
    ]  # fmt: skip
    versions = []
    for named in ({}, {"version": "beta"}, {"version": "latest"}):
        body = {"is_async": True, "input": {"urls": ["https://example.com"]}, **named}
        answer = await api.ok("/api/v2/workers/owner~shop-prices/runs", body)
        run = await app.services.runs.get(app.owner, answer["run_slug"])
        versions.append(run.run.version)
    assert versions == ["v1.0.2", "v1.0.3", "v1.0.2"]
    await api.ok(f"{WORKER}/untag", {"tag": "beta"})
    fails(await api.post(f"{at}/v1.0.1/promote", {}), 400, 4000, "restore it first")
    fails(await api.post(f"{at}/v1.0.3/tag", {"tag": "v2"}), 400, 4000, "tag")
    fails(await api.post(f"{at}/v1.0.3/promote", {}, key=app.other_key), 401, 4010)


async def test_rolling_back_makes_a_new_version_of_old_files(app: App, api: Api) -> None:
    await add_versions(app)
    back = data_as(wire.RolledBackVersion, await api.post(f"{WORKER}/versions/v1.0.1/rollback", {}))
    assert back["version"]["version"] == "v1.0.4"
    entries = data_as(wire.VersionList, await api.get(f"{WORKER}/versions"))["list"]
    by_number = {entry["version"]: entry for entry in entries}
    assert by_number["v1.0.4"]["digest"] == by_number["v1.0.1"]["digest"]
    assert by_number["v1.0.4"]["latest"] and by_number["v1.0.4"]["size"] > 1000
    repeated = await api.post(f"{WORKER}/versions/v1.0.4/rollback", {})
    fails(repeated, 409, 4000, "already has these files")
    fails(await api.post(f"{WORKER}/versions/v7/rollback", {}), 400, 4000, "v7")
    foreign = await api.post(f"{WORKER}/versions/v1.0.1/rollback", {}, key=app.other_key)
    fails(foreign, 401, 4010)


async def test_missing_files_of_a_version_are_reported(app: App, api: Api) -> None:
    await add_versions(app)
    versions = await app.services.workers.versions(app.owner, "owner/shop-prices")
    blobs = app.services.workers._blobs  # a disk may lose files that no service deletes
    await blobs.delete(f"bundles/{versions[-1].digest}")
    refused = await api.get(f"{WORKER}/compare?before=v1.0.1&after=v1.0.3")
    fails(refused, 400, 50003, "v1.0.1 are missing")
