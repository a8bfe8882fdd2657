"""The two operations of the original web console that publishing scripts call, in their order."""

from __future__ import annotations

from typing import Any

import pytest

from fyke.domain.workers import icons
from fyke.wire.original_console import UploadedIcon
from fyke.wire.v2.workers import PublishedVersion
from support.answers import data_as
from support.api import Api, fails
from support.app import SCHEMA, App
from support.heads import gif, png
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


async def test_a_picture_is_sent_to_everybody_so_that_nothing_in_it_runs(api: Api) -> None:
    data = png(64, 64, b"<script>alert(1)</script>")
    address = (await upload(api, data)).json()["data"]["file_path"]
    answer = await api.http.get(address)
    assert (answer.status_code, answer.content) == (200, data)
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "immutable" in answer.headers["cache-control"]
    for name in ("x.png", "..%2Fbundles", "0" * 16 + "-" + "0" * 32 + ".png"):
        assert (await api.http.get(f"/icons/{name}")).status_code == 404


async def test_the_same_picture_again_has_the_same_address(app: App, api: Api) -> None:
    first, again = await upload(api), await upload(api)
    assert first.json()["data"] == again.json()["data"]
    other = await upload(Api(api.http, app.other_key))
    assert other.json()["data"]["file_path"] != first.json()["data"]["file_path"]


@pytest.mark.parametrize(
    ("picture", "status", "words"),
    [
        (b"<svg/>", 400, "file must be a PNG, JPEG, GIF or WebP picture"),
        (b"", 400, "file must not be empty"),
        (png(4000, 10), 400, "at most 2048 x 2048 pixels, and has 4000 x 10"),
        (png(9, 9) + bytes(2**20), 413, "the picture must be at most 1 MiB"),
        (png(9, 9) + bytes(3 * 2**20), 413, ""),
    ],
)
async def test_what_is_no_small_picture_is_refused(
    api: Api, picture: bytes, status: int, words: str
) -> None:
    fails(await upload(api, picture), status, 4000, words)


async def test_a_request_without_the_file_is_refused(api: Api) -> None:
    fails(await api.send("POST", UPLOAD, json={}), 400, 4000, "-F file=@icon.png")
    form = {"files": {"other": (None, "x")}}
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


async def test_unused_pictures_make_room_for_new_ones(
    app: App, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(icons, "MAX_ICONS", 2)
    used = (await upload(api, png(1, 1))).json()["data"]["file_path"]
    await create(api, data=PAGE | {"icon": used})
    unused = (await upload(api, png(2, 2))).json()["data"]["file_path"]
    fails(await upload(api, gif(3, 3)), 400, 4000, "at most 2 uploaded pictures")
    assert (await upload(api, png(2, 2))).status_code == 200  # it is there already
    monkeypatch.setattr(icons, "UNUSED_SECONDS", -60)
    assert (await upload(api, gif(3, 3))).status_code == 200
    assert (await api.http.get(used)).status_code == 200
    assert (await api.http.get(unused)).status_code == 404
