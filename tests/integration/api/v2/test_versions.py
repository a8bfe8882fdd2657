"""Publishing versions by upload, and replacing the page of a worker."""

from __future__ import annotations

from typing import Any

import pytest

from fyke.wire.v2 import workers as answers
from support.api import Api, fails, start_body
from support.app import SCHEMA, App
from support.projects import python_project

from .test_catalog import NOWHERE, WORKERS, data_of

pytestmark = pytest.mark.anyio

FIRST = python_project("print('first')\n", schema=SCHEMA)
SECOND = python_project("print('second')\n", schema=SCHEMA)
ICON = "https://pictures.example/icon.png?size=64"
INPUT = {"parameters": {"custom": {"urls": [{"url": "https://a.example"}]}}}
FULL = {"title": "Prices", "description": "All of them", "categories": ["56", "7"], "icon": ICON}


async def send(
    api: Api, path: str, archive: bytes | None = FIRST, method: str = "POST", **options: Any
) -> Any:
    files: dict[str, Any] = {}
    if archive is not None:
        files["scraper_file"] = ("worker.zip", archive, "application/zip")
    else:
        files["nothing"] = (None, "")  # a form of text fields alone
    return await api.send(method, path, files=files, **options)


async def page(api: Api, ref: str) -> dict[str, Any]:
    answer = await api.get(f"{WORKERS}/{ref}/internal")
    content: dict[str, Any] = data_of(answers.WorkerPublicPage, answer)
    return content


async def test_publishing_under_a_new_name_creates_a_worker(app: App, api: Api) -> None:
    path = f"{WORKERS}/owner~prices/versions"
    data = data_of(answers.PublishedVersion, await send(api, path, data=FULL))
    slug = data["slug"]
    assert data == {
        "slug": slug,
        "path": "owner~prices",
        "version": "v1.0.1",
        "findings": data["findings"],
    }
    assert await page(api, slug) == {
        "slug": slug,
        "title": "Prices",
        "description": "All of them",
        "name": "prices",
        "username": "owner",
        "path": "owner~prices",
        "version": "v1.0.1",
        "categories": [56, 7],
        "icon": ICON,
    }
    by_name = f"{WORKERS}/owner~prices/internal"
    fails(await api.get(by_name, key=None), 404, 50001)  # private at first


async def test_a_version_need_not_become_the_current_one(app: App, api: Api) -> None:
    path = f"{WORKERS}/owner~prices/versions"
    await send(api, path, data={"title": "Prices", "promote": "false"})
    second = await send(api, path, SECOND, data={"promote": "false"})
    assert data_of(answers.PublishedVersion, second)["version"] == "v1.0.2"
    assert (await page(api, "owner~prices"))["version"] == "v1.0.1"
    await send(api, path, SECOND)
    assert (await page(api, "owner~prices"))["version"] == "v1.0.2"


async def test_only_changed_files_make_a_new_version(app: App, api: Api) -> None:
    path = f"{WORKERS}/owner~prices/versions"
    slug = (await send(api, path, data=FULL)).json()["data"]["slug"]
    by_slug = f"{WORKERS}/{slug}/versions"
    same = await send(api, by_slug, data={"title": "", "public": "true"})
    assert data_of(answers.PublishedVersion, same)["version"] == "v1.0.1"
    stored = await page(api, slug)
    # what was given by hand stays, although the project suggests something else
    assert (stored["title"], stored["description"]) == ("Prices", "All of them")
    assert (stored["categories"], stored["icon"]) == ([56, 7], ICON)
    assert (await api.get(f"{WORKERS}/{slug}/internal", key=None)).status_code == 200
    second = await send(api, by_slug, SECOND, data={"description": "", "categories": "3"})
    assert data_of(answers.PublishedVersion, second)["version"] == "v1.0.2"
    changed = await page(api, slug)
    assert (changed["description"], changed["categories"]) == ("", [3])
    by_slash = await send(api, f"{WORKERS}/owner/prices/versions", FIRST)
    assert by_slash.json()["data"]["version"] == "v1.0.3"


async def test_a_published_version_can_be_started(app: App, api: Api) -> None:
    created = await send(api, f"{WORKERS}/owner~prices/versions")
    run = await api.ok("/api/v1/scraper/run", start_body(created.json()["data"]["slug"]))
    assert len(run["run_slug"]) == 26


async def test_a_put_replaces_the_whole_page(app: App, api: Api) -> None:
    slug = (await send(api, f"{WORKERS}/owner~prices/versions", data=FULL)).json()["data"]["slug"]
    path = f"{WORKERS}/{slug}/versions/v1.0.1"
    answer = await send(api, path, None, "PUT", data={"title": "New"})
    body = answer.json()
    assert body == {
        "code": 0,
        "message": "success",
        "request_id": body["request_id"],
        "data": None,
    }
    now = await page(api, slug)
    shown = {name: now[name] for name in FULL}
    assert shown == {"title": "New", "description": "", "categories": [], "icon": ""}
    repeated = await send(api, path, FIRST, "PUT", data=FULL)
    assert data_of(answers.PublishedVersion, repeated)["version"] == "v1.0.1"
    now = await page(api, slug)
    assert {name: now[name] for name in FULL} == FULL | {"categories": [56, 7]}
    latest = await send(api, f"{WORKERS}/owner~prices/versions/latest", None, "PUT")
    assert latest.status_code == 200
    assert (await page(api, slug))["title"] == "Prices"  # a worker always has a title


async def test_new_files_for_a_version_become_the_next_one(app: App, api: Api) -> None:
    await send(api, f"{WORKERS}/owner~prices/versions", data=FULL)
    path = f"{WORKERS}/owner~prices/versions"
    first = await send(api, f"{path}/v1.0.1", SECOND, "PUT", data={"title": "Changed"})
    data = data_of(answers.PublishedVersion, first)
    assert (data["version"], data["path"]) == ("v1.0.2", "owner~prices")
    now = await page(api, "owner~prices")
    # the project does not override the page that the request contains
    assert (now["title"], now["description"], now["version"]) == ("Changed", "", "v1.0.2")
    # a client repeats the request, and another one sends the files of an earlier version
    for number, archive, published in (
        ("v1.0.1", SECOND, "v1.0.2"),
        ("v1.0.2", FIRST, "v1.0.1"),
        ("latest", SECOND, "v1.0.2"),
    ):
        repeated = await send(api, f"{path}/{number}", archive, "PUT", data={"title": "Changed"})
        assert data_of(answers.PublishedVersion, repeated)["version"] == published
    unknown = await send(api, f"{path}/v7", python_project("print(7)\n"), "PUT")
    fails(unknown, 400, 50003, "v7")
    versions = await app.services.workers.versions(app.owner, "owner/prices")
    assert [version.number for version in versions] == ["v1.0.2", "v1.0.1"]


async def test_tasks_and_reruns_stay_on_their_version_when_files_are_replaced(
    app: App, api: Api
) -> None:
    await app.publish()
    task = {"worker_id": "owner~reader", "title": "Daily", "version": "v1.0.1", "input": INPUT}
    task_slug = (await api.post("/api/v2/worker-tasks", task)).json()["data"]["slug"]
    body = {"input": INPUT, "version": "v1.0.1"}
    earlier = (await api.post(f"{WORKERS}/owner~reader/runs", body)).json()["data"]["run_slug"]
    await app.execute([])
    replaced = await send(api, f"{WORKERS}/owner~reader/versions/v1.0.1", SECOND, "PUT")
    assert replaced.json()["data"]["version"] == "v1.0.2"
    for path in (f"/api/v2/worker-tasks/{task_slug}/runs", f"/api/v2/worker-runs/{earlier}/rerun"):
        run = (await api.post(path)).json()["data"]["run_slug"]
        detail = (await api.get(f"/api/v2/worker-runs/{run}")).json()["data"]
        assert detail["version"] == "v1.0.1"


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        ({"categories": "[56]"}, 422, ("categories", "repeated", "JSON array is not accepted")),
        ({"categories": "news"}, 422, ("categories", "whole numbers")),
        ({"categories": "5.5"}, 422, ("categories", "whole numbers")),
        ({"categories": ["1", "-2"]}, 422, ("categories", "whole numbers")),
        ({"categories": "0"}, 422, ("categories", "from 1")),
        ({"categories": [str(n) for n in range(1, 23)]}, 422, ("categories", "at most 20")),
        ({"icon": "picture.png"}, 422, ("icon", "absolute http or https URL")),
        ({"icon": "javascript:alert(1)"}, 422, ("icon",)),
        ({"icon": "https://user:pass@a.example/i.png"}, 422, ("icon", "password")),
        ({"icon": "https://a.example/" + "x" * 2000}, 422, ("icon", "2,000")),
        ({"icon": "https://a.example/a b"}, 422, ("icon",)),
        ({"icon": "https://[a.example"}, 422, ("icon",)),
        ({"title": "x" * 201}, 422, ("title", "200")),
        ({"description": "x" * 2001}, 422, ("description", "2,000")),
        ({"public": "perhaps"}, 422, ("public", "true or false")),
    ],
)
async def test_invalid_fields_of_a_page_are_refused(
    app: App, api: Api, data: dict[str, Any], status: int, words: tuple[str, ...]
) -> None:
    await app.publish("prices")
    posted = await send(api, f"{WORKERS}/owner~prices/versions", SECOND, data=data)
    fails(posted, status, 11000, *words)
    [version] = await app.services.workers.versions(app.owner, "owner/prices")
    assert version.number == "v1.0.1"
    if "public" not in data:
        path = f"{WORKERS}/owner~prices/versions/v1.0.1"
        fails(await send(api, path, None, "PUT", data=data), status, 11000, *words)


@pytest.mark.common_app
@pytest.mark.parametrize(
    ("options", "status", "word"),
    [
        ({"content": b""}, 422, "multipart/form-data"),
        ({"content": FIRST, "headers": {"content-type": "application/zip"}}, 422, "scraper_file"),
        ({"json": {"title": "x"}}, 422, "multipart/form-data"),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, 400, "form"),
        ({"files": {"title": (None, "x")}}, 422, "scraper_file is required"),
        ({"files": {"file": ("w.zip", FIRST)}}, 422, "scraper_file is required"),
        ({"files": {"scraper_file": (None, "text")}}, 422, "scraper_file must be a file"),
        ({"files": {"scraper_file": ("w.zip", b"")}}, 422, "scraper_file must not be empty"),
        ({"files": {"scraper_file": ("w.zip", b"not a zip")}}, 400, "ZIP"),
        ({"files": {"scraper_file": ("a", FIRST), "b": ("b", b"2")}}, 400, "one file"),
    ],
)
async def test_bad_uploads_get_errors_that_name_the_fault(
    api: Api, options: dict[str, Any], status: int, word: str
) -> None:
    answer = await api.send("POST", f"{WORKERS}/owner~prices/versions", **options)
    fails(answer, status, 11000, word)
    fails(await api.get(f"{WORKERS}/owner~prices"), 404, 50001)


async def test_a_project_with_errors_is_refused_with_all_of_them(api: Api) -> None:
    broken = python_project("", schema={"properties": [{}]}, requirements="rich ===== ??\n")
    body = fails(await send(api, f"{WORKERS}/owner~prices/versions", broken), 400, 11000)
    assert len(body["details"]) > 1
    files = {line.partition(":")[0] for line in body["details"]}
    assert files == {"input_schema.json", "requirements.txt"}


async def test_only_the_owner_may_publish_versions_of_a_worker(app: App, api: Api) -> None:
    public = await app.publish("shown", caller=app.other)
    hidden = await app.publish("hidden", caller=app.other, public=False)
    for ref in (public.id, "other~shown"):
        fails(await send(api, f"{WORKERS}/{ref}/versions"), 403, 11000, "owner")
        put = await send(api, f"{WORKERS}/{ref}/versions/v1.0.1", None, "PUT")
        fails(put, 403, 11000, "owner")
    for ref in (hidden.id, "other~hidden", "other~nothing", NOWHERE, "nobody~x", "reader"):
        fails(await send(api, f"{WORKERS}/{ref}/versions"), 404, 50001)
        put = await send(api, f"{WORKERS}/{ref}/versions/v1.0.1", None, "PUT")
        fails(put, 404, 50001)
    fails(await send(api, f"{WORKERS}/owner~x/versions", key=None), 401, 12001)
    fails(await send(api, f"{WORKERS}/owner~x%21/versions"), 400, 11000, "name")


async def test_unknown_and_withdrawn_versions_cannot_be_replaced(app: App, api: Api) -> None:
    worker = await app.publish("prices")
    unknown = await send(api, f"{WORKERS}/{worker.id}/versions/v9.9.9", None, "PUT")
    fails(unknown, 400, 50003, "v9.9.9", "the latest is v1.0.1")
    await app.withdraw(worker, "v1.0.1")
    answer = await send(api, f"{WORKERS}/{worker.id}/versions/v1.0.1", None, "PUT")
    fails(answer, 400, 50003, "withdrawn")
    none = await send(api, f"{WORKERS}/{worker.id}/versions/latest", None, "PUT")
    fails(none, 400, 50003, "no version is published")
