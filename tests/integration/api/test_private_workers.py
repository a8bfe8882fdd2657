"""A private Worker without a key: not found by name, but its schema and page are public by slug."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fyke.model.worker import Worker
from fyke.wire.v1 import WorkerDetail
from support.answers import reads_as
from support.api import Api, client, fails, start_body
from support.app import App, open_app
from support.projects import python_project

pytestmark = pytest.mark.anyio

NOWHERE = "01HFXXXXXXXXXXXXXXXXXXXXXX"
README = "# Prices\n\nSigns in as ada with the shared account.\n"
BAD_KEY = "scraper_api_" + "0" * 26
SCHEMA: dict[str, Any] = {
    "description": "Prices of a shop",
    "concurrency": {"fields": ["shops"], "limits": {"shops": 3}},
    "properties": [
        {"name": "shops", "type": "array", "editor": "stringList", "default": ["north"]},
        {"name": "password", "type": "string", "editor": "input", "default": "hunter2"},
        {"name": "shop_login", "type": "string", "editor": "input", "default": "ada"},
        {"name": "big", "type": "integer", "editor": "number", "default": 12345678901234567890},
    ],
}


async def publish(app: App) -> Worker:
    data = python_project("print(1)\n", schema=SCHEMA, **{"README.md": README})
    worker, _, _ = await app.services.workers.publish(app.owner, data, name="prices")
    assert not worker.public
    await app.services.run_options.change(
        app.owner,
        worker.id,
        {"memory": 4096, "execute_limit_time_seconds": 77, "max_total_charge": 3},
    )
    return worker


async def test_the_slug_gives_access_to_the_schema(app: App, api: Api) -> None:
    worker = await publish(app)
    for key in (None, BAD_KEY):
        detail = await api.get(f"/api/scraper?slug={worker.id}", key=key)
        reads_as(WorkerDetail, detail)
        shown = detail.json()["data"]
        assert (shown["slug"], shown["name"]) == (worker.id, "prices")
        assert shown["version"] == "v1.0.1"
        names = [
            field_schema["name"] for field_schema in shown["parameters"]["custom"]["properties"]
        ]
        assert names == ["shops", "password", "shop_login", "big"]
        schema = await api.get(f"/api/v2/workers/{worker.id}/input-schema", key=key)
        assert schema.json()["data"]["input_schema"] == shown["parameters"]["custom"]
        page = await api.get(f"/api/v2/workers/{worker.id}/internal", key=key)
        assert page.json()["data"]["path"] == "owner~prices"


async def test_a_slug_reveals_no_secret_readme_or_limit(app: App, api: Api) -> None:
    worker = await publish(app)
    paths = [
        f"/api/scraper?slug={worker.id}",
        f"/api/v2/workers/{worker.id}/input-schema",
        f"/api/v2/workers/{worker.id}/internal",
    ]
    for path in paths:
        text = (await api.get(path, key=None)).text
        for hidden in ("hunter2", '"ada"', "Signs in", '"limits"', "main.py"):
            assert hidden not in text, (path, hidden)
    shown = (await api.get(paths[0], key=None)).json()["data"]
    custom = shown["parameters"]["custom"]
    assert custom["concurrency"] == {"fields": ["shops"]}
    assert custom["properties"][0]["default"] == ["north"]
    assert custom["properties"][3]["default"] == 12345678901234567890
    assert shown["readme"] == ""
    own_page = (await api.get(paths[0])).json()["data"]
    assert own_page["readme"] == README
    assert own_page["parameters"]["custom"] == SCHEMA
    assert own_page["parameters"]["system"] != shown["parameters"]["system"]
    assert shown["parameters"]["system"] == {
        "cpus": 0.125,
        "memory": 512,
        "memory_bytes": 512,
        "max_total_charge": 0,
        "max_total_traffic": 0,
        "execute_limit_time_seconds": 1800,
    }


async def test_a_name_is_not_found_and_the_404_names_the_remedy(app: App, api: Api) -> None:
    await publish(app)
    for v1, v2 in (("owner/prices", "owner~prices"), ("owner/nothing", "owner~nothing")):
        for path, message in (
            (f"/api/scraper?slug={v1}", "Worker does not exist"),
            (f"/api/v2/workers/{v2}/input-schema", "worker does not exist"),
            (f"/api/v2/workers/{v2}/internal", "worker does not exist"),
        ):
            body = fails(await api.get(path, key=None), 404, 50001)
            assert body["message"] == message
            assert body["details"] == [
                "If this Worker is private, send an API key of its account, or ask for it by its "
                "slug"
            ]


async def test_a_slug_gives_no_other_access(app: App, api: Api) -> None:
    worker = await publish(app)
    for key in (None, BAD_KEY):
        answer = await api.get(f"/api/v2/workers/{worker.id}", key=key)
        assert answer.status_code == 401
        answer = await api.post("/api/v1/scraper/run", start_body(worker.id), key=key)
        assert answer.status_code == 401
        listed = await api.get(f"/api/store?search={worker.id}", key=key)
        assert listed.json()["data"]["scraper"] == []
    key = app.other_key
    fails(await api.post("/api/v1/scraper/run", start_body(worker.id), key=key), 404, 50001)
    body = fails(await api.get(f"/api/scraper?slug={worker.id}", key=key), 404, 50001)
    assert "details" not in body, "who sends a key sees what that account may use"


async def test_a_deleted_worker_and_one_without_a_version_cannot_be_read(
    app: App, api: Api
) -> None:
    worker = await publish(app)
    await app.withdraw(worker, "v1.0.1")
    path = f"/api/scraper?slug={worker.id}"
    fails(await api.get(path, key=None), 400, 50003, "no version is published")
    await app.services.removal.delete(app.owner, worker.id)
    answer = fails(await api.get(path, key=None), 404, 50001)
    assert answer == fails(await api.get(f"/api/scraper?slug={NOWHERE}", key=None), 404, 50001)


async def test_the_setting_disables_access_by_slug(tmp_path: Path, templates: Path) -> None:
    async with (
        open_app(tmp_path, templates, schema_by_slug=False) as app,
        client(app.asgi()) as http,
    ):
        api = Api(http, app.owner_key)
        worker = await publish(app)
        for path in (
            f"/api/scraper?slug={worker.id}",
            f"/api/v2/workers/{worker.id}/input-schema",
            f"/api/v2/workers/{worker.id}/internal",
        ):
            body = fails(await api.get(path, key=None), 404, 50001)
            assert body["details"] == ["If this Worker is private, send an API key of its account"]
            assert (await api.get(path)).status_code == 200


@pytest.mark.slow
async def test_a_shared_run_does_not_show_the_slug(app: App, api: Api) -> None:
    """The link of a run gives no access to the schema."""
    worker = await publish(app)
    body = {"scraper_slug": worker.id, "input": {"parameters": {"custom": {"shops": ["a"]}}}}
    slug = (await api.ok("/api/v1/scraper/run", body))["run_slug"]
    await app.execute([{"n": 1}], log=["read a page"])
    share = await app.services.shares.create(app.owner, slug, days=1, rows=True, log=True)
    path = f"/shared/{share[1]}"
    seen = []
    for page in (path, f"{path}?part=log"):
        answer = await api.http.get(page, headers={"accept": "text/html"})
        assert answer.status_code == 200
        seen.append(answer.text)
        for name in ("csv", "json", "xlsx", "log"):
            for link in _files(answer.text, f".{name}"):
                file = await api.http.get(link)
                assert file.status_code == 200
                seen.append(file.text + str(file.headers))
    assert len(seen) >= 6
    for text in seen:
        assert worker.id not in text


def _files(text: str, ending: str) -> list[str]:
    """The links in ``text`` to files with this extension."""
    from lxml import html

    links: list[str] = html.fromstring(text).xpath("//a/@href")
    return [link for link in links if link.partition("?")[0].endswith(ending)]
