"""Uploaded pictures of Workers: what is accepted, how they are sent, and how many are kept."""

from __future__ import annotations

from typing import Any

import pytest

from fyke.domain.workers import icons
from support.api import Api, fails
from support.app import SCHEMA, App
from support.heads import gif, png
from support.projects import python_project

pytestmark = pytest.mark.anyio

UPLOAD = "/api/common/upload"


async def upload(api: Api, picture: bytes = png(64, 64)) -> Any:
    return await api.send("POST", UPLOAD, files={"file": ("icon.png", picture)})


async def test_a_picture_is_sent_to_all_clients_so_that_nothing_in_it_runs(api: Api) -> None:
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


async def test_unused_pictures_make_room_for_new_ones(
    app: App, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(icons, "MAX_ICONS", 2)
    used = (await upload(api, png(1, 1))).json()["data"]["file_path"]
    project = {"scraper_file": ("worker.zip", python_project("print(1)\n", schema=SCHEMA))}
    page = {"title": "With a picture", "icon": used}
    await api.send("POST", "/api/actors/create", data=page, files=project)
    unused = (await upload(api, png(2, 2))).json()["data"]["file_path"]
    fails(await upload(api, gif(3, 3)), 400, 4000, "at most 2 uploaded pictures")
    assert (await upload(api, png(2, 2))).status_code == 200  # it is there already
    monkeypatch.setattr(icons, "UNUSED_SECONDS", -60)
    assert (await upload(api, gif(3, 3))).status_code == 200
    assert (await api.http.get(used)).status_code == 200
    assert (await api.http.get(unused)).status_code == 404
