"""The two operations of the original web console that publishing scripts call, in their order."""

from __future__ import annotations

from typing import Any

import pytest

from fyke.wire.original_console import UploadedIcon
from fyke.wire.v2.workers import PublishedVersion
from support.answers import data_as
from support.api import Api, fails
from support.app import SCHEMA, App
from support.heads import png
from support.projects import python_project

pytestmark = pytest.mark.anyio

UPLOAD, CREATE = "/api/common/upload", "/api/actors/create"
FIRST = python_project("print('first')\n", schema=SCHEMA)
SECOND = python_project("print('second')\n", schema=SCHEMA)
PAGE = {"title": "trustmrr startup scraper", "description": "Startups", "categories": "56"}


async def upload(api: Api, picture: bytes = png(64, 64), **options: Any) -> Any:
    return await api.send("POST", UPLOAD, files={"file": ("icon.png", picture)}, **options)


async def create(api: Api, archive: bytes = FIRST, **options: Any) -> Any:
    files = {"scraper_file": ("worker.zip", archive, "application/zip")}
    return await api.send("POST", CREATE, files=files, **options)


async def test_a_script_publishes_a_new_worker_and_updates_it(app: App, api: Api) -> None:
    """As a script does that knows only its cookie, and then the key of the public API."""
    cookie = {"cookie": f"other=1; x-coreclaw-t={app.owner_key}"}
    uploaded = await upload(api, key=None, headers=cookie)
    icon = data_as(UploadedIcon, uploaded)["file_path"]
    assert icon.startswith("http://127.0.0.1:8100/icons/")
    created = await create(api, data=PAGE | {"icon": icon}, key=None, headers=cookie)
    data = data_as(PublishedVersion, created)
    slug = data["slug"]
    assert (data["path"], data["version"]) == ("owner~trustmrr-startup-scraper", "v1.0.1")
    at = "/api/v2/workers/owner~trustmrr-startup-scraper"
    replaced = await api.send(
        "PUT",
        f"{at}/versions/v1.0.1",
        data=PAGE | {"icon": icon},
        files={"scraper_file": ("worker.zip", SECOND)},
    )
    assert replaced.json()["code"] == 0
    page = (await api.get(f"/api/v2/workers/{slug}/internal", key=None)).json()["data"]
    assert (page["icon"], page["categories"], page["version"]) == (icon, [56], "v1.0.2")
    assert page["title"] == "trustmrr startup scraper"


async def test_a_request_without_the_file_is_refused(api: Api) -> None:
    fails(await api.send("POST", UPLOAD, json={}), 400, 4000, "-F file=@icon.png")
    form: dict[str, Any] = {"files": {"other": (None, "x")}}
    fails(await api.send("POST", UPLOAD, **form), 400, 4000, "file")
    fails(await api.send("POST", CREATE, **form, data=PAGE), 400, 4000, "scraper_file")
    fails(await create(api, data={"categories": "[56]"}), 400, 4000, "categories")
    fails(await create(api, b"PK"), 400, 4000)
    fails(await create(api, data={"icon": "ftp://a.example/x"}), 400, 4000, "icon")


async def test_a_worker_that_exists_is_answered_again_or_refused(api: Api) -> None:
    first = (await create(api, data=PAGE)).json()["data"]
    again = (await create(api, data=PAGE)).json()["data"]
    assert (again["slug"], again["version"]) == (first["slug"], first["version"])
    fails(await create(api, SECOND, data=PAGE), 400, 4000, "exists", "/versions")
    other = (await create(api, SECOND, data={"title": "Another"})).json()["data"]
    assert other["slug"] != first["slug"]


async def test_only_those_who_may_publish_may_call_them(app: App, api: Api) -> None:
    for call in (upload, create):
        fails(await call(api, key=None), 401, 20001)
        bad = {"cookie": "x-coreclaw-t=eyJhbGciOiJIUzI1NiJ9"}
        fails(await call(api, key=None, headers=bad), 401, 20001)
    cookie = {"cookie": f"x-coreclaw-t={app.owner_key}"}
    answer = await api.send("POST", "/api/v1/account/info", key=None, headers=cookie, json={})
    fails(answer, 401, 20001)  # the cookie counts for these two paths only
